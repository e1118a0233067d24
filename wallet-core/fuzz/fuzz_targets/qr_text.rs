//! Any text as a code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet_core::code::Code;

fuzz_target!(|text: &str| {
    let _ = text.parse::<Code>();
    // Most texts have no prefix; the parser behind it is reached all the same.
    let _ = format!("EC1:{text}").parse::<Code>();
});
