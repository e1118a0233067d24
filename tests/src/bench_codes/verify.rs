//! From the text of a Q1 to a certificate in force: what a redemption does with a code before it writes anything, one thread.

use anyhow::{Context as _, ensure};
use ecert_server::store::certificates;
use jiff::Timestamp;
use wallet_core::code::Code;

use super::place::{HOLDERS, Place};
use crate::figures::{Figures, Goal};
use crate::load::cpu;

/// What the issue asks for.
const PER_CORE: f64 = 5_000.0;
/// Each turn signs its codes before the clock runs, and they must not grow old.
const TURN: usize = 2_000;

pub(super) fn measure(place: &Place, count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut wall, mut spent, mut done) = (0.0, 0.0, 0);
    while done < count {
        let turn = TURN.min(count - done);
        let codes = (0..turn).map(|_| place.code(rand::random_range(0..HOLDERS), Timestamp::now()));
        let codes = codes.collect::<anyhow::Result<Vec<_>>>()?;
        let (began, before) = (std::time::Instant::now(), cpu::own()?);
        for text in &codes {
            ensure!(holds(place, text)?, "a good code was refused");
        }
        spent += (cpu::own()? - before).as_secs_f64();
        wall += began.elapsed().as_secs_f64();
        done += turn;
    }
    let done = done as f64;
    figures.hold("a Q1, with look-up and status, per core", done / spent, "1/s", Goal::AtLeast(PER_CORE));
    figures.note("the same by the wall clock, one thread", done / wall, "1/s");
    Ok(())
}

fn holds(place: &Place, text: &str) -> anyhow::Result<bool> {
    let (ctx, now) = (&place.context, Timestamp::now());
    let Ok(Code::Qr(qr)) = text.parse() else { return Ok(false) };
    let found = ctx.rounds.handles.join(*qr.named()).map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    let (certificate, key) = found.context("a handle of nobody")?;
    let Ok(code) = qr.verify(&key) else { return Ok(false) };
    let in_force = ctx.holder_store.read(|conn| Ok(certificates::is_in_force(conn, certificate, now)?));
    Ok(code.showing().is_current(now) && in_force.map_err(|stop| anyhow::anyhow!("{stop:?}"))?)
}
