//! Pages: where each line of text, rule and panel stands, and what part of the document it is. Lengths are points (1/72 inch), from the
//! upper left corner of an A4 page.

use super::face::{Line, Typesetter};

/// A4 (ISO 216).
pub(super) const WIDTH: f32 = 595.28;
/// A4 (ISO 216).
pub(super) const HEIGHT: f32 = 841.89;
/// From the left and the right edge.
pub(super) const MARGIN: f32 = 54.0;
/// Between the margins.
pub(super) const MEASURE: f32 = WIDTH - 2.0 * MARGIN;
const FIRST_TOP: f32 = 54.0;
const TOP: f32 = 76.0;
const BOTTOM: f32 = 778.0;

/// From line to line, in sizes.
const LEADING: f32 = 1.45;
/// From the top of a line to its base, in sizes.
const BASE: f32 = 1.07;

/// A colour, sRGB.
#[derive(Clone, Copy)]
pub(super) struct Ink(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const BLACK: Ink = Ink(0x1a, 0x22, 0x2b);
pub(super) const GREY: Ink = Ink(0x5b, 0x67, 0x73);
pub(super) const DEEP: Ink = Ink(0x12, 0x46, 0x5e);
pub(super) const RULE: Ink = Ink(0xd9, 0xdf, 0xe4);
pub(super) const PANEL: Ink = Ink(0xf0, 0xf5, 0xf7);

/// How text is set.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// In points.
    pub(super) size: f32,
    pub(super) ink: Ink,
    pub(super) strong: bool,
}

pub(super) const fn plain(size: f32, ink: Ink) -> Style {
    Style { size, ink, strong: false }
}

pub(super) const fn strong(size: f32, ink: Ink) -> Style {
    Style { size, ink, strong: true }
}

impl Style {
    pub(super) fn leading(self) -> f32 {
        self.size * LEADING
    }
}

/// What a part of the document is to whoever can't see it (ISO 32000-1 §14.8.4).
pub(super) enum Kind {
    Heading(u16, String),
    Paragraph,
    Table(String),
    Row,
    HeadOfColumn,
    HeadOfRow,
    Data,
}

/// A part, within another.
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) within: Option<usize>,
}

/// Where in the document a text belongs.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Part(usize),
    /// Nowhere: it repeats for the eye what is told elsewhere.
    Eye,
    /// At the upper edge of each page.
    Header,
    /// At the lower one.
    Footer,
}

/// Something to be drawn.
pub(super) enum Mark {
    Text { x: f32, base: f32, line: Line, style: Style, place: Place },
    Box { x: f32, y: f32, width: f32, height: f32, ink: Ink },
}

/// A heading, and where it stands.
pub(super) struct Entry {
    pub(super) title: String,
    pub(super) page: usize,
    pub(super) y: f32,
}

/// What pages are made of.
pub(super) struct Composer<'a> {
    pub(super) typesetter: &'a Typesetter<'a>,
    /// Where the next thing stands.
    pub(super) y: f32,
    pub(super) pages: Vec<Vec<Mark>>,
    pub(super) parts: Vec<Part>,
    pub(super) entries: Vec<Entry>,
}

/// Lines below one another.
pub(super) struct Cell(pub(super) Vec<(Line, Style)>);

impl Cell {
    fn height(&self) -> f32 {
        self.0.iter().map(|(_, style)| style.leading()).sum()
    }
}

/// A column of a table.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: f32,
    /// Figures end at its right edge.
    pub(super) figures: bool,
}

pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Stands below a strong rule, and never alone on a page.
    pub(super) is_total: bool,
}

pub(super) struct Table {
    pub(super) summary: String,
    pub(super) columns: Vec<Column>,
    /// Whether the titles of columns are shown; else the first cell of a row is its head.
    pub(super) has_head: bool,
    pub(super) rows: Vec<Row>,
    /// Above and below a row's text.
    pub(super) padding: f32,
}

impl<'a> Composer<'a> {
    pub(super) fn new(typesetter: &'a Typesetter<'a>) -> Composer<'a> {
        Composer { typesetter, y: FIRST_TOP, pages: vec![Vec::new()], parts: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn part(&mut self, kind: Kind, within: Option<usize>) -> usize {
        self.parts.push(Part { kind, within });
        self.parts.len() - 1
    }

    pub(super) fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    pub(super) fn rule(&mut self, y: f32, weight: f32, ink: Ink) {
        self.put(Mark::Box { x: MARGIN, y, width: MEASURE, height: weight, ink });
    }

    fn fits(&self, height: f32) -> bool {
        self.y + height <= BOTTOM
    }

    fn turn_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    /// Sees to it that so much stands on one page.
    pub(super) fn keep(&mut self, height: f32) {
        if !self.fits(height) {
            self.turn_page();
        }
    }

    /// A line whose upper edge is at `top`, from `x` on, or up to it.
    pub(super) fn line_at(
        &mut self,
        (x, top): (f32, f32),
        up_to: bool,
        line: Line,
        style: Style,
        place: Place,
    ) {
        let x = if up_to { x - line.ems() * style.size } else { x };
        self.put(Mark::Text { x, base: top + style.size * BASE, line, style, place });
    }

    /// Lines of a paragraph, where they are on the page.
    pub(super) fn paragraph(&mut self, text: &str, style: Style, width: f32) {
        let part = self.part(Kind::Paragraph, None);
        for line in self.typesetter.lines(text, style.size, width) {
            self.keep(style.leading());
            self.line_at((MARGIN, self.y), false, line, style, Place::Part(part));
            self.y += style.leading();
        }
    }

    /// A heading, with so much of what it heads on the same page.
    pub(super) fn heading(&mut self, level: u16, title: &str, style: Style, with: f32) {
        self.keep(style.leading() + with);
        let entry = Entry { title: title.to_owned(), page: self.pages.len() - 1, y: self.y };
        self.entries.push(entry);
        let part = self.part(Kind::Heading(level, title.to_owned()), None);
        for line in self.typesetter.lines(title, style.size, MEASURE) {
            self.line_at((MARGIN, self.y), false, line, style, Place::Part(part));
            self.y += style.leading();
        }
    }

    /// A cell of a text, broken to a column's width.
    pub(super) fn cell(&self, texts: &[(&str, Style)], width: f32) -> Cell {
        let set = |(text, style): &(&str, Style)| {
            let lines = self.typesetter.lines(text, style.size, width);
            lines.into_iter().map(|line| (line, *style)).collect::<Vec<_>>()
        };
        Cell(texts.iter().flat_map(set).collect())
    }

    /// A table, whose head comes again on each page.
    pub(super) fn table(&mut self, table: Table) {
        let part = self.part(Kind::Table(table.summary.clone()), None);
        let heights: Vec<f32> = table.rows.iter().map(|row| row.height(table.padding)).collect();
        if table.has_head {
            self.keep(HEAD_HEIGHT + heights.iter().take(2).sum::<f32>());
            self.head(&table.columns, Some(part));
        }
        let follows_total: Vec<bool> =
            table.rows.iter().skip(1).map(|row| row.is_total).chain([false]).collect();
        let (columns, padding) = (table.columns, table.padding);
        for (index, row) in table.rows.into_iter().enumerate() {
            let height = heights.get(index).copied().unwrap_or_default();
            let after = heights.get(index + 1).copied().unwrap_or_default();
            let with = if follows_total.get(index) == Some(&true) { after } else { 0.0 };
            if !self.fits(height + with) {
                self.turn_page();
                if table.has_head {
                    self.head(&columns, None);
                }
            }
            self.row(&columns, row, padding, (part, table.has_head));
            self.y += height;
        }
    }

    /// The titles of columns; of a part of the document where they stand first, for the eye alone where they are repeated.
    fn head(&mut self, columns: &[Column], table: Option<usize>) {
        let style = plain(8.0, GREY);
        let row = table.map(|table| self.part(Kind::Row, Some(table)));
        for (column, x) in places(columns) {
            let place = row.map_or(Place::Eye, |row| Place::Part(self.part(Kind::HeadOfColumn, Some(row))));
            let line = self.typesetter.line(column.title);
            let x = if column.figures { x + column.width } else { x };
            self.line_at((x, self.y), column.figures, line, style, place);
        }
        self.rule(self.y + HEAD_HEIGHT - 5.0, 0.8, DEEP);
        self.y += HEAD_HEIGHT;
    }

    fn row(&mut self, columns: &[Column], row: Row, padding: f32, (table, has_head): (usize, bool)) {
        let height = row.height(padding);
        let part = self.part(Kind::Row, Some(table));
        if row.is_total {
            self.rule(self.y - 0.4, 0.8, DEEP);
        }
        for ((index, (column, x)), cell) in places(columns).enumerate().zip(row.cells) {
            let kind = if index == 0 && !has_head { Kind::HeadOfRow } else { Kind::Data };
            let cell_part = self.part(kind, Some(part));
            let mut top = self.y + padding;
            for (line, style) in cell.0 {
                let x = if column.figures { x + column.width } else { x };
                self.line_at((x, top), column.figures, line, style, Place::Part(cell_part));
                top += style.leading();
            }
        }
        if !row.is_total {
            self.rule(self.y + height - 0.25, 0.5, RULE);
        }
    }
}

const HEAD_HEIGHT: f32 = 19.0;

impl Row {
    fn height(&self, padding: f32) -> f32 {
        let tallest = self.cells.iter().map(Cell::height).fold(0.0, f32::max);
        tallest + 2.0 * padding
    }
}

/// Columns, and where they begin.
fn places(columns: &[Column]) -> impl Iterator<Item = (&Column, f32)> {
    columns.iter().scan(MARGIN, |x, column| {
        let begins = *x;
        *x += column.width;
        Some((column, begins))
    })
}
