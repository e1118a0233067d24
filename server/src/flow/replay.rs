//! The auditor's replay: recomputes every bill from attempts, price lists, packs, orders and payments, and tells where the books say
//! something else. Shares the pure rules of `billing` with what writes bills, and nothing else; it changes nothing.

mod bills;
mod charges;
mod ledger;
mod orders;
mod stock;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use wallet_core::ids::RelyingPartyId;
use wallet_core::money::{Amount, Currency, Micros};

use crate::billing::cycles::Change;
use crate::billing::price::{Price, Service};
use crate::billing::promotions::Promotion;
use crate::billing::replay::Causes;
use crate::progress::{Piece, Progress};
use crate::store::replay::{self as rows, Days};
use crate::store::{
    Conn, Store, charges as price_rows, cycles as cycle_rows, jws_headers, promotions, statements,
    test_clocks,
};

/// Relying parties that are looked up together.
const PAGE: i64 = 500;

/// What is replayed, and with what.
pub struct Audit<'a> {
    /// The tables of relying parties.
    pub store: &'a Store,
    /// The issuer's root (DER), which receipts and statements are verified against.
    pub root: &'a [u8],
    /// The zone of billing days.
    pub zone: &'a TimeZone,
    /// Now.
    pub now: Timestamp,
}

/// Of whom, and of which periods; nothing said is everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// One relying party only.
    pub rp: Option<RelyingPartyId>,
    /// Charges and statements of periods that begin on this day or later.
    pub from: Option<Date>,
    /// And on this day or earlier.
    pub to: Option<Date>,
}

/// Where the books say something else than what they were made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule; `docs/OPERATIONS.md` lists them.
    pub kind: &'static str,
    /// Whose books.
    pub relying_party: String,
    /// The charge, statement, pack, order, payment or transaction.
    pub object: String,
    /// What was recomputed.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What was looked at, and what it came to.
#[derive(Debug, Serialize)]
pub struct Report {
    /// All of them.
    pub findings: u64,
    /// By kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Relying parties.
    pub relying_parties: u64,
    /// Those of the sandbox, whose books were looked at as closely, and count in none of the sums.
    pub of_the_sandbox: u64,
    /// Charges whose price, pack, postings and receipt were recomputed.
    pub charges: u64,
    /// What they come to.
    pub charged: Amount,
    /// Statements that were made anew.
    pub statements: u64,
    /// What they come to.
    pub stated: Amount,
    /// What was paid of all statements.
    pub paid: Amount,
    /// Late fees of all statements, by the dates of their payments.
    pub late_fees: Amount,
    /// Packs.
    pub packs: u64,
    /// Transactions of the ledger that are not uses.
    pub transactions: u64,
    /// What relying parties have paid beforehand.
    pub balances: Amount,
}

impl Default for Report {
    fn default() -> Self {
        let nothing = Amount { currency: Currency::Cny, micros: Micros::ZERO };
        Report {
            findings: 0,
            kinds: BTreeMap::new(),
            relying_parties: 0,
            of_the_sandbox: 0,
            charges: 0,
            charged: nothing,
            statements: 0,
            stated: nothing,
            paid: nothing,
            late_fees: nothing,
            packs: 0,
            transactions: 0,
            balances: nothing,
        }
    }
}

impl Report {
    /// Whether there was nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.of_the_sandbox == 0
            && (self.charges, self.statements, self.packs, self.transactions) == (0, 0, 0, 0)
    }
}

/// Adds to a total.
fn add(total: &mut Amount, micros: i64) -> anyhow::Result<()> {
    total.micros = total.micros.plus(Micros::new(micros))?;
    Ok(())
}

/// What is the same for every relying party.
struct Rules {
    prices: HashMap<Service, Vec<Price>>,
    cycles: BTreeMap<Service, Vec<Change>>,
    promotions: Vec<Promotion>,
    closed: HashSet<String>,
    headers: HashMap<String, String>,
}

/// The replay of one relying party.
struct Desk<'a> {
    audit: &'a Audit<'a>,
    rules: &'a Rules,
    rp: RelyingPartyId,
    /// Until when its clock has gone, in the sandbox.
    clock: Option<Timestamp>,
    days: Days,
    causes: Causes,
    report: &'a mut Report,
    tell: &'a mut dyn FnMut(&Finding),
}

impl Desk<'_> {
    fn find(&mut self, kind: &'static str, object: &str, expected: impl Display, found: impl Display) {
        let finding = Finding {
            kind,
            relying_party: self.rp.to_string(),
            object: object.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        };
        note(self.report, self.tell, &finding);
    }

    /// A finding, unless both are the same.
    fn compare<T: PartialEq + Display>(&mut self, kind: &'static str, object: &str, expected: T, found: T) {
        if expected != found {
            self.find(kind, object, expected, found);
        }
    }
}

fn note(report: &mut Report, tell: &mut dyn FnMut(&Finding), finding: &Finding) {
    report.findings += 1;
    *report.kinds.entry(finding.kind).or_default() += 1;
    tell(finding);
}

/// An optional value in a finding.
fn shown<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

impl Audit<'_> {
    /// Replays, and tells each finding as it is found.
    ///
    /// # Errors
    /// When the database can't be read, or a row of it is no row of ours. That something is found is no error.
    pub fn replay(
        &self,
        scope: Scope,
        progress: &Progress,
        tell: &mut dyn FnMut(&Finding),
    ) -> anyhow::Result<Report> {
        rows::with_snapshot(self.store, |conn| {
            let rules = rules(conn)?;
            let mut report = Report::default();
            let all = match scope.rp {
                Some(_) => 1,
                None => u64::try_from(statements::relying_party_count(conn)?)?,
            };
            let piece = progress.begin("relying parties", Some(all));
            let mut after = String::new();
            loop {
                let page = match scope.rp {
                    Some(rp) if after.is_empty() => vec![(rp, false)],
                    Some(_) => break,
                    None => statements::relying_parties(conn, &after, PAGE)?,
                };
                let Some((last, _)) = page.last() else { break };
                after = last.to_string();
                for (rp, _) in page {
                    self.one(conn, &rules, rp, scope, (&mut report, &mut *tell))?;
                    piece.step();
                }
            }
            if scope.rp.is_none() {
                strangers(conn, &mut report, tell)?;
            }
            end(piece, report.findings);
            Ok(report)
        })
    }

    fn one(
        &self,
        conn: &mut Conn,
        rules: &Rules,
        rp: RelyingPartyId,
        scope: Scope,
        (report, tell): (&mut Report, &mut dyn FnMut(&Finding)),
    ) -> anyhow::Result<()> {
        let clock = test_clocks::find(conn, rp)?.map(|clock| clock.through);
        // Sums are of money that there is, unless this one alone was asked for.
        let mut apart = Report::default();
        let counts = clock.is_none() || scope.rp.is_some();
        report.of_the_sandbox += u64::from(clock.is_some());
        let into = if counts { &mut *report } else { &mut apart };
        self.look(conn, rules, (rp, clock), scope, (into, tell))?;
        if !counts {
            report.findings += apart.findings;
            for (kind, found) in apart.kinds {
                *report.kinds.entry(kind).or_default() += found;
            }
        }
        Ok(())
    }

    fn look(
        &self,
        conn: &mut Conn,
        rules: &Rules,
        (rp, clock): (RelyingPartyId, Option<Timestamp>),
        scope: Scope,
        (report, tell): (&mut Report, &mut dyn FnMut(&Finding)),
    ) -> anyhow::Result<()> {
        let days = Days { from: scope.from, to: scope.to };
        let mut desk = Desk { audit: self, rules, rp, clock, days, causes: Causes::default(), report, tell };
        let book = stock::Book::read(conn, rp)?;
        let made = charges::look(conn, &mut desk, &book)?;
        charges::uncharged(conn, &mut desk)?;
        let drawn = bills::look(conn, &mut desk, made)?;
        stock::look(conn, &mut desk, &book, &drawn)?;
        ledger::look(conn, &mut desk)?;
        desk.report.relying_parties += 1;
        Ok(())
    }
}

fn end(piece: Piece, findings: u64) {
    piece.end(&match findings {
        0 => "everything agrees".to_owned(),
        some => format!("{some} FINDINGS"),
    });
}

fn rules(conn: &mut Conn) -> anyhow::Result<Rules> {
    let mut prices = HashMap::new();
    for service in Service::ALL {
        prices.insert(service, price_rows::prices_of(conn, service)?);
    }
    let cycles = cycle_rows::all(conn)?;
    let (closed, headers) = (statements::closed(conn)?, jws_headers::all(conn)?);
    Ok(Rules { prices, cycles, promotions: promotions::all(conn)?, closed, headers })
}

/// Books of nobody.
fn strangers(conn: &mut Conn, report: &mut Report, tell: &mut dyn FnMut(&Finding)) -> anyhow::Result<()> {
    for (book,) in rows::unknown_books(conn)? {
        let finding = Finding {
            kind: "book-of-nobody",
            relying_party: book.clone(),
            object: book,
            expected: "a relying party".to_owned(),
            found: "charges, statements or postings of none".to_owned(),
        };
        note(report, tell, &finding);
    }
    Ok(())
}
