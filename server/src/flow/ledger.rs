//! Looking at the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::AdminId;

use super::Context;
use crate::stop::Flow;
use crate::store::{audit, ledger};

/// Every account's balance, and their sum.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TrialBalance {
    /// How many transactions there are.
    pub transactions: i64,
    /// Account to micro-yuan; debits are positive.
    pub accounts: BTreeMap<String, i64>,
    /// Zero, or something is very wrong.
    pub sum_micros: i64,
}

/// The trial balance as of now. That it was read is on record before it is answered.
pub fn trial_balance(ctx: &Context, admin: AdminId) -> Flow<TrialBalance> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        audit::append(conn, admin, "ledger.read", "trial_balance", "done", now)?;
        let accounts = ledger::balances(conn)?;
        let sum = accounts.values().try_fold(0_i64, |sum, micros| sum.checked_add(*micros));
        let sum_micros = sum.ok_or(wallet_core::money::MoneyOverflow)?;
        Ok(TrialBalance { transactions: ledger::count(conn)?, accounts, sum_micros })
    })
}
