//! Light of the screen, reflected by the face.
//!
//! A face before a screen takes on a little of its colour. What is looked at is the change of hue from step to step: the skin's own
//! colour, the room's light and the camera's exposure are the same in all of them and fall out.

use super::{Capture, Examined, FlashScore, Frame, mean, reached};
use crate::face::challenge::Ask;
use crate::face::measures::Rgb;
use crate::face::{Reason, Unusable};

/// The least correlation with the colours shown. Of two sequences, fewer than three in a hundred come as near as this to one another.
const CORRELATION: f32 = 0.75;
/// The least change of hue that is judged: below it lie the noise of cameras and of JPEG.
const STRENGTH: f32 = 0.006;

pub(super) fn examine(capture: &Capture) -> Result<Examined, Unusable> {
    let against_background = capture.frames.iter().all(|(_, frame)| frame.seen.measures.background.is_some());
    let steps = capture.challenge.steps.iter().enumerate();
    let changes: Vec<(Rgb, Rgb)> = steps
        .filter_map(|(place, step)| {
            let Ask::Show(colour) = step.ask else { return None };
            let seen = mean_of(capture.of(place).map(|frame| light(frame, against_background)));
            Some((seen, colour.0.map(|full| if full { 1.0 } else { 0.0 })))
        })
        .collect();
    let seen = hues(changes.iter().map(|(seen, _)| *seen));
    let shown = hues(changes.iter().map(|(_, shown)| *shown));
    let score =
        FlashScore { correlation: correlation(&seen, &shown), strength: strength(&seen), against_background };
    if !reached(score.strength, STRENGTH) {
        return Err(Unusable::FlashTooWeak);
    }
    let mut liveness = capture.scores();
    liveness.flash = Some(score);
    let follows = reached(score.correlation, CORRELATION);
    let reasons = if follows { Vec::new() } else { vec![Reason::FlashMismatch] };
    Ok(Examined { liveness, continuity: None, rest: None, reasons })
}

/// The logarithm of the face's colour, over that of its background if that is to be taken off. In logarithms, a light that
/// doubles adds the same to a dark face as to a pale one.
fn light(frame: &Frame, against_background: bool) -> Rgb {
    let logarithms = |colour: Rgb| colour.map(|value| value.max(1.0).ln());
    let face = logarithms(frame.seen.measures.face_colour);
    match frame.seen.measures.background {
        Some(background) if against_background => minus(face, logarithms(background)),
        _ => face,
    }
}

/// What is left of colours without brightness (the mean of each one's channels) and without what all have in common.
fn hues(colours: impl Iterator<Item = Rgb>) -> Vec<Rgb> {
    let hues: Vec<Rgb> = colours.map(|colour| minus(colour, [mean(colour.into_iter()); 3])).collect();
    let common = mean_of(hues.iter().copied());
    hues.into_iter().map(|hue| minus(hue, common)).collect()
}

fn correlation(seen: &[Rgb], shown: &[Rgb]) -> f32 {
    let dot = |a: &[Rgb], b: &[Rgb]| -> f32 {
        a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| x * y).sum()
    };
    let lengths = (dot(seen, seen) * dot(shown, shown)).sqrt();
    if lengths > 1e-9 { dot(seen, shown) / lengths } else { 0.0 }
}

fn strength(hues: &[Rgb]) -> f32 {
    mean(hues.iter().flatten().map(|value| value * value)).sqrt()
}

fn minus(a: Rgb, b: Rgb) -> Rgb {
    let [a0, a1, a2] = a;
    let [b0, b1, b2] = b;
    [a0 - b0, a1 - b1, a2 - b2]
}

fn mean_of(colours: impl Iterator<Item = Rgb>) -> Rgb {
    let add = |([r, g, b], count): (Rgb, f32), [r1, g1, b1]: Rgb| ([r + r1, g + g1, b + b1], count + 1.0);
    let (sum, count) = colours.fold(([0.0; 3], 0.0_f32), add);
    sum.map(|sum| sum / count.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::challenge::{Challenge, Mode};

    fn shown(nonce: u64) -> Vec<Rgb> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&nonce.to_le_bytes());
        let steps = Challenge::new(Mode::Flash, &bytes).steps;
        let colour = |ask| if let Ask::Show(colour) = ask { colour.0 } else { [false; 3] };
        hues(steps.iter().map(|step| colour(step.ask).map(|full| if full { 1.0 } else { 0.0 })))
    }

    /// What the constant's comment says.
    #[test]
    fn few_other_sequences_come_near_a_given_one() {
        let sequences: Vec<Vec<Rgb>> = (0..400).map(shown).collect();
        let near = sequences.iter().skip(1).filter(|other| correlation(&sequences[0], other) >= CORRELATION);
        let near = near.count();
        let all = (0..sequences.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let pairs: Vec<f32> = all.map(|(i, j)| correlation(&sequences[i], &sequences[j])).collect();
        let share = pairs.iter().filter(|score| **score >= CORRELATION).count() as f32 / pairs.len() as f32;
        assert!(near < 20 && share < 0.03, "{near} {share}");
    }
}
