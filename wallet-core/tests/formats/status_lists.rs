//! Status lists, as JWT and as CWT.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wallet_core::cbor::CborRefused as Cbor;
use wallet_core::chain::ChainRefused;
use wallet_core::cose::CoseRefused as Cose;
use wallet_core::jws::JwsError;
use wallet_core::status_list::{Status, StatusList, StatusListRefused as Refused, Trust, Validity};

use crate::certificates::{LIST, protected};
use crate::craft::{Sign1, bstr, int, jws, map, signature, tstr};
use crate::issuer::{Chain, NOW, Plan, device, key, now, signer};
use crate::{ACCEPTED, Case, case, judged, text};

/// A token and the list that it must be of. Exactly one of the two forms is there.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Input {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwt: Option<String>,
    /// base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cwt: Option<String>,
    now: Timestamp,
    uri: String,
    /// Place to status, to be found in a list that is accepted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    statuses: BTreeMap<String, u8>,
}

pub(crate) fn hold() {
    let about = "Status lists (draft-ietf-oauth-status-list) as JWT or as CWT in base64url, held against the root of \
                 trust.json, `uri` and `now`. `statuses` are places of an accepted list.";
    judged("status_lists.json", about, cases(), |input| {
        let root = Chain::good().root;
        let trust = Trust::Root(&root);
        let list = match (&input.jwt, &input.cwt) {
            (Some(jwt), None) => StatusList::verify_jwt(jwt, &input.uri, trust, input.now),
            (None, Some(cwt)) => {
                StatusList::verify_cwt(&URL_SAFE_NO_PAD.decode(cwt).unwrap(), &input.uri, trust, input.now)
            }
            _ => panic!("one form"),
        };
        let list = list.map_err(text)?;
        for (place, expected) in &input.statuses {
            let found = list.get(place.parse().unwrap()).map(|status| status as u8);
            assert_eq!(found, Some(*expected), "place {place}");
        }
        Ok(())
    })
}

fn list() -> StatusList {
    let mut list = StatusList::with_entries(1000);
    list.set(5, Status::Invalid);
    list.set(6, Status::Suspended);
    list.set(999, Status::Invalid);
    list
}

fn validity() -> Validity {
    let (ttl, lifetime) = (SignedDuration::from_secs(60), SignedDuration::from_secs(3600));
    Validity { issued_at: Timestamp::from_second(NOW - 10).unwrap(), ttl, lifetime }
}

/// A list's token by the good issuer.
pub(crate) fn jwt_of(list: &StatusList, uri: &str) -> String {
    list.sign_jwt(uri, validity(), &Chain::good().sent(), &signer()).unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed() -> Vec<u8> {
    let mut packed = vec![0; 250];
    packed[1] = 0b0010_0100;
    packed[249] = 0b0100_0000;
    packed
}

fn header() -> Value {
    let chain: Vec<String> = Chain::good().sent().iter().map(|der| STANDARD.encode(der)).collect();
    json!({ "alg": "ES256", "typ": "statuslist+jwt", "x5c": chain })
}

fn claims() -> Value {
    let lst = URL_SAFE_NO_PAD.encode(zlib(&packed()));
    json!({ "sub": LIST, "iat": NOW - 10, "exp": NOW + 3590, "ttl": 60, "status_list": { "bits": 2, "lst": lst } })
}

fn from_jwt(jwt: String) -> Input {
    Input { jwt: Some(jwt), cwt: None, now: now(), uri: LIST.to_owned(), statuses: BTreeMap::new() }
}

fn from_cwt(cwt: &[u8]) -> Input {
    let cwt = Some(URL_SAFE_NO_PAD.encode(cwt));
    Input { jwt: None, cwt, now: now(), uri: LIST.to_owned(), statuses: BTreeMap::new() }
}

/// A JWT of another header and other claims, signed by the signer.
fn jwt(change: impl FnOnce(&mut Value, &mut Value)) -> Input {
    let (mut header, mut claims) = (header(), claims());
    change(&mut header, &mut claims);
    from_jwt(jws(&header.to_string(), &claims.to_string(), |input| signature(&signer(), input).to_vec()))
}

type Members = Vec<(Vec<u8>, Vec<u8>)>;

fn members(lst: &[u8]) -> Members {
    let list = map(&[(tstr("lst"), bstr(lst)), (tstr("bits"), int(2))]);
    vec![
        (int(2), tstr(LIST)),
        (int(4), int(NOW + 3590)),
        (int(6), int(NOW - 10)),
        (int(65_533), list),
        (int(65_534), int(60)),
    ]
}

fn head() -> Members {
    let mut head = protected(&Chain::good().sent());
    head.insert(1, (int(16), tstr("application/statuslist+cwt")));
    head
}

/// The parts of a CWT with other members.
fn parts(change: impl FnOnce(&mut Members, &mut Members)) -> Sign1 {
    let (mut head, mut members) = (head(), members(&zlib(&packed())));
    change(&mut head, &mut members);
    Sign1 { protected: map(&head), unprotected: vec![0xa0], payload: map(&members), context: b"" }
}

fn cwt(change: impl FnOnce(&mut Members, &mut Members)) -> Input {
    from_cwt(&parts(change).signed(&signer()))
}

fn told(input: Input) -> Input {
    Input {
        statuses: [(4, 0), (5, 1), (6, 2), (998, 0), (999, 1)]
            .map(|(place, status): (u32, u8)| (place.to_string(), status))
            .into(),
        ..input
    }
}

pub(crate) fn cases() -> Vec<Case<Input>> {
    let cwt = list().sign_cwt(LIST, validity(), &Chain::good().sent(), &signer()).unwrap();
    let good = vec![
        case("JWT: good", told(from_jwt(jwt_of(&list(), LIST))), ACCEPTED),
        case("JWT: good, by another encoder", told(jwt(|_, _| ())), ACCEPTED),
        case("CWT: good", told(from_cwt(&cwt)), ACCEPTED),
        case("CWT: good, by another encoder", told(self::cwt(|_, _| ())), ACCEPTED),
        case(
            "JWT: without ttl",
            jwt(|_, claims| drop(claims.as_object_mut().unwrap().remove("ttl"))),
            ACCEPTED,
        ),
        case("CWT: without ttl", self::cwt(|_, members| drop(members.pop())), ACCEPTED),
    ];
    [good, times(), jwts(), cwts(), lists()].concat()
}

fn times() -> Vec<Case<Input>> {
    let at =
        |seconds: i64, input: Input| Input { now: Timestamp::from_second(NOW + seconds).unwrap(), ..input };
    let elsewhere = |input: Input| Input { uri: "https://id.test/v1/status-lists/2".into(), ..input };
    let forms = [("JWT", jwt(|_, _| ())), ("CWT", cwt(|_, _| ()))];
    let of = |(form, input): (&str, Input)| {
        let good = || input.clone();
        [
            case(&format!("{form}: before it was signed"), at(-11, good()), Refused::NotCurrent),
            case(&format!("{form}: in its last second"), at(3589, good()), ACCEPTED),
            case(&format!("{form}: at its end"), at(3590, good()), Refused::NotCurrent),
            case(&format!("{form}: another list"), elsewhere(good()), Refused::OtherList),
        ]
    };
    forms.into_iter().flat_map(of).collect()
}

fn jwts() -> Vec<Case<Input>> {
    let signed_by =
        |key| from_jwt(jws(&header().to_string(), &claims().to_string(), |m| signature(&key, m).to_vec()));
    let unsigned =
        from_jwt(jws(r#"{"alg":"none","typ":"statuslist+jwt"}"#, &claims().to_string(), |_| vec![]));
    let other = Plan::impostor().make();
    let chain: Vec<String> = other.sent().iter().map(|der| STANDARD.encode(der)).collect();
    let impostor = from_jwt(jws(
        &json!({ "alg": "ES256", "typ": "statuslist+jwt", "x5c": chain }).to_string(),
        &claims().to_string(),
        |input| signature(&key(0x35), input).to_vec(),
    ));
    vec![
        case("JWT: alg none", unsigned, JwsError::Header),
        case("JWT: alg HS256", jwt(|header, _| header["alg"] = "HS256".into()), JwsError::Header),
        case("JWT: alg ES384", jwt(|header, _| header["alg"] = "ES384".into()), JwsError::Header),
        case(
            "JWT: another kind of token",
            jwt(|header, _| header["typ"] = "ecert-receipt+jwt".into()),
            JwsError::Header,
        ),
        case("JWT: a critical header", jwt(|header, _| header["crit"] = json!(["exp"])), JwsError::Header),
        case(
            "JWT: no chain",
            jwt(|header, _| drop(header.as_object_mut().unwrap().remove("x5c"))),
            JwsError::Header,
        ),
        case("JWT: a chain of numbers", jwt(|header, _| header["x5c"] = json!([1, 2])), JwsError::Header),
        case("JWT: an empty chain", jwt(|header, _| header["x5c"] = json!([])), ChainRefused::Malformed),
        case("JWT: another issuer", impostor, ChainRefused::NotTrusted),
        case("JWT: signed by a device", signed_by(device()), JwsError::Signature),
        case("JWT: exp as text", jwt(|_, claims| claims["exp"] = "never".into()), JwsError::Malformed),
        case("JWT: exp of a fraction", jwt(|_, claims| claims["exp"] = json!(1.5)), JwsError::Malformed),
        case(
            "JWT: no exp",
            jwt(|_, claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
            JwsError::Malformed,
        ),
        case(
            "JWT: no list",
            jwt(|_, claims| drop(claims.as_object_mut().unwrap().remove("status_list"))),
            JwsError::Malformed,
        ),
        case("JWT: empty", from_jwt(String::new()), JwsError::Malformed),
        case("JWT: two dots", from_jwt("..".into()), JwsError::Malformed),
        case("JWT: a CWT", from_jwt("0oRD".into()), JwsError::Malformed),
    ]
}

fn cwts() -> Vec<Case<Input>> {
    let form = |why| Cose::Form(why);
    let missing = Refused::Form("a claim is missing or of another kind");
    let spoiled = |change: fn(&mut Vec<u8>)| {
        let mut bytes = parts(|_, _| ()).signed(&signer());
        change(&mut bytes);
        from_cwt(&bytes)
    };
    let other = Plan::impostor().make();
    let impostor = parts(|head, _| head[2] = protected(&other.sent())[1].clone()).signed(&key(0x35));
    let unknown = form("a protected header is missing or unknown");
    vec![
        case("CWT: alg ES384", cwt(|head, _| head[0].1 = int(-35)), Cose::Algorithm),
        case("CWT: alg HMAC 256/256", cwt(|head, _| head[0].1 = int(5)), Cose::Algorithm),
        case(
            "CWT: another kind of token",
            cwt(|head, _| head[1].1 = tstr("application/cwt")),
            form("`typ` is another"),
        ),
        case("CWT: a kind by number", cwt(|head, _| head[1].1 = int(61)), form("`typ` is another")),
        case("CWT: no kind", cwt(|head, _| drop(head.remove(1))), unknown),
        case("CWT: a key id", cwt(|head, _| head.insert(1, (int(4), bstr(b"11")))), unknown),
        case("CWT: no chain", cwt(|head, _| drop(head.pop())), unknown),
        case("CWT: another issuer", from_cwt(&impostor), ChainRefused::NotTrusted),
        case("CWT: signed by a device", from_cwt(&parts(|_, _| ()).signed(&device())), Refused::Signature),
        case(
            "CWT: a changed signature",
            spoiled(|bytes| *bytes.last_mut().unwrap() ^= 1),
            Refused::Signature,
        ),
        case(
            "CWT: not tagged",
            spoiled(|bytes| {
                bytes.remove(0);
            }),
            form("tag 18 is missing"),
        ),
        case("CWT: a byte behind it", spoiled(|bytes| bytes.push(0)), Cbor::Trailing),
        case("CWT: of indefinite length", spoiled(|bytes| bytes[1] = 0x9f), Cbor::Indefinite),
        case("CWT: empty", from_cwt(&[]), Cbor::NotWellFormed),
        case(
            "CWT: a claim twice",
            cwt(|_, members| members.insert(0, members[0].clone())),
            Cbor::DuplicateKey,
        ),
        case("CWT: claims out of order", cwt(|_, members| members.swap(0, 1)), Cbor::KeyOrder),
        case("CWT: no exp", cwt(|_, members| drop(members.remove(1))), missing),
        case("CWT: exp as text", cwt(|_, members| members[1].1 = tstr("never")), missing),
        case(
            "CWT: exp of 64 bits",
            cwt(|_, members| members[1].1 = [&[0x1b][..], &[0xff; 8]].concat()),
            missing,
        ),
        case("CWT: no list", cwt(|_, members| drop(members.remove(3))), missing),
        case("CWT: a list that is a string", cwt(|_, members| members[3].1 = bstr(&[1])), missing),
        case("CWT: ttl as text", cwt(|_, members| members[4].1 = tstr("1 min")), missing),
    ]
}

fn lists() -> Vec<Case<Input>> {
    let no_zlib = Refused::Form("`lst` is no zlib stream");
    let streams = Refused::Form("`lst` is empty, or more than one stream");
    let bits = Refused::Form("`bits` is not 2, or `ttl` not positive");
    let lst = |bytes: Vec<u8>| {
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        [jwt(|_, claims| claims["status_list"]["lst"] = text.into()), cwt(|_, all| *all = members(&bytes))]
    };
    let with_bits = |number: i64| {
        let list = map(&[(tstr("lst"), bstr(&zlib(&packed()))), (tstr("bits"), int(number))]);
        [jwt(|_, claims| claims["status_list"]["bits"] = number.into()), cwt(|_, all| all[3].1 = list)]
    };
    let ttl = |seconds: i64| {
        [jwt(|_, claims| claims["ttl"] = seconds.into()), cwt(|_, members| members[4].1 = int(seconds))]
    };
    let cut = { zlib(&packed())[..10].to_vec() };
    let two = [zlib(&packed()), zlib(&packed())].concat();
    [
        ("a bomb of 8 MiB", lst(zlib(&vec![0; 8 << 20])), Refused::TooLarge),
        ("no zlib", lst(vec![1, 2, 3]), no_zlib),
        ("nothing at all", lst(vec![]), no_zlib),
        ("a stream of nothing", lst(zlib(&[])), streams),
        ("a stream cut short", lst(cut), no_zlib),
        ("two streams", lst(two), streams),
        ("1 bit a status", with_bits(1), bits),
        ("8 bits a status", with_bits(8), bits),
        ("-2 bits a status", with_bits(-2), bits),
        ("a ttl of 0", ttl(0), bits),
        ("a negative ttl", ttl(-60), bits),
    ]
    .into_iter()
    .flat_map(|(name, [jwt, cwt], refused)| {
        [case(&format!("JWT: {name}"), jwt, refused), case(&format!("CWT: {name}"), cwt, refused)]
    })
    .collect()
}
