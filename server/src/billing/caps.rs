//! Caps: bounds that a relying party sets on what it spends on account in a natural day.
//!
//! A use from a pack spends nothing and passes every cap.

use wallet_core::ids::{ApiKeyId, CapId};
use wallet_core::money::{Micros, MoneyOverflow};

/// Whose spending a cap bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the relying party's.
    RelyingParty,
    /// That of one API key.
    ApiKey(ApiKeyId),
    /// That for one registered purpose.
    Purpose(String),
}

/// What a cap does when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Tells, once a day.
    Soft,
    /// Refuses.
    Hard,
}

/// A bound on the spending of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    id: CapId,
    scope: Scope,
    kind: Kind,
    micros: Micros,
}

/// Why there is no such cap, or none can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// To spend nothing at all, suspend the key or the purpose.
    #[error("a cap must be more than zero")]
    NotPositive,
    /// A price or what was spent is below zero.
    #[error("a price, or what was spent, is below zero")]
    Negative,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

impl Cap {
    /// A cap of more than zero. It may lie below what was spent today: a hard one then refuses from now on.
    ///
    /// # Errors
    /// [`CapError::NotPositive`].
    pub fn new(id: CapId, scope: Scope, kind: Kind, micros: Micros) -> Result<Cap, CapError> {
        if micros <= Micros::ZERO {
            return Err(CapError::NotPositive);
        }
        Ok(Cap { id, scope, kind, micros })
    }

    /// Which.
    pub fn id(&self) -> CapId {
        self.id
    }

    /// Whose spending it bounds.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What it does.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How much may be spent in a day.
    pub fn micros(&self) -> Micros {
        self.micros
    }

    /// Whether it bounds a use by this key for this purpose; a use without either is bound by none for these.
    pub fn applies(&self, key: Option<ApiKeyId>, purpose: Option<&str>) -> bool {
        match &self.scope {
            Scope::RelyingParty => true,
            Scope::ApiKey(own) => key == Some(*own),
            Scope::Purpose(own) => purpose == Some(own.as_str()),
        }
    }
}

/// A cap that applies to a use, and its day so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The cap.
    pub cap: Cap,
    /// What was spent on account today within its scope.
    pub spent: Micros,
    /// Whether it was told today that the cap is reached.
    pub told: bool,
}

/// What caps say to a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Allow,
    /// The use goes on; tell that these soft caps are reached by it.
    Notify(Vec<CapId>),
    /// It would pass this hard cap: of several the one that leaves the least, of those the oldest.
    Refuse(CapId),
}

/// Judges a use that would cost `price` on account. A hard cap may be spent to the last micro-yuan; a soft one is reached by that.
///
/// # Errors
/// [`CapError::Negative`], [`CapError::Overflow`].
pub fn check(caps: &[Spending], price: Micros) -> Result<Verdict, CapError> {
    if price.is_negative() || caps.iter().any(|cap| cap.spent.is_negative()) {
        return Err(CapError::Negative);
    }
    if price == Micros::ZERO {
        return Ok(Verdict::Allow);
    }
    let (mut refused, mut reached) = (Vec::new(), Vec::new());
    for Spending { cap, spent, told } in caps {
        let left = cap.micros.minus(*spent)?.minus(price)?;
        match cap.kind {
            Kind::Hard if left.is_negative() => refused.push((left, cap.id)),
            Kind::Soft if left <= Micros::ZERO && !told => reached.push(cap.id),
            Kind::Hard | Kind::Soft => {}
        }
    }
    Ok(match refused.into_iter().min() {
        Some((_, cap)) => Verdict::Refuse(cap),
        None if reached.is_empty() => Verdict::Allow,
        None => Verdict::Notify(reached),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cap(number: u128, scope: Scope, kind: Kind, micros: i64) -> Cap {
        Cap::new(CapId::from_bytes(number.to_be_bytes()), scope, kind, Micros::new(micros)).unwrap()
    }

    fn key(number: u8) -> ApiKeyId {
        ApiKeyId::from_bytes([number; 16])
    }

    /// A day of uses: who, what for, at what price.
    fn day() -> impl Strategy<Value = Vec<(u8, bool, i64)>> {
        prop::collection::vec((0_u8..2, any::<bool>(), 0_i64..40), 0..60)
    }

    fn caps() -> impl Strategy<Value = Vec<Cap>> {
        let scope = prop_oneof![
            Just(Scope::RelyingParty),
            (0_u8..2).prop_map(|number| Scope::ApiKey(key(number))),
            Just(Scope::Purpose("age".to_owned())),
        ];
        let one = (scope, any::<bool>(), 1_i64..400);
        prop::collection::vec(one, 0..5).prop_map(|caps| {
            let kind = |hard| if hard { Kind::Hard } else { Kind::Soft };
            (0..).zip(caps).map(|(id, (scope, hard, micros))| cap(id, scope, kind(hard), micros)).collect()
        })
    }

    proptest! {
        #[test]
        fn no_hard_cap_is_passed_in_a_day_and_each_soft_one_tells_once(caps in caps(), day in day()) {
            let fresh = |cap| Spending { cap, spent: Micros::ZERO, told: false };
            let mut book: Vec<Spending> = caps.into_iter().map(fresh).collect();
            let mut told = Vec::new();
            for (number, aged, price) in day {
                let purpose = aged.then_some("age");
                let applies = |spending: &Spending| spending.cap.applies(Some(key(number)), purpose);
                let bound: Vec<Spending> = book.iter().filter(|one| applies(one)).cloned().collect();
                match check(&bound, Micros::new(price)).unwrap() {
                    Verdict::Refuse(id) => {
                        let cap = bound.iter().find(|one| one.cap.id() == id).unwrap();
                        prop_assert_eq!(cap.cap.kind(), Kind::Hard);
                        prop_assert!(cap.spent.get() + price > cap.cap.micros().get());
                        continue;
                    }
                    Verdict::Notify(reached) => told.extend(reached),
                    Verdict::Allow => {}
                }
                for spending in book.iter_mut().filter(|one| applies(one)) {
                    spending.spent = spending.spent.plus(Micros::new(price)).unwrap();
                    spending.told |= told.contains(&spending.cap.id());
                }
            }
            for Spending { cap, spent, .. } in book {
                let times = told.iter().filter(|id| **id == cap.id()).count();
                match cap.kind() {
                    Kind::Hard => prop_assert!(spent <= cap.micros() && times == 0),
                    Kind::Soft => prop_assert_eq!(times, usize::from(spent >= cap.micros())),
                }
            }
        }
    }

    fn spending(kind: Kind, micros: i64, spent: i64) -> Spending {
        Spending { cap: cap(1, Scope::RelyingParty, kind, micros), spent: Micros::new(spent), told: false }
    }

    #[test]
    fn a_cap_may_be_spent_whole_and_one_below_what_was_spent_refuses() {
        let id = CapId::from_bytes(1_u128.to_be_bytes());
        let verdict =
            |kind, micros, spent, price| check(&[spending(kind, micros, spent)], Micros::new(price));
        assert_eq!(verdict(Kind::Hard, 10, 9, 1), Ok(Verdict::Allow));
        assert_eq!(verdict(Kind::Hard, 10, 9, 2), Ok(Verdict::Refuse(id)));
        assert_eq!(verdict(Kind::Hard, 10, 50, 1), Ok(Verdict::Refuse(id)));
        assert_eq!(verdict(Kind::Hard, 10, 50, 0), Ok(Verdict::Allow));
        assert_eq!(verdict(Kind::Soft, 10, 9, 1), Ok(Verdict::Notify(vec![id])));
        assert_eq!(verdict(Kind::Soft, 10, 8, 1), Ok(Verdict::Allow));
    }

    #[test]
    fn the_tightest_hard_cap_refuses_and_a_refused_use_tells_nothing() {
        let named = |number, kind, micros| Spending {
            cap: cap(number, Scope::RelyingParty, kind, micros),
            spent: Micros::new(10),
            told: false,
        };
        let caps = [
            named(1, Kind::Soft, 5),
            named(4, Kind::Hard, 11),
            named(3, Kind::Hard, 10),
            named(2, Kind::Hard, 12),
        ];
        assert_eq!(check(&caps, Micros::new(9)), Ok(Verdict::Refuse(caps[2].cap.id())));
    }

    #[test]
    fn caps_of_nothing_and_negative_amounts_are_refused() {
        for micros in [0, -1, i64::MIN] {
            let refused =
                Cap::new(CapId::from_bytes([0; 16]), Scope::RelyingParty, Kind::Soft, Micros::new(micros));
            assert_eq!(refused, Err(CapError::NotPositive));
        }
        assert_eq!(check(&[], Micros::new(-1)), Err(CapError::Negative));
        assert_eq!(check(&[spending(Kind::Soft, 1, -1)], Micros::ZERO), Err(CapError::Negative));
        let huge = check(&[spending(Kind::Hard, 1, i64::MAX)], Micros::new(i64::MAX));
        assert_eq!(huge, Err(CapError::Overflow(MoneyOverflow)));
    }
}
