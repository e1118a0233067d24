//! Any bytes as an E-cert, under a root of nonsense. What is read has one encoding, so it is the one that was signed.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use wallet_core::ecert::UnverifiedCert;
use wallet_core::ecert::verify::verify;

fuzz_target!(|bytes: &[u8]| {
    let Ok(cert) = UnverifiedCert::from_bytes(bytes) else { return };
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    assert!(verify(cert, &[0x30, 0x00], now).is_err(), "nonsense is no root");
});
