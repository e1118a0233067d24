//! Statements: made anew from their charges, compared with the rows and with what was signed; and how they were paid.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::StatementId;
use wallet_core::jws::base64url;
use wallet_core::money::Micros;
use wallet_core::statement::Statement as Token;

use super::ledger::{cause, told};
use super::{Desk, add, shown};
use crate::billing::periods::{Cycle, Period};
use crate::billing::posting::Balanced;
use crate::billing::replay::{Debt, out_of_order};
use crate::billing::statement::Statement as Figures;
use crate::flow::amounts::cny;
use crate::flow::consistency::in_the_sandbox;
use crate::store::Conn;
use crate::store::replay::{self as rows, Statement};

/// Units that the statements say were drawn from each pack, by the moments when these were made.
pub(super) type Drawn = HashMap<String, Vec<(i64, i64)>>;

/// By when a period is closed at the latest, where the job runs.
const CLOSED_BY: SignedDuration = SignedDuration::from_hours(24);

/// Looks at the statements, against what their charges make (`made`).
pub(super) fn look(
    conn: &mut Conn,
    desk: &mut Desk<'_>,
    mut made: BTreeMap<String, Figures>,
) -> anyhow::Result<Drawn> {
    let mut items: HashMap<String, Vec<rows::Item>> = HashMap::new();
    for item in rows::items(conn, desk.rp)? {
        items.entry(item.period.clone()).or_default().push(item);
    }
    let mut payments: HashMap<String, Vec<rows::Paid>> = HashMap::new();
    for paid in rows::settlements(conn, desk.rp)? {
        payments.entry(paid.period.clone()).or_default().push(paid);
    }
    let (mut debts, mut drawn, mut owed) = (Vec::new(), Drawn::new(), 0_i64);
    for statement in rows::statements(conn, desk.rp)? {
        let statement = statement?;
        let its_items = items.remove(&statement.period).unwrap_or_default();
        let mut units: BTreeMap<&str, i64> = BTreeMap::new();
        for item in &its_items {
            if let Some(pack) = &item.pack {
                *units.entry(pack).or_default() += item.uses;
            }
        }
        for (pack, units) in units {
            drawn.entry(pack.to_owned()).or_default().push((statement.closed_at, units));
        }
        if desk.days.have(&statement.period) {
            anew(desk, &statement, &its_items, made.remove(&statement.period))?;
        }
        let its_payments = payments.remove(&statement.period).unwrap_or_default();
        let debt = paid(desk, &statement, &its_payments)?;
        owed = owed.saturating_add(statement.micros.saturating_sub(statement.paid));
        debts.push(debt);
    }
    for id in out_of_order(&debts) {
        desk.find("settlement-order", &id.to_string(), "an older statement paid first", "this one was");
    }
    for period in items.keys().chain(payments.keys()) {
        desk.find("statement-missing", period, "a statement", "items or payments of none");
    }
    unstated(desk, &made)?;
    covered(conn, desk, owed)?;
    Ok(drawn)
}

/// The charges of a period that is closed, or should be, stand in a statement.
fn unstated(desk: &mut Desk<'_>, made: &BTreeMap<String, Figures>) -> anyhow::Result<()> {
    for (period, figures) in made {
        let found = "nothing";
        if let Some(through) = desk.clock {
            if let Some(due) = closable_at(desk, period).filter(|due| *due <= through) {
                desk.find("statement-missing", period, format!("a statement since {due}"), found);
            }
        } else if desk.rules.closed.contains(period) {
            let expected = format!("a statement of {} uses", figures.totals.uses);
            desk.find("statement-missing", period, expected, found);
        } else if let Some(due) = closable_at(desk, period)
            && due.saturating_add(CLOSED_BY).is_ok_and(|late| late < desk.audit.now)
        {
            desk.find("statement-missing", period, format!("a statement since {due}"), found);
        }
    }
    Ok(())
}

/// From when on a period of this name may be closed.
fn closable_at(desk: &Desk<'_>, period: &str) -> Option<Timestamp> {
    let zone = desk.audit.zone;
    let first = if period.len() == 7 { format!("{period}-01") } else { period.get(..10)?.to_owned() };
    // An hour of the day: it is over when the day is.
    let cycle = Cycle::of_name(period).max(Cycle::Daily);
    let day: jiff::civil::Date = first.parse().ok()?;
    let noon = day.at(12, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
    Some(Period::of(cycle, noon, zone).ok()?.closable_at())
}

fn anew(
    desk: &mut Desk<'_>,
    statement: &Statement,
    items: &[rows::Item],
    made: Option<Figures>,
) -> anyhow::Result<()> {
    desk.report.statements += 1;
    add(&mut desk.report.stated, statement.micros)?;
    let id = &statement.id;
    let Some(made) = made else {
        desk.find("statement-total", id, "no statement: there are no charges", statement.uses);
        return Ok(());
    };
    let (uses, micros) = (made.totals.uses, made.totals.micros.get());
    desk.compare(
        "statement-total",
        id,
        format!("{uses} uses, {micros} micros"),
        format!("{} uses, {} micros", statement.uses, statement.micros),
    );
    let root = base16ct::lower::encode_string(&made.root);
    desk.compare("statement-root", id, root, statement.root.to_ascii_lowercase());
    let mut expected: Vec<String> = made
        .items
        .iter()
        .map(|(key, sums)| {
            let (service, version) = (key.service.as_str(), &key.price_version);
            line(service, version, shown(key.pack), sums.uses, sums.micros.get())
        })
        .collect();
    let one = |item: &rows::Item| {
        let (service, version) = (&item.service, &item.price_version);
        line(service, version, shown(item.pack.as_ref()), item.uses, item.micros)
    };
    let mut found: Vec<String> = items.iter().map(one).collect();
    expected.sort();
    found.sort();
    desk.compare("statement-items", id, expected.join("; "), found.join("; "));
    bounds(desk, statement)?;
    signed(desk, statement, &made)
}

fn line(
    service: &str,
    version: &str,
    pack: String,
    uses: impl std::fmt::Display,
    micros: impl std::fmt::Display,
) -> String {
    format!("{service} by {version} from {pack}: {uses} uses, {micros} micros")
}

fn bounds(desk: &mut Desk<'_>, statement: &Statement) -> anyhow::Result<()> {
    let cycle = Cycle::of_name(&statement.period);
    let starts_at = Timestamp::from_microsecond(statement.starts_at)?;
    let period = Period::of(cycle, starts_at, desk.audit.zone)?;
    let ends_at = Timestamp::from_microsecond(statement.ends_at)?;
    let (from, to) = period.bounds();
    let expected = format!("{period}: {from} to {to}");
    desk.compare(
        "statement-period",
        &statement.id,
        expected,
        format!("{}: {starts_at} to {ends_at}", statement.period),
    );
    Ok(())
}

/// The signed token says what was recomputed.
fn signed(desk: &mut Desk<'_>, statement: &Statement, made: &Figures) -> anyhow::Result<()> {
    let closed_at = Timestamp::from_microsecond(statement.closed_at)?;
    let root = desk.audit.root;
    let verified = match desk.clock {
        None => Token::verify(&statement.token, root, closed_at),
        Some(_) => in_the_sandbox([closed_at, desk.audit.now], |at| {
            Token::verify_sandbox(&statement.token, root, at)
        }),
    };
    let token = match verified {
        Ok(token) => token,
        Err(error) => {
            desk.find("statement-token", &statement.id, "a statement that the issuer signed", error);
            return Ok(());
        }
    };
    let expected = Token {
        iss: token.iss.clone(),
        iat: closed_at.as_second(),
        id: statement.id.parse()?,
        relying_party: desk.rp,
        period: statement.period.clone(),
        zone: desk.audit.zone.iana_name().unwrap_or("UTC").to_owned(),
        items: made.stated(),
        uses: made.totals.uses,
        amount: cny(made.totals.micros),
        root: base64url(&made.root),
        sandbox: desk.clock.is_some(),
    };
    let [expected, found] = [&expected, &token].map(serde_json::to_string);
    desk.compare("statement-token", &statement.id, expected?, found?);
    Ok(())
}

/// What was paid of a statement, and the late fee by the dates.
fn paid(desk: &mut Desk<'_>, statement: &Statement, payments: &[rows::Paid]) -> anyhow::Result<Debt> {
    let (id, rp) = (&statement.id, desk.rp);
    let at = |paid: &rows::Paid| Ok((Timestamp::from_microsecond(paid.paid_at)?, Micros::new(paid.micros)));
    let debt = Debt {
        id: id.parse::<StatementId>()?,
        period: statement.period.clone(),
        due: Timestamp::from_microsecond(statement.closed_at)?,
        micros: Micros::new(statement.micros),
        payments: payments.iter().map(at).collect::<anyhow::Result<_>>()?,
    };
    for paid in payments {
        let settled = Balanced::settled(rp, Micros::new(paid.micros))?;
        desk.causes.name(&paid.transaction, cause(id, "settlement", Some(paid.paid_at), &settled));
    }
    add(&mut desk.report.paid, statement.paid)?;
    let Ok(settled) = debt.settled(desk.audit.zone) else {
        desk.find("settlement", id, format!("at most {} micros paid", statement.micros), "more");
        return Ok(debt);
    };
    desk.compare("settlement", id, settled.paid.get(), statement.paid);
    if statement.micros > 0 {
        let settled_at = settled.settled_at.map(|at| at.as_microsecond());
        desk.compare("settlement", id, shown(settled_at), shown(statement.settled_at));
    }
    desk.compare("late-fee", id, settled.late_fee.get(), statement.late_fee);
    add(&mut desk.report.late_fees, settled.late_fee.get())?;
    match (settled.late_fee.get(), statement.late_fee_paid_at) {
        (0, paid_at) if statement.micros > 0 => {
            desk.compare("late-fee", id, shown(statement.settled_at), shown(paid_at));
        }
        (1.., Some(paid_at)) => {
            let claimed = Balanced::late_fee(rp, settled.late_fee)?;
            let postings = claimed.and(Balanced::settled(rp, settled.late_fee)?);
            desk.causes.tell(told(id, "late_fee", paid_at, &postings));
        }
        _ => {}
    }
    Ok(debt)
}

/// Nothing is owed while there is money to pay it with.
fn covered(conn: &mut Conn, desk: &mut Desk<'_>, owed: i64) -> anyhow::Result<()> {
    let balance: i64 = rows::balance(conn, desk.rp)?.iter().map(|row| row.micros).sum();
    if owed > 0 && balance > 0 {
        let rp = desk.rp.to_string();
        desk.find(
            "settlement",
            &rp,
            "statements paid as far as the balance reaches",
            format!("{owed} micros owed, and a balance of {balance}"),
        );
    }
    add(&mut desk.report.balances, balance)
}
