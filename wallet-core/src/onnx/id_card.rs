//! Reading both sides of an identity card: text, orientation, sharpness, portrait.

use jiff::civil::Date;

use super::condition::Condition;
use super::engine::Engine;
use super::portrait::Portrait;
use super::raster::{self, Crop};
use super::runtime::ModelError;
use super::straighten::{ID1_ASPECT, Straight, straighten};
use crate::document::id_card::{Back, BackFields, Front, FrontFields};
use crate::document::plane::Quad;
use crate::document::{DocumentProblem, IdCard, TextLine};
use crate::face::quality;
use crate::picture::Picture;

/// Median sharpness of the lines under which a side is too blurred to read.
const MIN_SHARPNESS: f32 = 0.003;
/// The same for a whole picture at 480 × 320 in which no card was found.
const MIN_PICTURE_SHARPNESS: f32 = 0.002;

/// A card as read, with its portrait.
#[derive(Debug, Clone)]
pub struct IdCardReading {
    pub card: IdCard,
    pub portrait: Portrait,
    /// Mean over the front's lines of the confidence in their most doubtful character, 0 to 1.
    pub front_confidence: f32,
    /// The same of the back.
    pub back_confidence: f32,
    /// Either side may have been photographed from a screen: a reason to look closer.
    pub screen_suspected: bool,
}

/// One side as read, field by field, and what else is known of it.
#[derive(Debug, Clone)]
pub struct SideReading<T> {
    /// Why it is no such side, else its fields.
    pub fields: Result<T, DocumentProblem>,
    /// Mean over the lines of the confidence in their most doubtful character, 0 to 1.
    pub confidence: f32,
    /// The picture that it was read from: the card alone where its outline was found, else the photograph; upright.
    pub upright: Picture,
    /// Where the card lies in the photograph, in pixels, beginning at its own top left; `None` where its outline was not found.
    pub corners: Option<Quad>,
    /// Pixels of the photograph to a pixel of `upright`.
    pub scale: f32,
    /// How it was photographed.
    pub condition: Condition,
}

/// What a side says, field by field.
trait Fields: Sized {
    fn read(lines: &[TextLine]) -> Result<Self, DocumentProblem>;
    /// How many fields could not be read.
    fn problems(&self) -> usize;
    /// Does not believe what nothing checks.
    fn hidden(&mut self);
}

impl Fields for FrontFields {
    fn read(lines: &[TextLine]) -> Result<Self, DocumentProblem> {
        FrontFields::read(lines)
    }

    fn problems(&self) -> usize {
        self.problems()
    }

    fn hidden(&mut self) {
        self.hidden();
    }
}

impl Fields for BackFields {
    fn read(lines: &[TextLine]) -> Result<Self, DocumentProblem> {
        BackFields::read(lines)
    }

    fn problems(&self) -> usize {
        self.problems()
    }

    fn hidden(&mut self) {
        self.hidden();
    }
}

impl Engine {
    /// Reads both sides of a Chinese identity card and checks them; `today` is the day in China.
    pub fn read_id_card(
        &mut self,
        front: &Picture,
        back: &Picture,
        today: Date,
    ) -> Result<Result<IdCardReading, DocumentProblem>, ModelError> {
        let face = self.read_front_fields(front)?;
        let front_fields = match face.fields.clone().and_then(FrontFields::whole) {
            Ok(fields) => fields,
            Err(problem) => return Ok(Err(face.condition.explains(problem))),
        };
        let rear = self.read_back_fields(back)?;
        let back_fields = rear.fields.and_then(BackFields::whole);
        let back_fields = back_fields.map_err(|problem| rear.condition.explains(problem));
        let card = match back_fields.and_then(|back_fields| IdCard::join(front_fields, back_fields, today)) {
            Ok(card) => card,
            Err(problem) => return Ok(Err(problem)),
        };
        let portrait = match self.portrait(&face.upright, face.scale)? {
            Ok(portrait) => portrait,
            Err(problem) => return Ok(Err(face.condition.explains(problem))),
        };
        let (front_confidence, back_confidence) = (face.confidence, rear.confidence);
        let screen_suspected = face.condition.screen_suspected || rear.condition.screen_suspected;
        Ok(Ok(IdCardReading { card, portrait, front_confidence, back_confidence, screen_suspected }))
    }

    /// Reads a front alone, field by field, before it is held against its back and the day.
    pub fn read_front_fields(&mut self, front: &Picture) -> Result<SideReading<FrontFields>, ModelError> {
        read_side(self, front)
    }

    /// Reads a back alone, field by field, before it is held against its front and the day.
    pub fn read_back_fields(&mut self, back: &Picture) -> Result<SideReading<BackFields>, ModelError> {
        read_side(self, back)
    }

    /// Reads a front alone: all of it or nothing.
    pub fn read_front(&mut self, front: &Picture) -> Result<Result<Front, DocumentProblem>, ModelError> {
        Ok(self.read_front_fields(front)?.fields.and_then(FrontFields::whole))
    }

    /// Reads a back alone: all of it or nothing.
    pub fn read_back(&mut self, back: &Picture) -> Result<Result<Back, DocumentProblem>, ModelError> {
        Ok(self.read_back_fields(back)?.fields.and_then(BackFields::whole))
    }
}

/// Reads the straightened card where its outline is found, and the photograph as it is where that does not give every field.
fn read_side<T: Fields>(engine: &mut Engine, picture: &Picture) -> Result<SideReading<T>, ModelError> {
    let (mut best, corners) = match straighten(picture, ID1_ASPECT) {
        Some(Straight { picture: flat, mut corners, scale, .. }) => {
            let (reading, quarters) = read_plain::<T>(engine, &flat)?;
            corners.rotate_left(usize::from(quarters));
            (SideReading { scale, ..reading }, Some(corners))
        }
        None => (read_plain(engine, picture)?.0, None),
    };
    if corners.is_some() && missing(&best.fields) > 0 {
        let (plain, _) = read_plain::<T>(engine, picture)?;
        if missing(&plain.fields) < missing(&best.fields) {
            best = plain;
        }
    }
    best.corners = corners;
    best.condition = Condition::of(picture, corners.as_ref(), &best.upright, best.condition.sharpness);
    if best.condition.hides()
        && let Ok(fields) = &mut best.fields
    {
        fields.hidden();
    }
    Ok(best)
}

/// How much of a side could not be read.
fn missing<T: Fields>(fields: &Result<T, DocumentProblem>) -> usize {
    fields.as_ref().map_or(usize::MAX, Fields::problems)
}

/// Finds the lines once and reads them in the likely direction; if that is no card, also in the opposite one. Gives how many quarter
/// turns clockwise brought the picture upright.
fn read_plain<T: Fields>(engine: &mut Engine, picture: &Picture) -> Result<(SideReading<T>, u8), ModelError> {
    let quads = engine.find_text(picture)?;
    let turns = likely_turns(&quads);
    let mut last = (Err(DocumentProblem::NotADocument), 0.0, 0.0, 0);
    for quarters in turns {
        let lines = without_specks(read_lines(engine, picture, &quads, quarters)?);
        let fields = match T::read(&lines) {
            _ if too_blurred(&lines) => Err(DocumentProblem::Blurred),
            parsed => parsed,
        };
        let wrong_way = matches!(fields, Err(DocumentProblem::NotADocument));
        let sharpness = median(lines.iter().map(|line| line.sharpness));
        last = (fields, mean(lines.iter().map(TextLine::confidence)), sharpness, quarters);
        if !wrong_way {
            break;
        }
    }
    let (mut fields, confidence, sharpness, quarters) = last;
    if matches!(fields, Err(DocumentProblem::NotADocument)) && picture_too_blurred(picture) {
        fields = Err(DocumentProblem::Blurred);
    }
    let upright = picture.turned(quarters).map_err(|_| ModelError::Input("text-reader"))?;
    let condition = Condition { sharpness, ..Condition::default() };
    Ok((SideReading { fields, confidence, upright, corners: None, scale: 1.0, condition }, quarters))
}

/// Quarter turns clockwise that may bring lines of text upright, the likelier first.
pub(super) fn likely_turns(quads: &[Quad]) -> [u8; 2] {
    let standing = quads.iter().filter(|q| side(q[0], q[3]) > 1.5 * side(q[0], q[1])).count();
    if standing * 2 > quads.len() { [1, 3] } else { [0, 2] }
}

/// Whether a picture in which no card was found is too blurred to tell: then the person should hear that.
fn picture_too_blurred(picture: &Picture) -> bool {
    const WIDTH: usize = 480;
    const HEIGHT: usize = 320;
    let mut luma = vec![0.0; WIDTH * HEIGHT];
    let mut places = luma.iter_mut();
    raster::resize(picture, Crop::whole(picture), (WIDTH, HEIGHT), |_, _, [r, g, b]| {
        if let Some(place) = places.next() {
            *place = 0.299 * r + 0.587 * g + 0.114 * b;
        }
    });
    quality::sharpness(&luma, WIDTH) < MIN_PICTURE_SHARPNESS
}

fn read_lines(
    engine: &mut Engine,
    picture: &Picture,
    quads: &[[[f32; 2]; 4]],
    quarters: u8,
) -> Result<Vec<TextLine>, ModelError> {
    quads
        .iter()
        .map(|quad| {
            let mut quad = *quad;
            // A picture that must be turned clockwise by a quarter has its text starting at the bottom left.
            quad.rotate_right(usize::from(quarters));
            engine.read_text(picture, quad)
        })
        .collect()
}

/// Drops what the detector took for a line and the reader did not: low, and without a readable character. A doubtful
/// line of full height stays, and makes its field unreadable, since leaving it out would shorten an address.
fn without_specks(mut lines: Vec<TextLine>) -> Vec<TextLine> {
    const DOUBTFUL: f32 = 0.5;
    const LOW: f32 = 0.75;
    let height = |line: &TextLine| side(line.quad[0], line.quad[3]);
    let usual = median(lines.iter().map(height));
    lines.retain(|line| line.confidence() >= DOUBTFUL || height(line) >= LOW * usual);
    lines
}

fn too_blurred(lines: &[TextLine]) -> bool {
    !lines.is_empty() && median(lines.iter().map(|l| l.sharpness)) < MIN_SHARPNESS
}

/// The middle value (the upper of two), 0 when there is none.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn side(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0_f32, 0.0_f32), |(s, n), v| (s + v, n + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
