//! Kinds of attack. Whoever attacks knows the victim's picture, and answers the challenge as well as the means allow.

use anyhow::Result;
use image::RgbImage;
use wallet_core::face::challenge::{Action, Ask, Challenge, Mode, Step};

use crate::motion::attack::{cut_out, lit_flat, printed, replayed, tilted};
use crate::motion::capture::{Moment, SPOKEN, Taken, acting, frozen, genuine};
use crate::motion::{Face, mouth_open};

/// A kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Species {
    Print,
    TurnedPrint,
    CutOut,
    Replay,
    Injected,
    Frozen,
    Spliced,
    Reordered,
    Relabelled,
}

/// By how much a sheet of paper or a screen changes with the screen before it: as much as a face.
const REFLECTED: f32 = 0.06;
/// How much of the other screen's light a screen throws back.
const GLARE: f32 = 0.015;

impl Species {
    pub(super) const ALL: [Species; 9] = [
        Species::Print,
        Species::TurnedPrint,
        Species::CutOut,
        Species::Replay,
        Species::Injected,
        Species::Frozen,
        Species::Spliced,
        Species::Reordered,
        Species::Relabelled,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Species::Print => "print, held still",
            Species::TurnedPrint => "print, turned by hand",
            Species::CutOut => "print with eyes and mouth cut out",
            Species::Replay => "replay of a recorded session on a screen",
            Species::Injected => "injected video of a recorded session",
            Species::Frozen => "one frame, encoded anew each time",
            Species::Spliced => "two people in turn",
            Species::Reordered => "frames of this challenge, reordered",
            Species::Relabelled => "recorded frames, chosen and labelled to fit",
        }
    }
}

/// One attack on one challenge.
pub(super) struct Attack<'a> {
    pub(super) victim: &'a Face,
    /// Somebody else, who helps.
    pub(super) other: &'a Face,
    pub(super) mode: Mode,
    pub(super) nonce: [u8; 16],
}

impl Attack<'_> {
    pub(super) fn capture(&self, species: Species) -> Result<Taken> {
        let challenge = Challenge::new(self.mode, &self.nonce);
        match species {
            Species::Print => Taken::of(&challenge, |moment| self.print(moment)),
            Species::TurnedPrint => Taken::of(&challenge, |moment| self.turned_print(moment)),
            Species::CutOut => Taken::of(&challenge, |moment| self.cut_out(moment)),
            Species::Replay => Taken::of(&challenge, |moment| self.replay(moment)),
            Species::Injected => Taken::of(&challenge, |moment| self.recorded(moment)),
            Species::Frozen => frozen(&challenge, self.victim),
            Species::Spliced => {
                let (mut one, mut other) = (genuine(self.victim), genuine(self.other));
                Taken::of(
                    &challenge,
                    |moment| if moment.number % 2 == 0 { one(moment) } else { other(moment) },
                )
            }
            Species::Reordered => self.reordered(&challenge),
            Species::Relabelled => Taken::of(&challenge, |moment| self.relabelled(moment)),
        }
    }

    fn print(&self, moment: Moment) -> RgbImage {
        before_screen(printed(self.victim).image, moment, REFLECTED)
    }

    /// Turned when a turn is asked for, lowered for a nod or a digit, otherwise a little here and there.
    fn turned_print(&self, moment: Moment) -> RgbImage {
        let aside = if moment.number.is_multiple_of(2) { 12.0 } else { -12.0 };
        before_screen(tilt(&printed(self.victim), moment, aside), moment, REFLECTED)
    }

    /// Eyes and mouth are alive, the rest is paper: turned when a turn is asked for.
    fn cut_out(&self, moment: Moment) -> RgbImage {
        let behind = match moment.step.map(|step| step.ask) {
            Some(Ask::Act(action @ (Action::Blink | Action::OpenMouth))) => acting(self.victim, action),
            Some(Ask::Read(_)) => mouth_open(self.victim, SPOKEN),
            _ => self.victim.image.clone(),
        };
        let sheet = cut_out(&printed(self.victim), &behind);
        let sheet = Face { image: sheet, ..self.victim.clone() };
        before_screen(tilt(&sheet, moment, 0.0), moment, REFLECTED)
    }

    /// What the victim did at this moment of another session.
    fn recorded(&self, moment: Moment) -> RgbImage {
        let mut nonce = self.nonce;
        nonce[15] ^= 0x5a;
        let then = Challenge::new(self.mode, &nonce);
        let now = Challenge::new(self.mode, &self.nonce);
        // Digits were read at other times; actions and colours have the same pace in every session.
        let spoken = |step: &&Step| {
            step.window.is_some_and(|window| (window.from_ms..=window.until_ms).contains(&moment.at_ms))
        };
        let step = match self.mode {
            Mode::Digits => then.steps.iter().find(spoken),
            _ => moment.step.and_then(|step| now.step_of(&step.name)).and_then(|place| then.steps.get(place)),
        };
        genuine(self.victim)(Moment { number: moment.number, at_ms: moment.at_ms, step })
    }

    fn replay(&self, moment: Moment) -> RgbImage {
        let shown = Face { image: self.recorded(moment), ..self.victim.clone() };
        before_screen(replayed(&shown, moment.number).image, moment, GLARE)
    }

    /// All that was asked for, one step too early.
    fn reordered(&self, challenge: &Challenge) -> Result<Taken> {
        let mut turned = challenge.clone();
        let by = turned.steps.len().min(1);
        turned.steps.rotate_left(by);
        let mut actor = genuine(self.victim);
        Taken::of(challenge, |moment| {
            let place = moment.step.and_then(|step| challenge.step_of(&step.name));
            let step = place.and_then(|place| turned.steps.get(place));
            // In silence there is no order; in digits, what is asked for is done in the pauses.
            match (self.mode, step, moment.number) {
                (Mode::Digits, None, 2..) => mouth_open(self.victim, SPOKEN),
                (Mode::Digits, Some(_), _) => self.victim.image.clone(),
                _ => actor(Moment { step, ..moment }),
            }
        })
    }

    /// By one who makes the statement and owns frames of a session in which the victim turned left, turned right and nodded, or saw
    /// red, green and blue: of these whatever comes nearest.
    fn relabelled(&self, moment: Moment) -> RgbImage {
        let owned = |ask: &Ask| match ask {
            Ask::Act(action) => matches!(action, Action::TurnLeft | Action::TurnRight | Action::Nod),
            Ask::Show(colour) => colour.0.iter().filter(|full| **full).count() == 1,
            Ask::Read(_) => true,
        };
        let step = moment.step.filter(|step| owned(&step.ask));
        genuine(self.victim)(Moment { step, ..moment })
    }
}

/// A sheet that is turned by hand as well as can be.
fn tilt(sheet: &Face, moment: Moment, aside: f32) -> RgbImage {
    match moment.step.map(|step| step.ask) {
        Some(Ask::Act(Action::TurnLeft)) => tilted(sheet, 45.0, true),
        Some(Ask::Act(Action::TurnRight)) => tilted(sheet, -45.0, true),
        Some(Ask::Act(Action::Nod) | Ask::Read(_)) => tilted(sheet, 40.0, false),
        _ if aside != 0.0 => tilted(sheet, aside, true),
        _ => sheet.image.clone(),
    }
}

/// A flat thing before the screen that shows the challenge.
fn before_screen(image: RgbImage, moment: Moment, strength: f32) -> RgbImage {
    match moment.step.map(|step| step.ask) {
        Some(Ask::Show(colour)) => lit_flat(&image, colour, strength),
        _ => image,
    }
}
