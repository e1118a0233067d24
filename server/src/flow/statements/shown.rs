//! Statements as a relying party sees them: the bill, its lines, and the proof that a line is in it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::ids::{ChargeId, PackId, StatementId};
use wallet_core::jws::base64url;
use wallet_core::money::Amount;
use wallet_core::refusal::Refusal;
use wallet_core::statement::Item;

use super::{Context, leaf};
use crate::billing::merkle::Tree;
use crate::flow::amounts::cny;
use crate::flow::callers::RelyingParty;
use crate::flow::{settling, tokens};
use crate::stop::Flow;
use crate::store::statements::{self, Statement};
use crate::store::usage::Part;
use crate::store::{Conn, jws_headers, usage};

/// A statement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Statement)]
pub struct Shown {
    id: StatementId,
    period: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    uses: i64,
    amount: Amount,
    paid: Amount,
    /// As of now, as long as it is not paid.
    late_fee: Amount,
    /// `settled`, `late_fee_owed`, or `owed`.
    state: &'static str,
    closed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
    items: Vec<Item>,
    root: String,
    /// JWS `ecert-statement+jwt`.
    statement: String,
}

/// One charge of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatementLine)]
pub struct Line {
    charge: ChargeId,
    /// The redemption or use.
    occasion: String,
    service: &'static str,
    price_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pack: Option<PackId>,
    amount: Amount,
    /// JWS `ecert-receipt+jwt`: a leaf of the tree.
    receipt: String,
}

/// Lines in the order of the tree.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatementLines)]
pub struct Lines {
    lines: Vec<Line>,
    /// What to ask for next as `after`; nothing when these were the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ChargeId>,
}

/// That a receipt is in a statement (RFC 9162 §2.1.3).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatementProof)]
pub struct Proof {
    /// JWS `ecert-receipt+jwt`.
    receipt: String,
    /// Its place, from 0 on.
    index: u64,
    /// Leaves in all.
    size: u64,
    /// From the leaf up, base64url.
    path: Vec<String>,
    root: String,
}

impl Shown {
    /// The items as a table (RFC 4180), with the sum in the last line. Nothing in it needs quotes: words, ids and digits.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("period,service,price_version,pack,uses,currency,amount\r\n");
        let mut line = |service: &str, version: &str, pack: &str, uses: &str, amount: Amount| {
            let columns =
                [&self.period, service, version, pack, uses, amount.currency.code(), &amount.to_string()];
            csv.push_str(&columns.join(","));
            csv.push_str("\r\n");
        };
        for item in &self.items {
            let pack = item.pack.map(|pack| pack.to_string()).unwrap_or_default();
            line(&item.service, &item.price_version, &pack, &item.uses.to_string(), item.amount);
        }
        line("total", "", "", &self.uses.to_string(), self.amount);
        csv
    }
}

/// The statements of periods after `after`.
pub fn list(ctx: &Context, rp: &RelyingParty, after: &str, limit: i64) -> Flow<Vec<Shown>> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| {
        let found = statements::list(conn, rp.id, after, limit)?;
        found.into_iter().map(|statement| shown(ctx, conn, statement, now)).collect()
    })
}

/// The statement of a period.
pub fn show(ctx: &Context, rp: &RelyingParty, period: &str) -> Flow<Shown> {
    let now = ctx.moment_of(rp)?.at;
    ctx.rp_store.read(|conn| {
        let statement = statements::find(conn, rp.id, period)?.ok_or(Refusal::NotFound)?;
        shown(ctx, conn, statement, now)
    })
}

fn shown(ctx: &Context, conn: &mut Conn, statement: Statement, now: Timestamp) -> Flow<Shown> {
    let late_fee = settling::late_fee(&ctx.zone, conn, &statement, now)?;
    let items = statements::items(conn, statement.rp, &statement.period)?.into_iter();
    let items = items.map(|(key, sums)| key.stated(&sums));
    let state = match (statement.settled_at, statement.late_fee_paid_at) {
        (None, _) => "owed",
        (Some(_), None) => "late_fee_owed",
        (Some(_), Some(_)) => "settled",
    };
    Ok(Shown {
        id: statement.id,
        starts_at: statement.bounds.0,
        ends_at: statement.bounds.1,
        uses: statement.uses,
        amount: cny(statement.micros),
        paid: cny(statement.paid),
        late_fee: cny(late_fee),
        state,
        closed_at: statement.closed_at,
        settled_at: statement.settled_at,
        items: items.collect(),
        root: base64url(&statement.root),
        statement: statement.token,
        period: statement.period,
    })
}

/// The charges of a closed period after the charge `after`.
pub fn lines(
    ctx: &Context,
    rp: &RelyingParty,
    period: &str,
    after: Option<ChargeId>,
    limit: usize,
) -> Flow<Lines> {
    let headers = ctx.rp_store.read(|conn| Ok(jws_headers::all(conn)?))?;
    let mut found = Vec::new();
    each(ctx, rp, period, Part { after, limit: Some(limit + 1) }, |line| {
        found.push(line);
        Ok(())
    })?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|line| line.charge);
    let lines = found.into_iter().map(|line| {
        Ok(Line {
            charge: line.charge,
            occasion: line.occasion,
            service: line.service.as_str(),
            price_version: line.price_version,
            pack: line.pack,
            amount: cny(line.micros),
            receipt: whole(&line.receipt, &headers)?,
        })
    });
    Ok(Lines { lines: lines.collect::<Flow<_>>()?, next })
}

/// The proof that a charge is in the statement of its period. Every receipt of the period is read for it, twice.
pub fn proof(ctx: &Context, rp: &RelyingParty, period: &str, charge: ChargeId) -> Flow<Proof> {
    let headers = ctx.rp_store.read(|conn| Ok(jws_headers::all(conn)?))?;
    let (mut place, mut found) = (0, None);
    each(ctx, rp, period, Part::default(), |line| {
        if line.charge == charge {
            found = Some((place, whole(&line.receipt, &headers)?));
        }
        place += 1;
        Ok(())
    })?;
    let (index, receipt) = found.ok_or(Refusal::NotFound)?;
    let mut tree = Tree::watching(index);
    each(ctx, rp, period, Part::default(), |line| {
        tree.push(leaf(&line.receipt, &headers)?);
        Ok(())
    })?;
    let rooted = tree.finish();
    let path = rooted.path.unwrap_or_default().iter().map(|hash| base64url(hash)).collect();
    Ok(Proof { receipt, index, size: rooted.size, path, root: base64url(&rooted.root) })
}

/// Charges of a closed period, in the order of the tree.
fn each(
    ctx: &Context,
    rp: &RelyingParty,
    period: &str,
    part: Part,
    mut each: impl FnMut(usage::Line) -> Flow<()>,
) -> Flow<()> {
    ctx.rp_store.read(|conn| {
        let statement = statements::find(conn, rp.id, period)?.ok_or(Refusal::NotFound)?;
        let bounds = if rp.sandbox { usage::EVER } else { statement.bounds };
        usage::lines(conn, rp.id, (period, bounds), part, &mut each)
    })
}

/// A receipt as its owner has it.
pub(super) fn whole(receipt: &str, headers: &HashMap<String, String>) -> Flow<String> {
    let whole = tokens::expand_with(receipt, |id| headers.get(id).map(String::as_str));
    Ok(whole.ok_or_else(|| anyhow::anyhow!("the header of a receipt is missing"))?)
}
