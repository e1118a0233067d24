//! Prefixed ULIDs: `rp_01J…`. The prefix says what the id names, the ULID sorts by time of birth.
//! Each kind is a type of its own, so a redemption id can't be passed where a certificate id is meant.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rand_core::CryptoRng;
use ulid::Ulid;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an id that begins with `{prefix}_`")]
pub struct IdError {
    prefix: &'static str,
}

fn ulid_at(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Ulid {
    let mut random = [0u8; 16];
    rng.fill_bytes(&mut random);
    Ulid::from_parts(milliseconds(now), u128::from_be_bytes(random))
}

/// Before 1970 the clock is wrong, not the id: it then only loses its order.
fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])* $name:ident = $prefix:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// A new id of the moment `now`, with 80 random bits.
            pub fn new(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
                Self(ulid_at(now, rng))
            }

            /// The moment it is of, in whole milliseconds.
            pub fn moment(self) -> Timestamp {
                let milliseconds = i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX);
                Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
            }

            /// The least id of the moment `time`: a bound between those before and those from then on.
            pub fn first_at(time: Timestamp) -> Self {
                Self(Ulid::from_parts(milliseconds(time), 0))
            }

            /// The ULID's 16 bytes, for where a text would be too long.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// The id with these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused = IdError { prefix: $prefix };
                let ulid = text.strip_prefix(concat!($prefix, "_")).ok_or(refused)?;
                Ulid::from_string(ulid).map(Self).map_err(|_| refused)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        text_schema!($name, concat!("^", $prefix, "_[0-7][0-9A-HJKMNP-TV-Z]{25}$"), concat!($($doc),*).trim());
    )*};
}

ids! {
    /// A relying party.
    RelyingPartyId = "rp";
    /// An API key of a relying party (its public half; the secret follows it in the bearer token).
    ApiKeyId = "key";
    /// A till or tablet of a relying party.
    TerminalId = "trm";
    /// An admin.
    AdminId = "adm";
    /// A passkey of an admin.
    PasskeyId = "psk";
    /// What an authenticator was asked.
    CeremonyId = "cer";
    /// An admin at a browser.
    AdminSessionId = "ses";
    /// An act that takes a second person.
    AdminActionId = "act";
    /// One identity proofing of one person.
    EnrolmentId = "enr";
    /// A consent receipt.
    ConsentId = "cns";
    /// A holder: the person behind one or more certificates.
    HolderId = "hol";
    /// An E-cert.
    CertificateId = "crt";
    /// Something that a holder is told of.
    NoticeId = "ntc";
    /// A relying party's word for a person who is to enrol.
    SponsorshipId = "spo";
    /// One use of a code by one relying party.
    RedemptionId = "red";
    /// One use of a service that is no redemption.
    UseId = "use";
    /// One liveness check of one person, from challenge to judgement.
    LivenessSessionId = "lvs";
    /// A relying party's group of faces to search in.
    FaceGroupId = "grp";
    /// A face in a group.
    GroupFaceId = "fac";
    /// One capture submitted for judgement, billed or not.
    AttemptId = "att";
    /// One charge.
    ChargeId = "chg";
    /// Units of a service that were bought beforehand.
    PackId = "pck";
    /// A bill for a period.
    StatementId = "stm";
    /// An order of a relying party.
    OrderId = "ord";
    /// Money that came in, or went back.
    PaymentId = "pay";
    /// A limit on what is spent in a day.
    CapId = "cap";
    /// Something that a relying party is told of.
    MessageId = "msg";
    /// Where a relying party is told of things by HTTP.
    WebhookId = "whk";
    /// A mail address where a relying party is told of things.
    ContactId = "cnt";
    /// Something that happened, as webhooks name it.
    EventId = "evt";
    /// One event on its way to one endpoint.
    DeliveryId = "dlv";
    /// A consent that a holder took back.
    WithdrawalId = "wdr";
    /// One ledger transaction.
    LedgerTransactionId = "ltx";
    /// One line of the audit trail.
    AuditId = "aud";
    /// One effect waiting in the outbox.
    OutboxId = "obx";
    /// One HTTP request.
    RequestId = "req";
    /// One running process of the service.
    ReplicaId = "rpl";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_lies_between_before_and_after() {
        let (before, at) = (Timestamp::from_second(999).unwrap(), Timestamp::from_second(1000).unwrap());
        let bound = RedemptionId::first_at(at).to_string();
        assert!(RedemptionId::new(before, &mut rand::rng()).to_string() < bound);
        assert!(RedemptionId::new(at, &mut rand::rng()).to_string() >= bound);
    }

    #[test]
    fn reads_back_what_it_prints_and_refuses_another_kind() {
        let id = RedemptionId::new(Timestamp::UNIX_EPOCH, &mut rand::rng());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<CertificateId>().is_err());
        assert!("red_not-a-ulid".parse::<RedemptionId>().is_err());
    }
}
