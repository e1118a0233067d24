//! The E-cert: a CWT (RFC 8392) in a COSE_Sign1 (RFC 9052, ES256), bound to the holder's device key.
//!
//! Bytes become an [`UnverifiedCert`], and only [`verify`](verify::verify) makes a [`VerifiedCert`] of it.

pub mod format;
pub mod sign;
pub mod verify;

pub use format::{AssuranceLevel, Claims, Disclosure, StatusReference, UnverifiedCert};
pub use verify::{CertRefused, VerifiedCert};

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    use super::format::{Malformed, UnverifiedCert};
    use super::sign::sign;
    use super::{AssuranceLevel, Claims, Disclosure, StatusReference};
    use crate::attributes::Attribute;

    fn claims(device: &SigningKey) -> Claims {
        let name = Disclosure { name: Attribute::Name, value: "林知远".into(), salt: "c2FsdA".into() };
        let birth =
            Disclosure { name: Attribute::BirthDate, value: "1990-03-07".into(), salt: "c2FsdA".into() };
        let issued_at = Timestamp::from_second(1_800_000_000).unwrap();
        Claims {
            issuer: "https://id.test".into(),
            cti: [1; 16],
            issued_at,
            expires_at: issued_at + SignedDuration::from_hours(24),
            device: device.into(),
            status: StatusReference { index: 70_000, uri: "https://id.test/v1/status-lists/1".into() },
            assurance: AssuranceLevel::Ial2,
            digests: vec![(Attribute::Name, name.digest()), (Attribute::BirthDate, birth.digest())],
        }
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let (claims, chain) = (claims(&key), vec![vec![1], vec![2]]);
        let bytes = sign(&claims, &chain, &key).unwrap();
        let read = UnverifiedCert::from_bytes(&bytes).unwrap();
        assert_eq!((&read.claims, &read.chain), (&claims, &chain));
        let again =
            ciborium::from_reader::<ciborium::Value, _>(claims.to_cbor().unwrap().as_slice()).unwrap();
        let mut bytes = Vec::new();
        ciborium::into_writer(&again, &mut bytes).unwrap();
        assert_eq!(bytes, claims.to_cbor().unwrap());
    }

    #[test]
    fn damaged_bytes_are_malformed_never_a_panic() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let bytes = sign(&claims(&key), &[vec![1], vec![2]], &key).unwrap();
        for cut in 0..bytes.len() {
            assert!(UnverifiedCert::from_bytes(&bytes[..cut]).is_err());
        }
        let too_long = UnverifiedCert::from_bytes(&vec![0; 9000]).unwrap_err();
        assert_eq!(too_long, Malformed("too large"));
    }
}
