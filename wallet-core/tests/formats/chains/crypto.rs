//! Chains of other keys, signatures and encodings.

use wallet_core::chain::ChainRefused as Refused;

use super::{Input, input, planned, resigned, whole};
use crate::craft::{ORDER, mirrored, signature};
use crate::issuer::{Chain, Named, Plan, der, parts, with_signature};
use crate::{ACCEPTED, Case, case};

/// SubjectPublicKeyInfo of P-256 with this point.
fn point(point: &[u8]) -> Vec<u8> {
    let algorithm = [
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];
    der(0x30, &[&algorithm[..], &der(0x03, &[&[0], point].concat())].concat())
}

pub(super) fn algorithms() -> Vec<Case<Input>> {
    let with_point = |bytes: Vec<u8>| resigned(|tbs, _| tbs[6] = point(&bytes));
    let good = Named::of(0x33).point;
    let compressed = [&[0x02 | (good[64] & 1)], &good[1..33]].concat();
    let off_curve = [&good[..64], &[good[64] ^ 1]].concat();
    let prime = [&[4][..], &[0xff; 32], &good[33..]].concat();
    let p384 = |plan: &mut Plan| {
        plan.signer.key.algorithm = &rcgen::PKCS_ECDSA_P384_SHA384;
        plan.signer.key.point = [&[4][..], &[7; 96]].concat();
    };
    let with_null = |tbs: &mut Vec<Vec<u8>>, algorithm: &mut Vec<u8>| {
        let ecdsa_null = der(0x30, &[&parts(algorithm)[0][..], &[0x05, 0x00]].concat());
        tbs[2] = ecdsa_null.clone();
        *algorithm = ecdsa_null;
    };
    let rsa = der(0x30, &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00]);
    let sha1 = der(0x30, &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]);
    let is = |name: Vec<u8>| {
        resigned(|tbs, algorithm| {
            tbs[2] = name.clone();
            *algorithm = name;
        })
    };
    vec![
        case("signer's key is P-384", planned(p384), Refused::Algorithm),
        case(
            "signer's key is Ed25519",
            planned(|plan| {
                plan.signer.key.algorithm = &rcgen::PKCS_ED25519;
                plan.signer.key.point = vec![7; 32];
            }),
            Refused::Algorithm,
        ),
        case(
            "signed by ecdsa-with-SHA384",
            planned(|plan| plan.issuing.key.algorithm = &rcgen::PKCS_ECDSA_P384_SHA384),
            Refused::Algorithm,
        ),
        case("signed by RSA", is(rsa.clone()), Refused::Algorithm),
        case("signed by ecdsa-with-SHA1", is(sha1), Refused::Algorithm),
        case(
            "algorithm inside and outside differ",
            resigned(|_, algorithm| *algorithm = rsa),
            Refused::Algorithm,
        ),
        case("parameters to the signature's algorithm", resigned(with_null), Refused::Algorithm),
        case("compressed point", with_point(compressed), Refused::Algorithm),
        case("point off the curve", with_point(off_curve), Refused::Algorithm),
        case("point at infinity", with_point(vec![0]), Refused::Algorithm),
        case("point (0, 0)", with_point([&[4][..], &[0; 64]].concat()), Refused::Algorithm),
        case("coordinate above the prime", with_point(prime), Refused::Algorithm),
        case("no point", with_point(vec![]), Refused::Algorithm),
    ]
}

/// A chain of which the signer's certificate has another signature.
fn with_other_signature(change: impl FnOnce(&[u8]) -> Vec<u8>) -> Input {
    let mut chain = Chain::good();
    let outer = parts(&chain.signer);
    chain.signer = with_signature(&outer[0], &outer[1], &change(&outer[0]));
    whole(&chain)
}

/// DER of `r` and `s`.
fn ecdsa(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = digits.first().is_none_or(|first| *first >= 0x80);
        der(0x02, &[if sign { &[0][..] } else { &[] }, &digits].concat())
    };
    der(0x30, &[integer(r), integer(s)].concat())
}

pub(super) fn signatures() -> Vec<Case<Input>> {
    let sign = |tbs: &[u8]| signature(&crate::issuer::key(0x22), tbs);
    let with = |change: fn(&[u8], &[u8]) -> Vec<u8>| {
        with_other_signature(|tbs| {
            let right = sign(tbs);
            change(&right[..32], &right[32..])
        })
    };
    let mirror = with_other_signature(|tbs| {
        let other = mirrored(sign(tbs));
        ecdsa(&other[..32], &other[32..])
    });
    vec![
        case("the other s", mirror, ACCEPTED),
        case("r = 0", with(|_, s| ecdsa(&[0], s)), Refused::NotTrusted),
        case("s = 0", with(|r, _| ecdsa(r, &[0])), Refused::NotTrusted),
        case("r = 0 and s = 0", with(|_, _| ecdsa(&[0], &[0])), Refused::NotTrusted),
        case("r = n", with(|_, s| ecdsa(&ORDER, s)), Refused::NotTrusted),
        case("s = n", with(|r, _| ecdsa(r, &ORDER)), Refused::NotTrusted),
        case("r = 1 and s = 1", with(|_, _| ecdsa(&[1], &[1])), Refused::NotTrusted),
        case("no signature", with(|_, _| vec![]), Refused::NotTrusted),
        case("signature not in DER", with(|r, s| [r, s].concat()), Refused::NotTrusted),
        case("bytes behind the signature", with(|r, s| [ecdsa(r, s), vec![0]].concat()), Refused::NotTrusted),
        case(
            "s negative",
            with(|r, s| [der(0x30, &[der(0x02, r), der(0x02, s)].concat())].concat()),
            Refused::NotTrusted,
        ),
    ]
}

pub(super) fn encodings() -> Vec<Case<Input>> {
    let good = Chain::good();
    let signer = |der: Vec<u8>| input(&[&der, &good.issuing], &good.root);
    let mut indefinite = good.signer.clone();
    indefinite[1] = 0x80;
    vec![
        case("a byte behind the signer", signer([good.signer.as_slice(), &[0]].concat()), Refused::Malformed),
        case("signer cut short", signer(good.signer[..good.signer.len() - 1].to_vec()), Refused::Malformed),
        case("an empty signer", signer(vec![]), Refused::Malformed),
        case("an indefinite length", signer(indefinite), Refused::Malformed),
        case(
            "an element of 4 GiB",
            signer(vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30]),
            Refused::Malformed,
        ),
        case("sequences in sequences", signer([0x30, 0x80].repeat(1000)), Refused::Malformed),
        case("version 1", resigned(|tbs, _| drop(tbs.remove(0))), Refused::Malformed),
        case("version 2", resigned(|tbs, _| tbs[0] = vec![0xa0, 0x03, 0x02, 0x01, 0x01]), Refused::Malformed),
        case("no extensions", resigned(|tbs, _| drop(tbs.pop())), Refused::WrongUse),
        case("no certificate but text", signer(b"-----BEGIN CERTIFICATE-----".to_vec()), Refused::Malformed),
    ]
}
