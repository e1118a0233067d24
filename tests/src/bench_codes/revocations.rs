//! A thousand certificates revoked by one file over HTTP, asked for by one admin and agreed to by another.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use ecert_server::flow::admins;
use ecert_server::roles::Role;
use jiff::{SignedDuration, Timestamp};
use wallet_core::code::Code;

use super::place::Place;
use crate::clients::{Admin, Staff};
use crate::figures::{Figures, Goal, median};

/// What the issue asks for.
const AT_MOST: f64 = 2.0;
/// Certificates of a file.
const OF_A_FILE: u64 = 1_000;

pub(super) async fn measure(place: &Place, files: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let ctx = &place.context;
    let (lasts, roles) = (SignedDuration::from_hours(1), [Role::Operator].into());
    let token = admins::add(&ctx.rp_store, ctx.clock.as_ref(), "bench", &roles, lasts)?.token;
    let admin = Admin::new(&ctx.public_url, &token);
    let invitation = admins::bootstrap(&ctx.rp_store, ctx.clock.as_ref(), "second")?;
    let mut second = Staff::invited(&ctx.public_url, &invitation).await?;
    let mut seconds = Vec::new();
    for number in 0..files {
        let mut file = "certificate_id,reason,note\n".to_owned();
        for holder in number * OF_A_FILE..(number + 1) * OF_A_FILE {
            file.push_str(&format!("{},stolen-device,lot 7\n", certificate(place, holder)?));
        }
        second.step_up().await?;
        let began = Instant::now();
        let asked = admin.revoke_csv(file).await?.expect_status(202)?;
        let decided = second.admin.decide(&asked, "approve").await?.expect_status(200)?;
        seconds.push(began.elapsed().as_secs_f64());
        ensure!(decided["report"]["revoked"] == OF_A_FILE, "not all were revoked: {decided}");
    }
    figures.hold("1,000 revocations by CSV over HTTP", median(seconds), "s", Goal::AtMost(AT_MOST));
    Ok(())
}

/// The certificate of a holder, by way of a code of theirs.
fn certificate(place: &Place, holder: u64) -> anyhow::Result<String> {
    let Ok(Code::Qr(qr)) = place.code(holder, Timestamp::now())?.parse() else {
        anyhow::bail!("a code is none");
    };
    let found = place.context.rounds.handles.join(*qr.named()).map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    Ok(found.context("a handle of nobody")?.0.to_string())
}
