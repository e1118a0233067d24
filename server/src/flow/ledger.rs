//! Looking at the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wallet_core::ids::AdminId;

use super::Context;
use crate::stop::Flow;
use crate::store::audit::{self, Entry};
use crate::store::ledger;

/// Every account's balance, and their sum.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrialBalance {
    /// How many transactions there are.
    pub transactions: i64,
    /// Account to micro-yuan; debits are positive.
    pub accounts: BTreeMap<String, i64>,
    /// Zero, or something is very wrong.
    pub sum_micros: i64,
}

/// The trial balance as of now.
pub fn trial_balance(ctx: &Context, admin: AdminId) -> Flow<TrialBalance> {
    let now = ctx.now();
    ctx.store.write(|conn| {
        let balances = ledger::balances(conn)?;
        let total: i128 = balances.values().sum();
        let narrow = |micros: i128| i64::try_from(micros).map_err(|_| wallet_core::money::MoneyOverflow);
        let accounts = balances.into_iter().map(|(account, micros)| Ok((account, narrow(micros)?)));
        let accounts = accounts.collect::<Result<_, wallet_core::money::MoneyOverflow>>()?;
        let actor = admin.to_string();
        let entry = Entry { actor: &actor, action: "ledger.read", object: "trial_balance", outcome: "done" };
        audit::append(conn, &entry, now)?;
        Ok(TrialBalance { transactions: ledger::count(conn)?, accounts, sum_micros: narrow(total)? })
    })
}
