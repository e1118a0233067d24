//! E-certs.

mod of_another_form;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wallet_core::cbor::CborRefused as Cbor;
use wallet_core::chain::ChainRefused;
use wallet_core::cose::CoseRefused as Cose;
use wallet_core::ecert::{CertRefused as Refused, UnverifiedCert, verify::verify};
use wallet_core::status_list::{Status, StatusList, Trust};

use crate::craft::{ORDER, Sign1, array, bstr, int, map, mirrored, signature, tstr};
use crate::issuer::{Chain, NOW, device, now, signer};
use crate::{ACCEPTED, Case, case, judged, text};

/// Where the status of every certificate stands.
pub(crate) const LIST: &str = "https://id.test/v1/status-lists/1";

/// A certificate in base64url, judged with the status list beside it where there is one.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Input {
    pub(crate) certificate: String,
    now: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_list: Option<String>,
}

/// What all files build on: the root, and the keys, which are nobody's.
pub(crate) fn trust() -> String {
    let (chain, encode) = (Chain::good(), |der: &[u8]| STANDARD.encode(der));
    let private = |key: SigningKey| URL_SAFE_NO_PAD.encode(key.to_bytes());
    let trust = json!({
        "about": "The root that every other file is judged by, and the private keys (d of a JWK) of the signer and of the \
                  holder's device. They are test keys: everybody has them.",
        "now": now(),
        "root": encode(&chain.root),
        "chain": [encode(&chain.signer), encode(&chain.issuing)],
        "signer_key": private(signer()),
        "device_key": private(device()),
    });
    format!("{}\n", serde_json::to_string_pretty(&trust).unwrap())
}

pub(crate) fn hold() {
    let about = "E-certs (wallet-core/src/ecert/ecert.cddl) in base64url, held against the root of trust.json at `now`, and \
                 against the status list (JWT) where there is one.";
    judged("certificates.json", about, cases(), |input| {
        let bytes = URL_SAFE_NO_PAD.decode(&input.certificate).unwrap();
        let cert = UnverifiedCert::from_bytes(&bytes).map_err(text)?;
        let root = Chain::good().root;
        let cert = verify(cert, &root, input.now).map_err(text)?;
        let Some(token) = &input.status_list else { return Ok(()) };
        let uri = claimed_uri(token);
        let list = StatusList::verify_jwt(token, &uri, Trust::Root(&root), now()).map_err(text)?;
        cert.in_force(&list, input.now).map(drop).map_err(text)
    })
}

fn claimed_uri(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

type Members = Vec<(Vec<u8>, Vec<u8>)>;

fn device_key() -> Members {
    let point = device().verifying_key().to_sec1_point(false).as_bytes().to_vec();
    vec![(int(1), int(2)), (int(-1), int(1)), (int(-2), bstr(&point[1..33])), (int(-3), bstr(&point[33..]))]
}

fn status(index: i64, uri: &str) -> Vec<u8> {
    let list = map(&[(tstr("idx"), int(index)), (tstr("uri"), tstr(uri))]);
    map(&[(tstr("status_list"), list)])
}

/// The claims in their order, each to be changed.
pub(crate) fn claims() -> Members {
    let digests = [(tstr("name"), bstr(&[7; 32])), (tstr("over_18"), bstr(&[8; 32]))];
    vec![
        (int(1), tstr("https://id.test")),
        (int(4), int(NOW + 86_400)),
        (int(6), int(NOW - 60)),
        (int(7), bstr(&[1; 16])),
        (int(8), map(&[(int(1), map(&device_key()))])),
        (int(65_535), status(5, LIST)),
        (int(-65_537), tstr("IAL1")),
        (int(-65_538), map(&digests)),
    ]
}

pub(crate) fn protected(chain: &[Vec<u8>]) -> Members {
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| bstr(der)).collect();
    vec![(int(1), int(-7)), (int(33), array(&chain))]
}

/// The parts of the good certificate.
pub(crate) fn parts() -> Sign1 {
    Sign1 {
        protected: map(&protected(&Chain::good().sent())),
        unprotected: vec![0xa0],
        payload: map(&claims()),
        context: b"",
    }
}

fn input(bytes: &[u8]) -> Input {
    Input { certificate: URL_SAFE_NO_PAD.encode(bytes), now: now(), status_list: None }
}

/// A certificate of other claims, signed as it should be.
fn claiming(change: impl FnOnce(&mut Members)) -> Input {
    let mut claims = claims();
    change(&mut claims);
    input(&Sign1 { payload: map(&claims), ..parts() }.signed(&signer()))
}

/// A certificate of another protected header, signed as it should be.
fn headed(change: impl FnOnce(&mut Members)) -> Input {
    let mut members = protected(&Chain::good().sent());
    change(&mut members);
    input(&Sign1 { protected: map(&members), ..parts() }.signed(&signer()))
}

/// A certificate of other bytes, not signed anew.
fn spoiled(change: impl FnOnce(&mut Vec<u8>)) -> Input {
    let mut bytes = parts().signed(&signer());
    change(&mut bytes);
    input(&bytes)
}

fn cbor(refused: Cbor) -> Refused {
    Refused::Cose(Cose::Cbor(refused))
}

pub(crate) fn cases() -> Vec<Case<Input>> {
    [
        good(),
        encodings(),
        of_another_form::headers(),
        of_another_form::claims(),
        signatures(),
        times(),
        statuses(),
    ]
    .concat()
}

fn good() -> Vec<Case<Input>> {
    let highest = claiming(|claims| claims[6].1 = tstr("IAL2"));
    let all = ["sex", "name", "address", "over_18", "ethnicity", "birth_date", "document_number"];
    let all: Members = all.iter().map(|name| (tstr(name), bstr(&[9; 32]))).collect();
    vec![
        case("good", input(&parts().signed(&signer())), ACCEPTED),
        case("good, IAL2", highest, ACCEPTED),
        case("good, every attribute", claiming(|claims| claims[7].1 = map(&all)), ACCEPTED),
        case(
            "good, the last place of a list",
            claiming(|claims| claims[5].1 = status(u32::MAX.into(), LIST)),
            ACCEPTED,
        ),
    ]
}

fn encodings() -> Vec<Case<Input>> {
    let not_tagged = input(&parts().signed(&signer())[1..]);
    let five = spoiled(|bytes| {
        bytes[1] = 0x85;
        bytes.push(0);
    });
    let payload = |bytes: Vec<u8>| input(&Sign1 { payload: bytes, ..parts() }.signed(&signer()));
    let mut indefinite = [&[0xbf], &map(&claims())[1..], &[0xff]].concat();
    let indefinite_payload = payload(std::mem::take(&mut indefinite));
    let nested = [vec![0x81; 20], vec![0x00]].concat();
    let wide_number = [&[0x18, 0x01][..], &tstr("https://id.test")].concat();
    let wide =
        [&map(&claims())[..1], &wide_number, &map(&claims())[2 + tstr("https://id.test").len()..]].concat();
    let twice = claiming(|claims| claims.insert(1, claims[0].clone()));
    vec![
        case("empty", input(&[]), cbor(Cbor::NotWellFormed)),
        case("a byte behind it", spoiled(|bytes| bytes.push(0)), cbor(Cbor::Trailing)),
        case(
            "cut short",
            spoiled(|bytes| {
                bytes.pop();
            }),
            cbor(Cbor::NotWellFormed),
        ),
        case("9 KiB of zeros", input(&[0; 9 * 1024]), cbor(Cbor::TooLarge)),
        case("an array of indefinite length", spoiled(|bytes| bytes[1] = 0x9f), cbor(Cbor::Indefinite)),
        case("claims of indefinite length", indefinite_payload, cbor(Cbor::Indefinite)),
        case("a key of two bytes that fits one", payload(wide), cbor(Cbor::NotShortest)),
        case(
            "a tag of two bytes that fits one",
            spoiled(|bytes| drop(bytes.splice(..1, [0xd8, 0x12]))),
            cbor(Cbor::NotShortest),
        ),
        case(
            "a tag of three bytes",
            spoiled(|bytes| drop(bytes.splice(..1, [0xd9, 0, 0x12]))),
            cbor(Cbor::NotShortest),
        ),
        case("a claim twice", twice, cbor(Cbor::DuplicateKey)),
        case("claims out of order", claiming(|claims| claims.swap(0, 1)), cbor(Cbor::KeyOrder)),
        case(
            "negative keys before positive",
            claiming(|claims| claims.rotate_right(2)),
            cbor(Cbor::KeyOrder),
        ),
        case("nested 20 deep", payload(nested), cbor(Cbor::TooDeep)),
        case("an array of 2^64 - 1 items", payload([&[0x9b][..], &[0xff; 8]].concat()), cbor(Cbor::TooMany)),
        case("a map of 2^63 pairs", payload([&[0xbb, 0x80][..], &[0; 7]].concat()), cbor(Cbor::TooMany)),
        case("a string of 2^64 - 1 bytes", payload([&[0x5b][..], &[0xff; 8]].concat()), cbor(Cbor::TooLong)),
        case("200 items", payload(array(&vec![int(0); 200])), cbor(Cbor::TooMany)),
        case(
            "a text that is not UTF-8",
            claiming(|claims| claims[0].1 = vec![0x62, 0xc3, 0x28]),
            cbor(Cbor::NotUtf8),
        ),
        case(
            "a float",
            claiming(|claims| claims[1].1 = vec![0xfb, 0x41, 0xda, 0xd2, 0x74, 0x80, 0, 0, 0]),
            cbor(Cbor::Unsupported),
        ),
        case(
            "exp as a bignum",
            claiming(|claims| {
                claims[1].1 =
                    [&[0xc2][..], &bstr(&u32::try_from(NOW + 86_400).unwrap().to_be_bytes())].concat()
            }),
            cbor(Cbor::Unsupported),
        ),
        case("undefined", claiming(|claims| claims[0].1 = vec![0xf7]), cbor(Cbor::Unsupported)),
        case(
            "a reserved initial byte",
            claiming(|claims| claims[0].1 = vec![0x1c]),
            cbor(Cbor::NotWellFormed),
        ),
        case("not tagged", not_tagged, Cose::Form("tag 18 is missing")),
        case("tagged as COSE_Mac0", spoiled(|bytes| bytes[0] = 0xd1), cbor(Cbor::Unsupported)),
        case("five parts", five, Cose::Form("not four parts of its kinds")),
        case("no payload", input(&no_payload()), Cose::Form("no payload")),
    ]
    .into_iter()
    .map(|case| Case { expect: prefixed(&case.expect), ..case })
    .collect()
}

fn no_payload() -> Vec<u8> {
    let parts = parts();
    let sent = [bstr(&parts.protected), vec![0xa0], vec![0xf6], bstr(&[1; 64])];
    [vec![0xd2], array(&sent)].concat()
}

/// [`Cose::Form`] as a certificate's refusal says it.
fn prefixed(expect: &str) -> String {
    if expect.starts_with("not a COSE_Sign1") {
        format!("not an E-cert: {expect}")
    } else {
        expect.to_owned()
    }
}

fn cose(refused: Cose) -> Refused {
    Refused::Cose(refused)
}

fn signatures() -> Vec<Case<Input>> {
    let with = |change: fn(&mut [u8; 64])| {
        let mut right = signature(&signer(), &parts().message());
        change(&mut right);
        input(&parts().with(&right))
    };
    let by = |key: SigningKey| input(&parts().signed(&key));
    let other_context = Sign1 { context: b"ecert-q1", ..parts() };
    let other_context = input(&parts().with(&signature(&signer(), &other_context.message())));
    let length = |length: usize| input(&parts().with(&vec![1; length]));
    let wrong_length = || cose(Cose::Form("the signature is not 64 bytes"));
    let flipped = |place: usize| spoiled(move |bytes| bytes[place] ^= 1);
    let bytes = parts().signed(&signer());
    let cti = bytes.windows(16).position(|window| window == [1; 16]).unwrap();
    vec![
        case("the other s", with(|signature| *signature = mirrored(*signature)), ACCEPTED),
        case("a changed serial", flipped(cti), Refused::Signature),
        case(
            "a changed digest",
            flipped(bytes.windows(32).position(|window| window == [7; 32]).unwrap()),
            Refused::Signature,
        ),
        case("a changed signature", flipped(bytes.len() - 1), Refused::Signature),
        case("r = 0", with(|signature| signature[..32].fill(0)), Refused::Signature),
        case("s = 0", with(|signature| signature[32..].fill(0)), Refused::Signature),
        case("r = 0 and s = 0", with(|signature| signature.fill(0)), Refused::Signature),
        case("r = n", with(|signature| signature[..32].copy_from_slice(&ORDER)), Refused::Signature),
        case("s = n", with(|signature| signature[32..].copy_from_slice(&ORDER)), Refused::Signature),
        case("r and s above n", with(|signature| signature.fill(0xff)), Refused::Signature),
        case("r and s swapped", with(|signature| signature.rotate_left(32)), Refused::Signature),
        case("signed by the holder's device", by(device()), Refused::Signature),
        case("signed by the issuing CA's key", by(crate::issuer::key(0x22)), Refused::Signature),
        case("signed as a code", other_context, Refused::Signature),
        case("no signature", length(0), wrong_length()),
        case("a signature of 63 bytes", length(63), wrong_length()),
        case("a signature of 65 bytes", length(65), wrong_length()),
        case("a signature in DER", length(71), wrong_length()),
    ]
}

fn times() -> Vec<Case<Input>> {
    let at = |seconds: i64| {
        let now = Timestamp::from_second(NOW + seconds).unwrap();
        Input { now, ..input(&parts().signed(&signer())) }
    };
    let issued = |iat: i64, exp: i64| {
        claiming(move |claims| {
            claims[1].1 = int(NOW + exp);
            claims[2].1 = int(NOW + iat);
        })
    };
    vec![
        case("in its first second", at(-60), ACCEPTED),
        case("a second too early", at(-61), Refused::NotYetValid),
        case("in its last second", at(86_399), ACCEPTED),
        case("at its end", at(86_400), Refused::Expired),
        case("a future iat", issued(1, 100), Refused::NotYetValid),
        case("expired long ago", issued(-1000, -500), Refused::Expired),
        case(
            "after its chain",
            Input { now: "2040-01-01T00:00:00Z".parse().unwrap(), ..at(0) },
            ChainRefused::NotCurrent,
        ),
    ]
}

fn statuses() -> Vec<Case<Input>> {
    let mut list = StatusList::with_entries(64);
    list.set(6, Status::Invalid);
    list.set(7, Status::Suspended);
    let token = |uri: &str| crate::status_lists::jwt_of(&list, uri);
    let at = |index: i64, token: String| {
        let certificate = claiming(move |claims| claims[5].1 = status(index, LIST));
        Input { status_list: Some(token), ..certificate }
    };
    let late = Timestamp::from_second(NOW + 7200).unwrap();
    vec![
        case("in force by its list", at(5, token(LIST)), ACCEPTED),
        case("revoked by its list", at(6, token(LIST)), Refused::Revoked),
        case("suspended by its list", at(7, token(LIST)), Refused::Suspended),
        case("beyond its list", at(64, token(LIST)), Refused::StatusNotTold),
        case("another list", at(5, token("https://id.test/v1/status-lists/2")), Refused::StatusNotTold),
        case(
            "a list that has ended meanwhile",
            Input { now: late, ..at(5, token(LIST)) },
            Refused::StatusNotTold,
        ),
    ]
}
