//! Promotions: less to pay for what is bought beforehand (A2.4, A2.6). They do not stack unless all that would meet are flagged so.

use std::num::NonZeroU64;

use jiff::Timestamp;
use wallet_core::money::{Micros, MoneyOverflow};

use super::price::Service;

/// A whole in parts: percentages are told exactly to a hundredth.
pub const WHOLE: u32 = 10_000;
const WHOLE_PARTS: NonZeroU64 = NonZeroU64::new(WHOLE as u64).unwrap();

/// How much is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// So many parts of [`WHOLE`] of what is left to pay.
    Percentage(u32),
    /// So much, or all that is left if that is less.
    Amount(Micros),
}

/// A promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its name.
    pub id: String,
    /// How much.
    pub off: Off,
    /// For offers of this service only.
    pub service: Option<Service>,
    /// For this offer only.
    pub offer: Option<String>,
    /// For who names this; without one, for everybody.
    pub coupon: Option<String>,
    /// Whether it may meet others that are stackable.
    pub stackable: bool,
    /// From then on.
    pub valid_from: Timestamp,
    /// Until before then.
    pub valid_until: Timestamp,
}

/// What is bought.
#[derive(Debug, Clone, Copy)]
pub struct Bought<'a> {
    /// The offer.
    pub offer: &'a str,
    /// Its service.
    pub service: Service,
    /// What it costs without promotions: micro-yuan, not below zero.
    pub list: Micros,
}

/// What is to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discounted {
    /// So much: from zero to the list price.
    pub total: Micros,
    /// Because of these, in the order in which they were applied.
    pub applied: Vec<String>,
    /// The first moment at which one of them is over.
    pub until: Option<Timestamp>,
}

/// Why a coupon is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PromotionError {
    /// There is none of that name for this offer now.
    #[error("no such coupon for this offer now")]
    CouponUnusable,
    /// A promotion applies by itself, and one of the two is not stackable.
    #[error("the coupon does not go on top of a promotion")]
    NotStackable,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

impl Promotion {
    fn is_for(&self, bought: &Bought<'_>, now: Timestamp) -> bool {
        self.valid_from <= now
            && now < self.valid_until
            && self.service.is_none_or(|service| service == bought.service)
            && self.offer.as_deref().is_none_or(|offer| offer == bought.offer)
    }
}

/// What `bought` costs at `now`. Of the promotions that need no coupon, those that are stackable together or one that is not, whichever
/// takes more off; on top of them the coupon, if all are stackable.
///
/// # Errors
/// [`PromotionError`]; without a coupon only an overflow.
pub fn discounted(
    bought: &Bought<'_>,
    promotions: &[Promotion],
    coupon: Option<&str>,
    now: Timestamp,
) -> Result<Discounted, PromotionError> {
    let fitting = || promotions.iter().filter(|promotion| promotion.is_for(bought, now));
    let mut automatic =
        best(bought.list, fitting().filter(|promotion| promotion.coupon.is_none()).collect())?;
    if let Some(coupon) = coupon {
        let named = |promotion: &&Promotion| promotion.coupon.as_deref() == Some(coupon);
        let named = fitting().find(named).ok_or(PromotionError::CouponUnusable)?;
        let may_meet = named.stackable && automatic.iter().all(|promotion| promotion.stackable);
        if !(automatic.is_empty() || may_meet) {
            return Err(PromotionError::NotStackable);
        }
        automatic.push(named);
    }
    apply(bought.list, automatic)
}

fn best(list: Micros, automatic: Vec<&Promotion>) -> Result<Vec<&Promotion>, PromotionError> {
    let (stackable, alone): (Vec<_>, Vec<_>) =
        automatic.into_iter().partition(|promotion| promotion.stackable);
    let mut best = (apply(list, stackable.clone())?.total, stackable);
    for promotion in alone {
        let total = apply(list, vec![promotion])?.total;
        let is_better = total < best.0 || best.1.is_empty();
        if is_better {
            best = (total, vec![promotion]);
        }
    }
    Ok(best.1)
}

/// Percentages first, then amounts; among either by their names. Each is of what those before it left, rounded half to even.
fn apply(list: Micros, mut promotions: Vec<&Promotion>) -> Result<Discounted, PromotionError> {
    promotions.sort_by_key(|promotion| (matches!(promotion.off, Off::Amount(_)), promotion.id.as_str()));
    let mut left = list;
    for promotion in &promotions {
        let off = match promotion.off {
            Off::Percentage(parts) => left.portion(parts.min(WHOLE).into(), WHOLE_PARTS)?.micros,
            Off::Amount(micros) => micros.min(left),
        };
        left = left.minus(off.max(Micros::ZERO))?;
    }
    Ok(Discounted {
        total: left,
        applied: promotions.iter().map(|promotion| promotion.id.clone()).collect(),
        until: promotions.iter().map(|promotion| promotion.valid_until).min(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn promotion(id: &str, off: Off, coupon: Option<&str>, stackable: bool) -> Promotion {
        let (valid_from, valid_until) =
            (Timestamp::UNIX_EPOCH, Timestamp::from_second(100).unwrap_or_default());
        let coupon = coupon.map(str::to_owned);
        Promotion {
            id: id.into(),
            off,
            service: None,
            offer: None,
            coupon,
            stackable,
            valid_from,
            valid_until,
        }
    }

    fn bought(list: i64) -> Bought<'static> {
        Bought { offer: "verify-1k", service: Service::PersonVerify, list: Micros::new(list) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn total(list: i64, promotions: &[Promotion], coupon: Option<&str>) -> Result<i64, PromotionError> {
        discounted(&bought(list), promotions, coupon, at(1)).map(|discounted| discounted.total.get())
    }

    prop_compose! {
        fn some()(
            parts in 1..=WHOLE, micros in any::<i64>(), by_parts in any::<bool>(), stackable in any::<bool>(),
            coupon in any::<bool>(), name in "[a-z]{3}",
        ) -> Promotion {
            let off = if by_parts { Off::Percentage(parts) } else { Off::Amount(Micros::new(micros)) };
            promotion(&name, off, coupon.then_some("C"), stackable)
        }
    }

    proptest! {
        #[test]
        fn nothing_is_negative_and_never_more_is_taken_off_than_it_costs(
            list in 0..=i64::MAX, promotions in prop::collection::vec(some(), 0..6), coupon in any::<bool>(),
        ) {
            if let Ok(total) = total(list, &promotions, coupon.then_some("C")) {
                prop_assert!((0..=list).contains(&total));
            }
        }

        #[test]
        fn the_order_in_which_they_are_known_does_not_matter(
            list in 0..=i64::MAX, mut promotions in prop::collection::vec(some(), 0..6),
        ) {
            promotions.sort_by(|one, other| one.id.cmp(&other.id));
            promotions.dedup_by_key(|promotion| promotion.id.clone());
            let one = total(list, &promotions, None);
            promotions.reverse();
            prop_assert_eq!(one, total(list, &promotions, None));
        }

        #[test]
        fn one_more_promotion_never_makes_it_dearer(
            list in 0..=i64::MAX, promotions in prop::collection::vec(some(), 1..6),
        ) {
            let fewer = promotions.get(1..).unwrap_or_default();
            let total = |promotions| total(list, promotions, None).unwrap();
            prop_assert!(total(&promotions) <= total(fewer));
        }
    }

    #[test]
    fn what_does_not_stack_does_not_meet_another() {
        let tenth = |coupon, stackable| promotion("tenth", Off::Percentage(1000), coupon, stackable);
        let fixed = |coupon, stackable| promotion("fixed", Off::Amount(Micros::new(30)), coupon, stackable);
        assert_eq!(total(1000, &[tenth(None, false), fixed(None, false)], None), Ok(900));
        assert_eq!(total(1000, &[tenth(None, true), fixed(None, true)], None), Ok(870));
        assert_eq!(total(1000, &[tenth(None, true), fixed(Some("C"), true)], Some("C")), Ok(870));
        for (one, other) in [(false, true), (true, false), (false, false)] {
            let promotions = [tenth(None, one), fixed(Some("C"), other)];
            assert_eq!(total(1000, &promotions, Some("C")), Err(PromotionError::NotStackable));
        }
        assert_eq!(total(1000, &[fixed(Some("C"), false)], Some("C")), Ok(970));
        assert_eq!(total(1000, &[fixed(Some("C"), false)], Some("D")), Err(PromotionError::CouponUnusable));
        assert_eq!(total(1000, &[fixed(Some("C"), false)], None), Ok(1000));
    }

    #[test]
    fn it_holds_in_its_time_and_for_what_it_is_for() {
        let half = promotion("half", Off::Percentage(5000), None, false);
        let ask = |promotion: &Promotion, second| {
            discounted(&bought(5), std::slice::from_ref(promotion), None, at(second)).unwrap().total.get()
        };
        // 2.5 off, half to even.
        assert_eq!((ask(&half, 0), ask(&half, 99), ask(&half, 100)), (3, 3, 5));
        let other_offer = Promotion { offer: Some("other".into()), ..half.clone() };
        let other_service = Promotion { service: Some(Service::FaceSearch), ..half.clone() };
        let this =
            Promotion { offer: Some("verify-1k".into()), service: Some(Service::PersonVerify), ..half };
        assert_eq!((ask(&other_offer, 1), ask(&other_service, 1), ask(&this, 1)), (5, 5, 3));
    }
}
