//! Telling relying parties that their packs run low. Uses do not look: a job does, seconds later, and what is given once is noted in the
//! transaction that tells.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::ids::RelyingPartyId;

use super::Context;
use super::amounts::invalid;
use super::callers::RelyingParty;
use super::telling::{self, Moments};
use super::test_clocks::Hold;
use crate::billing::alerts::{Event, Level, Recurrence, Setting, Threshold};
use crate::billing::packs::Pack;
use crate::billing::price::Service;
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::pack_alerts::{self, Alerts};
use crate::store::relying_parties::Whose;
use crate::store::{Conn, packs};

/// An alert as a relying party sets it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Alert)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// For the packs of which service; all of them without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether it is given.
    pub enabled: bool,
    /// At which remaining percentage, 1 to 99.
    pub threshold: i64,
}

/// What is set for each service.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Wanted>> {
    let set = ctx.rp_store.read(|conn| Ok(pack_alerts::of(conn, rp.id)?))?;
    let told = |service: Service| {
        let setting = set.get(&service).map_or_else(Setting::default, |alerts| alerts.setting);
        let service = Some(service.as_str().to_owned());
        Wanted { service, enabled: setting.on, threshold: setting.threshold.into() }
    };
    Ok(Service::ALL.into_iter().map(told).collect())
}

/// Sets alerts, for one service or for all. What was given stays given.
pub fn set(ctx: &Context, rp: &RelyingParty, wanted: &[Wanted]) -> Flow<Vec<Wanted>> {
    ctx.rp_store.write(|conn| {
        let mut known = pack_alerts::of(conn, rp.id)?;
        for one in wanted {
            let threshold = Threshold::try_from(one.threshold)
                .map_err(|_| invalid("threshold", "a whole percentage from 1 to 99"))?;
            let services = match &one.service {
                None => Service::ALL.to_vec(),
                Some(name) => {
                    vec![Service::parse(name).ok_or_else(|| invalid("service", "the name of a service"))?]
                }
            };
            for service in services {
                let alerts = known.entry(service).or_default();
                alerts.setting = Setting { on: one.enabled, threshold };
                pack_alerts::put(conn, rp.id, service, alerts)?;
            }
        }
        Ok(())
    })?;
    list(ctx, rp)
}

/// Notes that packs were bought, made larger or renewed: every threshold may be told of again.
pub(super) fn grown(
    conn: &mut Conn,
    rp: RelyingPartyId,
    service: Service,
    recurrence: Recurrence,
    at: Moments,
) -> Flow<()> {
    let mut alerts = pack_alerts::of(conn, rp)?.remove(&service).unwrap_or_default();
    judge(conn, rp, service, &mut alerts, (Event::Growth, recurrence), at)?;
    Ok(pack_alerts::put(conn, rp, service, &alerts)?)
}

/// The job: tells those whose packs are low, and were not told.
pub fn tell(ctx: &Context) -> Flow<()> {
    tell_those(ctx, Whose::Real, ctx.now(), &|_| Ok(()))
}

/// The same of somebody's, as of a moment of theirs.
pub(super) fn tell_those(ctx: &Context, whose: Whose, now: Timestamp, hold: Hold<'_>) -> Flow<()> {
    for (rp, service) in ctx.rp_store.read(|conn| Ok(pack_alerts::low(conn, whose, now)?))? {
        ctx.rp_store.write(|conn| {
            hold(conn)?;
            let mut alerts = pack_alerts::of(conn, rp)?.remove(&service).unwrap_or_default();
            let mut changed = false;
            for recurrence in [Recurrence::Once, Recurrence::Monthly] {
                changed |=
                    judge(conn, rp, service, &mut alerts, (Event::Deduction, recurrence), ctx.moments(now))?;
            }
            if changed {
                pack_alerts::put(conn, rp, service, &alerts)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Judges what happened to packs, and tells; whether anything is to be kept of it.
fn judge(
    conn: &mut Conn,
    rp: RelyingPartyId,
    service: Service,
    alerts: &mut Alerts,
    (event, recurrence): (Event, Recurrence),
    at: Moments,
) -> Flow<bool> {
    let now = at.happened;
    let owned: Vec<Pack> = packs::recurring(conn, rp, service, recurrence)?;
    if owned.is_empty() {
        return Ok(false);
    }
    let (level, setting) = (Level::of(&owned, service, now), alerts.setting);
    let state = alerts.state(recurrence);
    let (next, fires) = state.clone().after(event, &level, setting, recurrence);
    let changed = *state != next;
    *state = next;
    if fires {
        let remaining: i64 = owned.iter().filter(|pack| pack.is_valid(now)).map(|pack| pack.remaining).sum();
        let body = json!({
            "service": service.as_str(), "threshold": i64::from(setting.threshold), "remaining": remaining,
        });
        telling::message(conn, rp, Kind::PackLow, &body, at)?;
    }
    Ok(changed)
}
