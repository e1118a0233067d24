//! Reading the machine-readable zone of a passport or card from a photograph.

use jiff::civil::Date;

use super::engine::Engine;
use super::id_card::likely_turns;
use super::runtime::ModelError;
use super::straighten::{ID1_ASPECT, ID3_ASPECT, Straight, straighten};
use crate::document::TextLine;
use crate::document::mrz::MrzProblem;
use crate::document::mrz::grid::{self, MrzReading};
use crate::document::plane::{self, Quad};
use crate::picture::Picture;

/// A line of a zone is long: a piece of it is at least so many times longer than high.
const MIN_LENGTH: f32 = 4.0;
/// Lines are looked at in up to three crops, which differ by this share of their height above and below. Check digits say which is
/// right.
const CROPS: [f32; 3] = [0.0, 0.10, -0.08];

/// A zone, and the picture that it was found in.
pub(super) struct ZoneFound {
    pub reading: MrzReading,
    /// The document laid flat, where the photograph as it is would not do.
    pub straight: Option<Straight>,
    /// Quarter turns clockwise that bring that picture upright.
    pub quarters: u8,
}

impl Engine {
    /// Finds and reads the zone; `today` tells the centuries apart.
    pub fn read_mrz(
        &mut self,
        picture: &Picture,
        today: Date,
    ) -> Result<Result<MrzReading, MrzProblem>, ModelError> {
        Ok(self.find_zone(picture, today)?.map(|found| found.reading))
    }

    /// The photograph is tried as it is, then each document in it that has four visible edges, laid flat.
    pub(super) fn find_zone(
        &mut self,
        picture: &Picture,
        today: Date,
    ) -> Result<Result<ZoneFound, MrzProblem>, ModelError> {
        let mut problem = match read_plain(self, picture, today)? {
            Ok((reading, quarters)) => return Ok(Ok(ZoneFound { reading, straight: None, quarters })),
            Err(problem) => problem,
        };
        for aspect in [ID3_ASPECT, ID1_ASPECT] {
            let Some(straight) = straighten(picture, aspect) else { continue };
            match read_plain(self, &straight.picture, today)? {
                Ok((reading, quarters)) => {
                    return Ok(Ok(ZoneFound { reading, straight: Some(straight), quarters }));
                }
                Err(other) if problem == MrzProblem::NotAZone => problem = other,
                Err(_) => {}
            }
        }
        Ok(Err(problem))
    }
}

/// The zone in a picture, and how many quarter turns clockwise bring the picture upright.
fn read_plain(
    engine: &mut Engine,
    picture: &Picture,
    today: Date,
) -> Result<Result<(MrzReading, u8), MrzProblem>, ModelError> {
    let mut quads = engine.find_text(picture)?;
    let long = |q: &Quad| {
        let (along, across) = (plane::distance(q[0], q[1]), plane::distance(q[0], q[3]));
        along.max(across) > MIN_LENGTH * along.min(across)
    };
    let turns = likely_turns(&quads);
    quads.retain(long);
    let mut problem = MrzProblem::NotAZone;
    for quarters in turns {
        for crop in CROPS {
            let mut lines: Vec<TextLine> = Vec::new();
            for quad in &quads {
                let mut quad = *quad;
                quad.rotate_right(usize::from(quarters));
                lines.push(engine.read_zone_line(picture, taller(quad, crop))?);
            }
            match grid::find(&lines, today) {
                Ok(reading) => return Ok(Ok((reading, quarters))),
                // Upside down it is no zone at all: no use in looking again.
                Err(MrzProblem::NotAZone) => break,
                Err(found) => problem = found,
            }
        }
        if problem != MrzProblem::NotAZone {
            break;
        }
    }
    Ok(Err(problem))
}

/// A line's corners moved outwards above and below by a share of its height.
fn taller([a, b, c, d]: Quad, share: f32) -> Quad {
    let out = |from: [f32; 2], to: [f32; 2]| {
        [from[0] + (from[0] - to[0]) * share, from[1] + (from[1] - to[1]) * share]
    };
    [out(a, d), out(b, c), out(c, b), out(d, a)]
}
