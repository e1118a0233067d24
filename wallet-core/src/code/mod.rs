//! The ways to present an E-cert once: a QR that the phone signs by itself, or 16 digits that the server mints.

pub mod numeric;
pub mod paper;
pub mod qr;
pub mod sheet;

use std::str::FromStr;

/// A code as a relying party submits it: well-formed, and nothing more is known of it yet.
#[derive(Debug, Clone)]
pub enum Code {
    /// The text of a QR.
    Qr(Box<qr::UnverifiedQr>),
    /// Sixteen digits.
    Numeric(numeric::NumericCode),
}

/// The text is no code: a wrong letter, length or check digit. It is answered at once and counted against nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code is malformed")]
pub struct CodeMalformed;

impl FromStr for Code {
    type Err = CodeMalformed;

    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        match text.strip_prefix(qr::PREFIX) {
            Some(body) => qr::UnverifiedQr::parse(body).map(Box::new).map(Code::Qr),
            None => text.parse().map(Code::Numeric),
        }
    }
}
