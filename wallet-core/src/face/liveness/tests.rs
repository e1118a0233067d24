use super::*;
use crate::face::challenge::{Action, Ask, Step};
use crate::face::measures::tests::seen;
use crate::face::quality::ALIGNED_LEN;
use crate::face::{AlignedFace, Embedding, Landmarks, Measures, Quality, Space, Template, Tier};

/// Plenty of time since the challenge.
const LATER: u64 = 60_000;
/// Light skin.
const SKIN: [f32; 3] = [180.0, 140.0, 120.0];

fn observation(points: [crate::face::Point; 68]) -> Observation {
    let mut raw = [0.1; 128];
    raw[0] = 1.0;
    Observation {
        template: Template::of(Tier::Main, Embedding::normalise(Space::UNKNOWN, &raw).unwrap()),
        aligned: AlignedFace::new(Box::new([0; ALIGNED_LEN])),
        face_box: FaceBox { x: 200.0, y: 150.0, width: 150.0, height: 200.0 },
        landmarks: Landmarks::from_points([[0.0; 2]; 5]),
        quality: Quality::default(),
        measures: Measures::of(points, SKIN, Some([90.0; 3])),
        live: 0.9,
        width: 640,
        height: 480,
    }
}

/// A face at rest, moved a little from frame to frame as a hand moves a camera.
fn at_rest(number: usize) -> Observation {
    observation(seen(0.0, false).map(|[x, y]| [x + (number % 3) as f32 * 2.0, y]))
}

fn acting(action: Action, number: usize) -> Observation {
    let mut frame = at_rest(number);
    match action {
        Action::TurnLeft | Action::TurnRight => {
            let yaw = if action == Action::TurnLeft { 40.0 } else { -40.0 };
            frame = observation(seen(yaw, false));
            frame.quality.yaw = yaw;
        }
        Action::Nod => frame.quality.pitch = 35.0,
        Action::OpenMouth => frame.measures.mouth_open += 0.3,
        Action::Blink => frame.measures.eyes_open *= 0.4,
    }
    frame
}

/// Owned frames: observation, label, time.
type Taken = Vec<(Observation, String, u32)>;

fn judge(challenge: &Challenge, taken: &Taken) -> Result<Examined, Unusable> {
    judge_heard(challenge, taken, LATER, &Voice::NotVerified)
}

fn judge_heard(
    challenge: &Challenge,
    taken: &Taken,
    since_ms: u64,
    voice: &Voice,
) -> Result<Examined, Unusable> {
    let frames: Vec<Frame> =
        taken.iter().map(|(seen, step, at_ms)| Frame { seen, step, at_ms: *at_ms }).collect();
    examine(challenge, &frames, since_ms, voice, &Scale::DEFAULT)
        .map(|examined| examined.expect("not silent"))
}

fn still(number: usize, at_ms: u32) -> (Observation, String, u32) {
    (at_rest(number), STILL.to_owned(), at_ms)
}

fn asks(actions: [Action; 3]) -> Challenge {
    let step = |action: Action| Step { name: action.code().to_owned(), ask: Ask::Act(action), window: None };
    Challenge { mode: Mode::Actions, steps: actions.map(step).to_vec() }
}

const SOME: [Action; 3] = [Action::OpenMouth, Action::TurnLeft, Action::Blink];

/// The frames of one who does `done` while they are asked for `asked`.
fn done(asked: [Action; 3], done: [Action; 3]) -> Taken {
    let mut taken = vec![still(0, 0), still(1, 300)];
    for ((place, at_ms), (asked, done)) in (0..).zip([1500, 3000, 4500]).zip(asked.into_iter().zip(done)) {
        taken.push((acting(done, place), asked.code().to_owned(), at_ms));
    }
    taken
}

#[test]
fn actions_done_in_their_order_pass_with_every_score() {
    let examined = judge(&asks(SOME), &done(SOME, SOME)).unwrap();
    assert_eq!(examined.reasons, []);
    let liveness = &examined.liveness;
    assert!(liveness.steps.iter().all(|step| step.score >= 1.0) && liveness.steps.len() == 3);
    assert!(liveness.depth.unwrap() > 0.1 && liveness.movement > 0.006 && liveness.overlap > 0.9);
    assert!(liveness.is_finite());
}

#[test]
fn another_order_and_a_missing_action_fail_each_for_its_reason() {
    let [mouth, turn, blink] = SOME;
    let reasons = |did| judge(&asks(SOME), &done(SOME, did)).unwrap().reasons;
    assert_eq!(reasons([turn, mouth, blink]), [Reason::ActionOrder]);
    assert_eq!(reasons([mouth, Action::TurnRight, blink]), [Reason::ActionMissing]);
    assert_eq!(reasons([mouth, turn, turn]), [Reason::ActionMissing]);
    // The labels themselves say another order.
    let mut taken = done([turn, mouth, blink], [turn, mouth, blink]);
    assert_eq!(judge(&asks(SOME), &taken).unwrap().reasons, [Reason::ActionOrder]);
    taken.truncate(4);
    assert_eq!(judge(&asks(SOME), &taken), Err(Unusable::StepsIncomplete));
}

#[test]
fn a_turned_print_is_flat() {
    let mut taken = done(SOME, SOME);
    for (frame, step, _) in &mut taken {
        if step == "turn-left" {
            // Bent or drawn so that its nose points aside, yet without depth.
            frame.measures.points = seen(40.0, true);
        } else {
            frame.measures.points =
                seen(0.0, true).map(|[x, y]| [x + frame.measures.points[0][0] - 225.0, y]);
        }
    }
    let examined = judge(&asks(SOME), &taken).unwrap();
    assert_eq!(examined.reasons, [Reason::Flat]);
    assert!(examined.liveness.depth.unwrap() < 0.01);
}

#[test]
fn what_can_be_mended_is_unusable() {
    let challenge = asks(SOME);
    let with = |change: fn(&mut Taken)| {
        let mut taken = done(SOME, SOME);
        change(&mut taken);
        judge(&challenge, &taken).map(|examined| examined.reasons)
    };
    assert_eq!(with(|taken| drop(taken.remove(0))), Err(Unusable::StepsIncomplete));
    assert_eq!(with(|taken| taken[2].1 = "wave".to_owned()), Err(Unusable::StepsIncomplete));
    assert_eq!(with(|taken| taken[4].2 = 30_001), Err(Unusable::OutOfTime));
    assert_eq!(with(|taken| taken[3].2 = taken[2].2 + 100), Err(Unusable::OutOfTime));
    assert_eq!(
        with(|taken| taken.iter_mut().for_each(|f| f.0.quality.yaw += 40.0)),
        Err(Unusable::TurnedAway)
    );
    let frozen = |taken: &mut Taken| {
        let first = taken[0].0.measures.clone();
        taken.iter_mut().for_each(|frame| frame.0.measures = first.clone());
    };
    assert_eq!(with(frozen), Err(Unusable::FramesIdentical));
}

#[test]
fn older_frames_and_a_face_that_jumps_fail() {
    let mut taken = done(SOME, SOME);
    for (since_ms, reasons) in [(1000, vec![Reason::Stale]), (4500, vec![])] {
        let late = judge_heard(&asks(SOME), &taken, since_ms, &Voice::NotVerified).unwrap();
        assert_eq!(late.reasons, reasons);
    }
    taken[3].0.face_box.x += 140.0;
    assert_eq!(judge(&asks(SOME), &taken).unwrap().reasons, [Reason::NotOnePerson]);
}

/// The frames of a face that reflects `strength` of the colours that `reflected` shows, where `challenge` is shown.
fn lit(challenge: &Challenge, reflected: &Challenge, strength: f32, background_too: bool) -> Taken {
    let mut taken = vec![still(0, 0)];
    for (place, (step, other)) in challenge.steps.iter().zip(&reflected.steps).enumerate() {
        let Ask::Show(colour) = other.ask else { panic!("not a flash") };
        let mut frame = at_rest(place + 1);
        let light = colour.0.map(|full| if full { 1.0 + strength } else { 1.0 });
        frame.measures.face_colour.iter_mut().zip(light).for_each(|(channel, light)| *channel *= light);
        if background_too {
            frame.measures.background = Some(light.map(|light| 90.0 * light));
        }
        taken.push((frame, step.name.clone(), step.window.unwrap().from_ms + 300));
    }
    taken
}

#[test]
fn reflected_colours_follow_the_screen_or_they_do_not() {
    let (challenge, other) = (Challenge::new(Mode::Flash, &[1; 16]), Challenge::new(Mode::Flash, &[2; 16]));
    let genuine = judge(&challenge, &lit(&challenge, &challenge, 0.05, false)).unwrap();
    assert!(genuine.reasons.is_empty() && genuine.liveness.flash.unwrap().correlation > 0.99);
    let recorded = judge(&challenge, &lit(&challenge, &other, 0.05, false)).unwrap();
    assert_eq!(recorded.reasons, [Reason::FlashMismatch]);
    // A print reflects as the paper around it; in sunlight nobody does.
    assert_eq!(judge(&challenge, &lit(&challenge, &challenge, 0.05, true)), Err(Unusable::FlashTooWeak));
    assert_eq!(judge(&challenge, &lit(&challenge, &challenge, 0.001, false)), Err(Unusable::FlashTooWeak));
    let mut late = lit(&challenge, &challenge, 0.05, false);
    late[2].2 += 700;
    late[3].2 += 700;
    assert_eq!(judge(&challenge, &late), Err(Unusable::OutOfTime));
}

/// The frames of one who opens the mouth by `spoken` in each digit's time.
fn read(challenge: &Challenge, spoken: [f32; 4]) -> Taken {
    let mut taken = vec![still(0, 0), still(1, 400)];
    for (place, (step, open)) in challenge.steps.iter().zip(spoken).enumerate() {
        let window = step.window.unwrap();
        let mut frame = at_rest(place);
        frame.measures.mouth_open += open;
        taken.push((frame, step.name.clone(), window.from_ms + 500));
        taken.push(still(place + 1, window.until_ms + 250));
    }
    taken
}

#[test]
fn a_mouth_that_opens_with_the_digits_passes_and_nobody_claims_to_have_listened() {
    let challenge = Challenge::new(Mode::Digits, &[1; 16]);
    let examined = judge(&challenge, &read(&challenge, [0.1, 0.2, 0.01, 0.1])).unwrap();
    assert_eq!(examined.reasons, []);
    assert_eq!(examined.liveness.voice.as_deref(), Some("not-verified"));
    assert_eq!(judge(&challenge, &read(&challenge, [0.0; 4])).unwrap().reasons, [Reason::MouthMismatch]);
    let mut open = read(&challenge, [0.0; 4]);
    open.iter_mut().for_each(|frame| frame.0.measures.mouth_open += 0.3);
    assert_eq!(judge(&challenge, &open).unwrap().reasons, [Reason::MouthMismatch]);
    let mut hurried = read(&challenge, [0.1; 4]);
    hurried.remove(3);
    assert_eq!(judge(&challenge, &hurried), Err(Unusable::StepsIncomplete));
}

#[test]
fn a_recogniser_that_heard_other_digits_fails_the_capture() {
    let challenge = Challenge::new(Mode::Digits, &[1; 16]);
    let taken = read(&challenge, [0.1; 4]);
    let reasons =
        |heard| judge_heard(&challenge, &taken, LATER, &Voice::Heard(heard)).map(|examined| examined.reasons);
    assert_eq!(reasons(challenge.digits()), Ok(vec![]));
    assert_eq!(reasons(vec![1, 1, 1, 1]), Ok(vec![Reason::DigitsMismatch]));
}

#[test]
fn silence_asks_for_nothing() {
    let challenge = Challenge::new(Mode::Silent, &[1; 16]);
    assert_eq!(examine(&challenge, &[], 0, &Voice::NotVerified, &Scale::DEFAULT), Ok(None));
}
