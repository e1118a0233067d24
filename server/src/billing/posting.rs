//! Double entry: every transaction's postings sum to zero, by construction.

use std::fmt;

use wallet_core::ids::RelyingPartyId;
use wallet_core::money::{Micros, MoneyOverflow};

use super::price::Service;

/// Where money stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// What a relying party owes for use.
    Receivable(RelyingPartyId),
    /// What a service earned.
    Revenue(Service),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Receivable(rp) => write!(f, "rp:{rp}:receivable"),
            Account::Revenue(service) => write!(f, "revenue:{}", service.as_str()),
        }
    }
}

/// One line of a transaction: debits are positive, credits negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Which account.
    pub account: Account,
    /// By how much.
    pub micros: Micros,
}

/// Postings that sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balanced(Vec<Posting>);

impl Balanced {
    /// Moves `amount` from the account of the credit to that of the debit.
    pub fn transfer(debit: Account, credit: Account, amount: Micros) -> Result<Balanced, MoneyOverflow> {
        let against = amount.negated()?;
        Ok(Balanced(vec![
            Posting { account: debit, micros: amount },
            Posting { account: credit, micros: against },
        ]))
    }

    /// A use on account: the relying party owes, the service earned.
    pub fn for_use(rp: RelyingPartyId, service: Service, price: Micros) -> Result<Balanced, MoneyOverflow> {
        Balanced::transfer(Account::Receivable(rp), Account::Revenue(service), price)
    }

    /// The lines.
    pub fn postings(&self) -> &[Posting] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_use_sums_to_zero_at_any_price(price in 0i64..=i64::MAX) {
            let rp = RelyingPartyId::new(jiff::Timestamp::UNIX_EPOCH, &mut rand::rng());
            let balanced = Balanced::for_use(rp, Service::EcertRedeem, Micros::new(price)).unwrap();
            let sum: i128 = balanced.postings().iter().map(|posting| i128::from(posting.micros.get())).sum();
            prop_assert_eq!(sum, 0);
        }
    }
}
