//! The ways to present an E-cert once: a QR that the phone signs by itself, or 16 digits that the server mints.

pub mod handles;
pub mod numeric;
pub mod paper;
pub mod qr;
pub mod sheet;
pub mod standing;
pub mod test_people;

use std::str::FromStr;

/// A code as a relying party submits it: well-formed, and nothing more is known of it yet.
#[derive(Debug, Clone)]
pub enum Code {
    /// The text of a QR.
    Qr(Box<qr::UnverifiedQr>),
    /// Sixteen digits.
    Numeric(numeric::NumericCode),
    /// The sixteen digits that stand: good for an approval on the holder's own phone only.
    Standing(standing::StandingNumber),
    /// That of a person who is not there: good in a sandbox, and unknown everywhere else.
    Test(test_people::TestCode),
}

impl Code {
    /// Whether it could be guessed, so that wrong ones are counted: a QR is signed, and a test person's is no secret.
    pub fn is_digits(&self) -> bool {
        matches!(self, Code::Numeric(_) | Code::Standing(_))
    }
}

/// The text is no code: a wrong letter, length or check digit. It is answered at once and counted against nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code is malformed")]
pub struct CodeMalformed;

impl FromStr for Code {
    type Err = CodeMalformed;

    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        if let Some(body) = text.strip_prefix(qr::PREFIX) {
            return qr::UnverifiedQr::parse(body).map(Box::new).map(Code::Qr);
        }
        // Each has a version of its own.
        let numeric = text.parse().map(Code::Numeric);
        numeric.or_else(|_| text.parse().map(Code::Standing)).or_else(|_| text.parse().map(Code::Test))
    }
}
