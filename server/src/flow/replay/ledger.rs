//! The ledger: every transaction has its cause, and every cause its transaction; and the balances that are kept are what it says.

use std::collections::BTreeMap;

use wallet_core::money::Micros;

use super::{Desk, shown};
use crate::billing::account::{Account, Provider};
use crate::billing::posting::Balanced;
use crate::billing::replay::{Cause, Shape, lines};
use crate::store::Conn;
use crate::store::replay::{self as rows, Posted};

/// A cause of which a row names the transaction.
pub(super) fn cause(object: &str, kind: &str, at: Option<i64>, postings: &Balanced) -> Cause {
    Cause { object: object.to_owned(), shape: (kind.to_owned(), at, lines(postings)) }
}

/// A cause of which no row does.
pub(super) fn told(object: &str, kind: &str, at: i64, postings: &Balanced) -> Cause {
    cause(object, kind, Some(at), postings)
}

/// Looks at all that is not a use. What packs and statements should have left there is known by now.
pub(super) fn look(conn: &mut Conn, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let chargebacks = money(conn, desk)?;
    let (mut open, mut covers) = (None::<(String, Shape)>, 0_i64);
    for posted in rows::transactions(conn, desk.rp)? {
        let posted = posted?;
        if open.as_ref().is_none_or(|(id, _)| *id != posted.id) {
            if let Some(whole) = open.take() {
                covers = covers.saturating_add(judge(desk, whole, &chargebacks)?);
            }
            open = Some((posted.id.clone(), (posted.kind.clone(), Some(posted.posted_at), Vec::new())));
        }
        if let (
            Some((_, shape)),
            Posted { account: Some(account), currency: Some(currency), micros: Some(micros), .. },
        ) = (open.as_mut(), posted)
        {
            shape.2.push((account, currency, micros));
        }
    }
    if let Some(whole) = open {
        covers = covers.saturating_add(judge(desk, whole, &chargebacks)?);
    }
    for cause in std::mem::take(&mut desk.causes).rest() {
        desk.find("ledger-missing", &cause.object, words(&cause.shape), "nothing");
    }
    for stray in rows::stray_postings(conn, desk.rp)? {
        desk.find("ledger-stray", &stray.id, "a transaction", "postings of none");
    }
    for unnamed in rows::uses_without_charge(conn, desk.rp)? {
        desk.find("ledger-cause", &unnamed.id, "one charge of this use", "none, or several");
    }
    kept(conn, desk, &chargebacks, covers)
}

fn words((kind, at, lines): &Shape) -> String {
    let lines: Vec<String> =
        lines.iter().map(|(account, unit, micros)| format!("{account} {micros} {unit}")).collect();
    format!("{kind} at {}: {}", shown(*at), lines.join(", "))
}

/// What gateways took back, by transaction.
type Chargebacks = BTreeMap<String, rows::Chargeback>;

/// What payments and refunds should have left in the ledger.
fn money(conn: &mut Conn, desk: &mut Desk<'_>) -> anyhow::Result<Chargebacks> {
    let rp = desk.rp;
    for payment in rows::payments(conn, rp)? {
        let provider = Provider::parse(&payment.provider);
        let (Some(provider), Some(transaction)) = (provider, &payment.transaction) else {
            desk.find("ledger-missing", &payment.id, "the transaction of a payment", "nothing");
            continue;
        };
        let postings = Balanced::top_up(rp, provider, Micros::new(payment.micros))?;
        desk.causes.name(transaction, cause(&payment.id, "payment", payment.decided_at, &postings));
    }
    for refund in rows::refunds(conn, rp)? {
        let provider = refund.provider.as_deref().and_then(Provider::parse);
        let (Some(provider), Some(transaction)) = (provider, &refund.transaction) else {
            desk.find("ledger-missing", &refund.id, "the transaction of a refund", "nothing");
            continue;
        };
        let postings = Balanced::refund(rp, provider, Micros::new(refund.micros))?;
        desk.causes.name(transaction, cause(&refund.id, "refund", refund.decided_at, &postings));
    }
    let mut chargebacks = Chargebacks::new();
    for chargeback in rows::chargebacks(conn, rp)? {
        match chargeback.transaction.clone() {
            Some(transaction) => drop(chargebacks.insert(transaction, chargeback)),
            None => desk.find("ledger-missing", &chargeback.reference, "its transaction", "nothing"),
        }
    }
    Ok(chargebacks)
}

/// One transaction: it sums to zero, and there is a cause that says the same. What it paid back of chargebacks.
fn judge(
    desk: &mut Desk<'_>,
    (id, mut shape): (String, Shape),
    chargebacks: &Chargebacks,
) -> anyhow::Result<i64> {
    desk.report.transactions += 1;
    shape.2.sort();
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (_, unit, micros) in &shape.2 {
        *sums.entry(unit).or_default() += i128::from(*micros);
    }
    if shape.2.is_empty() || sums.values().any(|sum| *sum != 0) {
        desk.find("ledger-unbalanced", &id, "lines that sum to zero", words(&shape));
    }
    if shape.0 == "chargeback" {
        taken_back(desk, &id, &shape, chargebacks.get(&id));
        return Ok(0);
    }
    if shape.0 == "chargeback_cover" {
        return covered(desk, &id, &shape);
    }
    match desk.causes.take(&id, &shape) {
        None => desk.find("ledger-cause", &id, "a payment, order, pack or statement", words(&shape)),
        Some(cause) if cause.shape != shape => {
            desk.find("ledger-postings", &id, words(&cause.shape), words(&shape));
        }
        Some(_) => {}
    }
    Ok(0)
}

fn sum_of(shape: &Shape, account: &Account) -> i64 {
    let name = account.to_string();
    shape.2.iter().filter(|line| line.0 == name).map(|line| line.2).sum()
}

/// A gateway takes all of it; how much of that the balance covered then, only the ledger says.
fn taken_back(desk: &mut Desk<'_>, id: &str, shape: &Shape, row: Option<&rows::Chargeback>) {
    let provider = row.and_then(|row| Provider::parse(&row.provider));
    let (Some(row), Some(provider)) = (row, provider) else {
        desk.find("ledger-cause", id, "a chargeback", words(shape));
        return;
    };
    let cash = sum_of(shape, &Account::Cash(provider));
    let from = sum_of(shape, &Account::Balance(desk.rp)) + sum_of(shape, &Account::Chargebacks(desk.rp));
    if (cash, from) != (-row.micros, row.micros) {
        desk.find("ledger-postings", id, format!("{} micros of {}", row.micros, row.reference), words(shape));
    }
}

fn covered(desk: &mut Desk<'_>, id: &str, shape: &Shape) -> anyhow::Result<i64> {
    let (rp, micros) = (desk.rp, sum_of(shape, &Account::Balance(desk.rp)));
    let expected =
        Balanced::transfer(Account::Balance(rp), Account::Chargebacks(rp), Micros::new(micros.max(0)))?;
    if lines(&expected) != shape.2 {
        desk.find("ledger-postings", id, "from the balance to what was taken back", words(shape));
    }
    Ok(micros)
}

/// Balances that are kept in rows, against the ledger.
fn kept(conn: &mut Conn, desk: &mut Desk<'_>, chargebacks: &Chargebacks, covers: i64) -> anyhow::Result<()> {
    let rp = desk.rp;
    let sums: BTreeMap<String, i64> =
        rows::accounts(conn, rp)?.into_iter().map(|sum| (sum.account, sum.micros)).collect();
    let sum = |account: Account| sums.get(&account.to_string()).copied().unwrap_or(0);
    let balance: i64 = rows::balance(conn, rp)?.iter().map(|row| row.micros).sum();
    desk.compare("balance", &rp.to_string(), -sum(Account::Balance(rp)), balance);
    let short: i64 = chargebacks.values().map(|row| row.short).sum();
    if sum(Account::Chargebacks(rp)) != short {
        let found = format!("{short} owed, {covers} paid back");
        desk.find("balance", &Account::Chargebacks(rp).to_string(), sum(Account::Chargebacks(rp)), found);
    }
    let mut left: BTreeMap<&'static str, i64> = BTreeMap::new();
    for pack in rows::packs(conn, rp)? {
        if let Some(service) = crate::billing::price::Service::parse(&pack.service) {
            *left.entry(service.as_str()).or_default() += pack.remaining;
        }
    }
    for service in crate::billing::price::Service::ALL {
        let (account, kept) = (Account::Packs(rp, service), left.get(service.as_str()).copied().unwrap_or(0));
        desk.compare("pack-remaining", &account.to_string(), sum(account), kept);
    }
    Ok(())
}
