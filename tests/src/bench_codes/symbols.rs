//! From the text of a QR to its picture.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use wallet_core::attributes::Share;
use wallet_core::code::qr::{Bound, Q1, Q2, Symbol};
use wallet_core::ids::RelyingPartyId;

use crate::figures::{Figures, Goal, median};

/// What the issue asks for, in milliseconds.
const AT_MOST: f64 = 3.0;
/// Pixels of a module: 424 across for a Q1.
const SCALE: usize = 8;

pub(super) fn measure(count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let (key, mut rng, now) =
        (SigningKey::generate_from_rng(&mut rand::rng()), rand::rng(), Timestamp::now());
    let rp = RelyingPartyId::new(now, &mut rng);
    let q1 = Q1::new(rand::random(), Share::Name, now, &mut rng).sign(&key)?;
    let q2 = Q2::new(rand::random(), Share::Name, Bound::to(rp, "check", None), now, &mut rng).sign(&key)?;
    for (name, text) in [("Q1", q1), ("Q2", q2)] {
        let png = time(count, || Ok(Symbol::of(&text)?.to_png(SCALE)?.len()))?;
        let svg = time(count, || Ok(Symbol::of(&text)?.to_svg(400).len()))?;
        figures.hold(format!("{name}, text to PNG"), png, "ms", Goal::AtMost(AT_MOST));
        figures.hold(format!("{name}, text to SVG"), svg, "ms", Goal::AtMost(AT_MOST));
    }
    Ok(())
}

/// The median.
fn time(count: usize, mut draw: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        anyhow::ensure!(draw()? > 0, "an empty picture");
        times.push(began.elapsed());
    }
    Ok(median(times.iter().map(|time| time.as_secs_f64() * 1e3)))
}
