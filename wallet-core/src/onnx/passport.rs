//! Reading the page of a passport that has the picture: its machine-readable zone, and the portrait.

use jiff::civil::Date;

use super::condition::Condition;
use super::engine::Engine;
use super::mrz::ZoneFound;
use super::portrait::Portrait;
use super::runtime::ModelError;
use crate::document::{DocumentProblem, Passport};
use crate::picture::Picture;

/// A passport as read, with its portrait.
#[derive(Debug, Clone)]
pub struct PassportReading {
    pub passport: Passport,
    pub portrait: Portrait,
    /// It may have been photographed from a screen: a reason to look closer.
    pub screen_suspected: bool,
}

impl Engine {
    /// Reads the page and checks it; `today` is the day in China.
    pub fn read_passport(
        &mut self,
        page: &Picture,
        today: Date,
    ) -> Result<Result<PassportReading, DocumentProblem>, ModelError> {
        let ZoneFound { reading, straight, quarters } = match self.find_zone(page, today)? {
            Ok(found) => found,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let passport = match Passport::of_zone(&reading.mrz, today) {
            Ok(passport) => passport,
            Err(problem) => return Ok(Err(problem)),
        };
        let (flat, corners, scale) = match &straight {
            Some(straight) => (&straight.picture, Some(straight.corners), straight.scale),
            None => (page, None, 1.0),
        };
        let upright = flat.turned(quarters).map_err(|_| ModelError::Input("text-reader"))?;
        // How sharp the zone is was answered by its check digits.
        let condition = Condition::of(page, corners.as_ref(), &upright, f32::NAN);
        let portrait = match self.portrait(&upright, scale)? {
            Ok(portrait) => portrait,
            Err(problem) => return Ok(Err(condition.explains(problem))),
        };
        Ok(Ok(PassportReading { passport, portrait, screen_suspected: condition.screen_suspected }))
    }
}
