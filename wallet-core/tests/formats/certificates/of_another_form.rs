//! E-certs with a header or claims that none has.

use wallet_core::cbor::CborRefused as Cbor;
use wallet_core::chain::ChainRefused;
use wallet_core::cose::CoseRefused as Cose;
use wallet_core::ecert::CertRefused as Refused;

use super::{Input, LIST, cbor, claiming, cose, device_key, headed, input, parts, protected, status};
use crate::craft::{Sign1, array, bstr, int, map, tstr};
use crate::issuer::{Chain, NOW, Plan, device, signer};
use crate::{Case, case};

pub(super) fn claims() -> Vec<Case<Input>> {
    let with = |place: usize, value: Vec<u8>| claiming(move |claims| claims[place].1 = value);
    let form = Refused::Form;
    let (members, another) =
        (form("a map has a member too many or too few"), form("a map has another member"));
    let address = form("an address is no text of 1 to 256 bytes");
    let time = form("a time is not whole seconds before the year 10000");
    let length = form("not a byte string of its length");
    let key = |place: usize, value: Vec<u8>| {
        let mut key = device_key();
        key[place].1 = value;
        with(4, map(&[(int(1), map(&key))]))
    };
    let point = form("cnf is no point of P-256");
    let x = device().verifying_key().to_sec1_point(false).as_bytes()[1..33].to_vec();
    let digests = |members: &[(Vec<u8>, Vec<u8>)]| with(7, map(members));
    let mut cases = vec![
        case(
            "claims that are no map",
            input(&Sign1 { payload: array(&[]), ..parts() }.signed(&signer())),
            members,
        ),
        case("a claim too many", claiming(|claims| claims.insert(1, (int(2), tstr("sub")))), members),
        case("another claim", claiming(|claims| claims[0].0 = int(0)), another),
        case("an issuer that is a number", with(0, int(1)), address),
        case("an issuer without a name", with(0, tstr("")), address),
        case("an issuer of 257 bytes", with(0, tstr(&"x".repeat(257))), address),
        case("exp as text", with(1, tstr("tomorrow")), time),
        case("exp in the year 10000", with(1, int(253_402_300_800)), time),
        case("exp before 1970", with(1, int(-1)), time),
        case("iat of 64 bits", with(2, [&[0x1b][..], &[0xff; 8]].concat()), time),
        case("exp at iat", with(1, int(NOW - 60)), form("exp is not after iat")),
        case("cti of 15 bytes", with(3, bstr(&[1; 15])), length),
        case("cti of 17 bytes", with(3, bstr(&[1; 17])), length),
        case("cti as text", with(3, tstr("1111111111111111")), length),
        case("no device key", with(4, map(&[])), members),
        case("device key by its id", with(4, map(&[(int(3), bstr(&[1]))])), another),
        case("device key of another kind", key(0, int(1)), form("cnf is no key of P-256")),
        case("device key of P-384", key(1, int(2)), form("cnf is no key of P-256")),
        case("device key off the curve", key(3, bstr(&[1; 32])), point),
        case(
            "device key (0, 0)",
            with(
                4,
                map(&[(
                    int(1),
                    map(&[
                        device_key()[0].clone(),
                        device_key()[1].clone(),
                        (int(-2), bstr(&[0; 32])),
                        (int(-3), bstr(&[0; 32])),
                    ]),
                )]),
            ),
            point,
        ),
        case("device key above the prime", key(2, bstr(&[0xff; 32])), point),
        case("device key's x for its y", key(3, bstr(&x)), point),
        case("device key of a compressed point", key(3, vec![0xf5]), length),
        case("device key of 31 bytes", key(2, bstr(&x[1..])), length),
        case(
            "device key with its private part",
            with(4, map(&[(int(1), map(&[device_key(), vec![(int(-4), bstr(&[0x44; 32]))]].concat()))])),
            members,
        ),
    ];
    cases.extend([
        case("no status list", with(5, map(&[])), members),
        case("a status of another kind", with(5, map(&[(tstr("identifier_list"), map(&[]))])), another),
        case("a place of 33 bits", with(5, status(1 << 32, LIST)), form("idx is no number of 32 bits")),
        case("a negative place", with(5, status(-1, LIST)), form("idx is no number of 32 bits")),
        case("a status list without an address", with(5, status(5, "")), address),
        case("an assurance level that nobody has", with(6, tstr("IAL3")), form("unknown assurance level")),
        case("an assurance level as a number", with(6, int(2)), form("unknown assurance level")),
        case("no digest", digests(&[]), form("the digests are no map, or empty")),
        case("digests as an array", with(7, array(&[])), form("the digests are no map, or empty")),
        case(
            "an attribute that nobody has",
            digests(&[(tstr("nick"), bstr(&[7; 32]))]),
            form("unknown attribute"),
        ),
        case("an attribute as a number", digests(&[(int(1), bstr(&[7; 32]))]), form("unknown attribute")),
        case("a digest of 31 bytes", digests(&[(tstr("name"), bstr(&[7; 31]))]), length),
        case(
            "an attribute twice",
            digests(&[(tstr("name"), bstr(&[7; 32])), (tstr("name"), bstr(&[8; 32]))]),
            cbor(Cbor::DuplicateKey),
        ),
    ]);
    cases
}

pub(super) fn headers() -> Vec<Case<Input>> {
    let algorithm = |number: i64| headed(|header| header[0].1 = int(number));
    let unknown = || cose(Cose::Form("a protected header is missing or unknown"));
    let unprotected = |members: &[(Vec<u8>, Vec<u8>)]| {
        input(&Sign1 { unprotected: map(members), ..parts() }.signed(&signer()))
    };
    let other = Plan::impostor().make();
    let key_id = headed(|header| header.insert(1, (int(4), bstr(b"another key"))));
    let critical = headed(|header| header.insert(1, (int(2), array(&[int(33)]))));
    let empty = input(&Sign1 { protected: vec![], ..parts() }.signed(&signer()));
    vec![
        case("alg ES384", algorithm(-35), cose(Cose::Algorithm)),
        case("alg ES512", algorithm(-36), cose(Cose::Algorithm)),
        case("alg EdDSA", algorithm(-8), cose(Cose::Algorithm)),
        case("alg PS256", algorithm(-37), cose(Cose::Algorithm)),
        case("alg HMAC 256/256", algorithm(5), cose(Cose::Algorithm)),
        case("alg ES256K", algorithm(-47), cose(Cose::Algorithm)),
        case("alg that nobody has", algorithm(-60_000), cose(Cose::Algorithm)),
        case("alg as text", headed(|header| header[0].1 = tstr("ES256")), cose(Cose::Algorithm)),
        case("alg none", headed(|header| header[0].1 = tstr("none")), cose(Cose::Algorithm)),
        case("no alg", headed(|header| drop(header.remove(0))), cose(Cose::Algorithm)),
        case("no protected header", empty, cbor(Cbor::NotWellFormed)),
        case(
            "a protected header that is no map",
            input(&Sign1 { protected: array(&[]), ..parts() }.signed(&signer())),
            cose(Cose::Form("the protected header is no map")),
        ),
        case(
            "alg unprotected too",
            unprotected(&[(int(1), int(-7))]),
            cose(Cose::Form("an unprotected header")),
        ),
        case(
            "a key id unprotected",
            unprotected(&[(int(4), bstr(b"11"))]),
            cose(Cose::Form("an unprotected header")),
        ),
        case("a key id", key_id, unknown()),
        case("a critical header", critical, unknown()),
        case("no chain", headed(|header| drop(header.pop())), unknown()),
        case(
            "chain as one string",
            headed(|header| header[1].1 = bstr(&[1])),
            cose(Cose::Form("x5chain is no array of byte strings")),
        ),
        case(
            "chain of texts",
            headed(|header| header[1].1 = array(&[tstr("a"), tstr("b")])),
            cose(Cose::Form("x5chain is no array of byte strings")),
        ),
        case("empty chain", headed(|header| header[1].1 = array(&[])), ChainRefused::Malformed),
        case(
            "chain of nonsense",
            headed(|header| header[1].1 = array(&[bstr(&[1]), bstr(&[2])])),
            ChainRefused::Malformed,
        ),
        case(
            "chain of the signer alone",
            headed(|header| *header = protected(&Chain::good().sent()[..1])),
            ChainRefused::Malformed,
        ),
        case(
            "another issuer's chain, signed by its key",
            input(
                &Sign1 { protected: map(&protected(&other.sent())), ..parts() }
                    .signed(&crate::issuer::key(0x35)),
            ),
            ChainRefused::NotTrusted,
        ),
        case(
            "another issuer's chain",
            headed(|header| *header = protected(&other.sent())),
            ChainRefused::NotTrusted,
        ),
    ]
}
