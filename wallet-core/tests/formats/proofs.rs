//! DPoP proofs and receipts: what is signed as a JWS.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wallet_core::chain::ChainRefused;
use wallet_core::dpop::{self, DpopError, Request};
use wallet_core::jws::JwsError;
use wallet_core::receipt::{Receipt, ReceiptRefused};

use crate::craft::{ORDER, jws, mirrored, signature};
use crate::issuer::{Chain, NOW, Plan, device, key, now, signer};
use crate::{ACCEPTED, Case, case, judged, text};

const URL: &str = "https://id.test/v1/me/codes";
const TOKEN: &str = "et_test";

/// A proof and the request that it must be for.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Proof {
    pub(crate) proof: String,
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    now: Timestamp,
}

pub(crate) fn hold_dpop() {
    let about = "DPoP proofs (RFC 9449) and the request that each must be for.";
    judged("dpop.json", about, proofs(), |input| {
        let request =
            Request { method: &input.method, url: &input.url, access_token: input.access_token.as_deref() };
        dpop::verify(&input.proof, request, input.now).map(drop).map_err(text)
    })
}

fn point(key: &SigningKey) -> [Vec<u8>; 2] {
    let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    [point[1..33].to_vec(), point[33..].to_vec()]
}

fn jwk(x: &[u8], y: &[u8]) -> Value {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
}

fn header() -> Value {
    let [x, y] = point(&device());
    json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk(&x, &y) })
}

fn claims() -> Value {
    let ath = URL_SAFE_NO_PAD.encode(wallet_core::es256::sha256(TOKEN.as_bytes()));
    json!({ "jti": "j1", "htm": "POST", "htu": URL, "iat": NOW, "ath": ath })
}

fn of(proof: String) -> Proof {
    let (method, url) = ("POST".to_owned(), URL.to_owned());
    Proof { proof, method, url, access_token: Some(TOKEN.to_owned()), now: now() }
}

fn by_device(input: &[u8]) -> Vec<u8> {
    signature(&device(), input).to_vec()
}

/// A proof of another header and other claims, signed by the device.
fn signed(change: impl FnOnce(&mut Value, &mut Value)) -> Proof {
    let (mut header, mut claims) = (header(), claims());
    change(&mut header, &mut claims);
    of(jws(&header.to_string(), &claims.to_string(), by_device))
}

/// The proof with another signature.
fn with_signature(change: impl FnOnce([u8; 64]) -> Vec<u8>) -> Proof {
    of(jws(&header().to_string(), &claims().to_string(), |input| change(signature(&device(), input))))
}

pub(crate) fn proofs() -> Vec<Case<Proof>> {
    [proof_requests(), proof_headers(), proof_signatures(), proof_texts()].concat()
}

fn proof_requests() -> Vec<Case<Proof>> {
    let claim = |name: &str, value: Value| signed(|_, claims| claims[name] = value);
    let without = |name: &str| signed(|_, claims| drop(claims.as_object_mut().unwrap().remove(name)));
    let at =
        |seconds: i64| Proof { now: Timestamp::from_second(NOW + seconds).unwrap(), ..signed(|_, _| ()) };
    let enrolling = Proof { access_token: None, ..signed(|_, _| ()) };
    vec![
        case("good", signed(|_, _| ()), ACCEPTED),
        case("a minute old", at(60), ACCEPTED),
        case("61 s old", at(61), DpopError::Stale),
        case("a minute in the future", at(-60), ACCEPTED),
        case("61 s in the future", at(-61), DpopError::Stale),
        case("iat of 1970", claim("iat", 0.into()), DpopError::Stale),
        case("iat beyond all years", claim("iat", i64::MAX.into()), DpopError::Stale),
        case("iat of 65 bits", claim("iat", json!(18_446_744_073_709_551_615_u64)), DpopError::Invalid),
        case("iat of a fraction", claim("iat", json!(1_800_000_000.5)), DpopError::Invalid),
        case("iat as text", claim("iat", "1800000000".into()), DpopError::Invalid),
        case("no iat", without("iat"), DpopError::Invalid),
        case("another method", claim("htm", "GET".into()), DpopError::OtherRequest),
        case("the method in small letters", claim("htm", "post".into()), DpopError::OtherRequest),
        case("no method", without("htm"), DpopError::Invalid),
        case("another path", claim("htu", "https://id.test/v1/me".into()), DpopError::OtherRequest),
        case("another host", claim("htu", "https://evil.test/v1/me/codes".into()), DpopError::OtherRequest),
        case(
            "a host that begins like ours",
            claim("htu", "https://id.test.evil.test/v1/me/codes".into()),
            DpopError::OtherRequest,
        ),
        case("without TLS", claim("htu", URL.replace("https", "http").into()), DpopError::OtherRequest),
        case("a query behind the path", claim("htu", format!("{URL}?a=1").into()), DpopError::OtherRequest),
        case("no URL", without("htu"), DpopError::Invalid),
        case("for another access token", claim("ath", "AAAA".into()), DpopError::OtherToken),
        case("for no access token", without("ath"), DpopError::OtherToken),
        case("for an access token that was not sent", enrolling, DpopError::OtherToken),
        case("no jti", without("jti"), DpopError::Invalid),
        case("an empty jti", claim("jti", "".into()), DpopError::Invalid),
        case("a jti of 65 letters", claim("jti", "x".repeat(65).into()), DpopError::Invalid),
        case("a jti with a NUL", claim("jti", "a\0b".into()), DpopError::Invalid),
        case("a jti that is not ASCII", claim("jti", "证".into()), DpopError::Invalid),
        case("a jti as a number", claim("jti", 1.into()), DpopError::Invalid),
    ]
}

fn proof_headers() -> Vec<Case<Proof>> {
    let header = |name: &str, value: Value| signed(|header, _| header[name] = value);
    let [x, y] = point(&device());
    let [other_x, other_y] = point(&key(0x45));
    let key_of = |x: &[u8], y: &[u8]| header("jwk", jwk(x, y));
    let with_member = |name: &str, value: Value| signed(|header, _| header["jwk"][name] = value);
    let mut private = jwk(&x, &y);
    private["d"] = URL_SAFE_NO_PAD.encode([0x44; 32]).into();
    let off_curve = { [&y[..31], &[y[31] ^ 1]].concat() };
    [
        ("alg none", header("alg", "none".into())),
        ("alg None", header("alg", "None".into())),
        ("alg HS256", header("alg", "HS256".into())),
        ("alg ES384", header("alg", "ES384".into())),
        ("alg RS256", header("alg", "RS256".into())),
        ("alg in small letters", header("alg", "es256".into())),
        ("alg as a list", header("alg", json!(["ES256"]))),
        ("no alg", signed(|header, _| drop(header.as_object_mut().unwrap().remove("alg")))),
        ("another kind of token", header("typ", "JWT".into())),
        ("no kind", signed(|header, _| drop(header.as_object_mut().unwrap().remove("typ")))),
        ("a critical header", header("crit", json!(["b64"]))),
        ("no key", signed(|header, _| drop(header.as_object_mut().unwrap().remove("jwk")))),
        (
            "a key id for the key",
            signed(|header, _| {
                header.as_object_mut().unwrap().remove("jwk");
                header["kid"] = "1".into();
            }),
        ),
        ("a key with its private part", header("jwk", private)),
        ("a symmetric key", header("jwk", json!({ "kty": "oct", "k": "AAAA" }))),
        ("a key of P-384", with_member("crv", "P-384".into())),
        ("a key of another kind", with_member("kty", "OKP".into())),
        ("another key", key_of(&other_x, &other_y)),
        ("a key off the curve", key_of(&x, &off_curve)),
        ("a key (0, 0)", key_of(&[0; 32], &[0; 32])),
        ("a key without coordinates", key_of(&[], &[])),
        ("a key above the prime", key_of(&[0xff; 32], &y)),
        ("a key of 31 bytes", key_of(&x[1..], &y)),
        ("a key with a zero before", key_of(&[&[0], &x[..]].concat(), &y)),
        ("a key in padded base64", with_member("x", format!("{}=", URL_SAFE_NO_PAD.encode(&x)).into())),
        ("a key in a list", header("jwk", json!([jwk(&x, &y)]))),
    ]
    .into_iter()
    .map(|(name, proof)| case(name, proof, DpopError::Invalid))
    .collect()
}

fn proof_signatures() -> Vec<Case<Proof>> {
    let filled = |range: std::ops::Range<usize>, with: [u8; 32]| {
        with_signature(move |mut right| {
            right[range].copy_from_slice(&with);
            right.to_vec()
        })
    };
    let hmac = with_signature(|_| vec![7; 32]);
    let mut cases = vec![case("the other s", with_signature(|right| mirrored(right).to_vec()), ACCEPTED)];
    let refused = [
        ("r = 0", filled(0..32, [0; 32])),
        ("s = 0", filled(32..64, [0; 32])),
        ("r = n", filled(0..32, ORDER)),
        ("s = n", filled(32..64, ORDER)),
        ("r = 0 and s = 0", with_signature(|_| vec![0; 64])),
        ("no signature", with_signature(|_| vec![])),
        ("a signature of 63 bytes", with_signature(|right| right[..63].to_vec())),
        ("a signature of 65 bytes", with_signature(|right| [&right[..], &[0]].concat())),
        ("a signature of 32 bytes", hmac),
        (
            "signed by another key",
            of(jws(&header().to_string(), &claims().to_string(), |m| signature(&key(0x45), m).to_vec())),
        ),
    ];
    cases.extend(refused.into_iter().map(|(name, proof)| case(name, proof, DpopError::Invalid)));
    cases
}

fn proof_texts() -> Vec<Case<Proof>> {
    let good = signed(|_, _| ()).proof;
    let raw = |header: &str, claims: &str| of(jws(header, claims, by_device));
    let doubled = claims().to_string().replacen('{', r#"{"jti":"j0","#, 1);
    let nested = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let long = signed(|header, _| header["x"] = "y".repeat(4000).into());
    [
        ("empty", of(String::new())),
        ("two parts", of(good.rsplit_once('.').unwrap().0.to_owned())),
        ("four parts", of(format!("{good}.AA"))),
        ("padding", of(format!("{good}=="))),
        ("a space behind", of(format!("{good} "))),
        ("base64 of the other alphabet", of(format!("+{}", &good[1..]))),
        ("a header that is a list", raw("[]", &claims().to_string())),
        ("a header cut short", raw(r#"{"alg":"ES256""#, &claims().to_string())),
        ("claims that are a list", raw(&header().to_string(), "[]")),
        ("claims that are no JSON", raw(&header().to_string(), "jti")),
        ("a claim twice", raw(&header().to_string(), &doubled)),
        ("nested 500 deep", raw(&header().to_string(), &nested)),
        ("5 KiB", long),
        ("letters that are not ASCII", of("证.证.证".into())),
    ]
    .into_iter()
    .map(|(name, proof)| case(name, proof, DpopError::Invalid))
    .collect()
}

/// A receipt.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Token {
    pub(crate) token: String,
    now: Timestamp,
}

pub(crate) fn hold_receipts() {
    let about = "Receipts (JWS with x5c), held against the root of trust.json.";
    judged("receipts.json", about, receipts(), |input| {
        Receipt::verify(&input.token, &Chain::good().root, input.now).map(drop).map_err(text)
    })
}

fn receipt_header(chain: &[Vec<u8>]) -> Value {
    let chain: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
    json!({ "alg": "ES256", "typ": "ecert-receipt+jwt", "x5c": chain })
}

fn receipt_claims() -> Value {
    json!({
        "iss": "https://id.test", "iat": NOW, "attempt": "att_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "redemption": "red_01ARZ3NDEKTSV4RRFFQ69G5FAV", "relying_party": "rp_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "service": "identity.redeem", "outcome": "unusable", "not_charged": "no-face",
    })
}

fn receipt(key: &SigningKey, change: impl FnOnce(&mut Value, &mut Value)) -> Token {
    let (mut header, mut claims) = (receipt_header(&Chain::good().sent()), receipt_claims());
    change(&mut header, &mut claims);
    let token = jws(&header.to_string(), &claims.to_string(), |input| signature(key, input).to_vec());
    Token { token, now: now() }
}

const SANDBOX: &str = "ecert-sandbox-receipt+jwt";

fn of_a_sandbox() -> Token {
    receipt(&signer(), |header, claims| {
        header["typ"] = SANDBOX.into();
        claims["sandbox"] = true.into();
    })
}

#[test]
fn a_receipt_is_of_a_sandbox_by_type_and_by_claims_or_not_at_all() {
    let verify = |token: &Token| Receipt::verify_sandbox(&token.token, &Chain::good().root, token.now);
    assert!(verify(&of_a_sandbox()).unwrap().sandbox);
    let real = receipt(&signer(), |_, _| ());
    assert_eq!(verify(&real), Err(JwsError::Header.into()));
    let by_type = receipt(&signer(), |header, _| header["typ"] = SANDBOX.into());
    assert_eq!(verify(&by_type), Err(ReceiptRefused::Contradiction));
}

fn receipts() -> Vec<Case<Token>> {
    let signed = |change: fn(&mut Value, &mut Value)| receipt(&signer(), change);
    let other = Plan::impostor().make();
    let good = signed(|_, _| ());
    let outcome = URL_SAFE_NO_PAD.encode(receipt_claims().to_string().replace("unusable", "passed"));
    let mut parts: Vec<&str> = good.token.split('.').collect();
    parts[1] = &outcome;
    let changed = Token { token: parts.join("."), now: now() };
    let unsigned =
        jws(r#"{"alg":"none","typ":"ecert-receipt+jwt"}"#, &receipt_claims().to_string(), |_| vec![]);
    let other_chain = receipt_header(&other.sent());
    vec![
        case("good", good.clone(), ACCEPTED),
        case("changed since", changed, JwsError::Signature),
        case("alg none", Token { token: unsigned, now: now() }, JwsError::Header),
        case("alg HS256", signed(|header, _| header["alg"] = "HS256".into()), JwsError::Header),
        case(
            "another kind of token",
            signed(|header, _| header["typ"] = "dpop+jwt".into()),
            JwsError::Header,
        ),
        case("of a sandbox", of_a_sandbox(), JwsError::Header),
        case(
            "of a sandbox by its type",
            signed(|header, _| header["typ"] = SANDBOX.into()),
            JwsError::Header,
        ),
        case(
            "of a sandbox by its claims",
            signed(|_, claims| claims["sandbox"] = true.into()),
            ReceiptRefused::Contradiction,
        ),
        case("a critical header", signed(|header, _| header["crit"] = json!(["x5c"])), JwsError::Header),
        case(
            "no chain",
            signed(|header, _| drop(header.as_object_mut().unwrap().remove("x5c"))),
            JwsError::Header,
        ),
        case(
            "its key instead of the chain",
            signed(|header, _| {
                header.as_object_mut().unwrap().remove("x5c");
                let [x, y] = point(&signer());
                header["jwk"] = jwk(&x, &y);
            }),
            JwsError::Header,
        ),
        case(
            "a chain in base64url",
            signed(|header, _| header["x5c"] = json!(["__-_", "__-_"])),
            JwsError::Header,
        ),
        case("an empty chain", signed(|header, _| header["x5c"] = json!([])), ChainRefused::Malformed),
        case(
            "another issuer",
            receipt(&key(0x35), |header, _| *header = other_chain),
            ChainRefused::NotTrusted,
        ),
        case("signed by a device", receipt(&device(), |_, _| ()), JwsError::Signature),
        case("signed by the issuing CA", receipt(&key(0x22), |_, _| ()), JwsError::Signature),
        case(
            "after its chain",
            Token { now: "2040-01-01T00:00:00Z".parse().unwrap(), ..good },
            ChainRefused::NotCurrent,
        ),
        case(
            "ids of another kind",
            signed(|_, claims| claims["attempt"] = "red_01ARZ3NDEKTSV4RRFFQ69G5FAV".into()),
            JwsError::Malformed,
        ),
        case(
            "no outcome",
            signed(|_, claims| drop(claims.as_object_mut().unwrap().remove("outcome"))),
            JwsError::Malformed,
        ),
    ]
}
