//! Caps that relying parties set on what they spend on account in a day: asked before any work, and counted with the charge itself, so that
//! a hard one is never passed, however many uses are judged at once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::ids::{CapId, RelyingPartyId};
use wallet_core::money::{Amount, Micros};
use wallet_core::refusal::Refusal;

use super::amounts::{MOST_PAYMENT, bounded, cny, invalid};
use super::callers::RelyingParty;
use super::telling::{self, Moments};
use super::{Context, prices};
use crate::billing::caps::{Cap, Kind, Scope, Spending, Verdict, check};
use crate::billing::price::{self, Service};
use crate::delivery::event::Kind as Told;
use crate::stop::Flow;
use crate::store::caps::{self, Day};
use crate::store::charges::Charge;
use crate::store::{Conn, audit, packs, relying_parties};

/// Caps that a relying party may have.
const MOST: usize = 50;
/// Where they stand in a request.
const FIELD: &str = "caps";

/// A cap as a relying party asks for it, and sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Cap)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `relying_party`, `key` or `purpose`.
    pub scope: String,
    /// The id of the key, or the name of the purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `soft` or `hard`.
    pub kind: String,
    /// How much in a natural day.
    pub amount: Amount,
    /// What of it is spent today; not to be sent.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
}

/// What is refused before any work.
pub(super) fn gate(
    ctx: &Context,
    rp: &RelyingParty,
    service: Service,
    purpose: Option<&str>,
    now: Timestamp,
) -> Flow<()> {
    if applying(rp, purpose).next().is_none() {
        return Ok(());
    }
    let price = prices::in_force(ctx, service, now)?.micros;
    let day = price::usage_date(now, &ctx.zone);
    ctx.rp_store.read(|conn| {
        if packs::first(conn, rp.id, service, now)?.is_some() {
            return Ok(());
        }
        judged(&spendings(conn, rp, purpose, day)?, price).map(drop)
    })
}

/// Whether a charge is to be counted.
pub(super) fn counts(rp: &RelyingParty, purpose: Option<&str>, charge: &Charge) -> bool {
    charge.micros() > Micros::ZERO && applying(rp, purpose).next().is_some()
}

/// Counts a charge in the transaction that writes it; refused, and so is the charge, when it would pass a hard cap. Who reaches a soft one is told.
pub(super) fn count(
    conn: &mut Conn,
    rp: &RelyingParty,
    purpose: Option<&str>,
    charge: &Charge,
    at: Moments,
) -> Flow<()> {
    if !counts(rp, purpose, charge) {
        return Ok(());
    }
    let (micros, day) = (charge.micros(), charge.usage_date);
    let reached = judged(&spendings(conn, rp, purpose, day)?, micros)?;
    for cap in applying(rp, purpose) {
        let most = (cap.kind() == Kind::Hard).then(|| cap.micros());
        if !caps::add(conn, of_day(rp.id, cap, day), micros, most)? {
            return Err(Refusal::CapReached.into());
        }
        if reached.contains(&cap.id()) && caps::tell(conn, of_day(rp.id, cap, day), at.happened)? {
            let body = json!({ "cap": shown(cap, None), "date": day.to_string() });
            telling::message(conn, rp.id, Told::CapReached, &body, at)?;
        }
    }
    Ok(())
}

/// The soft caps that are reached.
fn judged(spendings: &[Spending], price: Micros) -> Flow<Vec<CapId>> {
    match check(spendings, price)? {
        Verdict::Allow => Ok(Vec::new()),
        Verdict::Notify(reached) => Ok(reached),
        Verdict::Refuse(_) => Err(Refusal::CapReached.into()),
    }
}

fn applying<'a>(rp: &'a RelyingParty, purpose: Option<&'a str>) -> impl Iterator<Item = &'a Cap> {
    rp.caps.iter().filter(move |cap| cap.applies(rp.key, purpose))
}

fn spendings(conn: &mut Conn, rp: &RelyingParty, purpose: Option<&str>, day: Date) -> Flow<Vec<Spending>> {
    let spent = caps::spent(conn, rp.id, day)?;
    let of = |cap: &Cap| {
        let (spent, told) = spent.get(&cap.id()).copied().unwrap_or((Micros::ZERO, false));
        Spending { cap: cap.clone(), spent, told }
    };
    Ok(applying(rp, purpose).map(of).collect())
}

fn of_day(rp: RelyingPartyId, cap: &Cap, day: Date) -> Day {
    Day { rp, cap: cap.id(), day }
}

/// The caps of a relying party, with what is spent today.
pub fn list(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Wanted>> {
    let day = price::usage_date(ctx.moment_of(rp)?.at, &ctx.zone);
    ctx.rp_store.read(|conn| {
        let found = relying_parties::find(conn, rp.id)?.ok_or(Refusal::NotFound)?;
        let spent = caps::spent(conn, rp.id, day)?;
        let told = |cap: &Cap| {
            let (spent, _) = spent.get(&cap.id()).copied().unwrap_or((Micros::ZERO, false));
            shown(cap, Some(spent))
        };
        Ok(found.caps.iter().map(told).collect())
    })
}

/// Puts caps in place of those that there were. What was spent today counts for a cap that stays as it was in scope and kind.
pub fn replace(ctx: &Context, rp: &RelyingParty, wanted: &[Wanted]) -> Flow<Vec<Wanted>> {
    let now = ctx.now();
    if wanted.len() > MOST {
        return Err(invalid(FIELD, format!("at most {MOST} caps")).into());
    }
    ctx.rp_store.write(|conn| {
        let before = relying_parties::find(conn, rp.id)?.ok_or(Refusal::NotFound)?.caps;
        let caps = wanted.iter().map(|one| parsed(rp, one, &before, now)).collect::<Result<Vec<_>, _>>()?;
        let subjects: BTreeSet<String> =
            caps.iter().map(|cap| format!("{:?} {:?}", cap.scope(), cap.kind())).collect();
        if subjects.len() < caps.len() {
            return Err(invalid(FIELD, "one soft and one hard cap of each scope at most").into());
        }
        relying_parties::set_caps(conn, rp.id, &caps)?;
        Ok(audit::append(conn, rp.id, "caps.replace", rp.id, "done", now)?)
    })?;
    list(ctx, rp)
}

fn parsed(rp: &RelyingParty, wanted: &Wanted, before: &[Cap], now: Timestamp) -> Result<Cap, Refusal> {
    let subject = wanted.subject.as_deref();
    let scope = match (wanted.scope.as_str(), subject) {
        ("relying_party", None) => Scope::RelyingParty,
        ("key", Some(key)) => Scope::ApiKey(key.parse().map_err(|_| invalid(FIELD, "the id of an API key"))?),
        ("purpose", Some(purpose)) if rp.purposes.contains_key(purpose) => Scope::Purpose(purpose.to_owned()),
        ("purpose", Some(_)) => return Err(Refusal::PurposeNotRegistered),
        _ => return Err(invalid(FIELD, "`relying_party`, or `key` or `purpose` with a `subject`")),
    };
    let kind = match wanted.kind.as_str() {
        "soft" => Kind::Soft,
        "hard" => Kind::Hard,
        _ => return Err(invalid(FIELD, "`soft` or `hard`")),
    };
    let same = before.iter().find(|cap| *cap.scope() == scope && cap.kind() == kind);
    let id = same.map_or_else(|| CapId::new(now, &mut rand::rng()), Cap::id);
    let micros = Micros::new(bounded(FIELD, wanted.amount.micros.get(), 1, MOST_PAYMENT)?);
    Cap::new(id, scope, kind, micros).map_err(|_| invalid(FIELD, "an amount above zero"))
}

fn shown(cap: &Cap, spent: Option<Micros>) -> Wanted {
    let (scope, subject) = match cap.scope() {
        Scope::RelyingParty => ("relying_party", None),
        Scope::ApiKey(key) => ("key", Some(key.to_string())),
        Scope::Purpose(purpose) => ("purpose", Some(purpose.clone())),
    };
    let kind = match cap.kind() {
        Kind::Soft => "soft",
        Kind::Hard => "hard",
    };
    Wanted {
        scope: scope.to_owned(),
        subject,
        kind: kind.to_owned(),
        amount: cny(cap.micros()),
        spent: spent.map(cny),
    }
}
