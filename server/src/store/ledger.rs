//! The double-entry ledger, append-only.
//!
//! Invariant: the postings of a transaction sum to zero. [`post`] takes a [`Balanced`] list, which can't be made otherwise.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use jiff::Timestamp;
use wallet_core::ids::{LedgerTransactionId, RelyingPartyId};

use super::Conn;
use super::relying_parties::OF_THE_SANDBOX;
use super::schema::{ledger_transactions as transactions, postings};
use crate::billing::posting::Balanced;

/// Appends a transaction to the book of a relying party.
pub fn post(
    conn: &mut Conn,
    book: RelyingPartyId,
    id: LedgerTransactionId,
    kind: &'static str,
    balanced: &Balanced,
    now: Timestamp,
) -> QueryResult<()> {
    // The postings first: the database then refuses a transaction whose sum is not zero.
    for (line, posting) in (0_i64..).zip(balanced.postings()) {
        let row = (
            postings::book.eq(book.to_string()),
            postings::transaction_id.eq(id.to_string()),
            postings::line.eq(line),
            postings::account.eq(posting.account.to_string()),
            postings::currency.eq(posting.unit().code()),
            postings::micros.eq(posting.micros.get()),
        );
        diesel::insert_into(postings::table).values(row).execute(conn)?;
    }
    let row = (
        transactions::book.eq(book.to_string()),
        transactions::id.eq(id.to_string()),
        transactions::kind.eq(kind),
        transactions::posted_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(transactions::table).values(row).execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Balance {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = BigInt)]
    micros: i64,
}

/// Every account's balance in micro-yuan, summed from the postings of all books but those of the sandbox. Not a column of sums, so that there is nothing to
/// disagree with; materialised balances come when the ledger is too long for this.
pub fn balances(conn: &mut Conn) -> QueryResult<BTreeMap<String, i64>> {
    let sums = format!(
        "SELECT account, CAST(SUM(micros) AS BIGINT) AS micros FROM postings WHERE book NOT IN {OF_THE_SANDBOX} GROUP BY account"
    );
    let balances: Vec<Balance> = diesel::sql_query(sums).load(conn)?;
    Ok(balances.into_iter().map(|balance| (balance.account, balance.micros)).collect())
}

/// The number of transactions in these books.
pub fn count(conn: &mut Conn) -> QueryResult<i64> {
    let live = sql::<Bool>(&format!("book NOT IN {OF_THE_SANDBOX}"));
    transactions::table.filter(live).count().get_result(conn)
}
