//! Any text as digits. What is read must be the same however it is grouped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet_core::code::Code;

fuzz_target!(|text: &str| {
    let Ok(Code::Numeric(code)) = text.parse::<Code>() else { return };
    match code.grouped().parse::<Code>() {
        Ok(Code::Numeric(again)) => assert!(again == code),
        _ => panic!("a code that was read is not read again"),
    }
});
