//! The E-cert: a CWT (RFC 8392) in a COSE_Sign1 (RFC 9052, ES256), bound to the holder's device key.
//!
//! Bytes become an [`UnverifiedCert`], only [`verify`](verify::verify) makes a [`VerifiedCert`] of it, and only a status
//! list makes that a `VerifiedCert<InForce>`.

pub mod format;
pub mod sign;
pub mod verify;

pub use format::{AssuranceLevel, Claims, Disclosure, StatusReference, UnverifiedCert};
pub use verify::{CertRefused, InForce, StatusUnknown, VerifiedCert};

#[cfg(test)]
mod tests {
    use ciborium::Value;
    use jiff::{SignedDuration, Timestamp};
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate;

    use super::format::UnverifiedCert;
    use super::sign::sign;
    use super::verify::verify;
    use super::{AssuranceLevel, CertRefused, Claims, Disclosure, StatusReference};
    use crate::attributes::Attribute;
    use crate::cbor::CborRefused;
    use crate::chain::ChainRefused;
    use crate::cose::{CoseRefused, encode};

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
            digests: vec![(Attribute::BirthDate, birth.digest()), (Attribute::Name, name.digest())],
        }
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let (claims, chain) = (claims(&key), vec![vec![1], vec![2]]);
        let bytes = sign(&claims, &chain, &key).unwrap();
        let read = UnverifiedCert::from_bytes(&bytes).unwrap();
        let mut sorted = claims.clone();
        sorted.digests.reverse();
        assert_eq!((&read.claims, &read.chain), (&sorted, &chain));
    }

    #[test]
    fn the_cddl_beside_the_code_is_what_is_made_and_nothing_else() {
        const CDDL: &str = include_str!("ecert.cddl");
        let verdict = |rule: &str, bytes: &[u8]| {
            let cddl = format!("start = {rule}\n{CDDL}");
            cddl::validate_cbor_from_slice(&cddl, bytes, None).map_err(|error| error.to_string())
        };
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let claims = claims(&key);
        let bytes = sign(&claims, &[vec![1; 600], vec![2; 600]], &key).unwrap();
        assert_eq!(verdict("ecert", &bytes), Ok(()));
        let value = claims.to_value();
        assert_eq!(verdict("claims", &encode(&value).unwrap()), Ok(()));
        for place in 0..8 {
            let mut without = value.clone();
            without.as_map_mut().unwrap().remove(place);
            assert!(verdict("claims", &encode(&without).unwrap()).is_err(), "claim {place}");
        }
        for (place, value) in [(0, "".into()), (3, vec![1; 15].into()), (6, "IAL3".into()), (7, 1.into())] {
            let mut other = claims.to_value();
            other.as_map_mut().unwrap()[place].1 = value;
            assert!(verdict("claims", &encode(&other).unwrap()).is_err(), "claim {place}");
            assert!(matches!(Claims::from_value(&other), Err(CertRefused::Form(_))), "claim {place}");
        }
    }

    /// RFC 8949 §4.2.1: in every map the encoded keys rise.
    fn keys_rise(value: &Value) -> bool {
        let encoded = |value: &Value| {
            let mut bytes = Vec::new();
            ciborium::into_writer(value, &mut bytes).unwrap();
            bytes
        };
        let Value::Map(entries) = value else { return true };
        entries.is_sorted_by(|(a, _), (b, _)| encoded(a) < encoded(b))
            && entries.iter().all(|(_, v)| keys_rise(v))
    }

    #[test]
    fn the_claims_are_deterministic_cbor_whatever_the_order_of_the_attributes() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let mut claims = claims(&key);
        let bytes = encode(&claims.to_value()).unwrap();
        assert!(keys_rise(&ciborium::from_reader(bytes.as_slice()).unwrap()));
        claims.digests.reverse();
        assert_eq!(encode(&claims.to_value()).unwrap(), bytes);
    }

    #[test]
    fn a_certificate_is_believed_only_unchanged_in_its_time_and_under_its_root() {
        let chain = crate::chain::tests::TestChain::new();
        let device = SigningKey::generate_from_rng(&mut rand::rng());
        let claims = claims(&device);
        let (from, until) = (claims.issued_at, claims.expires_at);
        let bytes = sign(&claims, &chain.certificates, &chain.signer).unwrap();
        let verdict = |bytes: &[u8], root: &[u8], now| {
            verify(UnverifiedCert::from_bytes(bytes).unwrap(), root, now).map(drop)
        };
        assert_eq!(verdict(&bytes, &chain.root, from), Ok(()));
        assert_eq!(verdict(&bytes, &chain.root, until), Err(CertRefused::Expired));
        let mut changed = bytes.clone();
        let serial = bytes.windows(16).position(|window| window == [1; 16]).unwrap();
        changed[serial] = 2;
        assert_eq!(verdict(&changed, &chain.root, from), Err(CertRefused::Signature));
        let other = crate::chain::tests::TestChain::new().root;
        assert_eq!(verdict(&bytes, &other, from), Err(CertRefused::Chain(ChainRefused::NotTrusted)));
    }

    #[test]
    fn damaged_bytes_are_malformed_never_a_panic() {
        let key = SigningKey::generate_from_rng(&mut rand::rng());
        let bytes = sign(&claims(&key), &[vec![1], vec![2]], &key).unwrap();
        for cut in 0..bytes.len() {
            assert!(UnverifiedCert::from_bytes(&bytes[..cut]).is_err());
        }
        let too_long = UnverifiedCert::from_bytes(&vec![0; 9000]).unwrap_err();
        assert_eq!(too_long, CertRefused::Cose(CoseRefused::Cbor(CborRefused::TooLarge)));
    }
}
