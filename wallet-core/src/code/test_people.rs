//! People who are not there: documented codes, good in a sandbox only, each with what becomes of it. So a relying party's own tests need
//! neither a camera nor a holder.
//!
//! Sixteen digits whose version no holder's code has, `9 NNNNNNNNNNNNN CC`, with the check digits of every other code; as a QR, the same digits
//! behind [`QR_PREFIX`], which keeps to the letters of a QR's alphanumeric mode.

use std::str::FromStr;

use super::CodeMalformed;
use super::numeric::{grouped, read, write};
use crate::attributes::Share;
use crate::ids::CertificateId;

/// What the text of a test person's QR begins with.
pub const QR_PREFIX: &str = "EC1-TEST:";

const VERSION: u8 = b'9';
/// Test people have numbers below this; the rest of the version is nobody's yet.
const NUMBERS: u64 = 1000;

/// A well-formed code of a test person, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCode(u64);

impl TestCode {
    /// Whose it is; nobody's, if there is no such person.
    pub fn person(self) -> Option<TestPerson> {
        TestPerson::ALL.into_iter().find(|person| person.number() == self.0)
    }

    /// As shown to people: four groups of four.
    pub fn grouped(self) -> String {
        grouped(&write(VERSION, self.0))
    }

    /// As the text of a QR.
    pub fn qr_text(self) -> String {
        let digits = write(VERSION, self.0).map(char::from);
        QR_PREFIX.chars().chain(digits).collect()
    }
}

/// The code of nobody: well-formed, and unknown.
pub const NOBODY: TestCode = TestCode(99);

impl FromStr for TestCode {
    type Err = CodeMalformed;

    fn from_str(text: &str) -> Result<Self, CodeMalformed> {
        let digits = read(VERSION, text.strip_prefix(QR_PREFIX).unwrap_or(text))?;
        let digits = digits.iter().skip(1).take(13);
        let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')));
        if number < NUMBERS { Ok(TestCode(number)) } else { Err(CodeMalformed) }
    }
}

/// What the phone of a test person does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phone {
    /// Its holder agrees, and is captured.
    Agrees,
    /// Its holder says no.
    Refuses,
    /// Its holder says that it was not them.
    Reports,
    /// It never answers.
    Silent,
}

/// What becomes of a capture of a test person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// It is they.
    Passes,
    /// It is somebody else.
    IsAnother,
    /// It is no live person.
    IsNotLive,
    /// It can't be judged; in the first captures of a redemption, or always.
    IsUnusable {
        /// So many of them.
        times: u32,
    },
    /// The models do not come to it in time.
    TimesOut,
}

/// Why the code of a test person is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The certificate was revoked.
    Revoked,
    /// The certificate is suspended.
    Suspended,
    /// The code was used.
    Used,
}

/// A test person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestPerson {
    /// An adult who shares everything, and passes.
    Passes,
    /// Another face.
    Fails,
    /// A print or a screen.
    NotLive,
    /// A child of twelve years, who passes.
    Minor,
    /// Never to be judged: too dark.
    Unusable,
    /// Too dark at first, then passes.
    UnusableOnce,
    /// The verifier does not answer in time.
    TimesOut,
    /// Revoked.
    Revoked,
    /// Suspended.
    Suspended,
    /// Redeemed before.
    Used,
    /// Revoked between the code and the capture.
    RevokedMeanwhile,
    /// Shares nothing but whether they are of age, and passes.
    SharesAge,
    /// Refuses on their phone.
    PhoneRefuses,
    /// Reports it on their phone.
    PhoneReports,
    /// Does not look at their phone.
    PhoneSilent,
}

impl TestPerson {
    /// All of them.
    pub const ALL: [TestPerson; 15] = [
        TestPerson::Passes,
        TestPerson::Fails,
        TestPerson::NotLive,
        TestPerson::Minor,
        TestPerson::Unusable,
        TestPerson::UnusableOnce,
        TestPerson::TimesOut,
        TestPerson::Revoked,
        TestPerson::Suspended,
        TestPerson::Used,
        TestPerson::RevokedMeanwhile,
        TestPerson::SharesAge,
        TestPerson::PhoneRefuses,
        TestPerson::PhoneReports,
        TestPerson::PhoneSilent,
    ];

    fn number(self) -> u64 {
        match self {
            TestPerson::Passes => 1,
            TestPerson::Fails => 2,
            TestPerson::NotLive => 3,
            TestPerson::Minor => 4,
            TestPerson::Unusable => 5,
            TestPerson::UnusableOnce => 6,
            TestPerson::TimesOut => 7,
            TestPerson::Revoked => 8,
            TestPerson::Suspended => 9,
            TestPerson::Used => 10,
            TestPerson::RevokedMeanwhile => 11,
            TestPerson::SharesAge => 12,
            TestPerson::PhoneRefuses => 21,
            TestPerson::PhoneReports => 22,
            TestPerson::PhoneSilent => 23,
        }
    }

    /// Their code, which is good any number of times.
    pub fn code(self) -> TestCode {
        TestCode(self.number())
    }

    /// Their certificate, which nobody issued: an id of the first moment of 1970, that no certificate can have.
    pub fn certificate(self) -> CertificateId {
        CertificateId::from_bytes(u128::from(self.number()).to_be_bytes())
    }

    /// Whose certificate it is.
    pub fn of_certificate(certificate: CertificateId) -> Option<TestPerson> {
        TestPerson::ALL.into_iter().find(|person| person.certificate() == certificate)
    }

    /// Why their code is refused, if it is.
    pub fn refused(self) -> Option<Refused> {
        match self {
            TestPerson::Revoked => Some(Refused::Revoked),
            TestPerson::Suspended => Some(Refused::Suspended),
            TestPerson::Used => Some(Refused::Used),
            _ => None,
        }
    }

    /// What they let a relying party know.
    pub fn share(self) -> Share {
        if self == TestPerson::SharesAge { Share::Over18 } else { Share::Full }
    }

    /// What becomes of their capture.
    pub fn face(self) -> Face {
        match self {
            TestPerson::Fails => Face::IsAnother,
            TestPerson::NotLive => Face::IsNotLive,
            TestPerson::Unusable => Face::IsUnusable { times: u32::MAX },
            TestPerson::UnusableOnce => Face::IsUnusable { times: 1 },
            TestPerson::TimesOut => Face::TimesOut,
            _ => Face::Passes,
        }
    }

    /// What their phone does.
    pub fn phone(self) -> Phone {
        match self {
            TestPerson::PhoneRefuses => Phone::Refuses,
            TestPerson::PhoneReports => Phone::Reports,
            TestPerson::PhoneSilent => Phone::Silent,
            _ => Phone::Agrees,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    #[test]
    fn each_has_a_code_that_is_read_as_digits_and_as_a_qr_and_as_nobody_elses() {
        for person in TestPerson::ALL {
            let code = person.code();
            for text in [code.grouped(), code.qr_text()] {
                let read: Code = text.parse().unwrap();
                assert!(matches!(read, Code::Test(read) if read.person() == Some(person)), "{text}");
            }
            assert_eq!(TestPerson::of_certificate(person.certificate()), Some(person));
        }
        assert_eq!(NOBODY.person(), None);
        assert!(NOBODY.grouped().parse::<Code>().is_ok());
    }

    #[test]
    fn the_codes_are_those_of_the_documentation() {
        assert_eq!(TestPerson::Passes.code().grouped(), "9000 0000 0000 0178");
        assert!("9000 0000 0000 0179".parse::<TestCode>().is_err());
        assert!("EC1-TEST:".parse::<Code>().is_err());
        // A version that is nobody's, with the right check digits.
        assert!("9123456789012317".parse::<Code>().is_err());
    }
}
