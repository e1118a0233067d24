//! Money, names and lines of text in what is sent to us: bounded, so that no sum leaves its range and no text its place.

use std::ops::RangeInclusive;

use wallet_core::money::{Amount, Currency, Micros, SentAmount};
use wallet_core::refusal::Refusal;

/// The dearest thing that is sold, or use that is metered: ten million yuan.
pub(super) const MOST_PRICE: i64 = 10_000_000_000_000;
/// The largest payment: a thousand million yuan.
pub(super) const MOST_PAYMENT: i64 = 1_000_000_000_000_000;

/// Exactly as many yuan, if they are from `least` to `most`.
pub(super) fn yuan(field: &'static str, sent: &SentAmount, least: i64, most: i64) -> Result<Micros, Refusal> {
    if sent.currency != Currency::Cny.code() {
        return Err(invalid(field, format!("an amount in {}", Currency::Cny.code())));
    }
    bounded(field, sent.micros, least, most).map(Micros::new)
}

/// A whole number from `least` to `most`.
pub(super) fn bounded(field: &'static str, number: i64, least: i64, most: i64) -> Result<i64, Refusal> {
    let fits = (least..=most).contains(&number);
    fits.then_some(number).ok_or_else(|| invalid(field, format!("a whole number from {least} to {most}")))
}

/// A name that people give to a thing of the catalogue: `[a-z0-9.-]`, 1 to 40 of them.
pub(super) fn name(field: &'static str, name: &str) -> Result<(), Refusal> {
    let plain =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b".-".contains(&letter);
    let fits = (1..=40).contains(&name.len()) && name.bytes().all(plain);
    if fits { Ok(()) } else { Err(invalid(field, "1 to 40 of a-z, 0-9, `.` and `-`")) }
}

/// What others call a thing: 1 to 64 visible characters of ASCII.
pub(super) fn reference(field: &'static str, text: &str) -> Result<(), Refusal> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(invalid(field, "1 to 64 visible characters of ASCII")) }
}

/// Whether it is one line of as many characters.
pub(super) fn is_line(text: &str, lengths: RangeInclusive<usize>) -> bool {
    lengths.contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

pub(super) fn invalid(field: &'static str, expected: impl Into<String>) -> Refusal {
    Refusal::RequestInvalid { field, expected: expected.into() }
}

/// As it stands on the wire.
pub(super) fn cny(micros: Micros) -> Amount {
    Amount { currency: Currency::Cny, micros }
}
