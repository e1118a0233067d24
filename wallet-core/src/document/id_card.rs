//! The Chinese resident identity card: its fields, and the rules between them.
//!
//! [`FrontFields::read`] and [`BackFields::read`] take what one side says, field by field; `whole` makes a [`Front`] or [`Back`]
//! of it when nothing is missing, [`IdCard::join`] holds them against each other and the day.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::layout::{Label, Page, Value};
use super::{CitizenNumber, DocumentProblem, Field, Glyph, Sex, TextLine};

/// When a card ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// 长期, as on the cards of people of 46 and older.
    LongTerm,
    /// Valid up to and including this day.
    Until(Date),
}

/// What both sides of a card say, checked. `Debug` is redacted: it is a person's identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The 56 ethnic groups as the card prints them (GB/T 3304).
pub const ETHNICITIES: [&str; 56] = [
    "汉",
    "蒙古",
    "回",
    "藏",
    "维吾尔",
    "苗",
    "彝",
    "壮",
    "布依",
    "朝鲜",
    "满",
    "侗",
    "瑶",
    "白",
    "土家",
    "哈尼",
    "哈萨克",
    "傣",
    "黎",
    "傈僳",
    "佤",
    "畲",
    "高山",
    "拉祜",
    "水",
    "东乡",
    "纳西",
    "景颇",
    "柯尔克孜",
    "土",
    "达斡尔",
    "仫佬",
    "羌",
    "布朗",
    "撒拉",
    "毛南",
    "仡佬",
    "锡伯",
    "阿昌",
    "普米",
    "塔吉克",
    "怒",
    "乌孜别克",
    "俄罗斯",
    "鄂温克",
    "德昂",
    "保安",
    "裕固",
    "京",
    "塔塔尔",
    "独龙",
    "鄂伦春",
    "赫哲",
    "门巴",
    "珞巴",
    "基诺",
];

/// Least confidence in the most doubtful character of a field that has few values, or that others check.
const MIN_CONFIDENCE: f32 = 0.80;
/// The same for what nothing checks: addresses, offices, days of validity. 演 was read as 滨 at 0.82.
const MIN_UNCHECKED: f32 = 0.90;
/// The same for a common character of a name. Nothing else on the card says what a name is, and the reader takes rare characters
/// for common ones: 顼 for 项 at 0.94, 翾 for 翻 at 0.89, 曌 for 盟 at 0.92.
const MIN_COMMON_IN_NAME: f32 = 0.95;
/// The same for a rare character (none of GB 2312's 6,763): the reader does not take common ones for it. Right ones were seen down
/// to 0.43, wrong ones up to 0.36.
const MIN_RARE_IN_NAME: f32 = 0.50;
/// Under this sharpness a name is not believed whatever the confidence: 赟 was read as 赞 at 0.99 with a sharpness of 0.008.
const MIN_NAME_SHARPNESS: f32 = 0.010;
/// A Han name has 2 to 6 characters, a transcribed one (with ·) up to about 20.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=30;
/// Three lines of eleven characters, and room.
const ADDRESS_LENGTH: std::ops::RangeInclusive<usize> = 5..=70;
const ISSUER_LENGTH: std::ops::RangeInclusive<usize> = 4..=40;

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

/// A value that was found and read with confidence.
fn taken(value: Option<Value>, field: Field) -> FieldRead<String> {
    let value = value.ok_or(DocumentProblem::FieldMissing(field))?;
    let confidence = value.confidence();
    let least = match field {
        Field::Address | Field::Issuer | Field::ValidFrom | Field::ValidUntil => MIN_UNCHECKED,
        _ => MIN_CONFIDENCE,
    };
    if confidence < least {
        return Err(DocumentProblem::FieldUnreadable(field));
    }
    Ok(Read { value: value.text(), confidence })
}

/// A name that was found, and of which every character is sure.
fn name_field(value: Option<Value>) -> FieldRead<String> {
    let value = value.ok_or(DocumentProblem::FieldMissing(Field::Name))?;
    let sure = |glyph: &Glyph| {
        let least = match glyph.character {
            // Between others of its kind the dot's confidence is divided.
            c if is_middle_dot(c) || is_rare(c) => MIN_RARE_IN_NAME,
            _ => MIN_COMMON_IN_NAME,
        };
        glyph.confidence >= least
    };
    if value.sharpness < MIN_NAME_SHARPNESS || !value.glyphs.iter().all(sure) {
        return Err(DocumentProblem::FieldUnreadable(Field::Name));
    }
    Ok(Read { value: name(&value.text())?, confidence: value.confidence() })
}

/// Whether a character is not among the 6,763 of GB 2312.
fn is_rare(c: char) -> bool {
    let mut buffer = [0; 4];
    let (bytes, _, unknown) = encoding_rs::GBK.encode(c.encode_utf8(&mut buffer));
    unknown || !matches!(*bytes, [0xb0..=0xf7, 0xa1..=0xfe])
}

/// A value that was taken, and has a meaning.
fn field<T>(
    value: Option<Value>,
    field: Field,
    parse: impl FnOnce(&str) -> Result<T, DocumentProblem>,
) -> FieldRead<T> {
    let Read { value, confidence } = taken(value, field)?;
    Ok(Read { value: parse(&value)?, confidence })
}

/// A value of several lines, in none of which something was lost.
fn paragraph(
    value: Option<Value>,
    name: Field,
    parse: impl FnOnce(&str) -> Result<String, DocumentProblem>,
) -> FieldRead<String> {
    if value.as_ref().is_some_and(|value| value.gap) {
        return Err(DocumentProblem::FieldUnreadable(name));
    }
    field(value, name, parse)
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

fn number_shaped(text: &str) -> bool {
    let (digits, last) = text.split_at_checked(17).unwrap_or_default();
    digits.bytes().all(|b| b.is_ascii_digit()) && matches!(last.as_bytes(), [b'0'..=b'9' | b'X' | b'x'])
}

/// A name: Han characters, with · between the parts of a transcribed one.
fn name(text: &str) -> Result<String, DocumentProblem> {
    let name: String = text.chars().map(|c| if is_middle_dot(c) { '·' } else { c }).collect();
    let good = NAME_LENGTH.contains(&name.chars().count())
        && name.chars().all(|c| is_han(c) || c == '·')
        && !name.starts_with('·')
        && !name.ends_with('·');
    if good { Ok(name) } else { Err(DocumentProblem::FieldUnreadable(Field::Name)) }
}

fn sex(text: &str) -> Result<Sex, DocumentProblem> {
    match text {
        "男" => Ok(Sex::Male),
        "女" => Ok(Sex::Female),
        _ => Err(DocumentProblem::FieldUnreadable(Field::Sex)),
    }
}

fn ethnicity(text: &str) -> Result<String, DocumentProblem> {
    let group = text.strip_suffix('族').unwrap_or(text);
    // A reader of both scripts may give the other form.
    let group = if group == "漢" { "汉" } else { group };
    let known = ETHNICITIES.contains(&group);
    if known { Ok(group.to_owned()) } else { Err(DocumentProblem::FieldUnreadable(Field::Ethnicity)) }
}

/// "1989年4月11日".
fn birth(text: &str) -> Result<Date, DocumentProblem> {
    let unreadable = DocumentProblem::FieldUnreadable(Field::Birth);
    let (year, rest) = text.split_once('年').ok_or(unreadable)?;
    let (month, rest) = rest.split_once('月').ok_or(unreadable)?;
    let day = rest.strip_suffix('日').ok_or(unreadable)?;
    date([year, month, day], Field::Birth)
}

/// "2019.06.01-2039.06.01" or "2019.06.01-长期"; the reader may lose the points, never a digit.
fn validity(text: &str) -> (Result<Date, DocumentProblem>, Result<Validity, DocumentProblem>) {
    let is_dash = |c: char| matches!(c, '-' | '—' | '–' | '一' | '－' | '~' | '至');
    let Some((from, until)) = text.split_once(is_dash) else {
        let unreadable = DocumentProblem::FieldUnreadable(Field::ValidUntil);
        return (Err(unreadable), Err(unreadable));
    };
    let until = match until.trim_start_matches(is_dash) {
        "长期" => Ok(Validity::LongTerm),
        until => dotted(until, Field::ValidUntil).map(Validity::Until),
    };
    (dotted(from, Field::ValidFrom), until)
}

fn dotted(text: &str, field: Field) -> Result<Date, DocumentProblem> {
    let digits: String = text.chars().filter(|c| !matches!(c, '.' | '。' | '．' | '·' | ',')).collect();
    let part = |range| digits.get(range).unwrap_or_default();
    if digits.len() != 8 {
        return Err(DocumentProblem::FieldUnreadable(field));
    }
    date([part(0..4), part(4..6), part(6..8)], field)
}

/// Digits to a day: [`DocumentProblem::FieldUnreadable`] when they are none, `DateInvalid` when there is no such day.
fn date([year, month, day]: [&str; 3], field: Field) -> Result<Date, DocumentProblem> {
    let digits = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !(year.len() == 4 && digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return Err(DocumentProblem::FieldUnreadable(field));
    }
    let parsed = year.parse().ok().zip(month.parse().ok()).zip(day.parse().ok());
    let date = parsed.and_then(|((year, month), day)| Date::new(year, month, day).ok());
    date.filter(|date| date.year() >= 1900).ok_or(DocumentProblem::DateInvalid(field))
}

/// Text of a usual length that starts in Han characters, as addresses and offices do.
fn han_text(
    text: &str,
    length: &std::ops::RangeInclusive<usize>,
    field: Field,
) -> Result<String, DocumentProblem> {
    let good = length.contains(&text.chars().count()) && text.chars().next().is_some_and(is_han);
    if good { Ok(text.to_owned()) } else { Err(DocumentProblem::FieldUnreadable(field)) }
}

fn is_middle_dot(c: char) -> bool {
    matches!(c, '·' | '•' | '・' | '．' | '.' | '‧' | '∙')
}

/// CJK ideographs, with the extensions that rare names need, and 〇.
fn is_han(c: char) -> bool {
    matches!(c, '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests;
