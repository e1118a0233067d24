//! Paying statements from the balance: when a statement is made, and whenever money comes in.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wallet_core::ids::{LedgerTransactionId, RelyingPartyId};
use wallet_core::money::Micros;

use super::telling::{self, Moments};
use crate::billing::arrears::{self, Owed, OwedFrom, Standing};
use crate::billing::posting::Balanced;
use crate::stop::Flow;
use crate::store::statements::{self, Statement};
use crate::store::{Conn, balances, ledger, relying_parties};

/// Pays what is owed as far as the balance reaches, the oldest statement first, and after the statements the late fees; then notes how the
/// relying party stands. In the transaction of whatever gave the occasion.
pub(super) fn settle_owed(zone: &TimeZone, conn: &mut Conn, rp: RelyingPartyId, at: Moments) -> Flow<()> {
    let now = at.happened;
    let open = statements::owed(conn, rp)?;
    let owed: Vec<Owed> = open.iter().filter_map(owed_of).collect();
    let settled = arrears::settle(balances::of(conn, rp)?, &owed)?;
    // A statement of uses from packs alone has nothing to be paid.
    for statement in open.iter().filter(|one| one.settled_at.is_none() && one.paid == one.micros) {
        let transaction = LedgerTransactionId::new(now, &mut rand::rng());
        statements::pay(conn, statement, Micros::ZERO, Some(Micros::ZERO), (transaction, now))?;
    }
    for paid in settled.paid {
        if let Some(statement) = open.iter().find(|statement| statement.id == paid.statement) {
            pay(zone, conn, statement, paid.micros, now)?;
        }
    }
    collect_late_fees(conn, rp, now)?;
    let standing = Standing::of(&settled.still_owed);
    let before = relying_parties::set_standing(conn, rp, standing)?;
    telling::standing(conn, rp, (before, standing), at)
}

/// What is owed of a statement; nothing of one that is paid.
pub(super) fn owed_of(statement: &Statement) -> Option<Owed> {
    let micros = statement.micros.minus(statement.paid).unwrap_or(Micros::ZERO);
    let is_open = statement.settled_at.is_none();
    is_open.then_some(Owed { statement: statement.id, due: statement.closed_at, micros })
}

fn pay(zone: &TimeZone, conn: &mut Conn, statement: &Statement, micros: Micros, now: Timestamp) -> Flow<()> {
    let (rp, transaction) = (statement.rp, LedgerTransactionId::new(now, &mut rand::rng()));
    take(conn, rp, micros, transaction)?;
    let postings = Balanced::settled(rp, micros)?;
    ledger::post(conn, rp, transaction, "settlement", &postings, now)?;
    let is_last = statement.paid.plus(micros)? == statement.micros;
    let fee = if is_last { Some(late_fee(zone, conn, statement, now)?) } else { None };
    Ok(statements::pay(conn, statement, micros, fee, (transaction, now))?)
}

/// The late fee of a statement as of `now`, whether it is paid or not.
pub(super) fn late_fee(
    zone: &TimeZone,
    conn: &mut Conn,
    statement: &Statement,
    now: Timestamp,
) -> Flow<Micros> {
    if statement.settled_at.is_some() {
        return Ok(statement.late_fee);
    }
    let mut owed = vec![OwedFrom { from: statement.closed_at, micros: statement.micros }];
    let mut left = statement.micros;
    for (at, paid) in statements::payments(conn, statement.rp, &statement.period)? {
        left = left.minus(paid)?;
        owed.push(OwedFrom { from: at, micros: left });
    }
    Ok(arrears::late_fee(&owed, statement.closed_at, now, zone)?)
}

/// Late fees are fixed by the last payment of their statement, and taken whole when the balance reaches; being owed alone they suspend
/// nobody, and bear no fee of their own.
fn collect_late_fees(conn: &mut Conn, rp: RelyingPartyId, now: Timestamp) -> Flow<()> {
    for statement in statements::owed(conn, rp)? {
        let transaction = LedgerTransactionId::new(now, &mut rand::rng());
        let is_due = statement.settled_at.is_some();
        if is_due && balances::take(conn, rp, statement.late_fee, transaction)? {
            let claimed = Balanced::late_fee(rp, statement.late_fee)?;
            let paid = Balanced::settled(rp, statement.late_fee)?;
            let postings = claimed.and(paid);
            ledger::post(conn, rp, transaction, "late_fee", &postings, now)?;
            statements::pay_late_fee(conn, rp, &statement.period, now)?;
        }
    }
    Ok(())
}

fn take(conn: &mut Conn, rp: RelyingPartyId, micros: Micros, with: LedgerTransactionId) -> Flow<()> {
    if balances::take(conn, rp, micros, with)? {
        return Ok(());
    }
    Err(anyhow::anyhow!("a balance is less than was read of it in the same transaction").into())
}
