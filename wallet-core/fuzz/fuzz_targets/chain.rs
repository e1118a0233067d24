//! Any bytes as a chain and its root: two lengths of 16 bits each before a certificate, the rest is the root.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use wallet_core::chain;

fn taken<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (taken, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    Some(taken)
}

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let (Some(signer), Some(issuing)) = (taken(&mut rest), taken(&mut rest)) else { return };
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let _ = chain::verify(&[signer.to_vec(), issuing.to_vec()], rest, now);
    let _ = chain::expiry(signer);
});
