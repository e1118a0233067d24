//! One code offered by many clients at once: exactly one of them opens a redemption.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::place::Place;
use crate::clients::{RelyingParty, fresh_key};
use crate::figures::{Figures, Goal};

pub(super) async fn measure(
    place: &Place,
    clients: usize,
    codes: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let parties =
        (0..clients).map(|number| place.relying_party(number)).collect::<anyhow::Result<Vec<_>>>()?;
    let bar = ProgressBar::new(u64::try_from(codes)?).with_message("codes offered");
    bar.set_style(ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {eta}")?);
    let (began, mut once, mut otherwise) = (Instant::now(), 0_u64, 0_u64);
    for number in 0..codes {
        let code = place.code(u64::try_from(number)?, Timestamp::now())?;
        let opened = try_join_all(parties.iter().map(|rp| offer(rp, &code))).await?;
        match opened.into_iter().filter(|opened| *opened).count() {
            1 => once += 1,
            _ => otherwise += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    figures.note(format!("codes offered by {clients} at once"), codes as f64, "");
    figures.hold("redeemed exactly once", once as f64, "", Goal::AtLeast(codes as f64));
    figures.hold("redeemed never or more than once", otherwise as f64, "", Goal::AtMost(0.0));
    figures.note("offers answered", (codes * clients) as f64 / seconds, "1/s");
    Ok(())
}

/// Whether the code opened a redemption for this client. Who is told to come again does.
async fn offer(rp: &RelyingParty, code: &str) -> anyhow::Result<bool> {
    let key = fresh_key();
    loop {
        let answer = rp.redeem_with(json!({ "code": code, "purpose": "check" }), &key).await?;
        match (answer.status, answer.refusal().as_str()) {
            (201, _) => return Ok(true),
            (_, "409 code-already-redeemed") => return Ok(false),
            (503, _) | (_, "409 request-in-progress") => tokio::time::sleep(Duration::from_millis(50)).await,
            (_, refusal) => anyhow::bail!("a good code was refused: {refusal}"),
        }
    }
}
