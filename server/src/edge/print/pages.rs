//! A bill on paper: what stands where.

use wallet_core::money::Micros;
use wallet_core::statement::Statement;

use super::bill::{Bill, file_name, grouped, money};
use super::compose::{
    BLACK, Cell, Column, Composer, DEEP, GREY, Kind, MARGIN, MEASURE, Mark, PANEL, Place, RULE, Row, Style,
    Table, WIDTH, plain, strong,
};
use super::draw::{Attachment, Composed};
use super::face::Typesetter;
use super::words::{Language, Words, filled};

const TEXT: Style = plain(9.0, BLACK);
const SMALL: Style = plain(8.0, GREY);
const FINE: Style = plain(7.5, GREY);
const SECTION: Style = strong(11.5, DEEP);
/// Above a section.
const BETWEEN: f32 = 16.0;

/// Puts a bill on pages.
pub(super) fn compose(bill: &Bill, language: Language, typesetter: &Typesetter<'_>) -> Composed {
    let words = language.words();
    let mut paper = Composer::new(typesetter);
    begin(&mut paper, bill, words);
    panel(&mut paper, bill, words);
    facts(&mut paper, bill, words);
    items(&mut paper, bill, language, words);
    packs(&mut paper, bill, language, words);
    settlement(&mut paper, bill, words);
    proof(&mut paper, bill, words);
    edges(&mut paper, bill, words);
    let Statement { id, iss, .. } = &bill.statement;
    Composed {
        pages: paper.pages,
        parts: paper.parts,
        entries: paper.entries,
        title: format!("{} · {id}", title(bill, words)),
        language: language.tag(),
        author: iss.clone(),
        made_at: bill.closed_at,
        id: format!("{id} {}", language.as_str()),
        source: Attachment {
            name: file_name(&bill.statement.period),
            media: "application/jose",
            about: format!("{} {id}", words.file),
            bytes: bill.token.clone().into_bytes(),
        },
    }
}

/// What is at its head; one of the sandbox says so.
fn title(bill: &Bill, words: &Words) -> String {
    let word = if bill.statement.sandbox { words.sandbox_title } else { words.title };
    format!("{word} {}", bill.statement.period)
}

fn begin(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    let provider = paper.part(Kind::Paragraph, None);
    let line = paper.typesetter.line(&format!("E-Cert · {}", bill.statement.iss));
    paper.line_at((MARGIN, paper.y), false, line, SMALL, Place::Part(provider));
    let (word, ink) = match (bill.settled_at, bill.late_fee_paid_at) {
        _ if bill.statement.sandbox => (words.not_owed, BLACK),
        (Some(_), Some(_)) => (words.settled, DEEP),
        (Some(_), None) => (words.late_fee_owed, BLACK),
        (None, _) => (words.owed, BLACK),
    };
    let state = paper.part(Kind::Paragraph, None);
    let line = paper.typesetter.line(word);
    paper.line_at((WIDTH - MARGIN, paper.y - 1.0), true, line, strong(9.5, ink), Place::Part(state));
    paper.y += 18.0;
    paper.rule(paper.y, 1.6, DEEP);
    paper.y += 17.0;
    paper.heading(1, &title(bill, words), strong(23.0, DEEP), 0.0);
    paper.y += 1.0;
    paper.paragraph(&bill.name, plain(12.0, BLACK), MEASURE);
    paper.y += 11.0;
}

/// What it comes to, to be seen first.
fn panel(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    const TALL: f32 = 62.0;
    let top = paper.y;
    paper.put(Mark::Box { x: MARGIN, y: top, width: MEASURE, height: TALL, ink: PANEL });
    paper.put(Mark::Box { x: MARGIN, y: top, width: 3.0, height: TALL, ink: DEEP });
    let amount = paper.part(Kind::Paragraph, None);
    let label = paper.typesetter.line(words.amount);
    paper.line_at((MARGIN + 16.0, top + 10.0), false, label, SMALL, Place::Part(amount));
    let figure = paper.typesetter.line(&money(bill.statement.amount.micros));
    paper.line_at((MARGIN + 16.0, top + 23.0), false, figure, strong(21.0, BLACK), Place::Part(amount));
    let uses = paper.part(Kind::Paragraph, None);
    let counted = filled(words.uses, &[&grouped(&bill.statement.uses.to_string())]);
    let line = paper.typesetter.line(&counted);
    paper.line_at((WIDTH - MARGIN - 16.0, top + 19.0), true, line, TEXT, Place::Part(uses));
    let from_packs: u64 =
        bill.statement.items.iter().filter(|item| item.pack.is_some()).map(|item| item.uses).sum();
    let counted = filled(words.from_packs, &[&grouped(&from_packs.to_string())]);
    let line = paper.typesetter.line(&counted);
    paper.line_at((WIDTH - MARGIN - 16.0, top + 34.0), true, line, SMALL, Place::Part(uses));
    paper.y += TALL + 14.0;
}

/// Rows of a label and what it is of.
fn labelled(paper: &mut Composer<'_>, summary: &str, rows: &[(&str, Vec<(&str, Style)>)]) {
    const LABEL: f32 = 104.0;
    let columns = [LABEL, MEASURE - LABEL].map(|width| Column { title: "", width, figures: false });
    let rows = rows.iter().map(|(label, texts)| {
        let cells = vec![paper.cell(&[(label, plain(9.0, GREY))], LABEL), paper.cell(texts, MEASURE - LABEL)];
        Row { cells, is_total: false }
    });
    let rows = rows.collect();
    let (summary, columns) = (summary.to_owned(), columns.into());
    paper.table(Table { summary, columns, has_head: false, rows, padding: 2.6 });
}

fn facts(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    let Statement { id, relying_party, zone, iss, .. } = &bill.statement;
    let (from, to) = (bill.local(bill.bounds.0), bill.local(bill.bounds.1));
    let (party, id) = (relying_party.to_string(), id.to_string());
    let (span, made_at) = (format!("{from} – {to} ({zone})"), bill.local(bill.closed_at));
    let one = |text| vec![(text, TEXT)];
    labelled(
        paper,
        words.title,
        &[
            (words.billed_to, vec![(bill.name.as_str(), TEXT), (party.as_str(), FINE)]),
            (words.provider, one(iss.as_str())),
            (words.period, one(span.as_str())),
            (words.number, one(id.as_str())),
            (words.made_at, one(made_at.as_str())),
        ],
    );
}

fn section(paper: &mut Composer<'_>, title: &str, with: f32) {
    paper.y += BETWEEN;
    paper.heading(2, title, SECTION, with);
    paper.y += 4.0;
}

fn column(title: &'static str, width: f32, figures: bool) -> Column {
    Column { title, width, figures }
}

fn items(paper: &mut Composer<'_>, bill: &Bill, language: Language, words: &Words) {
    section(paper, words.items, 70.0);
    let columns = vec![
        column(words.service, 108.0, false),
        column(words.basis, 160.0, false),
        column(words.count, 55.0, true),
        column(words.unit_price, 80.0, true),
        column(words.item_amount, MEASURE - 403.0, true),
    ];
    let one = |paper: &Composer<'_>, text: &str, style| paper.cell(&[(text, style)], MEASURE);
    let mut rows = Vec::new();
    for (item, unit_price) in bill.statement.items.iter().zip(&bill.unit_prices) {
        let pack = item.pack.map(|pack| pack.to_string());
        let version = item.price_version.as_str();
        let basis = match &pack {
            Some(pack) => vec![(words.pack, TEXT), (pack.as_str(), FINE)],
            None => vec![(version, TEXT)],
        };
        let price = unit_price.map_or_else(|| "–".to_owned(), money);
        rows.push(Row {
            cells: vec![
                service(paper, &item.service, language, 104.0),
                paper.cell(&basis, 158.0),
                one(paper, &grouped(&item.uses.to_string()), TEXT),
                one(paper, &price, TEXT),
                one(paper, &money(item.amount.micros), TEXT),
            ],
            is_total: false,
        });
    }
    let bold = strong(9.5, BLACK);
    rows.push(Row {
        cells: vec![
            one(paper, words.total, bold),
            one(paper, " ", bold),
            one(paper, &grouped(&bill.statement.uses.to_string()), bold),
            one(paper, " ", bold),
            one(paper, &money(bill.statement.amount.micros), bold),
        ],
        is_total: true,
    });
    paper.table(Table { summary: words.items.to_owned(), columns, has_head: true, rows, padding: 3.4 });
    let Statement { iss, period, uses, .. } = &bill.statement;
    let lines = format!("{iss}/v1/statements/{period}/lines");
    paper.y += 4.0;
    paper.paragraph(&filled(words.only_sums, &[&grouped(&uses.to_string()), &lines]), SMALL, MEASURE);
}

/// What people call it, and what the API does.
fn service(paper: &Composer<'_>, name: &str, language: Language, width: f32) -> Cell {
    match language.service(name) {
        Some(called) => paper.cell(&[(called, TEXT), (name, FINE)], width),
        None => paper.cell(&[(name, TEXT)], width),
    }
}

fn packs(paper: &mut Composer<'_>, bill: &Bill, language: Language, words: &Words) {
    if bill.packs.is_empty() {
        return;
    }
    section(paper, words.packs, 60.0);
    let columns = vec![
        column(words.service, 108.0, false),
        column(words.packs, 160.0, false),
        column(words.valid_until, 80.0, false),
        column(words.units, 45.0, true),
        column(words.drawn, 46.0, true),
        column(words.left, MEASURE - 439.0, true),
    ];
    let number = |paper: &Composer<'_>, number: i64| {
        paper.cell(&[(grouped(&number.to_string()).as_str(), TEXT)], MEASURE)
    };
    let rows = bill.packs.iter().map(|pack| Row {
        cells: vec![
            service(paper, &pack.service, language, 104.0),
            paper.cell(&[(pack.id.to_string().as_str(), FINE)], 158.0),
            paper.cell(&[(bill.local(pack.expires_at).as_str(), FINE)], 80.0),
            number(paper, pack.units),
            number(paper, pack.drawn),
            number(paper, pack.left),
        ],
        is_total: false,
    });
    let rows = rows.collect();
    paper.table(Table { summary: words.packs.to_owned(), columns, has_head: true, rows, padding: 3.4 });
}

fn settlement(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    section(paper, words.settlement, 80.0);
    const FIGURE: f32 = 130.0;
    let columns = vec![column("", MEASURE - FIGURE, false), column("", FIGURE, true)];
    let mut lines = vec![(words.amount.to_owned(), bill.statement.amount.micros)];
    for (at, micros) in &bill.payments {
        lines.push((filled(words.paid_at, &[&bill.local(*at)]), *micros));
    }
    let is_fixed = bill.settled_at.is_some();
    let fee = match bill.late_fee_paid_at.filter(|_| bill.late_fee > Micros::ZERO) {
        Some(at) => filled(words.late_fee_paid_at, &[&bill.local(at)]),
        None if is_fixed => words.late_fee.to_owned(),
        None => {
            let today = bill.as_of.to_zoned(bill.zone.clone()).date().to_string();
            filled(words.late_fee_as_of, &[&today])
        }
    };
    lines.push((fee, bill.late_fee));
    let row = |paper: &Composer<'_>, label: &str, micros, style, is_total| Row {
        cells: vec![
            paper.cell(&[(label, style)], MEASURE - FIGURE),
            paper.cell(&[(money(micros).as_str(), style)], FIGURE),
        ],
        is_total,
    };
    let mut rows: Vec<Row> =
        lines.iter().map(|(label, micros)| row(paper, label, *micros, TEXT, false)).collect();
    rows.push(row(paper, words.to_pay, bill.to_pay(), strong(9.5, BLACK), true));
    let summary = words.settlement.to_owned();
    paper.table(Table { summary, columns, has_head: false, rows, padding: 3.0 });
}

fn proof(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    section(paper, words.proof, 128.0);
    let file = file_name(&bill.statement.period);
    let one = |text| vec![(text, TEXT)];
    labelled(
        paper,
        words.proof,
        &[
            (words.root, one(bill.statement.root.as_str())),
            (words.key, one(bill.key_id.as_str())),
            (words.file, one(file.as_str())),
        ],
    );
    paper.y += 6.0;
    paper.paragraph(&filled(words.how, &[&file, &bill.statement.iss]), SMALL, MEASURE);
    paper.y += 3.0;
    let command = format!("ecert receipts verify --root root.der --statement {file} receipts/*.jws");
    paper.paragraph(&command, plain(8.5, DEEP), MEASURE);
    paper.y += 3.0;
    paper.paragraph(words.what, SMALL, MEASURE);
    paper.paragraph(words.no_invoice, SMALL, MEASURE);
}

/// What stands at the edges of each page.
fn edges(paper: &mut Composer<'_>, bill: &Bill, words: &Words) {
    let Statement { id, period, .. } = &bill.statement;
    let all = paper.pages.len();
    let heading = paper.typesetter.line(&format!("{} {period}", words.title));
    let number = paper.typesetter.line(&id.to_string());
    for (index, page) in paper.pages.iter_mut().enumerate() {
        let count = filled(words.page, &[&(index + 1).to_string(), &all.to_string()]);
        let count = paper.typesetter.line(&count);
        let text = |x: f32, base, line, place| Mark::Text { x, base, line, style: FINE, place };
        let rule = |y| Mark::Box { x: MARGIN, y, width: MEASURE, height: 0.5, ink: RULE };
        let ends = |line: &super::face::Line| WIDTH - MARGIN - line.ems() * FINE.size;
        page.push(rule(794.0));
        page.push(text(MARGIN, 807.0, number.clone(), Place::Footer));
        page.push(text(ends(&count), 807.0, count, Place::Footer));
        if index > 0 {
            page.push(text(MARGIN, 52.0, heading.clone(), Place::Header));
            page.push(rule(59.0));
        }
    }
}
