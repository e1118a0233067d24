//! What a relying party may submit as a code: the text of a QR, or digits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wallet_core::code::{Code, CodeMalformed};
use wallet_core::es256::{BadSignature, PublicKey};

use crate::craft::{ORDER, Q1, Sign1, array, bstr, digits, int, map, mirrored, qr, signature, tstr};
use crate::issuer::{NOW, device, key, now, signer};
use crate::{ACCEPTED, Case, case, judged, text};

/// A text, judged with the device key of trust.json.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Input {
    pub(crate) text: String,
    now: Timestamp,
}

const NOT_CURRENT: &str = "the code is not current";

pub(crate) fn hold() {
    let about = "Codes as a relying party submits them: the text of a QR (COSE_Sign1 by the device key of trust.json, in \
                 Base45) or sixteen digits.";
    judged("codes.json", about, cases(), |input| match input.text.parse::<Code>().map_err(text)? {
        Code::Qr(code) => {
            let code = code.verify(&PublicKey::from(&device())).map_err(text)?;
            if code.showing().is_current(input.now) { Ok(()) } else { Err(NOT_CURRENT.to_owned()) }
        }
        Code::Numeric(_) | Code::Standing(_) | Code::Test(_) => Ok(()),
    })
}

fn of(text: &str) -> Input {
    Input { text: text.to_owned(), now: now() }
}

fn good() -> Q1 {
    Q1::at([7; 16], [9; 8], NOW)
}

fn parts() -> Sign1 {
    good().message()
}

/// A QR of another message, signed by the device.
fn signed(change: impl FnOnce(&mut Sign1)) -> Input {
    let mut parts = parts();
    change(&mut parts);
    of(&qr(&parts.signed(&device())))
}

/// A QR of other bytes, not signed anew.
fn spoiled(change: impl FnOnce(&mut Vec<u8>)) -> Input {
    let mut bytes = parts().signed(&device());
    change(&mut bytes);
    of(&qr(&bytes))
}

fn payload(parts: &[Vec<u8>]) -> Input {
    let payload = array(parts);
    signed(move |message| message.payload = payload)
}

pub(crate) fn cases() -> Vec<Case<Input>> {
    [texts(), messages(), payloads(), signatures(), times(), numbers()].concat()
}

fn texts() -> Vec<Case<Input>> {
    let text = good().text(&device());
    // 113 bytes end in a pair of letters. A pair can say numbers above 255, which a lax decoder cuts down.
    let (head, tail) = text.split_at(text.len() - 2);
    let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    let at = |letter: char| alphabet.find(letter).unwrap();
    let letter = |place: usize| alphabet.chars().nth(place).unwrap();
    let value = at(tail.chars().next().unwrap()) + 45 * at(tail.chars().nth(1).unwrap()) + 256;
    let other_tail = format!("{head}{}{}", letter(value % 45), letter(value / 45));
    let malformed = [
        ("empty", String::new()),
        ("a prefix and nothing", "EC1:".into()),
        ("no prefix", text[4..].to_owned()),
        ("a prefix in small letters", text.replacen("EC1:", "ec1:", 1)),
        ("another prefix", text.replacen("EC1:", "HC1:", 1)),
        ("the prefix twice", format!("EC1:{text}")),
        ("small letters", text.to_lowercase()),
        ("a letter that is none of Base45", format!("{}é", &text[..text.len() - 2])),
        ("a triple above 65535", "EC1::::".into()),
        ("a letter left over", format!("{text}0")),
        ("another text of the same bytes", other_tail),
        ("a space before", format!(" {text}")),
        ("a line break behind", format!("{text}\n")),
        ("two codes", format!("{text}{}", &text[4..])),
        ("1,000 letters", format!("EC1:{}", "0".repeat(1000))),
        ("an address", "https://id.test/?code=1234".into()),
        ("a NUL", "\0".into()),
    ];
    let mut cases = vec![case("good", of(&text), ACCEPTED)];
    cases.extend(malformed.into_iter().map(|(name, text)| case(name, of(&text), CodeMalformed)));
    cases
}

fn messages() -> Vec<Case<Input>> {
    let header = |members: &[(Vec<u8>, Vec<u8>)]| {
        let members = map(members);
        signed(move |message| message.protected = members)
    };
    let algorithm = |number: i64| header(&[(int(1), int(number))]);
    let unprotected = map(&[(int(4), bstr(b"11"))]);
    [
        (
            "not tagged",
            spoiled(|bytes| {
                bytes.remove(0);
            }),
        ),
        ("tagged as COSE_Mac0", spoiled(|bytes| bytes[0] = 0xd1)),
        ("a byte behind the message", spoiled(|bytes| bytes.push(0))),
        (
            "a message cut short",
            spoiled(|bytes| {
                bytes.pop();
            }),
        ),
        (
            "a message of indefinite length",
            spoiled(|bytes| {
                bytes[1] = 0x9f;
                bytes.push(0xff);
            }),
        ),
        ("a count of two bytes", spoiled(|bytes| drop(bytes.splice(1..2, [0x98, 0x04])))),
        ("a length of three bytes", spoiled(|bytes| drop(bytes.splice(2..3, [0x58, 0x03])))),
        ("a huge count", of(&qr(&[0xd2, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))),
        ("nested 100 deep", of(&qr(&[vec![0xd2], vec![0x81; 100]].concat()))),
        ("alg ES384", algorithm(-35)),
        ("alg EdDSA", algorithm(-8)),
        ("alg HMAC 256/256", algorithm(5)),
        ("alg none", header(&[(int(1), tstr("none"))])),
        ("no alg", header(&[])),
        ("a key id", header(&[(int(1), int(-7)), (int(4), bstr(b"11"))])),
        ("a critical header", header(&[(int(1), int(-7)), (int(2), array(&[int(1)]))])),
        ("an unprotected header", signed(|message| message.unprotected = unprotected)),
        ("a signature of 63 bytes", of(&qr(&parts().with(&[1; 63])))),
        ("a signature of 65 bytes", of(&qr(&parts().with(&[1; 65])))),
        ("no signature", of(&qr(&parts().with(&[])))),
    ]
    .into_iter()
    .map(|(name, input)| case(name, input, CodeMalformed))
    .collect()
}

fn payloads() -> Vec<Case<Input>> {
    let all = [bstr(&[7; 16]), int(NOW), int(NOW + 60), bstr(&[9; 8]), int(2)];
    let with = |place: usize, value: Vec<u8>| {
        let mut all = all.clone();
        all[place] = value;
        payload(&all)
    };
    let wide = [&array(&all)[..], &[0]].concat();
    let indefinite = [&[0x9f], &array(&all)[1..], &[0xff]].concat();
    [
        ("a payload of four", payload(&all[..4])),
        ("a payload of six", payload(&[&all[..], &[int(0)]].concat())),
        ("no payload at all", payload(&[])),
        ("a payload that is a map", signed(|message| message.payload = map(&[]))),
        ("a payload of nothing", signed(|message| message.payload = vec![])),
        ("a byte behind the payload", signed(|message| message.payload = wide)),
        ("a payload of indefinite length", signed(|message| message.payload = indefinite)),
        ("a handle of 15 bytes", with(0, bstr(&[7; 15]))),
        ("a handle of 17 bytes", with(0, bstr(&[7; 17]))),
        ("a handle as text", with(0, tstr("7777777777777777"))),
        ("a jti of 7 bytes", with(3, bstr(&[9; 7]))),
        ("a jti of 9 bytes", with(3, bstr(&[9; 9]))),
        ("iat as text", with(1, tstr("now"))),
        ("iat of 64 bits", with(1, [&[0x1b][..], &[0xff; 8]].concat())),
        ("iat as a float", with(1, vec![0xfb, 0x41, 0xda, 0xd2, 0x74, 0x80, 0, 0, 0])),
        ("a share of nothing", with(4, int(0))),
        ("a share that nobody has", with(4, int(4))),
        ("a negative share", with(4, int(-1))),
        ("a share of 256", with(4, int(256))),
    ]
    .into_iter()
    .map(|(name, input)| case(name, input, CodeMalformed))
    .collect()
}

fn signatures() -> Vec<Case<Input>> {
    let with = |change: fn(&mut [u8; 64])| {
        let mut right = signature(&device(), &parts().message());
        change(&mut right);
        of(&qr(&parts().with(&right)))
    };
    let by = |key| of(&good().text(&key));
    let elsewhere = Sign1 { context: b"ecert-capture", ..parts() };
    let elsewhere = of(&qr(&parts().with(&signature(&device(), &elsewhere.message()))));
    let without = Sign1 { context: b"", ..parts() };
    let without = of(&qr(&parts().with(&signature(&device(), &without.message()))));
    // The message is 113 bytes: d2 84 43 protected a0 58 26 payload 58 40 signature.
    vec![
        case("the other s", with(|signature| *signature = mirrored(*signature)), ACCEPTED),
        case("a changed handle", spoiled(|bytes| bytes[12] ^= 1), BadSignature),
        case("a longer life", spoiled(|bytes| bytes[34] ^= 1), BadSignature),
        case("a wider share", spoiled(|bytes| bytes[46] = 3), BadSignature),
        case("a changed signature", spoiled(|bytes| *bytes.last_mut().unwrap() ^= 1), BadSignature),
        case("r = 0", with(|signature| signature[..32].fill(0)), BadSignature),
        case("s = 0", with(|signature| signature[32..].fill(0)), BadSignature),
        case("r = 0 and s = 0", with(|signature| signature.fill(0)), BadSignature),
        case("r = n", with(|signature| signature[..32].copy_from_slice(&ORDER)), BadSignature),
        case("s = n", with(|signature| signature[32..].copy_from_slice(&ORDER)), BadSignature),
        case("r and s above n", with(|signature| signature.fill(0xff)), BadSignature),
        case("signed by another device", by(key(0x45)), BadSignature),
        case("signed by the issuer", by(signer()), BadSignature),
        case("signed for another context", elsewhere, BadSignature),
        case("signed for no context", without, BadSignature),
    ]
}

fn times() -> Vec<Case<Input>> {
    let at = |seconds: i64| Input {
        now: Timestamp::from_second(NOW + seconds).unwrap(),
        ..of(&good().text(&device()))
    };
    let lasting = |iat: i64, exp: i64| of(&Q1 { iat: NOW + iat, exp: NOW + exp, ..good() }.text(&device()));
    vec![
        case("30 s before it was made", at(-30), ACCEPTED),
        case("31 s before it was made", at(-31), NOT_CURRENT),
        case("30 s after its end", at(90), ACCEPTED),
        case("31 s after its end", at(91), NOT_CURRENT),
        case("a life of 61 s", lasting(0, 61), NOT_CURRENT),
        case("a life of a year", lasting(0, 31_536_000), NOT_CURRENT),
        case("a life of nothing", lasting(0, 0), NOT_CURRENT),
        case("an end before its beginning", lasting(0, -10), NOT_CURRENT),
        case("a code of tomorrow", lasting(86_400, 86_460), NOT_CURRENT),
        case("a code of 1970", of(&Q1 { iat: 0, exp: 60, ..good() }.text(&device())), NOT_CURRENT),
    ]
}

fn numbers() -> Vec<Case<Input>> {
    let good = digits("11234567890123");
    let grouped = format!("{} {} {} {}", &good[..4], &good[4..8], &good[8..12], &good[12..]);
    let changed = |place: usize| {
        let mut digits = good.clone().into_bytes();
        digits[place] = b'0' + (digits[place] - b'0' + 1) % 10;
        String::from_utf8(digits).unwrap()
    };
    let mut swapped = good.clone().into_bytes();
    swapped.swap(7, 8);
    let full_width: String =
        good.chars().map(|c| char::from_u32(c as u32 - 0x30 + 0xff10).unwrap()).collect();
    let arabic: String = good.chars().map(|c| char::from_u32(c as u32 - 0x30 + 0x660).unwrap()).collect();
    let mut cases = vec![
        case("sixteen digits", of(&good), ACCEPTED),
        case("sixteen digits in groups", of(&grouped), ACCEPTED),
        case("sixteen digits with hyphens", of(&grouped.replace(' ', "-")), ACCEPTED),
    ];
    let malformed = [
        ("fifteen digits", good[1..].to_owned()),
        ("seventeen digits", format!("{good}0")),
        ("a wrong check digit", changed(15)),
        ("a wrong first check digit", changed(14)),
        ("a wrong digit", changed(5)),
        ("two digits swapped", String::from_utf8(swapped).unwrap()),
        ("a first digit that nobody gives out", digits("91234567890123")),
        ("a first digit of 0", digits("01234567890123")),
        ("sixteen zeros", "0".repeat(16)),
        ("a letter O for a 0", good.replacen('0', "O", 1)),
        ("a sign", format!("+{}", &good[1..])),
        ("digits of full width", full_width),
        ("Arabic digits", arabic),
        ("a fraction", format!("{}.{}", &good[..15], &good[15..])),
        ("digits and a NUL", format!("{good}\0")),
        ("a tab between", format!("{}\t{}", &good[..8], &good[8..])),
        ("only gaps", " - - ".into()),
    ];
    cases.extend(malformed.into_iter().map(|(name, text)| case(name, of(&text), CodeMalformed)));
    cases
}
