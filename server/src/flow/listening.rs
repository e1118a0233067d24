//! Telling wallets what waits for them, as soon as it does. The database has it all: whoever listens, at whichever replica, is told of what any
//! replica wrote, and whoever was not there sees it when they come.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use wallet_core::face::challenge;
use wallet_core::ids::{CertificateId, RedemptionId};
use wallet_core::redemption::{ANSWER_WITHIN, Device, State};

use super::Context;
use super::callers::Device as Phone;
use super::past_uses::certificate_of;
use crate::edge::listeners::{Listening, Waiting};
use crate::stop::{Flow, Stop};
use crate::store::{devices, past_uses, redemptions};

/// A stream ends after this at the latest, so that every wallet proves itself anew now and then.
const LASTS: SignedDuration = SignedDuration::from_mins(5);

/// Begins to listen for what waits for the holder of this phone; and how long that may last: not beyond the access token.
pub fn listen(ctx: &Context, phone: &Phone) -> Flow<(Listening, Duration)> {
    let now = ctx.now();
    let (certificate, token_until) = ctx.holder_store.read(|conn| {
        let certificate = certificate_of(conn, phone, now)?;
        Ok((certificate.id, devices::token_until(conn, &phone.jkt)?))
    })?;
    let waiting = waiting(ctx, &[certificate], now)?.remove(&certificate).unwrap_or_default();
    let lasts = token_until.map_or(SignedDuration::ZERO, |until| until.duration_since(now)).min(LASTS);
    let lasts = Duration::try_from(lasts).unwrap_or_default();
    Ok((ctx.listeners.join(certificate, waiting)?, lasts))
}

/// Looks once for everybody who listens here.
pub fn look(ctx: &Context) -> Flow<()> {
    let sought = ctx.listeners.certificates();
    if !sought.is_empty() {
        ctx.listeners.tell(&sought, &waiting(ctx, &sought, ctx.now())?);
    }
    Ok(())
}

/// What waits for the holders of these certificates. A certificate that is not in force is left out, and so is what was asked of an earlier one of the same holder: that
/// can't be agreed to any more.
fn waiting(
    ctx: &Context,
    certificates: &[CertificateId],
    now: Timestamp,
) -> Flow<HashMap<CertificateId, Waiting>> {
    // What was asked earlier is answered or over by now.
    let since = now.checked_sub(ANSWER_WITHIN.saturating_add(challenge::LIFETIME));
    let since = since.map_err(anyhow::Error::from)?;
    let uses = ctx.holder_store.read(|conn| Ok(past_uses::since_of_each(conn, certificates, since, now)?))?;
    let asked: Vec<_> = uses.iter().filter_map(|(_, used)| *used).collect();
    let open: HashMap<RedemptionId, &'static str> = match asked.as_slice() {
        [] => HashMap::new(),
        asked => {
            let found = ctx.rp_store.read(|conn| Ok::<_, Stop>(redemptions::find_all(conn, asked)?))?;
            let waits = found.into_iter().filter(|redemption| {
                let state = redemption.state;
                state.awaits_capture_on(Device::Holder, now)
                    || (matches!(state, State::AwaitingHolder { .. }) && state.is_open(now))
            });
            waits.map(|redemption| (redemption.id, redemption.state.word(now))).collect()
        }
    };
    let mut of_each: HashMap<CertificateId, Waiting> = HashMap::new();
    for (certificate, used) in uses {
        let waiting = of_each.entry(certificate).or_default();
        if let Some((id, state)) = used.and_then(|(_, id)| Some((id, open.get(&id)?))) {
            waiting.insert(id, state);
        }
    }
    Ok(of_each)
}
