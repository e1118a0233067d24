//! Any text behind a NUL as a DPoP proof; other bytes as the claims of one that is signed here.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::SigningKey;
use wallet_core::dpop::{Request, verify};
use wallet_core::es256::{Es256Signer as _, PublicKey};

const REQUEST: Request<'static> =
    Request { method: "POST", url: "https://id.test/v1/me/codes", access_token: Some("et_test") };

fn signed(claims: &[u8], key: &SigningKey) -> String {
    let (x, y) = PublicKey::from(key).coordinates();
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let header =
        format!(r#"{{"alg":"ES256","typ":"dpop+jwt","jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}}}"#);
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(input.as_bytes()).expect("a signature");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let key = SigningKey::from_slice(&[0x44; 32]).expect("a key");
    if let Some((0, text)) = bytes.split_first() {
        let _ = std::str::from_utf8(text).map(|text| verify(text, REQUEST, now));
    } else if let Ok(proof) = verify(&signed(bytes, &key), REQUEST, now) {
        assert!(!proof.jti.is_empty() && proof.jti.len() <= 64);
    }
});
