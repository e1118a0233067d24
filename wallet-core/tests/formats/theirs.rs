//! Vectors of others: Wycheproof and the examples of the COSE working group. They are looked for in the folder that
//! `ECERT_THEIR_VECTORS` names, else in `../shared/data/vectors` beside the repository, and are no part of it.

use std::path::PathBuf;

use coset::{Algorithm, CborSerializable as _, CoseSign1, TaggedCborSerializable as _, iana};
use serde_json::Value;
use wallet_core::cose::UnverifiedSign1;
use wallet_core::es256::PublicKey;
use wallet_core::jws::from_base64url;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The folder, if it is there; else it is said that the test was left out.
fn folder(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ECERT_THEIR_VECTORS").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/vectors");
    let folder = named.unwrap_or(beside).join(name);
    if !folder.is_dir() {
        eprintln!("left out: no {name} vectors; ECERT_THEIR_VECTORS may name their folder");
        return None;
    }
    Some(folder)
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2)
        .map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap())
        .collect()
}

/// How many signatures the file holds, and how many of them `verify` accepts, all of which it must.
fn wycheproof(file: &str, verify: impl Fn(&[u8], &[u8], &[u8]) -> bool) -> Option<(usize, usize)> {
    let file = json(&folder("wycheproof/testvectors_v1")?.join(file));
    let mut counts = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = hex(&group["publicKey"]["uncompressed"]);
        for test in group["tests"].as_array().unwrap() {
            let accepted = verify(&key, &hex(&test["msg"]), &hex(&test["sig"]));
            assert_eq!(accepted, test["result"] == "valid", "{} {}", test["tcId"], test["comment"]);
            counts = (counts.0 + 1, counts.1 + usize::from(accepted));
        }
    }
    Some(counts)
}

#[test]
fn wycheproof_of_r_and_s_as_codes_proofs_and_certificates_carry_them() {
    let verify = |key: &[u8], message: &[u8], signature: &[u8]| {
        PublicKey::from_sec1(key).unwrap().verify(message, signature).is_ok()
    };
    if let Some((all, valid)) = wycheproof("ecdsa_secp256r1_sha256_p1363_test.json", verify) {
        println!("{all} signatures, {valid} of them valid");
        assert!(all > 200 && valid > 100);
    }
}

#[test]
fn wycheproof_of_der_as_x509_carries_it() {
    let verify = |key: &[u8], message: &[u8], signature: &[u8]| {
        let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1;
        ring::signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
    };
    if let Some((all, valid)) = wycheproof("ecdsa_secp256r1_sha256_test.json", verify) {
        println!("{all} signatures, {valid} of them valid");
        assert!(all > 400 && valid > 100);
    }
}

#[test]
fn wycheproof_of_points_that_are_no_keys() {
    let Some(folder) = folder("wycheproof/testvectors_v1") else { return };
    let file = json(&folder.join("ecdh_secp256r1_test.json"));
    let tests =
        file["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap());
    let mut refused = 0;
    for test in tests {
        let key = hex(&test["public"]);
        let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&key) else { continue };
        let point = PublicKey::from_sec1(&key.subject_public_key.data);
        let flags = test["flags"].as_array().unwrap();
        if test["result"] == "valid" {
            assert!(point.is_ok(), "{} {}", test["tcId"], test["comment"]);
        } else if flags.iter().any(|flag| flag == "InvalidCurveAttack") {
            assert!(point.is_err(), "{} {}", test["tcId"], test["comment"]);
            refused += 1;
        }
    }
    println!("{refused} points off the curve refused");
    assert!(refused > 0);
}

/// The examples carry their `kid` unprotected and text as their payload, which no message of ours does: their signatures
/// are verified as ours are, and the messages are refused as none of ours.
#[test]
fn the_cose_working_groups_signatures() {
    let Some(folder) = folder("cose-wg") else { return };
    let mut counts = [0, 0];
    for file in ["sign1-tests", "ecdsa-examples"]
        .iter()
        .flat_map(|name| std::fs::read_dir(folder.join(name)).unwrap())
    {
        let path = file.unwrap().path();
        let example = json(&path);
        let input = &example["input"]["sign0"];
        let of_ours = input["alg"] == "ES256" && input["key"]["crv"] == "P-256";
        if !of_ours {
            continue;
        }
        let bytes = hex(&example["output"]["cbor"]);
        let coordinate = |name: &str| from_base64url(input["key"][name].as_str().unwrap()).unwrap();
        let key = PublicKey::from_coordinates(&coordinate("x"), &coordinate("y")).unwrap();
        let context = input.get("external").map(hex).unwrap_or_default();
        // One good example goes without its tag.
        let message = CoseSign1::from_tagged_slice(&bytes).or_else(|_| CoseSign1::from_slice(&bytes));
        let verified = message.is_ok_and(|mut message| {
            // RFC 9052 §4.4: an empty map is signed as an empty string. We refuse it, so our reader need not know.
            if message.protected.original_data.as_deref() == Some(&[0xa0]) {
                message.protected.original_data = None;
            }
            let algorithm = message.protected.header.alg.as_ref().or(message.unprotected.alg.as_ref());
            let is_es256 = algorithm == Some(&Algorithm::Assigned(iana::Algorithm::ES256));
            let judge = |signature: &[u8], message: &[u8]| key.verify(message, signature);
            is_es256 && message.verify_signature(&context, judge).is_ok()
        });
        let is_good = example.get("fail").is_none();
        assert_eq!(verified, is_good, "{}", path.display());
        counts[usize::from(is_good)] += 1;
        let limits = wallet_core::ecert::format::LIMITS;
        assert!(UnverifiedSign1::read(&bytes, &[], &limits).is_err(), "{}", path.display());
    }
    println!("{} good and {} bad messages", counts[1], counts[0]);
    assert!(counts[0] >= 3 && counts[1] >= 3, "{counts:?}");
}
