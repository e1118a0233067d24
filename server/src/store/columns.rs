//! Between columns and domain types. A value that does not read back is damage, never "not found".

use std::fmt::Display;
use std::str::FromStr;

use diesel::QueryResult;
use diesel::result::Error;
use jiff::Timestamp;

pub(super) fn time(micros: i64) -> QueryResult<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| damaged(&error))
}

pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> QueryResult<T> {
    text.parse().map_err(|error: T::Err| damaged(&error))
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> QueryResult<[u8; N]> {
    bytes.try_into().map_err(|_| damaged(&format_args!("{} bytes where {N} belong", bytes.len())))
}

pub(super) fn present<T>(value: Option<T>, column: &str) -> QueryResult<T> {
    value.ok_or_else(|| damaged(&format_args!("{column} is missing")))
}

pub(super) fn damaged(what: &dyn Display) -> Error {
    Error::DeserializationError(format!("a stored row is damaged: {what}").into())
}

/// A set of words in one column, for lists that are only ever read whole.
pub(super) fn join<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(" ")
}

pub(super) fn split<T, C>(text: &str) -> QueryResult<C>
where
    T: FromStr<Err: Display>,
    C: FromIterator<T>,
{
    text.split_whitespace().map(parse).collect()
}
