use jiff::civil::date;

use super::*;

const TODAY: Date = date(2026, 11, 22);

/// A line of text at a place: letters 30 px high.
fn line(text: &str, x: f32, y: f32) -> TextLine {
    let width = 32.0 * text.chars().map(|c| if c.is_ascii() { 0.55 } else { 1.0 }).sum::<f32>();
    let quad = [[x, y], [x + width, y], [x + width, y + 36.0], [x, y + 36.0]];
    TextLine::even(text, 0.99, quad)
}

fn front() -> Vec<TextLine> {
    vec![
        line("张鹏", 300.0, 140.0),
        line("姓名", 190.0, 140.0),
        line("性别女", 190.0, 230.0),
        line("民族土家", 420.0, 232.0),
        line("出生", 190.0, 320.0),
        line("1975年2月24日", 300.0, 322.0),
        line("住址", 190.0, 410.0),
        line("山东省青岛市市南区示例", 300.0, 410.0),
        line("巷293号8栋4单元2", 300.0, 462.0),
        line("768室", 300.0, 516.0),
        line("样本SPECIMEN", 700.0, 560.0),
        line("公民身份号码", 190.0, 700.0),
        line("37020219750224710X", 460.0, 702.0),
    ]
}

fn back() -> Vec<TextLine> {
    vec![
        line("中华人民共和国", 400.0, 190.0),
        line("居民身份证", 420.0, 260.0),
        line("签发机关", 330.0, 570.0),
        line("青岛市公安局市南分局", 500.0, 570.0),
        line("有效期限", 330.0, 660.0),
        line("2019.06.01-2039.06.01", 500.0, 660.0),
    ]
}

/// Replaces the text of the line that has `old`.
fn with(mut lines: Vec<TextLine>, old: &str, new: &str) -> Vec<TextLine> {
    let found = lines.iter_mut().find(|l| l.text() == old).unwrap();
    *found = line(new, found.quad[0][0], found.quad[0][1]);
    lines
}

fn without(lines: Vec<TextLine>, text: &str) -> Vec<TextLine> {
    lines.into_iter().filter(|l| l.text() != text).collect()
}

fn problem(front: &[TextLine], back: &[TextLine]) -> DocumentProblem {
    IdCard::read(front, back, TODAY).unwrap_err()
}

fn turned(lines: Vec<TextLine>, degrees: f32) -> Vec<TextLine> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let turn = |[x, y]: [f32; 2]| [x * cos - y * sin, x * sin + y * cos];
    lines.into_iter().map(|l| TextLine { quad: l.quad.map(turn), ..l }).collect()
}

#[test]
fn a_card_is_read() {
    let card = IdCard::read(&front(), &back(), TODAY).unwrap();
    assert_eq!((card.name.as_str(), card.ethnicity.as_str(), card.sex), ("张鹏", "土家", Sex::Female));
    assert_eq!(card.birth, date(1975, 2, 24));
    assert_eq!(card.address, "山东省青岛市市南区示例巷293号8栋4单元2768室");
    assert_eq!(card.number.as_str(), "37020219750224710X");
    assert_eq!(card.issuer, "青岛市公安局市南分局");
    assert_eq!((card.valid_from, card.valid_until), (date(2019, 6, 1), Validity::Until(date(2039, 6, 1))));
    assert_eq!(format!("{card:?}"), "IdCard(redacted)");
}

#[test]
fn the_direction_of_the_picture_does_not_matter() {
    let upright = IdCard::read(&front(), &back(), TODAY).unwrap();
    for degrees in [-12.0, 5.0, 90.0, 180.0, 184.0, 270.0] {
        let read = IdCard::read(&turned(front(), degrees), &turned(back(), degrees), TODAY);
        assert_eq!(read.as_ref(), Ok(&upright), "{degrees}°");
    }
}

#[test]
fn labels_may_be_joined_with_values_and_slightly_misread() {
    let lines = [
        line("姓各张鹏", 190.0, 140.0),
        line("性别女民族土家", 190.0, 230.0),
        line("出生 1975 年 2 月 24 日", 190.0, 320.0),
        line("住址山东省青岛市市南区示例", 190.0, 410.0),
        line("巷293号8栋4单元2", 256.0, 462.0),
        line("768室", 256.0, 516.0),
        line("公民身份号37020219750224710x", 190.0, 700.0),
    ];
    let joined =
        [line("签发机关青岛市公安局市南分局", 330.0, 570.0), line("有效期限2019.06.01—长期", 330.0, 660.0)];
    let card = IdCard::read(&lines, &joined, TODAY).unwrap();
    assert_eq!(card.address, "山东省青岛市市南区示例巷293号8栋4单元2768室");
    assert_eq!((card.name.as_str(), card.valid_until), ("张鹏", Validity::LongTerm));
}

#[test]
fn long_names_have_one_kind_of_dot() {
    let lines = with(front(), "张鹏", "阿卜杜拉•买买提．艾力");
    assert_eq!(IdCard::read(&lines, &back(), TODAY).unwrap().name, "阿卜杜拉·买买提·艾力");
    for bad in ["张", "Zhang", "·张鹏", "张鹏7"] {
        let lines = with(front(), "张鹏", bad);
        assert!(Front::read(&lines).is_err(), "{bad}");
    }
}

/// A front with this name, whose last character was read with this confidence.
fn named(name: &str, last: f32, sharpness: f32) -> Result<Front, DocumentProblem> {
    let mut lines = with(front(), "张鹏", name);
    let line = lines.iter_mut().find(|l| l.text() == name).unwrap();
    line.sharpness = sharpness;
    line.glyphs.last_mut().unwrap().confidence = last;
    Front::read(&lines)
}

#[test]
fn a_common_character_of_a_name_must_be_surer_than_a_rare_one() {
    // 顼 is taken for 项, never the other way round.
    assert!(named("郭项", 0.94, 0.1).is_err() && named("郭项", 0.96, 0.1).is_ok());
    for (name, rare) in [
        ("王㛃", true),
        ("刘䶮", true),
        ("冯骉", true),
        ("郑燊", true),
        ("陈喆", true),
        ("邓翩", false),
        ("林知远", false),
    ] {
        assert_eq!(named(name, 0.60, 0.1).is_ok(), rare, "{name}");
        assert!(named(name, 0.45, 0.1).is_err(), "{name}");
    }
    // Blurred, it is not believed at all.
    assert!(named("赵赞", 0.99, 0.008).is_err());
}

#[test]
fn fields_are_read_each_by_itself() {
    let mut lines = without(front(), "1975年2月24日");
    lines.iter_mut().find(|l| l.text() == "张鹏").unwrap().glyphs[0].confidence = 0.3;
    let fields = FrontFields::read(&lines).unwrap();
    assert_eq!(fields.name, Err(DocumentProblem::FieldUnreadable(Field::Name)));
    assert_eq!(fields.birth, Err(DocumentProblem::FieldMissing(Field::Birth)));
    assert_eq!(fields.number.as_ref().map(|read| read.value.as_str()), Ok("37020219750224710X"));
    assert_eq!(
        (fields.problems(), fields.whole().err()),
        (2, Some(DocumentProblem::FieldUnreadable(Field::Name)))
    );
    // A doubtful label does not matter.
    let mut lines = front();
    for line in lines.iter_mut().filter(|l| l.text().starts_with("性别")) {
        line.glyphs[1].confidence = 0.2;
    }
    assert!(Front::read(&lines).is_ok());
    let back = BackFields::read(&with(back(), "2019.06.01-2039.06.01", "2019.06.01-2039.06.0")).unwrap();
    assert!(back.valid_from.is_ok());
    assert_eq!(back.valid_until, Err(DocumentProblem::FieldUnreadable(Field::ValidUntil)));
}

#[test]
fn an_address_with_a_hole_in_it_is_not_believed() {
    // A lamp hides 示例 in the middle of a line, and the detector sees two pieces.
    let mut lines = without(front(), "山东省青岛市市南区示例");
    lines.extend([line("山东省青岛市", 300.0, 410.0), line("示例", 300.0 + 32.0 * 9.0, 410.0)]);
    assert_eq!(problem(&lines, &back()), DocumentProblem::FieldUnreadable(Field::Address));
    // Pieces that meet are one line.
    let mut lines = without(front(), "山东省青岛市市南区示例");
    lines.extend([line("山东省青岛市市南区", 300.0, 410.0), line("示例", 300.0 + 32.0 * 9.0, 410.0)]);
    assert!(Front::read(&lines).is_ok());
    let mut fields = FrontFields::read(&front()).unwrap();
    fields.hidden();
    assert_eq!((fields.problems(), fields.name.is_err(), fields.number.is_ok()), (2, true, true));
}

#[test]
fn what_was_not_read_is_named() {
    for (text, field) in [
        ("张鹏", Field::Name),
        ("性别女", Field::Sex),
        ("民族土家", Field::Ethnicity),
        ("1975年2月24日", Field::Birth),
        ("37020219750224710X", Field::Number),
        ("山东省青岛市市南区示例", Field::Address),
    ] {
        assert_eq!(problem(&without(front(), text), &back()), DocumentProblem::FieldMissing(field));
    }
    assert_eq!(
        problem(&front(), &without(back(), "2019.06.01-2039.06.01")),
        DocumentProblem::FieldMissing(Field::ValidUntil)
    );
    let mut doubtful = front();
    doubtful[0].glyphs[1].confidence = 0.6;
    assert_eq!(problem(&doubtful, &back()), DocumentProblem::FieldUnreadable(Field::Name));
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    let number = "37020219750224710X";
    let check = |front: Vec<TextLine>| problem(&front, &back());
    assert_eq!(check(with(front(), number, "370202197502247101")), DocumentProblem::CheckDigit);
    assert_eq!(
        check(with(front(), number, "3702021975022471")),
        DocumentProblem::FieldUnreadable(Field::Number)
    );
    assert_eq!(check(with(front(), "性别女", "性别男")), DocumentProblem::FieldsDisagree(Field::Sex));
    assert_eq!(
        check(with(front(), "1975年2月24日", "1975年2月25日")),
        DocumentProblem::FieldsDisagree(Field::Birth)
    );
    assert_eq!(
        check(with(front(), "1975年2月24日", "1975年2月30日")),
        DocumentProblem::DateInvalid(Field::Birth)
    );
    assert_eq!(
        check(with(front(), "民族土家", "民族火星")),
        DocumentProblem::FieldUnreadable(Field::Ethnicity)
    );
}

#[test]
fn validity_is_held_against_the_day() {
    let dates = "2019.06.01-2039.06.01";
    let check = |text: &str, today| IdCard::read(&front(), &with(back(), dates, text), today).err();
    assert_eq!(check("2006.11.22-2026.11.22", TODAY), None);
    assert_eq!(check("2006.11.21-2026.11.21", TODAY), Some(DocumentProblem::Expired));
    assert_eq!(check("2026.11.23-2046.11.23", TODAY), Some(DocumentProblem::NotYetValid));
    assert_eq!(
        check("2039.06.01-2019.06.01", TODAY),
        Some(DocumentProblem::FieldsDisagree(Field::ValidUntil))
    );
    assert_eq!(check("1970.06.01-长期", TODAY), Some(DocumentProblem::FieldsDisagree(Field::ValidFrom)));
    assert_eq!(check("2019.13.01-长期", TODAY), Some(DocumentProblem::DateInvalid(Field::ValidFrom)));
    assert_eq!(check("2019.06.1-长期", TODAY), Some(DocumentProblem::FieldUnreadable(Field::ValidFrom)));
    assert_eq!(check("2019.06.01", TODAY), Some(DocumentProblem::FieldUnreadable(Field::ValidUntil)));
    assert_eq!(
        IdCard::read(&front(), &back(), date(1970, 1, 1)).err(),
        Some(DocumentProblem::DateInvalid(Field::Birth))
    );
}

#[test]
fn other_pictures_and_swapped_sides_are_told_apart() {
    assert_eq!(problem(&[], &back()), DocumentProblem::NotADocument);
    assert_eq!(problem(&[line("发票", 10.0, 10.0)], &back()), DocumentProblem::NotADocument);
    assert_eq!(problem(&back(), &front()), DocumentProblem::SidesSwapped);
    assert_eq!(problem(&front(), &front()), DocumentProblem::SidesSwapped);
    assert_eq!(problem(&front(), &[line("发票", 10.0, 10.0)]), DocumentProblem::NotADocument);
}

#[test]
fn a_card_survives_json() {
    let card = IdCard::read(&front(), &back(), TODAY).unwrap();
    let json = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<IdCard>(&json).unwrap(), card);
}

#[test]
fn every_group_is_there_once() {
    let mut groups = ETHNICITIES.to_vec();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 56);
}
