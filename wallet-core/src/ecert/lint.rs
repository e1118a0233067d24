//! What must hold of an E-cert before it is signed. What is linted here was made by ourselves, so a finding is a defect, or
//! somebody at work inside; only the device key comes from outside ([`is_weak`]). A signature can't be taken back.

use std::collections::HashSet;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{ProjectivePoint, PublicKey as Point};

use super::Claims;
use crate::attributes::Attribute;
use crate::es256::PublicKey;
use crate::status_list::CAPACITY;

/// Multiples of the generator whose private keys somebody would try first.
const SMALL: usize = 64;
/// X coordinates of keys whose private halves are printed in standards, and so end up in apps that were never finished.
const PRINTED: [&str; 6] = [
    // RFC 7515 A.3
    "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445",
    // RFC 7517 A.1
    "30a0424cd21c2944838a2d75c92b37e76ea20d9f00893a3b4eee8a3c0aafec3e",
    // RFC 9449 §4.1
    "97cb45ae1c7edf8b55de14480910d8f730a40e5a41845e3651051f595016045b",
    // RFC 6979 A.2.5
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    // RFC 9052 C.7.1, `11` and `meriadoc.brandybuck@buckland.example`
    "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
    "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d",
];

/// What the issuer allows itself.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Our own address.
    pub issuer: &'a str,
    /// The longest that an E-cert is valid.
    pub lifetime: SignedDuration,
    /// From when and until when the signer's certificate is valid.
    pub signer: (Timestamp, Timestamp),
    /// Keys of our own, which no device can have.
    pub own_keys: &'a [PublicKey],
    /// The serial that was drawn before this one, if any was.
    pub previous: Option<[u8; 16]>,
    /// Now.
    pub now: Timestamp,
}

/// What is wrong with claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// `iss` is not our own address.
    #[error("the issuer is not ourselves")]
    Issuer,
    /// `cti` is not random: all bytes are the same.
    #[error("the serial is not random")]
    Serial,
    /// `cti` was drawn before.
    #[error("the serial is the one before it")]
    SerialRepeated,
    /// `iat` is not now, give or take a minute, or is no whole second.
    #[error("it is not issued now, at a whole second")]
    IssuedAt,
    /// It ends before it begins, or is valid for longer than the policy allows.
    #[error("the validity is nothing, or longer than the policy allows")]
    Validity,
    /// It outlives its signer, or begins before it.
    #[error("the validity is not within that of the signer")]
    OutlivesSigner,
    /// The device key is one of ours.
    #[error("the device has a key of the issuer's own")]
    OwnKey,
    /// The device key's private half is known.
    #[error("the device's private key is known to everybody")]
    WeakKey,
    /// The status index is outside the list.
    #[error("the place in the status list does not exist")]
    StatusIndex,
    /// The status list is not one of ours.
    #[error("the status list is not one of our own")]
    StatusUri,
    /// There is no attribute.
    #[error("there is no attribute")]
    NoDigest,
    /// An attribute that every E-cert has is missing.
    #[error("the name, the birth date or the document number is missing")]
    Incomplete,
    /// Two attributes of one name, or with one digest.
    #[error("two attributes are the same")]
    SameDigest,
    /// A digest that is no hash of anything.
    #[error("a digest is empty")]
    EmptyDigest,
}

/// A clock may be wound between drawing the time and signing by so much.
const NOW: SignedDuration = SignedDuration::from_secs(60);

/// Everything that is wrong with `claims`, in the order of [`Finding`].
pub fn lint(claims: &Claims, policy: &Policy<'_>) -> Vec<Finding> {
    let (from, until) = (claims.issued_at, claims.expires_at);
    let length = from.duration_until(until);
    let (signer_from, signer_until) = policy.signer;
    let whole = from.subsec_nanosecond() == 0 && until.subsec_nanosecond() == 0;
    let first = claims.cti.first();
    let ours = claims.status.uri.strip_prefix(policy.issuer).is_some_and(|path| path.starts_with('/'));
    let names: HashSet<Attribute> = claims.digests.iter().map(|(name, _)| *name).collect();
    let digests: HashSet<[u8; 32]> = claims.digests.iter().map(|(_, digest)| *digest).collect();
    let must = [Attribute::Name, Attribute::BirthDate, Attribute::DocumentNumber];
    let checks = [
        (claims.issuer == policy.issuer && !policy.issuer.is_empty(), Finding::Issuer),
        (claims.cti.iter().any(|byte| Some(byte) != first), Finding::Serial),
        (policy.previous != Some(claims.cti), Finding::SerialRepeated),
        (whole && from.duration_until(policy.now).abs() <= NOW, Finding::IssuedAt),
        (length.is_positive() && length <= policy.lifetime, Finding::Validity),
        (signer_from <= from && until <= signer_until, Finding::OutlivesSigner),
        (!policy.own_keys.contains(&claims.device), Finding::OwnKey),
        (!is_weak(&claims.device), Finding::WeakKey),
        (claims.status.index < CAPACITY, Finding::StatusIndex),
        (ours, Finding::StatusUri),
        (!claims.digests.is_empty(), Finding::NoDigest),
        (must.iter().all(|name| names.contains(name)), Finding::Incomplete),
        (names.len() == claims.digests.len() && digests.len() == claims.digests.len(), Finding::SameDigest),
        (!digests.contains(&[0; 32]), Finding::EmptyDigest),
    ];
    checks.into_iter().filter(|(holds, _)| !holds).map(|(_, finding)| finding).collect()
}

/// Whether everybody knows the private half of a key: a small number, or printed in a standard.
pub fn is_weak(key: &PublicKey) -> bool {
    static WEAK: LazyLock<HashSet<[u8; 32]>> = LazyLock::new(|| {
        // P and -P have the same x, so n-1, n-2 … are in it as well.
        let steps = std::iter::successors(Some(ProjectivePoint::GENERATOR), |point| {
            Some(*point + ProjectivePoint::GENERATOR)
        });
        let small = steps.take(SMALL).filter_map(|point| Point::try_from(point).ok());
        let small = small.filter_map(|point| {
            let bytes = point.to_sec1_point(true);
            bytes.as_bytes().get(1..)?.try_into().ok()
        });
        small.chain(PRINTED.iter().filter_map(|hex| x_of(hex))).collect()
    });
    WEAK.contains(&key.coordinates().0)
}

fn x_of(hex: &str) -> Option<[u8; 32]> {
    let mut x = [0; 32];
    for (place, byte) in x.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::elliptic_curve::Generate as _;

    use super::*;
    use crate::ecert::{AssuranceLevel, StatusReference};

    fn claims() -> Claims {
        let issued_at = Timestamp::from_second(1_800_000_000).unwrap();
        Claims {
            issuer: "https://id.test".into(),
            cti: core::array::from_fn(|place| u8::try_from(place).unwrap()),
            issued_at,
            expires_at: issued_at + SignedDuration::from_hours(365 * 24),
            device: (&SigningKey::generate_from_rng(&mut rand::rng())).into(),
            status: StatusReference { index: 70_000, uri: "https://id.test/v1/status-lists/1".into() },
            assurance: AssuranceLevel::Ial2,
            digests: vec![
                (Attribute::Name, [1; 32]),
                (Attribute::BirthDate, [2; 32]),
                (Attribute::DocumentNumber, [3; 32]),
            ],
        }
    }

    /// What each change of sound claims is found to be.
    #[test]
    fn each_fault_is_found_and_nothing_else() {
        type Change = fn(&mut Claims);
        let hour = SignedDuration::from_hours(1);
        let own: PublicKey = (&SigningKey::from_slice(&[9; 32]).unwrap()).into();
        let table: [(Change, &[Finding]); 22] = [
            (|_| {}, &[]),
            (|claims| claims.issuer = "https://id.test.evil".into(), &[Finding::Issuer]),
            (|claims| claims.issuer.clear(), &[Finding::Issuer]),
            (|claims| claims.cti = [7; 16], &[Finding::Serial]),
            (|claims| claims.cti = [0; 16], &[Finding::Serial]),
            (|claims| claims.cti = *b"the one before..", &[Finding::SerialRepeated]),
            (
                |claims| claims.issued_at -= SignedDuration::from_secs(61),
                &[Finding::IssuedAt, Finding::Validity],
            ),
            (|claims| claims.issued_at += SignedDuration::from_millis(1), &[Finding::IssuedAt]),
            (|claims| claims.expires_at += SignedDuration::from_secs(1), &[Finding::Validity]),
            (|claims| claims.expires_at = claims.issued_at, &[Finding::Validity]),
            (|claims| claims.expires_at -= SignedDuration::from_hours(400 * 24), &[Finding::Validity]),
            (
                |claims| claims.expires_at += SignedDuration::from_hours(800 * 24),
                &[Finding::Validity, Finding::OutlivesSigner],
            ),
            (
                |claims| claims.device = (&SigningKey::from_slice(&[9; 32]).unwrap()).into(),
                &[Finding::OwnKey],
            ),
            (|claims| claims.status.index = CAPACITY, &[Finding::StatusIndex]),
            (|claims| claims.status.uri = "https://id.test.evil/1".into(), &[Finding::StatusUri]),
            (|claims| claims.status.uri = "https://other/1".into(), &[Finding::StatusUri]),
            (|claims| claims.digests.clear(), &[Finding::NoDigest, Finding::Incomplete]),
            (|claims| claims.digests.truncate(2), &[Finding::Incomplete]),
            (|claims| claims.digests.push((Attribute::Name, [4; 32])), &[Finding::SameDigest]),
            (|claims| claims.digests.push((Attribute::Sex, [3; 32])), &[Finding::SameDigest]),
            (|claims| claims.digests.push((Attribute::Sex, [0; 32])), &[Finding::EmptyDigest]),
            (|claims| claims.digests.push((Attribute::Sex, [4; 32])), &[]),
        ];
        for (place, (change, findings)) in table.iter().enumerate() {
            let sound = claims();
            let policy = Policy {
                issuer: "https://id.test",
                lifetime: SignedDuration::from_hours(365 * 24),
                signer: (sound.issued_at - hour, sound.issued_at + SignedDuration::from_hours(3 * 365 * 24)),
                own_keys: std::slice::from_ref(&own),
                previous: Some(*b"the one before.."),
                now: sound.issued_at,
            };
            let policy = if place == 11 {
                Policy {
                    signer: (policy.signer.0, sound.issued_at + SignedDuration::from_hours(500 * 24)),
                    ..policy
                }
            } else {
                policy
            };
            let mut changed = sound;
            change(&mut changed);
            assert_eq!(lint(&changed, &policy), *findings, "line {place}");
        }
    }

    #[test]
    fn a_device_key_that_everybody_knows_is_found() {
        let known = |scalar: u8| {
            let mut bytes = [0; 32];
            bytes[31] = scalar;
            PublicKey::from(&SigningKey::from_slice(&bytes).unwrap())
        };
        let mut weak = claims();
        weak.device = known(5);
        let now = weak.issued_at;
        let policy = Policy {
            issuer: "https://id.test",
            lifetime: SignedDuration::from_hours(365 * 24),
            signer: (now, weak.expires_at),
            own_keys: &[],
            previous: None,
            now,
        };
        assert_eq!(lint(&weak, &policy), [Finding::WeakKey]);
    }

    #[test]
    fn keys_that_everybody_knows_are_weak_and_others_are_not() {
        let of = |bytes: &[u8]| PublicKey::from(&SigningKey::from_slice(bytes).unwrap());
        let small = |scalar: u8| of(&[&[0; 31][..], &[scalar]].concat());
        assert!(is_weak(&small(1)) && is_weak(&small(64)) && !is_weak(&small(65)));
        // n - 1
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
        assert!(is_weak(&of(&x_of(order).unwrap())));
        // RFC 6979 A.2.5
        assert!(is_weak(&of(
            &x_of("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap()
        )));
        for printed in PRINTED {
            let compressed = [&[2][..], &x_of(printed).unwrap()].concat();
            assert!(is_weak(&PublicKey::from_sec1(&compressed).expect("a point of the curve")), "{printed}");
        }
        assert!(!is_weak(&(&SigningKey::generate_from_rng(&mut rand::rng())).into()));
    }
}
