//! Double entry: every transaction's postings sum to zero in each unit, by construction.

use std::collections::BTreeMap;

use wallet_core::ids::RelyingPartyId;
use wallet_core::money::{Micros, MoneyOverflow};

use super::account::{Account, Provider, Unit};
use super::price::Service;

/// One line of a transaction: debits are positive, credits negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Which account.
    pub account: Account,
    /// By how much: micro-yuan, or units where the account counts units.
    pub micros: Micros,
}

impl Posting {
    /// What it counts, which its account says.
    pub fn unit(&self) -> Unit {
        self.account.unit()
    }
}

/// Postings that sum to zero in each unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balanced(Vec<Posting>);

/// Why there is no such transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostingError {
    /// Below zero: what goes the other way is another transaction.
    #[error("an amount to post is below zero")]
    Negative,
    /// Money can't become units, nor units money.
    #[error("a transfer between an account of money and one of units")]
    Unit,
    /// Lines that do not sum to zero.
    #[error("the postings of a transaction do not sum to zero")]
    Unbalanced,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

/// Where the money for something comes from, or goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purse {
    /// The balance of the relying party.
    Balance,
    /// Money that moves outside.
    Cash(Provider),
}

impl Purse {
    fn account(self, rp: RelyingPartyId) -> Account {
        match self {
            Purse::Balance => Account::Balance(rp),
            Purse::Cash(provider) => Account::Cash(provider),
        }
    }
}

impl Balanced {
    /// Moves `amount` from the account of the credit to that of the debit.
    ///
    /// # Errors
    /// [`PostingError::Negative`], and [`PostingError::Unit`] when the accounts do not count the same.
    pub fn transfer(debit: Account, credit: Account, amount: Micros) -> Result<Balanced, PostingError> {
        if amount.is_negative() {
            return Err(PostingError::Negative);
        }
        if debit.unit() != credit.unit() {
            return Err(PostingError::Unit);
        }
        Ok(pair(debit, credit, amount)?)
    }

    /// A transaction from its lines, as a replay reads them.
    ///
    /// # Errors
    /// [`PostingError::Unbalanced`].
    pub fn from_postings(postings: Vec<Posting>) -> Result<Balanced, PostingError> {
        let mut sums: BTreeMap<Unit, i128> = BTreeMap::new();
        for posting in &postings {
            *sums.entry(posting.unit()).or_default() += i128::from(posting.micros.get());
        }
        if postings.is_empty() || sums.values().any(|sum| *sum != 0) {
            return Err(PostingError::Unbalanced);
        }
        Ok(Balanced(postings))
    }

    /// This and another as one transaction.
    #[must_use]
    pub fn and(mut self, other: Balanced) -> Balanced {
        self.0.extend(other.0);
        self
    }

    /// What undoes this one: the same lines on the other side.
    ///
    /// # Errors
    /// [`MoneyOverflow`], for a line of -2⁶³, which no constructor here makes.
    pub fn reversed(&self) -> Result<Balanced, MoneyOverflow> {
        let other_side = |posting: &Posting| {
            let micros = posting.micros.negated()?;
            Ok(Posting { account: posting.account.clone(), micros })
        };
        self.0.iter().map(other_side).collect::<Result<_, _>>().map(Balanced)
    }

    /// The lines.
    pub fn postings(&self) -> &[Posting] {
        &self.0
    }

    /// A use on account: the relying party owes, the service earned.
    pub fn for_use(rp: RelyingPartyId, service: Service, price: Micros) -> Result<Balanced, MoneyOverflow> {
        pair(Account::Receivable(rp), Account::Revenue(service), price)
    }

    /// A use from a pack: units are used up, no money moves.
    pub fn pack_use(rp: RelyingPartyId, service: Service, units: i64) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Used(service), Account::Packs(rp, service), Micros::new(units))
    }

    /// Money came in and is the relying party's.
    pub fn top_up(rp: RelyingPartyId, provider: Provider, amount: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Cash(provider), Account::Balance(rp), amount)
    }

    /// Money of the relying party's goes back by the way it came.
    pub fn refund(rp: RelyingPartyId, provider: Provider, amount: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Balance(rp), Account::Cash(provider), amount)
    }

    /// A pack is paid for: owed to the relying party in units until they are drawn, so not earned yet.
    pub fn pack_bought(rp: RelyingPartyId, from: Purse, paid: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(from.account(rp), Account::DeferredPacks, paid)
    }

    /// Units are the relying party's, bought or for nothing.
    pub fn units_granted(rp: RelyingPartyId, service: Service, units: i64) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Packs(rp, service), Account::Granted(service), Micros::new(units))
    }

    /// Units expired.
    pub fn units_voided(rp: RelyingPartyId, service: Service, units: i64) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Void(service), Account::Packs(rp, service), Micros::new(units))
    }

    /// A part of what was paid for a pack is earned: its units were drawn, or are void.
    pub fn pack_earned(service: Service, amount: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::DeferredPacks, Account::Revenue(service), amount)
    }

    /// A pack is given back: what is left of it is void, and what is paid back of it was not earned yet.
    pub fn pack_returned(
        rp: RelyingPartyId,
        service: Service,
        units: i64,
        to: Purse,
        paid_back: Micros,
    ) -> Result<Balanced, PostingError> {
        let money = Balanced::transfer(Account::DeferredPacks, to.account(rp), paid_back)?;
        Ok(Balanced::units_voided(rp, service, units)?.and(money))
    }

    /// A statement, or a late fee that was posted, is paid from the balance, whole or in part.
    pub fn settled(rp: RelyingPartyId, amount: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Balance(rp), Account::Receivable(rp), amount)
    }

    /// A late fee is claimed or paid: from then on it is owed as a use is.
    pub fn late_fee(rp: RelyingPartyId, amount: Micros) -> Result<Balanced, PostingError> {
        Balanced::transfer(Account::Receivable(rp), Account::LateFees, amount)
    }
}

fn pair(debit: Account, credit: Account, amount: Micros) -> Result<Balanced, MoneyOverflow> {
    let against = amount.negated()?;
    Ok(Balanced(vec![
        Posting { account: debit, micros: amount },
        Posting { account: credit, micros: against },
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::account::tests::accounts;
    use super::*;
    use proptest::prelude::*;

    const RP: fn() -> RelyingPartyId = || RelyingPartyId::from_bytes([1; 16]);

    fn bank() -> Provider {
        Provider::parse("bank").unwrap()
    }

    /// Every kind of transaction, with these amounts of money and units.
    fn every_kind(service: Service, money: Micros, units: i64) -> Vec<Result<Balanced, PostingError>> {
        let (rp, cash) = (RP(), Purse::Cash(bank()));
        vec![
            Balanced::pack_use(rp, service, units),
            Balanced::top_up(rp, bank(), money),
            Balanced::refund(rp, bank(), money),
            Balanced::pack_bought(rp, Purse::Balance, money),
            Balanced::pack_bought(rp, cash.clone(), money),
            Balanced::units_granted(rp, service, units),
            Balanced::units_voided(rp, service, units),
            Balanced::pack_earned(service, money),
            Balanced::pack_returned(rp, service, units, cash, money),
            Balanced::settled(rp, money),
            Balanced::late_fee(rp, money),
        ]
    }

    fn sums(transactions: &[Balanced]) -> BTreeMap<Account, i128> {
        let mut sums = BTreeMap::new();
        for posting in transactions.iter().flat_map(Balanced::postings) {
            *sums.entry(posting.account.clone()).or_default() += i128::from(posting.micros.get());
        }
        sums
    }

    proptest! {
        #[test]
        fn a_use_sums_to_zero_at_any_price(price in 0i64..=i64::MAX) {
            let balanced = Balanced::for_use(RP(), Service::EcertRedeem, Micros::new(price)).unwrap();
            let sum: i128 = balanced.postings().iter().map(|posting| i128::from(posting.micros.get())).sum();
            prop_assert_eq!(sum, 0);
        }

        #[test]
        fn every_kind_balances_in_each_unit_and_its_reversal_undoes_it(
            money in 0..=i64::MAX, units in 0..=i64::MAX, service in prop::sample::select(&Service::ALL),
        ) {
            for balanced in every_kind(service, Micros::new(money), units) {
                let balanced = balanced.unwrap();
                prop_assert_eq!(Balanced::from_postings(balanced.postings().to_vec()), Ok(balanced.clone()));
                let undone = sums(&[balanced.reversed().unwrap(), balanced]);
                prop_assert!(undone.values().all(|sum| *sum == 0));
            }
        }

        #[test]
        fn nothing_moves_between_money_and_units_and_nothing_negative_moves(
            debit in accounts(), credit in accounts(), amount in any::<i64>(),
        ) {
            let same = debit.unit() == credit.unit();
            let transfer = Balanced::transfer(debit, credit, Micros::new(amount));
            match (amount < 0, same) {
                (true, _) => prop_assert_eq!(transfer, Err(PostingError::Negative)),
                (_, false) => prop_assert_eq!(transfer, Err(PostingError::Unit)),
                _ => prop_assert!(transfer.is_ok()),
            }
        }

        #[test]
        fn lines_are_a_transaction_exactly_when_they_sum_to_zero_in_each_unit(
            mut lines in prop::collection::vec((accounts(), -3_i64..4), 1..6),
        ) {
            let of = |unit: Unit| lines.iter().filter(move |line| line.0.unit() == unit);
            let sum = |unit: Unit| of(unit).map(|line| line.1).sum::<i64>();
            let (money, units) = (sum(Unit::Cny), sum(Unit::Units));
            lines.push((Account::Rounding, -money));
            let post = |(account, amount)| Posting { account, micros: Micros::new(amount) };
            let balanced = Balanced::from_postings(lines.into_iter().map(post).collect());
            prop_assert_eq!(balanced.is_ok(), units == 0);
        }
    }

    #[test]
    fn nothing_negative_is_posted_and_no_empty_transaction() {
        for kind in every_kind(Service::FaceCompare, Micros::new(-1), -1) {
            assert_eq!(kind, Err(PostingError::Negative));
        }
        assert_eq!(Balanced::from_postings(Vec::new()), Err(PostingError::Unbalanced));
    }

    #[test]
    fn a_pack_from_purchase_to_return_leaves_what_the_books_should_say() {
        let (rp, service) = (RP(), Service::FaceLiveness);
        let yuan = |yuan: i64| Micros::new(yuan * 1_000_000);
        let book = [
            Balanced::top_up(rp, bank(), yuan(100)),
            Balanced::pack_bought(rp, Purse::Balance, yuan(60)),
            Balanced::units_granted(rp, service, 6),
            Balanced::pack_use(rp, service, 1),
            Balanced::pack_earned(service, yuan(10)),
            Balanced::pack_returned(rp, service, 5, Purse::Balance, yuan(50)),
            Balanced::for_use(rp, service, yuan(3)).map_err(PostingError::from),
            Balanced::late_fee(rp, yuan(1)),
            Balanced::settled(rp, yuan(4)),
            Balanced::refund(rp, bank(), yuan(86)),
        ];
        let book: Vec<Balanced> = book.into_iter().collect::<Result<_, _>>().unwrap();
        let mut left = sums(&book);
        left.retain(|_, sum| *sum != 0);
        let expected = [
            (Account::Granted(service), -6),
            (Account::Used(service), 1),
            (Account::Void(service), 5),
            (Account::Revenue(service), -13_000_000),
            (Account::LateFees, -1_000_000),
            (Account::Cash(bank()), 14_000_000),
        ];
        assert_eq!(left, BTreeMap::from(expected));
    }
}
