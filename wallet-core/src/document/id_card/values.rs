//! What a field's text means, and how sure it must be.

use jiff::civil::Date;

use super::super::layout::Value;
use super::super::{DocumentProblem, Field, Glyph, Sex};
use super::{FieldRead, Read, Validity};

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
pub(super) const ADDRESS_LENGTH: std::ops::RangeInclusive<usize> = 5..=70;
pub(super) const ISSUER_LENGTH: std::ops::RangeInclusive<usize> = 4..=40;

/// A value that was found and read with confidence.
pub(super) fn taken(value: Option<Value>, field: Field) -> FieldRead<String> {
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
pub(super) fn name_field(value: Option<Value>) -> FieldRead<String> {
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
pub(super) fn field<T>(
    value: Option<Value>,
    field: Field,
    parse: impl FnOnce(&str) -> Result<T, DocumentProblem>,
) -> FieldRead<T> {
    let Read { value, confidence } = taken(value, field)?;
    Ok(Read { value: parse(&value)?, confidence })
}

/// A value of several lines, in none of which something was lost.
pub(super) fn paragraph(
    value: Option<Value>,
    name: Field,
    parse: impl FnOnce(&str) -> Result<String, DocumentProblem>,
) -> FieldRead<String> {
    if value.as_ref().is_some_and(|value| value.gap) {
        return Err(DocumentProblem::FieldUnreadable(name));
    }
    field(value, name, parse)
}

pub(super) fn number_shaped(text: &str) -> bool {
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

pub(super) fn sex(text: &str) -> Result<Sex, DocumentProblem> {
    match text {
        "男" => Ok(Sex::Male),
        "女" => Ok(Sex::Female),
        _ => Err(DocumentProblem::FieldUnreadable(Field::Sex)),
    }
}

pub(super) fn ethnicity(text: &str) -> Result<String, DocumentProblem> {
    let group = text.strip_suffix('族').unwrap_or(text);
    // A reader of both scripts may give the other form.
    let group = if group == "漢" { "汉" } else { group };
    let known = ETHNICITIES.contains(&group);
    if known { Ok(group.to_owned()) } else { Err(DocumentProblem::FieldUnreadable(Field::Ethnicity)) }
}

/// "1989年4月11日".
pub(super) fn birth(text: &str) -> Result<Date, DocumentProblem> {
    let unreadable = DocumentProblem::FieldUnreadable(Field::Birth);
    let (year, rest) = text.split_once('年').ok_or(unreadable)?;
    let (month, rest) = rest.split_once('月').ok_or(unreadable)?;
    let day = rest.strip_suffix('日').ok_or(unreadable)?;
    date([year, month, day], Field::Birth)
}

/// "2019.06.01-2039.06.01" or "2019.06.01-长期"; the reader may lose the points, never a digit.
pub(super) fn validity(text: &str) -> (Result<Date, DocumentProblem>, Result<Validity, DocumentProblem>) {
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
pub(super) fn han_text(
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
