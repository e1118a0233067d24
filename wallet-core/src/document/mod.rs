//! What a document says, from lines of text to checked fields; pure. Reading the lines from a photograph is
//! `crate::onnx`, behind the feature `onnx`.
//!
//! Invariant: only what was read is returned. A field that is missing, contradicted or impossible is a
//! [`DocumentProblem`]; nothing is filled in from another field or guessed.

pub mod citizen_number;
pub mod id_card;
mod identity;
mod layout;
pub mod mrz;
pub mod outline;
pub mod passport;
pub mod plane;

use serde::{Deserialize, Serialize};

pub use citizen_number::{CitizenNumber, Sex};
pub use id_card::{IdCard, Validity};
pub use identity::{Document, DocumentNumber};
pub use passport::{Passport, PassportNumber};
use plane::Quad;

/// A line of text as the reader found it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextLine {
    /// What stands on it, in reading direction.
    pub glyphs: Vec<Glyph>,
    /// Its corners in pixels: top left, top right, bottom right, bottom left in reading direction.
    pub quad: Quad,
    /// Variance of the Laplacian over the variance of the luma, at a height of 48 px: 0 for a flat line, above 0.01 for a sharp
    /// one. Noise raises it.
    pub sharpness: f32,
}

/// A character on a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    pub character: char,
    /// How sure the reader is of it, 0 to 1.
    pub confidence: f32,
    /// Where its middle is, as a share of the line's length.
    pub at: f32,
}

impl TextLine {
    /// A sharp line whose characters are all as sure as each other and as wide as such characters are.
    pub fn even(text: &str, confidence: f32, quad: Quad) -> TextLine {
        let whole = text.chars().map(width).sum::<f32>().max(0.1);
        let mut passed = 0.0;
        let glyphs = text.chars().map(|character| {
            let at = (passed + width(character) / 2.0) / whole;
            passed += width(character);
            Glyph { character, confidence, at }
        });
        TextLine { glyphs: glyphs.collect(), quad, sharpness: 1.0 }
    }

    /// The text.
    pub fn text(&self) -> String {
        self.glyphs.iter().map(|glyph| glyph.character).collect()
    }

    /// Confidence in its most doubtful character, 0 to 1; 0 for an empty line. One doubtful character spoils a name, and a mean
    /// would hide it.
    pub fn confidence(&self) -> f32 {
        let least = self.glyphs.iter().map(|glyph| glyph.confidence).fold(1.0, f32::min);
        if self.glyphs.is_empty() { 0.0 } else { least }
    }
}

/// Width in Chinese characters; Latin letters and digits take about half of one.
fn width(character: char) -> f32 {
    if character.is_ascii() { 0.55 } else { 1.0 }
}

/// A field of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    Name,
    Sex,
    Ethnicity,
    Birth,
    Address,
    Number,
    Issuer,
    ValidFrom,
    ValidUntil,
}

impl Field {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::Sex => "sex",
            Field::Ethnicity => "ethnicity",
            Field::Birth => "birth",
            Field::Address => "address",
            Field::Number => "number",
            Field::Issuer => "issuer",
            Field::ValidFrom => "valid-from",
            Field::ValidUntil => "valid-until",
        }
    }

    /// Its label on the card, and its English name.
    pub fn label(self) -> (&'static str, &'static str) {
        match self {
            Field::Name => ("姓名", "name"),
            Field::Sex => ("性别", "sex"),
            Field::Ethnicity => ("民族", "ethnicity"),
            Field::Birth => ("出生日期", "date of birth"),
            Field::Address => ("住址", "address"),
            Field::Number => ("公民身份号码", "number"),
            Field::Issuer => ("签发机关", "issuing authority"),
            Field::ValidFrom => ("有效期限起始日", "first day of validity"),
            Field::ValidUntil => ("有效期限截止日", "last day of validity"),
        }
    }
}

/// Why a document cannot be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "problem", content = "field")]
pub enum DocumentProblem {
    /// No label of an identity card was found.
    NotADocument,
    /// The front was given as the back, or the other way round.
    SidesSwapped,
    /// No machine-readable zone was found: it must be a passport's page with the picture, all of it.
    ZoneMissing,
    /// A check digit of the zone is wrong, or a character was not read with confidence.
    ZoneUnreadable,
    /// There is a zone, of a card or a visa.
    NotAPassport,
    /// Too blurred to read without guessing.
    Blurred,
    /// A lamp or the sky is reflected where something is printed.
    Glare,
    /// The field, or its label, was not read.
    FieldMissing(Field),
    /// The field was read with too little confidence, or not as a value it can have.
    FieldUnreadable(Field),
    /// The number's last character does not follow from the others (GB 11643).
    CheckDigit,
    /// The printed field contradicts the number, or the dates contradict each other.
    FieldsDisagree(Field),
    /// Not a day of the calendar, or one in the future where that cannot be.
    DateInvalid(Field),
    Expired,
    NotYetValid,
    /// No face, or several, on the front.
    PortraitMissing,
    /// The portrait's face is under 96 px high.
    PortraitTooSmall,
}

impl DocumentProblem {
    /// The stable code in the API and the audit record; the field, when there is one, stands beside it.
    pub fn code(self) -> &'static str {
        match self {
            DocumentProblem::NotADocument => "not-a-document",
            DocumentProblem::SidesSwapped => "sides-swapped",
            DocumentProblem::ZoneMissing => "mrz-not-found",
            DocumentProblem::ZoneUnreadable => "mrz-unreadable",
            DocumentProblem::NotAPassport => "not-a-passport",
            DocumentProblem::Blurred => "blurred",
            DocumentProblem::Glare => "glare",
            DocumentProblem::FieldMissing(_) => "field-missing",
            DocumentProblem::FieldUnreadable(_) => "field-unreadable",
            DocumentProblem::CheckDigit => "check-digit",
            DocumentProblem::FieldsDisagree(_) => "fields-disagree",
            DocumentProblem::DateInvalid(_) => "date-invalid",
            DocumentProblem::Expired => "expired",
            DocumentProblem::NotYetValid => "not-yet-valid",
            DocumentProblem::PortraitMissing => "portrait-missing",
            DocumentProblem::PortraitTooSmall => "portrait-too-small",
        }
    }

    /// The field it is about.
    pub fn field(self) -> Option<Field> {
        match self {
            DocumentProblem::FieldMissing(field)
            | DocumentProblem::FieldUnreadable(field)
            | DocumentProblem::FieldsDisagree(field)
            | DocumentProblem::DateInvalid(field) => Some(field),
            DocumentProblem::CheckDigit => Some(Field::Number),
            DocumentProblem::NotADocument
            | DocumentProblem::SidesSwapped
            | DocumentProblem::ZoneMissing
            | DocumentProblem::ZoneUnreadable
            | DocumentProblem::NotAPassport
            | DocumentProblem::Blurred
            | DocumentProblem::Glare
            | DocumentProblem::Expired
            | DocumentProblem::NotYetValid
            | DocumentProblem::PortraitMissing
            | DocumentProblem::PortraitTooSmall => None,
        }
    }

    /// Whether another photograph of the same document may mend it.
    pub fn photograph_again(self) -> bool {
        !matches!(self, DocumentProblem::Expired | DocumentProblem::NotYetValid)
    }

    /// What the person should do, in Chinese and English.
    pub fn hint(self) -> (String, String) {
        let (zh, en) = match self {
            DocumentProblem::NotADocument => (
                "未识别到居民身份证，请完整拍摄证件",
                "No identity card was found: photograph the whole card.",
            ),
            DocumentProblem::SidesSwapped => ("正反面拍反了，请交换", "Front and back are swapped."),
            DocumentProblem::ZoneMissing => (
                "未识别到护照底部的机读码，请完整拍摄资料页",
                "The lines at the foot of the passport were not found: photograph the whole page with the picture.",
            ),
            DocumentProblem::ZoneUnreadable => (
                "护照底部的机读码未能看清，请重新拍摄",
                "The lines at the foot of the passport could not be read: take the picture again, without glare.",
            ),
            DocumentProblem::NotAPassport => ("这不是护照资料页", "This is not a passport."),
            DocumentProblem::Blurred => {
                ("证件照片模糊，请重新拍摄", "The document is blurred: take the picture again.")
            }
            DocumentProblem::Glare => (
                "证件反光，请避开光源重新拍摄",
                "A light is reflected: tilt the document and take the picture again.",
            ),
            DocumentProblem::CheckDigit => (
                "身份号码校验不通过，请重新拍摄",
                "The number's check digit is wrong: take the picture again.",
            ),
            DocumentProblem::Expired => ("证件已过期", "The document has expired."),
            DocumentProblem::NotYetValid => ("证件尚未生效", "The document is not valid yet."),
            DocumentProblem::PortraitMissing => {
                ("未识别到证件照，请避免反光和遮挡", "The portrait was not found: avoid glare and fingers.")
            }
            DocumentProblem::PortraitTooSmall => {
                ("证件照过小，请靠近拍摄", "The portrait is too small: move closer to the document.")
            }
            DocumentProblem::FieldMissing(field) | DocumentProblem::FieldUnreadable(field) => {
                return field_hint("未能看清", "could not be read", field);
            }
            DocumentProblem::FieldsDisagree(field) => {
                return field_hint("与其他信息不一致", "does not agree with the other fields", field);
            }
            DocumentProblem::DateInvalid(field) => {
                return field_hint("不是有效日期", "is not a possible date", field);
            }
        };
        (zh.to_owned(), en.to_owned())
    }
}

fn field_hint(zh: &str, en: &str, field: Field) -> (String, String) {
    let (label_zh, label_en) = field.label();
    (
        format!("{label_zh}{zh}，请重新拍摄"),
        format!("The {label_en} {en}: take the picture again, without glare."),
    )
}
