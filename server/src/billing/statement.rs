//! A statement: the charges of a period folded into items, and the root of the tree over their receipts.
//!
//! Prices are whole micro-yuan, so an item is an exact sum and there is nothing to round.

use std::collections::BTreeMap;

use wallet_core::ids::{ChargeId, PackId};
use wallet_core::log::Hash;
use wallet_core::money::{Amount, Currency, Micros, MoneyOverflow};
use wallet_core::statement::Item;

use super::merkle::Tree;
use super::price::Service;

/// A charge, as it is folded.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Which.
    pub id: ChargeId,
    /// Of what.
    pub service: Service,
    /// The price list in force when the use was submitted.
    pub price_version: &'a str,
    /// The pack that the use drew one unit from; `None` on account.
    pub pack: Option<PackId>,
    /// What it cost on account; zero from a pack.
    pub micros: Micros,
    /// Its receipt's leaf: `wallet_core::receipt::statement_leaf`.
    pub leaf: Hash,
}

/// What charges came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// How many uses.
    pub uses: u64,
    /// How many of them drew a unit of a pack.
    pub units: u64,
    /// What the others cost.
    pub micros: Micros,
}

impl Sums {
    const NOTHING: Sums = Sums { uses: 0, units: 0, micros: Micros::ZERO };

    fn plus(self, other: Sums) -> Result<Sums, MoneyOverflow> {
        let micros = self.micros.plus(other.micros)?;
        Ok(Sums { uses: self.uses + other.uses, units: self.units + other.units, micros })
    }
}

/// What the charges of an item have in common. In the order of a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// Of what.
    pub service: Service,
    /// By which price list.
    pub price_version: String,
    /// From which pack; `None` on account.
    pub pack: Option<PackId>,
}

/// A statement's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// By service, price list and pack.
    pub items: Vec<(ItemKey, Sums)>,
    /// The sum of the items.
    pub totals: Sums,
    /// The root over the receipts of its charges, by the charges' ids.
    pub root: Hash,
}

impl ItemKey {
    /// As it is signed, and shown.
    pub fn stated(&self, sums: &Sums) -> Item {
        Item {
            service: self.service.as_str().to_owned(),
            price_version: self.price_version.clone(),
            pack: self.pack,
            uses: sums.uses,
            amount: Amount { currency: Currency::Cny, micros: sums.micros },
        }
    }
}

impl Statement {
    /// Its items, as they are signed.
    pub fn stated(&self) -> Vec<Item> {
        self.items.iter().map(|(key, sums)| key.stated(sums)).collect()
    }
}

/// A charge that does not belong where it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The charges are not by their ids, or one came twice.
    #[error("charge {0} is out of order, or a second time")]
    Order(ChargeId),
    /// Below zero, or a draw from a pack that costs.
    #[error("charge {0} has a price that it can't have")]
    Price(ChargeId),
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

/// Folds charges, one at a time and in the order of their ids, in the memory of the items: as many as there are services, price lists and
/// packs, however many charges.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    last: Option<ChargeId>,
    items: BTreeMap<ItemKey, Sums>,
    tree: Tree,
}

impl Tally {
    /// Adds the next charge; nothing is added when it is refused.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn add(&mut self, charge: &Charge<'_>) -> Result<(), StatementError> {
        if self.last.is_some_and(|last| charge.id <= last) {
            return Err(StatementError::Order(charge.id));
        }
        let free = charge.pack.is_none() || charge.micros == Micros::ZERO;
        if charge.micros.is_negative() || !free {
            return Err(StatementError::Price(charge.id));
        }
        let one = Sums { uses: 1, units: u64::from(charge.pack.is_some()), micros: charge.micros };
        let price_version = charge.price_version.to_owned();
        let key = ItemKey { service: charge.service, price_version, pack: charge.pack };
        let sums = self.items.get(&key).copied().unwrap_or(Sums::NOTHING).plus(one)?;
        self.items.insert(key, sums);
        self.tree.push(charge.leaf);
        self.last = Some(charge.id);
        Ok(())
    }

    /// The statement over all that was added.
    ///
    /// # Errors
    /// [`StatementError::Overflow`].
    pub fn finish(self) -> Result<Statement, StatementError> {
        let totals = self.items.values().try_fold(Sums::NOTHING, |sum, item| sum.plus(*item))?;
        Ok(Statement { items: self.items.into_iter().collect(), totals, root: self.tree.finish().root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wallet_core::log::proof::includes;
    use wallet_core::log::tree::empty_root;
    use wallet_core::receipt::statement_leaf;

    const VERSIONS: [&str; 2] = ["list-1", "list-2"];

    #[derive(Debug, Clone)]
    struct Use(usize, usize, Option<u128>, i64);

    fn uses() -> impl Strategy<Value = Vec<Use>> {
        let one = (0..Service::ALL.len(), 0..2_usize, prop::option::of(0_u128..3), 0_i64..2_000_000);
        let one = one.prop_map(|(service, version, pack, micros)| Use(service, version, pack, micros));
        prop::collection::vec(one, 0..60)
    }

    fn charge(number: usize, of: &Use) -> Charge<'static> {
        let Use(service, version, pack, micros) = of;
        let pack = pack.map(|pack| PackId::from_bytes(pack.to_be_bytes()));
        Charge {
            id: ChargeId::from_bytes((number as u128).to_be_bytes()),
            service: Service::ALL[*service],
            price_version: VERSIONS[*version],
            pack,
            micros: if pack.is_some() { Micros::ZERO } else { Micros::new(*micros) },
            leaf: statement_leaf(&format!("{number} {of:?}")),
        }
    }

    fn statement(uses: &[Use]) -> Statement {
        let mut tally = Tally::default();
        (0..).zip(uses).for_each(|(number, of)| tally.add(&charge(number, of)).unwrap());
        tally.finish().unwrap()
    }

    proptest! {
        #[test]
        fn items_and_totals_are_all_of_the_charges_in_any_order(
            (uses, shuffled) in uses().prop_flat_map(|uses| (Just(uses.clone()), Just(uses).prop_shuffle())),
        ) {
            let whole = statement(&uses);
            let on_account = || uses.iter().filter(|of| of.2.is_none());
            prop_assert_eq!(whole.totals.uses, uses.len() as u64);
            prop_assert_eq!(whole.totals.units, (uses.len() - on_account().count()) as u64);
            prop_assert_eq!(whole.totals.micros.get(), on_account().map(|of| of.3).sum::<i64>());
            prop_assert_eq!(whole.totals.uses, whole.items.iter().map(|(_, sums)| sums.uses).sum::<u64>());
            prop_assert_eq!(whole.totals.units, whole.items.iter().map(|(_, sums)| sums.units).sum::<u64>());
            prop_assert!(whole.items.iter().all(|(_, sums)| !sums.micros.is_negative() && sums.uses > 0));
            prop_assert!(whole.items.is_sorted_by(|one, next| one.0 < next.0));

            prop_assert_eq!(&statement(&uses), &whole);
            let shuffled = statement(&shuffled);
            prop_assert_eq!((shuffled.items, shuffled.totals), (whole.items, whole.totals));
        }

        #[test]
        fn every_line_proves_itself_and_no_other(uses in uses()) {
            let root = statement(&uses).root;
            for (number, of) in uses.iter().enumerate() {
                let (index, size) = (number as u64, uses.len() as u64);
                let mut tree = Tree::watching(index);
                (0..).zip(&uses).for_each(|(number, of)| tree.push(charge(number, of).leaf));
                let path = tree.finish().path.unwrap();
                prop_assert!(includes(&charge(number, of).leaf, index, size, &root, &path));
                let changed = Use(of.0, of.1, of.2, of.3 + 1);
                prop_assert!(!includes(&charge(number, &changed).leaf, index, size, &root, &path));
            }
        }
    }

    #[test]
    fn a_charge_twice_out_of_order_negative_or_paid_twice_is_refused_and_changes_nothing() {
        let of = Use(0, 0, None, 5);
        let mut tally = Tally::default();
        tally.add(&charge(2, &of)).unwrap();
        assert_eq!(tally.add(&charge(2, &of)), Err(StatementError::Order(charge(2, &of).id)));
        assert_eq!(tally.add(&charge(1, &of)), Err(StatementError::Order(charge(1, &of).id)));
        let negative = Charge { micros: Micros::new(-1), ..charge(3, &of) };
        assert_eq!(tally.add(&negative), Err(StatementError::Price(negative.id)));
        let from_pack = Charge { micros: Micros::new(1), ..charge(3, &Use(0, 0, Some(1), 0)) };
        assert_eq!(tally.add(&from_pack), Err(StatementError::Price(from_pack.id)));
        let huge = Charge { micros: Micros::new(i64::MAX), ..charge(3, &of) };
        assert_eq!(tally.add(&huge), Err(StatementError::Overflow(MoneyOverflow)));
        let mut alone = Tally::default();
        alone.add(&charge(2, &of)).unwrap();
        assert_eq!(tally.finish().unwrap(), alone.finish().unwrap());
    }

    #[test]
    fn a_day_without_charges_has_a_statement_too() {
        let empty = Tally::default().finish().unwrap();
        assert_eq!((empty.items.len(), empty.totals, empty.root), (0, Sums::NOTHING, empty_root()));
    }
}
