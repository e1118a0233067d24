//! The Chinese resident identity card: its fields, and the rules between them.
//!
//! [`FrontFields::read`] and [`BackFields::read`] take what one side says, field by field; `whole` makes a [`Front`] or [`Back`]
//! of it when nothing is missing, [`IdCard::join`] holds them against each other and the day.

mod values;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::layout::{Label, Page, Value};
use super::{CitizenNumber, DocumentProblem, Field, Sex, TextLine};
pub use values::ETHNICITIES;
use values::{
    ADDRESS_LENGTH, ISSUER_LENGTH, birth, ethnicity, field, han_text, name_field, number_shaped, paragraph,
    sex, taken, validity,
};

/// When a card ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// 长期, as on the cards of people of 46 and older.
    LongTerm,
    /// Valid up to and including this day.
    Until(Date),
}

/// What both sides of a card say, checked. `Debug` is redacted: it is a person's identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdCard {
    pub name: String,
    pub sex: Sex,
    /// One of [`ETHNICITIES`], without 族.
    pub ethnicity: String,
    pub birth: Date,
    pub address: String,
    pub number: CitizenNumber,
    pub issuer: String,
    pub valid_from: Date,
    pub valid_until: Validity,
}

/// What the front (the side with the portrait) says; agreed with its own number.
#[derive(Clone, PartialEq, Eq)]
pub struct Front {
    pub name: String,
    pub sex: Sex,
    pub ethnicity: String,
    pub birth: Date,
    pub address: String,
    pub number: CitizenNumber,
}

/// What the back (the side with the emblem) says.
#[derive(Clone, PartialEq, Eq)]
pub struct Back {
    pub issuer: String,
    pub valid_from: Date,
    pub valid_until: Validity,
}

const NAME: usize = 0;
const SEX: usize = 1;
const ETHNICITY: usize = 2;
const BIRTH: usize = 3;
const ADDRESS: usize = 4;
const NUMBER: usize = 5;
const FRONT_LABELS: [Label; 6] = [
    Label { spellings: &["姓名", "姓各", "娃名", "姓石", "性名"] },
    Label { spellings: &["性别", "牲别", "性刖", "性別"] },
    Label { spellings: &["民族", "民旅", "民簇", "民旋"] },
    Label { spellings: &["出生", "出牛", "岀生"] },
    Label { spellings: &["住址", "住扯", "佳址", "任址", "住趾"] },
    Label {
        spellings: &[
            "公民身份号码",
            "公民身份证号码",
            "公民身份号",
            "民身份号码",
            "公民身分号码",
            "身份号码",
            "份号码",
        ],
    },
];

const ISSUER: usize = 0;
const VALIDITY: usize = 1;
const BACK_LABELS: [Label; 2] = [
    Label { spellings: &["签发机关", "签发机", "発机关", "发机关", "签发"] },
    Label { spellings: &["有效期限", "有效期", "效期限", "有效斯限"] },
];

/// A value with the reader's confidence in its most doubtful character, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Read<T> {
    pub value: T,
    pub confidence: f32,
}

/// What was read of a field, or why it was not.
pub type FieldRead<T> = Result<Read<T>, DocumentProblem>;

/// The front field by field, each by itself; the printed fields agree with the number, or are problems.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontFields {
    pub name: FieldRead<String>,
    pub sex: FieldRead<Sex>,
    pub ethnicity: FieldRead<String>,
    pub birth: FieldRead<Date>,
    pub address: FieldRead<String>,
    pub number: FieldRead<CitizenNumber>,
}

/// The back field by field, each by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct BackFields {
    pub issuer: FieldRead<String>,
    pub valid_from: FieldRead<Date>,
    pub valid_until: FieldRead<Validity>,
}

impl FrontFields {
    /// Reads the front from its lines, in any order and direction. Errors: [`DocumentProblem::NotADocument`] and
    /// `SidesSwapped`; everything else is a field's own problem.
    pub fn read(lines: &[TextLine]) -> Result<FrontFields, DocumentProblem> {
        let page = Page::new(lines, &FRONT_LABELS);
        if page.labels_found() < 2 {
            let back = Page::new(lines, &BACK_LABELS).labels_found() > 0;
            return Err(if back { DocumentProblem::SidesSwapped } else { DocumentProblem::NotADocument });
        }
        let mut fields = FrontFields {
            name: name_field(page.row(NAME)),
            sex: field(page.row(SEX), Field::Sex, sex),
            ethnicity: field(page.row(ETHNICITY), Field::Ethnicity, ethnicity),
            birth: field(page.row(BIRTH), Field::Birth, birth),
            address: paragraph(page.paragraph(ADDRESS), Field::Address, |text| {
                han_text(text, &ADDRESS_LENGTH, Field::Address)
            }),
            number: number(&page),
        };
        fields.hold_against_number();
        Ok(fields)
    }

    /// The number has a check character of its own, so what contradicts it is what was read or printed wrongly.
    fn hold_against_number(&mut self) {
        let Ok(number) = self.number.as_ref().map(|read| &read.value) else { return };
        if self.birth.as_ref().is_ok_and(|birth| birth.value != number.birth()) {
            self.birth = Err(DocumentProblem::FieldsDisagree(Field::Birth));
        }
        if self.sex.as_ref().is_ok_and(|sex| sex.value != number.sex()) {
            self.sex = Err(DocumentProblem::FieldsDisagree(Field::Sex));
        }
    }

    /// All fields, or the first problem: the number's before others, since it is the person.
    pub fn whole(self) -> Result<Front, DocumentProblem> {
        let number = self.number?.value;
        Ok(Front {
            name: self.name?.value,
            ethnicity: self.ethnicity?.value,
            address: self.address?.value,
            birth: self.birth?.value,
            sex: self.sex?.value,
            number,
        })
    }

    /// Not to be believed where nothing checks it: characters may be hidden without a trace.
    pub fn hidden(&mut self) {
        hide(&mut self.name, Field::Name);
        hide(&mut self.address, Field::Address);
    }

    /// How many fields could not be read.
    pub fn problems(&self) -> usize {
        let problems = [
            self.name.is_err(),
            self.sex.is_err(),
            self.ethnicity.is_err(),
            self.birth.is_err(),
            self.address.is_err(),
            self.number.is_err(),
        ];
        problems.into_iter().filter(|problem| *problem).count()
    }
}

impl BackFields {
    /// Reads the back from its lines, in any order and direction. Errors as [`FrontFields::read`].
    pub fn read(lines: &[TextLine]) -> Result<BackFields, DocumentProblem> {
        let page = Page::new(lines, &BACK_LABELS);
        if page.labels_found() == 0 {
            let front = Page::new(lines, &FRONT_LABELS).labels_found() > 1;
            return Err(if front { DocumentProblem::SidesSwapped } else { DocumentProblem::NotADocument });
        }
        let issuer = paragraph(page.paragraph(ISSUER), Field::Issuer, |text| {
            han_text(text, &ISSUER_LENGTH, Field::Issuer)
        });
        let (valid_from, valid_until) = match taken(page.row(VALIDITY), Field::ValidUntil) {
            Ok(Read { value: text, confidence }) => {
                let (from, until) = validity(&text);
                (from.map(|value| Read { value, confidence }), until.map(|value| Read { value, confidence }))
            }
            Err(problem) => (Err(problem), Err(problem)),
        };
        Ok(BackFields { issuer, valid_from, valid_until })
    }

    /// All fields, or the first problem.
    pub fn whole(self) -> Result<Back, DocumentProblem> {
        Ok(Back {
            issuer: self.issuer?.value,
            valid_from: self.valid_from?.value,
            valid_until: self.valid_until?.value,
        })
    }

    /// As [`FrontFields::hidden`].
    pub fn hidden(&mut self) {
        hide(&mut self.issuer, Field::Issuer);
    }

    /// How many fields could not be read.
    pub fn problems(&self) -> usize {
        let problems = [self.issuer.is_err(), self.valid_from.is_err(), self.valid_until.is_err()];
        problems.into_iter().filter(|problem| *problem).count()
    }
}

fn hide(read: &mut FieldRead<String>, field: Field) {
    if read.is_ok() {
        *read = Err(DocumentProblem::FieldUnreadable(field));
    }
}

impl Front {
    /// Reads the front from its lines, in any order and direction: all of it or nothing.
    pub fn read(lines: &[TextLine]) -> Result<Front, DocumentProblem> {
        FrontFields::read(lines)?.whole()
    }
}

impl Back {
    /// Reads the back from its lines, in any order and direction: all of it or nothing.
    pub fn read(lines: &[TextLine]) -> Result<Back, DocumentProblem> {
        BackFields::read(lines)?.whole()
    }
}

impl IdCard {
    /// Reads both sides and holds them against each other and against `today`, the day in China.
    pub fn read(front: &[TextLine], back: &[TextLine], today: Date) -> Result<IdCard, DocumentProblem> {
        IdCard::join(Front::read(front)?, Back::read(back)?, today)
    }

    /// Holds two sides against each other and against `today`, the day in China.
    pub fn join(front: Front, back: Back, today: Date) -> Result<IdCard, DocumentProblem> {
        if front.birth > today {
            return Err(DocumentProblem::DateInvalid(Field::Birth));
        }
        if back.valid_from < front.birth {
            return Err(DocumentProblem::FieldsDisagree(Field::ValidFrom));
        }
        if let Validity::Until(last) = back.valid_until {
            if last <= back.valid_from {
                return Err(DocumentProblem::FieldsDisagree(Field::ValidUntil));
            }
            if last < today {
                return Err(DocumentProblem::Expired);
            }
        }
        if back.valid_from > today {
            return Err(DocumentProblem::NotYetValid);
        }
        let Front { name, sex, ethnicity, birth, address, number } = front;
        let Back { issuer, valid_from, valid_until } = back;
        Ok(IdCard { name, sex, ethnicity, birth, address, number, issuer, valid_from, valid_until })
    }
}

impl std::fmt::Debug for IdCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdCard(redacted)")
    }
}

/// The number behind its label, or, should the rows not meet, the only text on the side that has a number's shape.
fn number(page: &Page) -> FieldRead<CitizenNumber> {
    let row = page.row(NUMBER);
    if row.as_ref().is_some_and(|value| number_shaped(&value.text())) {
        return field(row, Field::Number, CitizenNumber::parse);
    }
    let mut shaped: Vec<Value> = page.texts().filter(|value| number_shaped(&value.text())).collect();
    match (shaped.pop(), shaped.is_empty()) {
        (Some(only), true) => field(Some(only), Field::Number, CitizenNumber::parse),
        _ if row.is_some() => Err(DocumentProblem::FieldUnreadable(Field::Number)),
        _ => Err(DocumentProblem::FieldMissing(Field::Number)),
    }
}

#[cfg(test)]
mod tests;
