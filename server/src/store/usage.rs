//! The charges of a relying party in a period: what statements are made from, and what charts show before there is one.

use diesel::prelude::*;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::{ChargeId, PackId, RedemptionId, RelyingPartyId, UseId};
use wallet_core::money::Micros;

use super::columns::{damaged, parse, time};
use super::schema::statements;
use super::{Conn, rows};
use crate::billing::price::Service;

/// A charge, as a statement is made from it.
#[derive(Debug)]
pub struct Line {
    /// Which.
    pub charge: ChargeId,
    /// The redemption or use.
    pub occasion: String,
    /// What was used.
    pub service: Service,
    /// The price list.
    pub price_version: String,
    /// The pack that it was drawn from.
    pub pack: Option<PackId>,
    /// What it added to what is owed.
    pub micros: Micros,
    /// The receipt, shortened.
    pub receipt: String,
}

/// For whoever can't tell from an id on which day its charge is billed: a sandbox has a clock of its own.
pub const EVER: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

/// Between the bounds of a period and the moment that an id of a redemption is of lie minutes at most.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// The occasions that charges of a period may have, as conditions on the primary key: a range of redemptions, and one of other uses.
fn occasions((from, to): (Timestamp, Timestamp)) -> [String; 2] {
    let from = from.saturating_sub(SLACK).unwrap_or(Timestamp::MIN);
    let to = to.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
    let range = |from: &dyn std::fmt::Display, to: &dyn std::fmt::Display| {
        format!("c.redemption_id >= '{from}' AND c.redemption_id < '{to}'")
    };
    [
        range(&RedemptionId::first_at(from), &RedemptionId::first_at(to)),
        range(&UseId::first_at(from), &UseId::first_at(to)),
    ]
}

/// Charges of before there were periods are of a day.
const PERIOD: &str = "COALESCE(c.period, c.usage_date)";

/// How many charges of a relying party a period has, and their sum.
pub fn totals(
    conn: &mut Conn,
    rp: RelyingPartyId,
    period: &str,
    bounds: (Timestamp, Timestamp),
) -> QueryResult<(i64, i64)> {
    let mut totals = (0, 0);
    for range in occasions(bounds) {
        let query = format!(
            "SELECT {{row(}}COUNT(*), CAST(COALESCE(SUM(c.micros), 0) AS BIGINT){{)row}} AS line FROM charges c \
             WHERE c.rp_id = '{rp}' AND {range} AND {PERIOD} = '{period}'"
        );
        for row in rows::stream(conn, &query)? {
            let (uses, micros): (i64, i64) = of_json(row?)?;
            totals = (totals.0 + uses, totals.1 + micros);
        }
    }
    Ok(totals)
}

/// Which lines of a period: those after a charge, and at most so many; nothing said is all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    /// The last that was seen.
    pub after: Option<ChargeId>,
    /// How many.
    pub limit: Option<usize>,
}

/// The charges of a relying party in a period, one after another, in the order of their ids.
///
/// # Errors
/// Those of the database, and of `each`.
pub fn lines<E: From<diesel::result::Error>>(
    conn: &mut Conn,
    rp: RelyingPartyId,
    (period, bounds): (&str, (Timestamp, Timestamp)),
    part: Part,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    type Columns = (String, String, String, String, Option<String>, i64, String);
    let [redemptions, uses] = occasions(bounds);
    let after = part.after.map(|after| format!("AND c.id > '{after}'")).unwrap_or_default();
    let limit = part.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
    let query = format!(
        "SELECT {{row(}}c.id, c.redemption_id, c.service, c.price_version, c.pack_id, c.micros, a.receipt{{)row}} AS line \
             FROM charges c JOIN attempts a ON a.rp_id = c.rp_id AND a.redemption_id = c.redemption_id AND a.id = c.attempt_id \
             WHERE c.rp_id = '{rp}' AND (({redemptions}) OR ({uses})) AND {PERIOD} = '{period}' {after} ORDER BY c.id {limit}"
    );
    for row in rows::stream(conn, &query)? {
        let (charge, occasion, service, price_version, pack, micros, receipt): Columns = of_json(row?)?;
        let service = Service::parse(&service).ok_or_else(|| damaged(&"charges.service"))?;
        let pack = pack.as_deref().map(parse).transpose()?;
        let micros = Micros::new(micros);
        each(Line { charge: parse(&charge)?, occasion, service, price_version, pack, micros, receipt })?;
    }
    Ok(())
}

fn of_json<T: serde::de::DeserializeOwned>(row: Vec<serde_json::Value>) -> QueryResult<T> {
    // Not serde's own words: they might quote what stands in the row.
    serde_json::from_value(serde_json::Value::Array(row)).map_err(|_| damaged(&"a row has another form"))
}

/// What was used in a period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Usage {
    /// Its name.
    pub period: String,
    /// Of what.
    pub service: String,
    /// How often.
    pub uses: i64,
    /// How many of these were drawn from packs.
    pub from_packs: i64,
    /// What is owed for the others, in micro-yuan.
    pub micros: i64,
    /// Whether the period is closed, and this is for ever.
    pub stated: bool,
}

/// What was used in the periods that begin between two moments, in their order. `by_ids`: whether the ids of charges tell when they were made.
pub fn usage(
    conn: &mut Conn,
    rp: RelyingPartyId,
    by_ids: bool,
    (from, to): (Timestamp, Timestamp),
) -> QueryResult<Vec<Usage>> {
    let stated = format!(
        "SELECT {{row(}}s.period, i.service, CAST(SUM(i.uses) AS BIGINT), \
         CAST(SUM(CASE WHEN i.pack_id IS NULL THEN 0 ELSE i.uses END) AS BIGINT), CAST(SUM(i.micros) AS BIGINT){{)row}} AS line \
         FROM statements s JOIN statement_items i ON i.rp_id = s.rp_id AND i.period = s.period \
         WHERE s.rp_id = '{rp}' AND s.starts_at >= {} AND s.starts_at < {} GROUP BY s.period, i.service",
        from.as_microsecond(),
        to.as_microsecond(),
    );
    let mut usage = grouped(conn, &stated, true)?;
    let last = statements::table
        .filter(statements::rp_id.eq(rp.to_string()))
        .select(diesel::dsl::max(statements::starts_at));
    let last: Option<i64> = last.first(conn)?;
    // What is not stated can't have begun before what is, but for a month or a day that is longer than the one that was closed last.
    let month = SignedDuration::from_hours(31 * 24);
    let since = last.map(time).transpose()?.map_or(from, |last| last.saturating_sub(month).unwrap_or(from));
    for range in occasions(if by_ids { (from.max(since), to) } else { EVER }) {
        let open = format!(
            "SELECT {{row(}}{PERIOD}, c.service, COUNT(*), CAST(SUM(CASE WHEN c.pack_id IS NULL THEN 0 ELSE 1 END) AS BIGINT), \
             CAST(SUM(c.micros) AS BIGINT){{)row}} AS line FROM charges c WHERE c.rp_id = '{rp}' AND {range} \
             AND COALESCE(c.submitted_at, c.charged_at) >= {} AND COALESCE(c.submitted_at, c.charged_at) < {} \
             AND NOT EXISTS (SELECT 1 FROM statements s WHERE s.rp_id = c.rp_id AND s.period = {PERIOD}) \
             GROUP BY {PERIOD}, c.service",
            from.as_microsecond(),
            to.as_microsecond(),
        );
        usage.extend(grouped(conn, &open, false)?);
    }
    usage.sort();
    Ok(usage)
}

fn grouped(conn: &mut Conn, query: &str, stated: bool) -> QueryResult<Vec<Usage>> {
    let usage = |row: QueryResult<_>| {
        let (period, service, uses, from_packs, micros) = of_json(row?)?;
        Ok(Usage { period, service, uses, from_packs, micros, stated })
    };
    rows::stream(conn, query)?.map(usage).collect()
}
