//! Reading both sides of an identity card: text, orientation, sharpness, portrait.

use jiff::civil::Date;

use super::engine::{CLOSE_SIDE, Engine, Located, the_one_face};
use super::raster::{self, Crop};
use super::runtime::ModelError;
use super::text_reader::ReadLine;
use crate::document::id_card::{Back, Front};
use crate::document::{DocumentProblem, IdCard, TextLine};
use crate::face::quality;
use crate::face::{FaceBox, Landmarks, Quality, Template};
use crate::picture::Picture;

/// A smaller portrait does not separate people well enough: TPR at FMR 1e-3 is .994 at 96 px, .981 at 64
/// (2,850 pairs of 19 people, scaled down).
const MIN_PORTRAIT_PX: f32 = 96.0;
/// Median sharpness of the lines under which a side is too blurred to read.
const MIN_SHARPNESS: f32 = 0.01;
/// The same for a whole picture at 480 × 320 in which no card was found.
const MIN_PICTURE_SHARPNESS: f32 = 0.002;

/// The face on a document.
#[derive(Debug, Clone)]
pub struct Portrait {
    pub template: Template,
    pub face_box: FaceBox,
    pub landmarks: Landmarks,
    pub quality: Quality,
}

/// A card as read, with its portrait.
#[derive(Debug, Clone)]
pub struct IdCardReading {
    pub card: IdCard,
    pub portrait: Portrait,
    /// Mean over the front's lines of the confidence in their most doubtful character, 0 to 1.
    pub front_confidence: f32,
    /// The same of the back.
    pub back_confidence: f32,
}

/// One side as read.
struct Side<T> {
    fields: Result<T, DocumentProblem>,
    confidence: f32,
    /// Quarter turns clockwise that bring the picture upright.
    quarters: u8,
}

impl Engine {
    /// Reads both sides of a Chinese identity card and checks them; `today` is the day in China.
    pub fn read_id_card(
        &mut self,
        front: &Picture,
        back: &Picture,
        today: Date,
    ) -> Result<Result<IdCardReading, DocumentProblem>, ModelError> {
        let face = read_side(self, front, Front::read)?;
        let front_fields = match face.fields {
            Ok(fields) => fields,
            Err(problem) => return Ok(Err(problem)),
        };
        let rear = read_side(self, back, Back::read)?;
        let card = rear.fields.and_then(|back_fields| IdCard::join(front_fields, back_fields, today));
        let card = match card {
            Ok(card) => card,
            Err(problem) => return Ok(Err(problem)),
        };
        let portrait = match portrait(self, front, face.quarters)? {
            Ok(portrait) => portrait,
            Err(problem) => return Ok(Err(problem)),
        };
        let (front_confidence, back_confidence) = (face.confidence, rear.confidence);
        Ok(Ok(IdCardReading { card, portrait, front_confidence, back_confidence }))
    }

    /// Reads a front alone, before it is held against its back and the day: for measuring.
    pub fn read_front(&mut self, front: &Picture) -> Result<Result<Front, DocumentProblem>, ModelError> {
        Ok(read_side(self, front, Front::read)?.fields)
    }

    /// Reads a back alone, before it is held against its front and the day: for measuring.
    pub fn read_back(&mut self, back: &Picture) -> Result<Result<Back, DocumentProblem>, ModelError> {
        Ok(read_side(self, back, Back::read)?.fields)
    }
}

/// Finds the lines once and reads them in the likely direction; if that is no card, also in the opposite one.
fn read_side<T>(
    engine: &mut Engine,
    picture: &Picture,
    parse: impl Fn(&[TextLine]) -> Result<T, DocumentProblem>,
) -> Result<Side<T>, ModelError> {
    let quads = engine.find_text(picture)?;
    let standing =
        quads.iter().filter(|q| side(q[0], q[3]) > 1.5 * side(q[0], q[1])).count() * 2 > quads.len();
    let turns: [u8; 2] = if standing { [1, 3] } else { [0, 2] };
    let mut sides = Vec::new();
    for quarters in turns {
        let read = without_specks(read_lines(engine, picture, &quads, quarters)?);
        let lines: Vec<TextLine> = read.iter().map(|r| r.line.clone()).collect();
        let fields = match parse(&lines) {
            _ if too_blurred(&read) => Err(DocumentProblem::Blurred),
            parsed => parsed,
        };
        let wrong_way = matches!(fields, Err(DocumentProblem::NotADocument));
        sides.push(Side { fields, confidence: mean(lines.iter().map(|l| l.confidence)), quarters });
        if !wrong_way {
            break;
        }
    }
    let mut last = sides.pop().ok_or(ModelError::UnexpectedOutput("text-detector"))?;
    if matches!(last.fields, Err(DocumentProblem::NotADocument)) && picture_too_blurred(picture) {
        last.fields = Err(DocumentProblem::Blurred);
    }
    Ok(last)
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
) -> Result<Vec<ReadLine>, ModelError> {
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
fn without_specks(mut lines: Vec<ReadLine>) -> Vec<ReadLine> {
    const DOUBTFUL: f32 = 0.5;
    const LOW: f32 = 0.75;
    let height = |line: &ReadLine| side(line.line.quad[0], line.line.quad[3]);
    let usual = median(lines.iter().map(height));
    lines.retain(|line| line.line.confidence >= DOUBTFUL || height(line) >= LOW * usual);
    lines
}

fn too_blurred(lines: &[ReadLine]) -> bool {
    !lines.is_empty() && median(lines.iter().map(|l| l.sharpness)) < MIN_SHARPNESS
}

/// The middle value (the upper of two), 0 when there is none.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The one face on the upright front, large enough to compare with.
fn portrait(
    engine: &mut Engine,
    front: &Picture,
    quarters: u8,
) -> Result<Result<Portrait, DocumentProblem>, ModelError> {
    let upright = front.turned(quarters).map_err(|_| ModelError::Input("face-detector"))?;
    let Ok(face) = the_one_face(&engine.detect_at(&upright, CLOSE_SIDE)?) else {
        return Ok(Err(DocumentProblem::PortraitMissing));
    };
    if face.face_box.height < MIN_PORTRAIT_PX {
        return Ok(Err(DocumentProblem::PortraitTooSmall));
    }
    let Some(Located { face_box, landmarks, aligned, quality, .. }) =
        engine.locate_in(&upright, face.face_box)?
    else {
        return Ok(Err(DocumentProblem::PortraitMissing));
    };
    Ok(Ok(Portrait { template: engine.embed_all(&aligned)?, quality, face_box, landmarks }))
}

fn side(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0_f32, 0.0_f32), |(s, n), v| (s + v, n + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
