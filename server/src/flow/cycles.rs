//! How often services are billed: what is in force, what is announced, and announcing a change.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::ids::AdminId;

use super::amounts::invalid;
use super::{Context, later};
use crate::billing::cycles::{Change, boundary, in_force};
use crate::billing::periods::Cycle;
use crate::billing::price::Service;
use crate::delivery::event::Kind;
use crate::stop::Flow;
use crate::store::{Conn, announcements, audit, cycles};

/// A change is announced for later than any replica may still not know it.
const NOTICE: SignedDuration = SignedDuration::from_mins(1);

/// A change that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CycleChange)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    service: String,
    cycle: String,
    /// From when on; without it from the next boundary on.
    #[serde(default)]
    since: Option<Timestamp>,
}

/// How a service is billed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingCycle)]
pub struct Listed {
    service: &'static str,
    cycle: &'static str,
    /// Nothing where it always was.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// What is in force for each service, then what is announced.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingCycles)]
pub struct Cycles {
    in_force: Vec<Listed>,
    announced: Vec<Listed>,
}

impl Listed {
    fn of(service: Service, change: &Change) -> Listed {
        Listed { service: service.as_str(), cycle: change.cycle.as_str(), since: Some(change.since) }
    }
}

/// How services are billed at this moment, and after it.
pub fn list(ctx: &Context, now: Timestamp) -> Flow<Cycles> {
    ctx.rp_store.read(|conn| {
        let known = cycles::all(conn)?;
        let (mut current, mut announced) = (Vec::new(), Vec::new());
        for service in Service::ALL {
            let changes = known.get(&service).map(Vec::as_slice).unwrap_or_default();
            let last = changes.iter().rfind(|change| change.since <= now);
            let usual = Listed { service: service.as_str(), cycle: Cycle::default().as_str(), since: None };
            current.push(last.map_or(usual, |change| Listed::of(service, change)));
            let ahead = changes.iter().filter(|change| change.since > now);
            announced.extend(ahead.map(|change| Listed::of(service, change)));
        }
        Ok(Cycles { in_force: current, announced })
    })
}

/// Announces that a service is billed by another cycle from a boundary on: a moment at which a period ends by the one and begins by the other.
///
/// # Errors
/// A refusal that names the next boundary, where another moment is asked for.
pub fn change(ctx: &Context, admin: AdminId, wanted: &Wanted) -> Flow<Listed> {
    let service = Service::parse(&wanted.service).ok_or_else(|| invalid("service", "a known service"))?;
    let cycle =
        Cycle::parse(&wanted.cycle).ok_or_else(|| invalid("cycle", "`hourly`, `daily` or `monthly`"))?;
    let now = ctx.now();
    let change = ctx.rp_store.write(|conn| {
        let change = checked(ctx, conn, service, cycle, wanted.since)?;
        cycles::insert(conn, service, change)?;
        let outcome = format!("{} from {}", cycle.as_str(), change.since);
        audit::append(conn, admin, "cycle.change", service.as_str(), &outcome, now)?;
        let body = json!({ "service": service.as_str(), "cycle": cycle.as_str(), "since": change.since });
        announcements::insert(conn, Kind::CycleAnnounced, &[service], &body, now)?;
        Ok(change)
    })?;
    ctx.caches.cycles.invalidate(&service);
    Ok(Listed::of(service, &change))
}

fn checked(
    ctx: &Context,
    conn: &mut Conn,
    service: Service,
    cycle: Cycle,
    since: Option<Timestamp>,
) -> Flow<Change> {
    let known = cycles::of(conn, service)?;
    let now = ctx.now();
    if let Some(ahead) = known.last().filter(|change| change.since > now) {
        let expected = format!("no other change before that of {} has taken effect", ahead.since);
        return Err(invalid("service", expected).into());
    }
    let before = in_force(&known, now);
    if before == cycle {
        return Err(invalid("cycle", "another than is in force").into());
    }
    let next = boundary([before, cycle], later(now, NOTICE), &ctx.zone)?;
    let Some(since) = since else { return Ok(Change { since: next, cycle }) };
    let is_boundary = since >= next && boundary([before, cycle], since, &ctx.zone)? == since;
    if !is_boundary {
        let expected = format!("{next}, or a later moment at which a period of both cycles begins");
        return Err(invalid("since", expected).into());
    }
    Ok(Change { since, cycle })
}

/// The changes of a service; one that was announced may be seen a second late.
pub(super) fn of(ctx: &Context, service: Service) -> Flow<Arc<Vec<Change>>> {
    if let Some(changes) = ctx.caches.cycles.get(&service) {
        return Ok(changes);
    }
    let changes = Arc::new(ctx.rp_store.read(|conn| Ok(cycles::of(conn, service)?))?);
    ctx.caches.cycles.insert(service, Arc::clone(&changes));
    Ok(changes)
}
