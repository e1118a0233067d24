//! What a relying party has, owes and used.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::PackId;
use wallet_core::money::{Amount, Micros};
use wallet_core::refusal::Refusal;

use super::amounts::cny;
use super::callers::RelyingParty;
use super::{Context, settling};
use crate::billing::arrears::Standing;
use crate::stop::Flow;
use crate::store::messages::{self, Message};
use crate::store::usage::{self, Usage};
use crate::store::{balances, packs, relying_parties, statements};

/// Days that usage can be asked for at once: a year, for charts.
const MOST_DAYS: i64 = 366;

/// The account of a relying party.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    balance: Amount,
    /// `clear`, `in_arrears`, or `suspended`.
    standing: &'static str,
    /// When the oldest statement that is owed was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_arrears_since: Option<Timestamp>,
    /// From when on nothing is served, unless it is paid before.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_from: Option<Timestamp>,
    owed: Vec<Owed>,
    /// What must come in for nothing to be owed, late fees as of now included.
    to_pay: Amount,
}

/// Of one statement.
#[derive(Debug, Serialize, ToSchema)]
struct Owed {
    period: String,
    due_at: Timestamp,
    amount: Amount,
    late_fee: Amount,
}

/// What there is, and what is owed.
pub fn show(ctx: &Context, rp: &RelyingParty) -> Flow<Account> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| {
        let standing = relying_parties::find(conn, rp.id)?.ok_or(Refusal::NotFound)?.standing;
        let balance = balances::of(conn, rp.id)?;
        let (mut owed, mut total) = (Vec::new(), Micros::ZERO);
        for statement in statements::owed(conn, rp.id)? {
            let late_fee = settling::late_fee(&ctx.zone, conn, &statement, now)?;
            let micros = settling::owed_of(&statement).map_or(Micros::ZERO, |owed| owed.micros);
            total = total.plus(micros)?.plus(late_fee)?;
            let due_at = statement.closed_at;
            owed.push(Owed {
                period: statement.period,
                due_at,
                amount: cny(micros),
                late_fee: cny(late_fee),
            });
        }
        let (word, since) = match standing {
            Standing::Clear => ("clear", None),
            Standing::InArrears { since } if standing.is_suspended(now) => ("suspended", Some(since)),
            Standing::InArrears { since } => ("in_arrears", Some(since)),
        };
        let to_pay = cny(total.minus(balance)?.max(Micros::ZERO));
        let suspended_from = standing.suspended_from();
        let balance = cny(balance);
        Ok(Account { balance, standing: word, in_arrears_since: since, suspended_from, owed, to_pay })
    })
}

/// A pack of a relying party.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pack {
    id: PackId,
    service: &'static str,
    units: i64,
    remaining: i64,
    starts_at: Timestamp,
    expires_at: Timestamp,
}

/// The packs that are not void, the earliest to expire first.
pub fn packs(ctx: &Context, rp: &RelyingParty) -> Flow<Vec<Pack>> {
    let found = ctx.rp_store.read(|conn| Ok(packs::of(conn, rp.id)?))?;
    let told = found.into_iter().map(|pack| Pack {
        id: pack.id,
        service: pack.service.as_str(),
        units: pack.units,
        remaining: pack.remaining,
        starts_at: pack.starts_at,
        expires_at: pack.expires_at,
    });
    Ok(told.collect())
}

/// What was used, by period, service and who paid: of closed periods as stated, of open ones as it stands.
pub fn usage(ctx: &Context, rp: &RelyingParty, from: Date, to: Date) -> Flow<Vec<Usage>> {
    let (from, to) = (start_of(from, &ctx.zone)?, start_of(to, &ctx.zone)?);
    let span = to.duration_since(from);
    if span <= SignedDuration::ZERO || span > SignedDuration::from_hours(24 * MOST_DAYS) {
        let expected =
            format!("a day `from`, and a later day `to` that is not counted, at most {MOST_DAYS} days on");
        return Err(Refusal::RequestInvalid { field: "query", expected }.into());
    }
    ctx.rp_store.read(|conn| Ok(usage::usage(conn, rp.id, !rp.sandbox, (from, to))?))
}

fn start_of(day: Date, zone: &TimeZone) -> Flow<Timestamp> {
    let start = day.to_zoned(zone.clone()).map_err(|_| Refusal::RequestInvalid {
        field: "query",
        expected: "days within the calendar".to_owned(),
    });
    Ok(start?.timestamp())
}

/// What the relying party is told of, after the message `after`.
pub fn messages(ctx: &Context, rp: &RelyingParty, after: &str, limit: i64) -> Flow<Vec<Message>> {
    ctx.rp_store.read(|conn| Ok(messages::list(conn, rp.id, after, limit)?))
}
