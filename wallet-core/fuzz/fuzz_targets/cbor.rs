//! Any bytes as CBOR. What passes has one encoding: another implementation writes the very same bytes.
#![no_main]

use ciborium::Value;
use libfuzzer_sys::fuzz_target;
use wallet_core::cbor::{Limits, check};

const LIMITS: Limits = Limits { bytes: 8192, depth: 16, items: 1000, string: 4096 };

fuzz_target!(|bytes: &[u8]| {
    if check(bytes, &LIMITS).is_err() {
        return;
    }
    let value: Value = ciborium::from_reader(bytes).expect("what passes is CBOR");
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).expect("and can be written");
    assert_eq!(again, bytes);
});
