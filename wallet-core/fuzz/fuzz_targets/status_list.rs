//! Any bytes as a status list. The first byte chooses: a whole JWT, a whole CWT, or claims that are signed here, so that what
//! lies behind the signature is reached too.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::SigningKey;
use wallet_core::cose::{self, X5CHAIN, x5chain};
use wallet_core::es256::{Es256Signer as _, PublicKey};
use wallet_core::status_list::{StatusList, Trust};

const URI: &str = "https://id.test/v1/status-lists/1";

fn signed_jwt(claims: &[u8], key: &SigningKey) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"ES256","typ":"statuslist+jwt"}"#);
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(input.as_bytes()).expect("a signature");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signed_cwt(payload: &[u8], key: &SigningKey) -> Option<Vec<u8>> {
    let payload: Value = ciborium::from_reader(payload).ok()?;
    let headers = vec![(16, "application/statuslist+cwt".into()), (X5CHAIN, x5chain(&[]))];
    cose::sign(headers, &payload, &[], key).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((form, rest)) = bytes.split_first() else { return };
    let key = SigningKey::from_slice(&[0x33; 32]).expect("a key");
    let public = PublicKey::from(&key);
    let (trust, now) = (Trust::Key(&public), Timestamp::from_second(1_800_000_000).expect("a time"));
    let verified = match form % 4 {
        0 => std::str::from_utf8(rest).ok().and_then(|token| StatusList::verify_jwt(token, URI, trust, now).ok()),
        1 => StatusList::verify_cwt(rest, URI, trust, now).ok(),
        2 => StatusList::verify_jwt(&signed_jwt(rest, &key), URI, trust, now).ok(),
        _ => signed_cwt(rest, &key).and_then(|token| StatusList::verify_cwt(&token, URI, trust, now).ok()),
    };
    if let Some(list) = verified {
        assert!(list.holds_at(now) && list.uri() == URI);
        assert_eq!(list.get(list.list().entries()), None);
    }
});
