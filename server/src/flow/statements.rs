//! Closing periods: each relying party's charges of a period become its statement, signed, and are paid from its balance.
//!
//! Whatever dies in between is done again: a statement is made once ([`statements::exists`] and a primary key), and a period is noted as
//! closed after all of its statements. Any number of replicas may do the same.

mod printed;
mod shown;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use wallet_core::ids::{RelyingPartyId, StatementId};
use wallet_core::jws::base64url;
use wallet_core::money::{Amount, Micros};
use wallet_core::receipt::statement_leaf;
use wallet_core::statement::Statement as Token;

use super::amounts::cny;
use super::telling::{self, Moments};
use super::test_clocks::Hold;
use super::{Context, earning, settling};
use crate::billing::cycles::spans;
use crate::billing::periods::Period;
use crate::billing::price::Service;
use crate::billing::statement::{Charge, Statement as Figures, Tally};
use crate::delivery::event::Kind;
use crate::edge::keyring::Keyring;
use crate::progress::{Piece, Progress};
use crate::stop::Flow;
use crate::store::statements::{self, Statement};
use crate::store::usage::Part;
use crate::store::{Conn, Store, audit, cycles, jws_headers, usage};

pub use printed::print;
pub use shown::{Line, Lines, Proof, Shown, lines, list, proof, show};

/// Relying parties that are looked up together.
const PAGE: i64 = 500;

/// What closing needs, be it in the service or on the command line.
pub struct Books<'a> {
    /// The tables of relying parties.
    pub store: &'a Store,
    /// Who signs.
    pub signer: &'a Keyring,
    /// Who it says has signed.
    pub public_url: &'a str,
    /// The zone of billing days.
    pub zone: &'a TimeZone,
}

impl Context {
    /// The books of this service.
    pub fn books(&self) -> Books<'_> {
        Books { store: &self.rp_store, signer: &self.signer, public_url: &self.public_url, zone: &self.zone }
    }
}

/// A period that was closed.
#[derive(Debug, Clone, Serialize)]
pub struct Closed {
    /// Its name.
    pub period: String,
    /// Statements that were made now, and not before.
    pub statements: i64,
    /// What these come to.
    pub amount: Amount,
}

/// The job: closes what can be closed, whatever was missed.
pub fn close_due(ctx: &Context) -> Flow<()> {
    ctx.books().close_due(ctx.now(), &Progress::hidden()).map(drop)
}

impl Books<'_> {
    /// Closes every period that can be closed by `now`, the earliest first.
    ///
    /// # Errors
    /// When the database, or the signer, can't; what was done by then stays, and the next run goes on.
    pub fn close_due(&self, now: Timestamp, progress: &Progress) -> Flow<Vec<Closed>> {
        let due = self.store.read(|conn| self.due(conn, now))?;
        due.iter().map(|period| self.close(*period, now, progress)).collect()
    }

    /// The periods that are to be closed: of every cycle in use, from the first in which anything can have been used.
    fn due(&self, conn: &mut Conn, now: Timestamp) -> Flow<Vec<Period>> {
        let Some(first) = statements::first_use_after(conn)? else { return Ok(Vec::new()) };
        let (closed, changes) = (statements::closed(conn)?, cycles::all(conn)?);
        let services =
            Service::ALL.map(|service| changes.get(&service).map(Vec::as_slice).unwrap_or_default());
        let mut due = BTreeMap::new();
        for span in spans(services, first) {
            let mut period = Period::of(span.cycle, span.from, self.zone)?;
            while period.closable_at() <= now && span.until.is_none_or(|until| period.bounds().0 < until) {
                let name = period.to_string();
                if !closed.contains(&name) {
                    due.insert((period.bounds(), name), period);
                }
                period = period.next(self.zone)?;
            }
        }
        Ok(due.into_values().collect())
    }

    fn close(&self, period: Period, now: Timestamp, progress: &Progress) -> Flow<Closed> {
        let headers = self.store.read(|conn| Ok(jws_headers::all(conn)?))?;
        let all = self.store.read(|conn| Ok(statements::relying_party_count(conn)?))?;
        let bar = progress.begin(&period.to_string(), u64::try_from(all).ok());
        let (mut made, mut after) = ((0, Micros::ZERO), String::new());
        loop {
            let page = self.store.read(|conn| Ok(statements::relying_parties(conn, &after, PAGE)?))?;
            let Some((last, _)) = page.last() else { break };
            after = last.to_string();
            // Whoever is of the sandbox has a day of their own.
            for (rp, _) in page.into_iter().filter(|(_, sandbox)| !sandbox) {
                let closing = Closing { rp, sandbox: false, period, now, real: now, hold: &|_| Ok(()) };
                if let Some(micros) = self.close_one(&closing, &headers)? {
                    made = (made.0 + 1, made.1.plus(micros)?);
                }
                bar.step();
            }
        }
        self.store.write(|conn| Ok(statements::close(conn, &period.to_string(), now)?))?;
        end(bar, made.0);
        let amount = cny(made.1);
        Ok(Closed { period: period.to_string(), statements: made.0, amount })
    }

    /// Closes a period of one relying party of the sandbox, at the moment `now` of its clock; it is noted nowhere else.
    pub(super) fn close_in_sandbox(
        &self,
        rp: RelyingPartyId,
        period: Period,
        (now, real): (Timestamp, Timestamp),
        hold: Hold<'_>,
    ) -> Flow<()> {
        let headers = self.store.read(|conn| Ok(jws_headers::all(conn)?))?;
        let closing = Closing { rp, sandbox: true, period, now, real, hold };
        self.close_one(&closing, &headers).map(drop)
    }

    /// Makes the statement of one relying party; `None` when there is none to make, or it is made.
    fn close_one(&self, closing: &Closing<'_>, headers: &HashMap<String, String>) -> Flow<Option<Micros>> {
        let Closing { rp, sandbox, period, now, real, hold } = *closing;
        let name = period.to_string();
        // The ids of the sandbox are of the real time, and its days are not.
        let bounds = if sandbox { usage::EVER } else { period.bounds() };
        let uses = self.store.read(|conn| {
            if statements::exists(conn, rp, &name)? {
                return Ok(0);
            }
            Ok(usage::totals(conn, rp, &name, bounds)?.0)
        })?;
        if uses == 0 {
            return Ok(None);
        }
        let figures = self.store.read(|conn| tally(conn, rp, &name, bounds, headers))?;
        let statement = self.sign(closing, &figures)?;
        self.store.write_guarded(|conn| {
            hold(conn)?;
            if statements::exists(conn, rp, &name)? {
                return Ok(None);
            }
            // Nobody writes into a period that is this long over (`billing/periods.rs`); should it happen all the same, it is noticed.
            if usage::totals(conn, rp, &name, bounds)? != (statement.uses, statement.micros.get()) {
                return Err(anyhow::anyhow!("charges of {name} changed while it was being closed").into());
            }
            statements::insert(conn, &statement, &figures.items)?;
            audit::append(conn, "billing", "statement.close", statement.id, "done", real)?;
            let data = json!({ "statement": statement.id, "period": name, "amount": cny(statement.micros) });
            let at = Moments { happened: now, told: real };
            telling::message(conn, rp, Kind::StatementClosed, &data, at)?;
            earning::of_statement(conn, rp, &figures.items, now)?;
            settling::settle_owed(self.zone, conn, rp, at)?;
            Ok(Some(statement.micros))
        })
    }

    fn sign(&self, closing: &Closing<'_>, figures: &Figures) -> Flow<Statement> {
        let Closing { rp, sandbox, period, now, .. } = *closing;
        let uses = i64::try_from(figures.totals.uses)?;
        let id = StatementId::new(now, &mut rand::rng());
        let token = Token {
            iss: self.public_url.to_owned(),
            iat: now.as_second(),
            id,
            relying_party: rp,
            period: period.to_string(),
            zone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
            items: figures.stated(),
            uses: figures.totals.uses,
            amount: cny(figures.totals.micros),
            root: base64url(&figures.root),
            sandbox,
        };
        let signer = self.signer.current();
        Ok(Statement {
            id,
            rp,
            period: period.to_string(),
            bounds: period.bounds(),
            uses,
            micros: figures.totals.micros,
            root: figures.root,
            token: token.sign(signer.header(), signer.as_ref())?,
            closed_at: now,
            paid: Micros::ZERO,
            late_fee: Micros::ZERO,
            settled_at: None,
            late_fee_paid_at: None,
        })
    }
}

/// A period of one relying party that is to be closed.
#[derive(Clone, Copy)]
struct Closing<'a> {
    rp: RelyingPartyId,
    sandbox: bool,
    period: Period,
    /// When, for the bills.
    now: Timestamp,
    /// When, for the record.
    real: Timestamp,
    hold: Hold<'a>,
}

fn end(bar: Piece, made: i64) {
    bar.end(&format!("{made} statements"));
}

/// Folds the charges of a period as they stream by.
fn tally(
    conn: &mut Conn,
    rp: RelyingPartyId,
    period: &str,
    bounds: (Timestamp, Timestamp),
    headers: &HashMap<String, String>,
) -> Flow<Figures> {
    let mut tally = Tally::default();
    usage::lines(conn, rp, (period, bounds), Part::default(), |line| -> Flow<()> {
        let charge = Charge {
            id: line.charge,
            service: line.service,
            price_version: &line.price_version,
            pack: line.pack,
            micros: line.micros,
            leaf: leaf(&line.receipt, headers)?,
        };
        Ok(tally.add(&charge)?)
    })?;
    Ok(tally.finish()?)
}

fn leaf(receipt: &str, headers: &HashMap<String, String>) -> Flow<wallet_core::log::Hash> {
    Ok(statement_leaf(&shown::whole(receipt, headers)?))
}
