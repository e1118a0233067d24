//! The double-entry ledger, append-only.
//!
//! Invariant: the postings of a transaction sum to zero. [`post`] takes a [`Balanced`] list, which can't be made otherwise.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::LedgerTransactionId;
use wallet_core::money::Currency;

use super::Conn;
use super::schema::{ledger_transactions as transactions, postings};
use crate::billing::posting::Balanced;

/// Appends a transaction.
pub fn post(
    conn: &mut Conn,
    id: LedgerTransactionId,
    kind: &'static str,
    balanced: &Balanced,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        transactions::id.eq(id.to_string()),
        transactions::kind.eq(kind),
        transactions::posted_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(transactions::table).values(row).execute(conn)?;
    for (line, posting) in (0_i64..).zip(balanced.postings()) {
        let row = (
            postings::transaction_id.eq(id.to_string()),
            postings::line.eq(line),
            postings::account.eq(posting.account.to_string()),
            postings::currency.eq(Currency::Cny.code()),
            postings::micros.eq(posting.micros.get()),
        );
        diesel::insert_into(postings::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Every account's balance in micro-yuan, summed exactly from the postings. Not a column of sums, so that there is
/// nothing to disagree with; a table of balances comes when the ledger is too long for this.
pub fn balances(conn: &mut Conn) -> QueryResult<BTreeMap<String, i128>> {
    let rows = postings::table.select((postings::account, postings::micros)).load::<(String, i64)>(conn)?;
    let mut balances = BTreeMap::new();
    for (account, micros) in rows {
        *balances.entry(account).or_insert(0) += i128::from(micros);
    }
    Ok(balances)
}

/// The number of transactions.
pub fn count(conn: &mut Conn) -> QueryResult<i64> {
    transactions::table.count().get_result(conn)
}
