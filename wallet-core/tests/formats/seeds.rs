//! The seeds of the fuzz targets (`wallet-core/fuzz`), made from the vectors: what is accepted, and some of what is not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::{ACCEPTED, Case, certificates, chains, codes, folder, hold, proofs, status_lists, writes};

/// A refused case in so many is a seed: the fuzzer finds the rest by itself.
const EVERY: usize = 8;

fn some<I: Clone>(cases: &[Case<I>]) -> Vec<I> {
    let chosen = |(place, case): &(usize, &Case<I>)| case.expect == ACCEPTED || place % EVERY == 0;
    cases.iter().enumerate().filter(chosen).map(|(_, case)| case.input.clone()).collect()
}

fn hold_all(target: &str, mut seeds: Vec<Vec<u8>>) {
    if writes() {
        // None of an earlier set stays behind.
        let _ = std::fs::remove_dir_all(folder().join(format!("../../wallet-core/fuzz/seeds/{target}")));
    }
    seeds.sort();
    seeds.dedup();
    for (place, seed) in seeds.iter().filter(|seed| seed.len() < 4096).enumerate() {
        hold(&format!("../../wallet-core/fuzz/seeds/{target}/{place:02}"), seed);
    }
}

fn prefixed(byte: u8, bytes: &[u8]) -> Vec<u8> {
    [&[byte], bytes].concat()
}

/// The claims of a JWT.
fn claims(token: &str) -> Vec<u8> {
    token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok()).unwrap_or_default()
}

#[test]
fn the_seeds_of_the_fuzz_targets_are_made_from_the_vectors() {
    let texts = some(&codes::cases()).into_iter().map(|input| input.text);
    let (qr, digits): (Vec<String>, Vec<String>) = texts.partition(|text| text.starts_with("EC1:"));
    hold_all("qr_text", qr.into_iter().map(|text| text.as_bytes()[4..].to_vec()).collect());
    hold_all("numeric", digits.into_iter().map(String::into_bytes).collect());
    let certificates = some(&certificates::cases()).into_iter();
    let certificates: Vec<Vec<u8>> =
        certificates.map(|input| URL_SAFE_NO_PAD.decode(input.certificate).unwrap()).collect();
    hold_all("certificate", certificates.clone());
    // The second was a find: a number as a bignum, which is also a number.
    let own = [vec![0xa2, 1, 0, 2, 0x81, 0x18, 0x18], vec![0xc2, 0x42, 0x82, 0x01]];
    hold_all("cbor", certificates.into_iter().step_by(3).chain(own).collect());
    let chain = |input: chains::Input| {
        let element = |der: &String| {
            let der = STANDARD.decode(der).unwrap();
            [&u16::try_from(der.len()).unwrap().to_be_bytes()[..], &der].concat()
        };
        [input.chain.iter().map(element).collect::<Vec<_>>().concat(), STANDARD.decode(input.root).unwrap()]
            .concat()
    };
    hold_all("chain", some(&chains::cases()).into_iter().map(chain).collect());
    let mut lists = Vec::new();
    for input in some(&status_lists::cases()) {
        if let Some(jwt) = &input.jwt {
            lists.extend([prefixed(0, jwt.as_bytes()), prefixed(2, &claims(jwt))]);
        }
        if let Some(cwt) = &input.cwt {
            lists.push(prefixed(1, &URL_SAFE_NO_PAD.decode(cwt).unwrap()));
        }
    }
    hold_all("status_list", lists);
    let proofs = some(&proofs::proofs()).into_iter();
    let proofs = proofs.flat_map(|input| [prefixed(0, input.proof.as_bytes()), claims(&input.proof)]);
    hold_all("dpop", proofs.collect());
}
