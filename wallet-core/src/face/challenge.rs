//! What a capture must show, chosen by the server's dice so that no recording can know it beforehand.
//!
//! The steps follow from the nonce alone: sixteen random bytes that nobody knows before the challenge is given, so nothing but
//! the nonce and the mode has to be kept. A `silent` challenge has no steps.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::es256::sha256;
use crate::refusal::HolderMessage;

/// What a challenge asks for, beside being bound to its nonce.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = LivenessMode))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// To be looked at.
    #[default]
    Silent,
    /// Movements of the head and the face, in an order.
    Actions,
    /// To hold the face before a screen that shows colours in an order.
    Flash,
    /// To read digits aloud while each is shown. Only the mouth is looked at: nobody listens to the voice.
    Digits,
}

impl Mode {
    /// Every mode, for tables and for the API description.
    pub const ALL: [Mode; 4] = [Mode::Silent, Mode::Actions, Mode::Flash, Mode::Digits];

    /// The word of the API and of the column.
    pub fn code(self) -> &'static str {
        match self {
            Mode::Silent => "silent",
            Mode::Actions => "actions",
            Mode::Flash => "flash",
            Mode::Digits => "digits",
        }
    }

    /// Fewest frames that can show all steps. Two show that it is no single still; every step needs one of its own, and a person
    /// is measured against two of themselves at rest. Between two digits the mouth must be seen at rest again.
    pub fn min_frames(self) -> usize {
        match self {
            Mode::Silent => 2,
            Mode::Actions => STILLS + ACTIONS,
            Mode::Flash => 1 + COLOURS,
            Mode::Digits => STILLS + DIGITS + DIGITS - 1,
        }
    }
}

/// The word of a mode was not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of `silent`, `actions`, `flash`, `digits`")]
pub struct NotAMode;

impl std::str::FromStr for Mode {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<Mode, NotAMode> {
        Mode::ALL.into_iter().find(|mode| mode.code() == text).ok_or(NotAMode)
    }
}

/// The label of a frame in which nothing is asked for. The frames before the first step are what the others are measured
/// against.
pub const STILL: &str = "still";
/// Frames labelled [`STILL`] that a capture of actions or digits begins with, at least.
pub const STILLS: usize = 2;
/// Of five actions in any order, one of them a turn: 54 challenges.
const ACTIONS: usize = 3;
/// Of six colours, no two alike in a row: 3,750 challenges.
const COLOURS: usize = 5;
const DIGITS: usize = 4;
/// Milliseconds before the first colour or digit.
const LEAD_MS: u32 = 800;
/// Milliseconds that a colour is shown. Fewer than two changes a second: three and more can hurt people with epilepsy (WCAG 2.3.1).
const COLOUR_MS: u32 = 600;
/// Milliseconds that a digit is shown.
const DIGIT_MS: u32 = 1000;
/// Milliseconds for which nothing is shown after it: at least, and by how much one pause may differ from another, so that who
/// reads on a recording does so at other times.
const PAUSE_MS: u32 = 500;
const PAUSES_MS: [u32; 8] = [0, 200, 400, 600, 800, 1000, 1200, 1400];

/// A movement. Left and right are the person's own; frames are as the camera sees them, not mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    TurnLeft,
    TurnRight,
    Nod,
    OpenMouth,
    Blink,
}

impl Action {
    pub const ALL: [Action; 5] =
        [Action::TurnLeft, Action::TurnRight, Action::Nod, Action::OpenMouth, Action::Blink];

    /// The label of its frames.
    pub fn code(self) -> &'static str {
        match self {
            Action::TurnLeft => "turn-left",
            Action::TurnRight => "turn-right",
            Action::Nod => "nod",
            Action::OpenMouth => "open-mouth",
            Action::Blink => "blink",
        }
    }

    /// Whether it shows the depth of a head.
    pub fn is_turn(self) -> bool {
        matches!(self, Action::TurnLeft | Action::TurnRight)
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Action::TurnLeft => ("请向左转头", "Turn your head to your left"),
            Action::TurnRight => ("请向右转头", "Turn your head to your right"),
            Action::Nod => ("请低头", "Lower your head"),
            Action::OpenMouth => ("请张嘴", "Open your mouth"),
            Action::Blink => ("请闭眼", "Close your eyes for a moment"),
        }
    }
}

/// A colour of the screen: red, green and blue, each off or full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [bool; 3]);

impl Colour {
    /// Those that differ in hue; white and black change brightness only, which a face does by moving.
    pub const ALL: [Colour; 6] = [
        Colour([true, false, false]),
        Colour([false, true, false]),
        Colour([false, false, true]),
        Colour([true, true, false]),
        Colour([false, true, true]),
        Colour([true, false, true]),
    ];

    /// As a style sheet writes it.
    pub fn hex(self) -> String {
        let [r, g, b] = self.0.map(|full| if full { "ff" } else { "00" });
        format!("#{r}{g}{b}")
    }
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Move.
    Act(Action),
    /// Keep still before this colour.
    Show(Colour),
    /// Read this digit aloud.
    Read(u8),
}

/// When the frames of a step are taken, in milliseconds since the capture began; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from_ms: u32,
    pub until_ms: u32,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The label of its frames.
    pub name: String,
    /// What it asks for.
    pub ask: Ask,
    /// When, where the screen sets the pace; an action takes the time it takes.
    pub window: Option<Window>,
}

impl Step {
    /// What the person is told, in Chinese and English.
    pub fn words(&self) -> HolderMessage {
        match self.ask {
            Ask::Act(action) => action.words().into(),
            Ask::Show(_) => ("屏幕将变换颜色，请保持不动", "The screen changes colour: keep still").into(),
            Ask::Read(digit) => {
                HolderMessage { zh: format!("请朗读：{digit}"), en: format!("Read aloud: {digit}") }
            }
        }
    }
}

/// What one capture must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub mode: Mode,
    /// In this order; none in the silent mode.
    pub steps: Vec<Step>,
}

impl Challenge {
    /// The challenge of a nonce: the same for the same nonce, and as random as it is.
    pub fn new(mode: Mode, nonce: &[u8; 16]) -> Challenge {
        let steps = match mode {
            Mode::Silent => Vec::new(),
            Mode::Actions => actions(&mut Dice::of(mode, nonce)),
            Mode::Flash => colours(&mut Dice::of(mode, nonce)),
            Mode::Digits => digits(&mut Dice::of(mode, nonce)),
        };
        Challenge { mode, steps }
    }

    /// Which step a label names.
    pub fn step_of(&self, label: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == label)
    }

    /// The digits to be read, in order.
    pub fn digits(&self) -> Vec<u8> {
        let digit = |step: &Step| if let Ask::Read(digit) = step.ask { Some(digit) } else { None };
        self.steps.iter().filter_map(digit).collect()
    }
}

/// From challenge to capture: the person is standing there.
pub const LIFETIME: SignedDuration = SignedDuration::from_secs(120);

/// What was asked of a person, and until when. The steps are not kept: they follow from the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The kind of liveness check.
    pub mode: Mode,
    /// What the capture must be bound to.
    pub nonce: [u8; 16],
    /// Until when a capture is taken.
    pub deadline: Timestamp,
}

impl Asked {
    /// A challenge given `now`, by 16 random bytes.
    pub fn now(mode: Mode, nonce: [u8; 16], now: Timestamp) -> Asked {
        Asked { mode, nonce, deadline: now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX) }
    }

    /// What the capture must show.
    pub fn challenge(&self) -> Challenge {
        Challenge::new(self.mode, &self.nonce)
    }

    /// Milliseconds from the challenge to `now`, 0 before it.
    pub fn age_ms(&self, now: Timestamp) -> u64 {
        let left = self.deadline.duration_since(now);
        u64::try_from(LIFETIME.saturating_sub(left).as_millis()).unwrap_or(0)
    }
}

fn actions(dice: &mut Dice) -> Vec<Step> {
    let mut left = Action::ALL.to_vec();
    let mut chosen: Vec<Action> = (0..ACTIONS).map(|_| left.swap_remove(dice.throw(left.len()))).collect();
    if !chosen.iter().any(|action| action.is_turn()) {
        // Without a turn there would be no depth to be seen.
        let place = dice.throw(ACTIONS);
        let turn = if dice.throw(2) == 0 { Action::TurnLeft } else { Action::TurnRight };
        chosen.splice(place..=place, [turn]);
    }
    let step = |action: Action| Step { name: action.code().to_owned(), ask: Ask::Act(action), window: None };
    chosen.into_iter().map(step).collect()
}

fn colours(dice: &mut Dice) -> Vec<Step> {
    let mut before = None;
    let mut step = |number: u32| {
        let others: Vec<Colour> = Colour::ALL.into_iter().filter(|colour| Some(*colour) != before).collect();
        let colour = others.get(dice.throw(others.len())).copied().unwrap_or(Colour::ALL[0]);
        before = Some(colour);
        let from_ms = LEAD_MS + (number - 1) * COLOUR_MS;
        let window = Window { from_ms, until_ms: from_ms + COLOUR_MS };
        Step { name: format!("flash-{number}"), ask: Ask::Show(colour), window: Some(window) }
    };
    (1..).take(COLOURS).map(&mut step).collect()
}

fn digits(dice: &mut Dice) -> Vec<Step> {
    let mut left: Vec<u8> = (0..10).collect();
    let mut next_ms = LEAD_MS;
    let mut step = |number: u32| {
        // All different: twice the same digit would be one long opening of the mouth.
        let digit = left.swap_remove(dice.throw(left.len()));
        let from_ms = next_ms;
        let longer = PAUSES_MS.get(dice.throw(PAUSES_MS.len())).copied().unwrap_or(0);
        next_ms = from_ms + DIGIT_MS + PAUSE_MS + longer;
        let window = Window { from_ms, until_ms: from_ms + DIGIT_MS };
        Step { name: format!("digit-{number}"), ask: Ask::Read(digit), window: Some(window) }
    };
    (1..).take(DIGITS).map(&mut step).collect()
}

/// Throws that follow from a nonce.
struct Dice {
    bytes: [u8; 32],
    used: usize,
}

impl Dice {
    fn of(mode: Mode, nonce: &[u8; 16]) -> Dice {
        let seed = [b"ecert-challenge ", mode.code().as_bytes(), b" ", nonce.as_slice()].concat();
        Dice { bytes: sha256(&seed), used: 0 }
    }

    /// A number below `sides` (at most ten), as likely as any other to within 2⁻¹². A challenge takes eight throws at most, of sixteen.
    fn throw(&mut self, sides: usize) -> usize {
        let pair = self.bytes.as_chunks::<2>().0.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        usize::from(u16::from_le_bytes(pair)) % sides.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn many(mode: Mode) -> Vec<Challenge> {
        (0..6000_u128).map(|nonce| Challenge::new(mode, &nonce.to_le_bytes())).collect()
    }

    fn names(challenge: &Challenge) -> Vec<&str> {
        challenge.steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn the_same_nonce_gives_the_same_steps_and_another_others() {
        let steps = |nonce| Challenge::new(Mode::Flash, &[nonce; 16]).steps;
        assert_eq!(steps(1), steps(1));
        assert_ne!(steps(1), steps(2));
        assert!(Challenge::new(Mode::Silent, &[1; 16]).steps.is_empty());
    }

    #[test]
    fn three_different_actions_with_a_turn_and_every_choice_comes_up() {
        let mut counts = BTreeMap::new();
        for challenge in many(Mode::Actions) {
            let names: Vec<String> = challenge.steps.iter().map(|step| step.name.clone()).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3);
            assert!(names.iter().any(|name| name.starts_with("turn")));
            *counts.entry(names).or_insert(0) += 1;
        }
        // 54 of 60 orders have a turn; the six others are spread over 36 of them, which come up one time and a half as often.
        assert_eq!(counts.len(), 54);
        assert!(counts.values().all(|count| (60..220).contains(count)), "{counts:?}");
    }

    #[test]
    fn colours_change_and_their_windows_follow_one_another() {
        let challenges = many(Mode::Flash);
        let sequences: BTreeSet<String> = challenges.iter().map(|c| format!("{:?}", c.steps)).collect();
        assert!(sequences.len() > 2500, "{}", sequences.len());
        for challenge in &challenges {
            assert!(challenge.steps.windows(2).all(|pair| pair[0].ask != pair[1].ask));
            let windows: Vec<Window> = challenge.steps.iter().filter_map(|step| step.window).collect();
            assert!(windows.len() == 5 && windows.windows(2).all(|pair| pair[0].until_ms == pair[1].from_ms));
        }
    }

    #[test]
    fn digits_differ_and_all_come_up() {
        let challenges = many(Mode::Digits);
        let seen: BTreeSet<u8> = challenges.iter().flat_map(Challenge::digits).collect();
        assert_eq!(seen.len(), 10);
        for challenge in &challenges {
            assert_eq!(challenge.digits().into_iter().collect::<BTreeSet<_>>().len(), 4);
            assert_eq!(names(challenge), ["digit-1", "digit-2", "digit-3", "digit-4"]);
            let windows: Vec<Window> = challenge.steps.iter().filter_map(|step| step.window).collect();
            let pauses = windows.windows(2).map(|pair| pair[1].from_ms - pair[0].until_ms);
            assert!(pauses.into_iter().all(|pause| (500..=1900).contains(&pause)));
        }
    }

    #[test]
    fn words_and_codes() {
        for mode in Mode::ALL {
            assert_eq!(mode.code().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.code());
            assert!(mode.min_frames() <= crate::capture::MAX_FRAMES);
        }
        assert_eq!("Actions".parse::<Mode>(), Err(NotAMode));
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.code());
        }
        assert_eq!(Colour::ALL[3].hex(), "#ffff00");
    }
}
