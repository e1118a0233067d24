//! Why a certificate was suspended or ended before its time.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A reason, as an admin, a sponsor or the holder gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "kebab-case"))]
pub enum RevocationReason {
    /// The phone is lost; who has it is not known.
    LostDevice,
    /// The phone was stolen.
    StolenDevice,
    /// Somebody else has, or may have, the device key.
    KeyCompromise,
    /// What the certificate says is no longer so: a new name, a replaced document.
    DataChanged,
    /// The holder wants it, and need not say why.
    HolderRequest,
    /// The certificate was used against the rules.
    Misuse,
    /// The holder has died.
    Deceased,
    /// It should not have been issued: to another person, or with wrong data.
    IssuedInError,
    /// What it was issued for has ended: a job, a membership, the service.
    Cessation,
    /// None of these; the note says which.
    Other,
}

/// RFC 5280 §5.3.1 of a certificate that is suspended: certificateHold.
pub const CRL_CERTIFICATE_HOLD: u8 = 6;
/// RFC 5280 §5.3.1 of a certificate in whose place another one is: superseded.
pub const CRL_SUPERSEDED: u8 = 4;

impl RevocationReason {
    /// All of them.
    pub const ALL: [RevocationReason; 10] = [
        RevocationReason::LostDevice,
        RevocationReason::StolenDevice,
        RevocationReason::KeyCompromise,
        RevocationReason::DataChanged,
        RevocationReason::HolderRequest,
        RevocationReason::Misuse,
        RevocationReason::Deceased,
        RevocationReason::IssuedInError,
        RevocationReason::Cessation,
        RevocationReason::Other,
    ];

    /// The word of the API, of CSV files and of the column.
    pub fn as_str(self) -> &'static str {
        match self {
            RevocationReason::LostDevice => "lost-device",
            RevocationReason::StolenDevice => "stolen-device",
            RevocationReason::KeyCompromise => "key-compromise",
            RevocationReason::DataChanged => "data-changed",
            RevocationReason::HolderRequest => "holder-request",
            RevocationReason::Misuse => "misuse",
            RevocationReason::Deceased => "deceased",
            RevocationReason::IssuedInError => "issued-in-error",
            RevocationReason::Cessation => "cessation",
            RevocationReason::Other => "other",
        }
    }

    /// The CRLReason that says the same (RFC 5280 §5.3.1): keyCompromise (1) for a key that is or may be in other hands,
    /// affiliationChanged (3), cessationOfOperation (5), privilegeWithdrawn (9), else unspecified (0).
    pub fn crl_reason(self) -> u8 {
        match self {
            RevocationReason::LostDevice
            | RevocationReason::StolenDevice
            | RevocationReason::KeyCompromise => 1,
            RevocationReason::DataChanged => 3,
            RevocationReason::HolderRequest | RevocationReason::Deceased | RevocationReason::Cessation => 5,
            RevocationReason::Misuse | RevocationReason::IssuedInError => 9,
            RevocationReason::Other => 0,
        }
    }
}

/// The text is none of the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no reason for a revocation")]
pub struct UnknownReason;

impl FromStr for RevocationReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RevocationReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_and_maps_to_a_reason_of_the_rfc() {
        for reason in RevocationReason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(reason));
            // 6 is a hold, 8 takes out of a list, 7 is not used, 2 and 10 are about authorities.
            assert!(matches!(reason.crl_reason(), 0 | 1 | 3 | 5 | 9));
        }
        assert_eq!("Lost-Device".parse::<RevocationReason>(), Err(UnknownReason));
    }
}
