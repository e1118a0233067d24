//! What is owed, how a balance settles it, when it suspends, and what lateness costs.
//!
//! A balance settles in part: the late fee is on "the amount owed" (A2.3, 欠费金额) and a top-up "makes good what is owed" (P2), so
//! money that is here pays first and nobody pays a fee on what was covered. Arrears begin when a statement is not covered whole (P1).

use std::num::NonZeroU64;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::StatementId;
use wallet_core::money::{Micros, MoneyOverflow};

/// How long the service goes on in arrears (P1: 24 hours).
pub const GRACE: SignedDuration = SignedDuration::from_hours(24);
/// A2.3: 0.05 % of what is owed, a day.
const LATE_FEE_NUMERATOR: i128 = 5;
const LATE_FEE_DENOMINATOR: u64 = 10_000;

/// A statement that is not paid, or not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Which.
    pub statement: StatementId,
    /// When it was due: its settling, when the day was closed.
    pub due: Timestamp,
    /// What is still owed of it.
    pub micros: Micros,
}

/// What a balance paid of one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// Which.
    pub statement: StatementId,
    /// How much; never zero.
    pub micros: Micros,
}

/// What settling came to. Nothing is made or lost: paid + balance = the balance before, paid + still owed = what was owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What was paid, the oldest first.
    pub paid: Vec<Paid>,
    /// What is still owed, the oldest first, without what is paid whole.
    pub still_owed: Vec<Owed>,
    /// What is left; zero while anything is owed.
    pub balance: Micros,
}

/// An amount that can't be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArrearsError {
    /// A balance or a debt below zero.
    #[error("a balance or what is owed is below zero")]
    Negative,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

/// Pays what is owed from a balance, the oldest statement first, in part where the balance does not reach.
///
/// # Errors
/// [`ArrearsError::Negative`].
pub fn settle(balance: Micros, owed: &[Owed]) -> Result<Settled, ArrearsError> {
    if balance.is_negative() || owed.iter().any(|debt| debt.micros.is_negative()) {
        return Err(ArrearsError::Negative);
    }
    let mut settled = Settled { paid: Vec::new(), still_owed: Vec::new(), balance };
    for debt in oldest_first(owed) {
        let micros = debt.micros.min(settled.balance);
        if micros > Micros::ZERO {
            settled.balance = settled.balance.minus(micros)?;
            settled.paid.push(Paid { statement: debt.statement, micros });
        }
        let rest = debt.micros.minus(micros)?;
        if rest > Micros::ZERO {
            settled.still_owed.push(Owed { micros: rest, ..debt });
        }
    }
    Ok(settled)
}

fn oldest_first(owed: &[Owed]) -> Vec<Owed> {
    let mut sorted = owed.to_vec();
    sorted.sort_by_key(|debt| (debt.due, debt.statement));
    sorted
}

/// Where a relying party stands. Suspension is read from `now` and never stored, so a payment that covers ends it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is owed.
    Clear,
    /// Something is.
    InArrears {
        /// When the oldest statement that is still owed was due.
        since: Timestamp,
    },
}

impl Standing {
    /// By what is owed now.
    pub fn of(owed: &[Owed]) -> Standing {
        let due = owed.iter().filter(|debt| debt.micros > Micros::ZERO).map(|debt| debt.due);
        due.min().map_or(Standing::Clear, |since| Standing::InArrears { since })
    }

    /// From when on no new use is served, unless it pays before: 24 hours after arrears began.
    pub fn suspended_from(self) -> Option<Timestamp> {
        match self {
            Standing::Clear => None,
            Standing::InArrears { since } => Some(since.checked_add(GRACE).unwrap_or(Timestamp::MAX)),
        }
    }

    /// Whether new uses are refused at `now`.
    pub fn is_suspended(self, now: Timestamp) -> bool {
        self.suspended_from().is_some_and(|from| from <= now)
    }
}

/// What was owed of a statement from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwedFrom {
    /// From when.
    pub from: Timestamp,
    /// How much; zero once it is paid.
    pub micros: Micros,
}

/// The late fee of one statement up to `now`: for every midnight in `zone` after it was due, 0.05 % of what was owed then. Simple, not
/// compounding, and rounded once, half to even; so who posts it in parts posts what is not posted yet, and the parts add up.
///
/// # Errors
/// [`ArrearsError`].
pub fn late_fee(
    owed: &[OwedFrom],
    due: Timestamp,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Micros, ArrearsError> {
    if owed.iter().any(|change| change.micros.is_negative()) {
        return Err(ArrearsError::Negative);
    }
    let date = |at: Timestamp| zone.to_datetime(at).date();
    let mut changes: Vec<OwedFrom> = owed.iter().copied().filter(|change| change.from <= now).collect();
    changes.sort_by_key(|change| change.from);
    let (mut day, mut micros, mut micro_days) = (date(due), Micros::ZERO, 0_i128);
    let end = OwedFrom { from: now, micros: Micros::ZERO };
    for change in changes.into_iter().chain([end]) {
        let next = date(change.from).max(day);
        let days = next.duration_since(day).as_hours() / 24;
        // An i64 of micros over the 3.7 million days of the calendar leaves room in 128 bits.
        micro_days += i128::from(micros.get()) * i128::from(days);
        (day, micros) = (next, change.micros);
    }
    let denominator = NonZeroU64::new(LATE_FEE_DENOMINATOR).unwrap_or(NonZeroU64::MIN);
    Ok(Micros::half_even(micro_days * LATE_FEE_NUMERATOR, denominator)?.micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;
    const ZONES: [&str; 3] = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn owed(number: usize, due: i64, micros: i64) -> Owed {
        let statement = StatementId::from_bytes((number as u128).to_be_bytes());
        Owed { statement, due: at(due), micros: Micros::new(micros) }
    }

    fn debts() -> impl Strategy<Value = Vec<Owed>> {
        prop::collection::vec((0_i64..100, 0_i64..1_000_000), 0..12)
            .prop_map(|debts| (0..).zip(debts).map(|(n, (due, micros))| owed(n, due, micros)).collect())
    }

    fn sum(amounts: impl Iterator<Item = Micros>) -> i64 {
        amounts.map(Micros::get).sum()
    }

    proptest! {
        #[test]
        fn settling_makes_and_loses_nothing(balance in 0_i64..5_000_000, debts in debts()) {
            let settled = settle(Micros::new(balance), &debts).unwrap();
            let paid = sum(settled.paid.iter().map(|paid| paid.micros));
            let rest = sum(settled.still_owed.iter().map(|debt| debt.micros));
            prop_assert_eq!(paid + settled.balance.get(), balance);
            prop_assert_eq!(paid + rest, sum(debts.iter().map(|debt| debt.micros)));
            prop_assert!(settled.balance >= Micros::ZERO && (settled.balance == Micros::ZERO || rest == 0));
            prop_assert!(settled.still_owed.iter().chain(&debts).all(|debt| !debt.micros.is_negative()));
            prop_assert!(settled.still_owed.is_sorted_by_key(|debt| (debt.due, debt.statement)));
        }

        #[test]
        fn two_payments_settle_as_one_of_both_does(
            first in 0_i64..3_000_000, second in 0_i64..3_000_000, debts in debts(),
        ) {
            let half = settle(Micros::new(first), &debts).unwrap();
            let balance = half.balance.plus(Micros::new(second)).unwrap();
            let twice = settle(balance, &half.still_owed).unwrap();
            let once = settle(Micros::new(first + second), &debts).unwrap();
            prop_assert_eq!((twice.balance, twice.still_owed), (once.balance, once.still_owed));
        }

        #[test]
        fn the_fee_is_that_of_counting_midnights_one_by_one(
            changes in prop::collection::vec((0_i64..60 * DAY, 0_i64..10_i64.pow(12)), 0..6),
            due in 0_i64..30 * DAY, now in 0_i64..60 * DAY,
            zone in prop::sample::select(&ZONES), summer in any::<bool>(),
        ) {
            // Sixty days about a change of the clocks: March or October 2024.
            let start = if summer { 1_709_251_200 } else { 1_727_740_800 };
            let zone = TimeZone::get(zone).unwrap();
            let changes: Vec<OwedFrom> = changes
                .into_iter()
                .map(|(from, micros)| OwedFrom { from: at(start + from), micros: Micros::new(micros) })
                .collect();
            let (due, now) = (at(start + due), at(start + now));
            let mut midnight = due.to_zoned(zone.clone()).start_of_day().unwrap().tomorrow().unwrap();
            let mut micro_days = 0;
            while midnight.timestamp() <= now {
                let before = changes.iter().filter(|change| change.from < midnight.timestamp());
                let owed = before.max_by_key(|change| change.from).map_or(0, |change| change.micros.get());
                micro_days += i128::from(owed);
                midnight = midnight.tomorrow().unwrap();
            }
            let expected = Micros::half_even(micro_days * 5, NonZeroU64::new(10_000).unwrap());
            prop_assert_eq!(late_fee(&changes, due, now, &zone), Ok(expected.unwrap().micros));
        }
    }

    #[test]
    fn three_days_late_cost_fifteen_ten_thousandths_and_a_part_paid_less() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let due: Timestamp = "2024-02-27T10:30:00+08:00".parse().unwrap();
        let whole = OwedFrom { from: due, micros: Micros::new(100_000_000) };
        let days = |days: i64| due.checked_add((24 * days).hours()).unwrap();
        let fee = |owed: &[OwedFrom], now| late_fee(owed, due, now, &zone).unwrap().get();
        assert_eq!(fee(&[whole], due), 0);
        // Over the 29th of February to the 1st of March.
        assert_eq!(fee(&[whole], days(3)), 150_000);
        assert_eq!(fee(&[whole], "2024-02-27T23:59:59+08:00".parse().unwrap()), 0);
        assert_eq!(fee(&[whole], "2024-02-28T00:00:00+08:00".parse().unwrap()), 50_000);
        let half = OwedFrom { from: days(1), micros: Micros::new(50_000_000) };
        let paid = OwedFrom { from: days(2), micros: Micros::ZERO };
        assert_eq!(fee(&[whole, half, paid], days(365)), 75_000);
        assert_eq!(
            late_fee(&[OwedFrom { micros: Micros::new(-1), ..whole }], due, due, &zone),
            Err(ArrearsError::Negative)
        );
    }

    #[test]
    fn served_to_the_last_second_of_grace_and_again_once_paid() {
        let debts = [owed(1, 5, 10), owed(2, 0, 7), owed(3, 90, 0)];
        let standing = Standing::of(&debts);
        assert_eq!(standing, Standing::InArrears { since: at(0) });
        assert!(!standing.is_suspended(at(DAY - 1)));
        assert!(standing.is_suspended(at(DAY)));
        // Paying the oldest gives the next its own day; paying all of it clears.
        let after = settle(Micros::new(8), &debts).unwrap();
        assert_eq!(Standing::of(&after.still_owed), Standing::InArrears { since: at(5) });
        let after = settle(Micros::new(17), &debts).unwrap();
        assert_eq!(Standing::of(&after.still_owed), Standing::Clear);
        assert!(!Standing::Clear.is_suspended(at(i64::from(i32::MAX))));
        assert_eq!(settle(Micros::new(-1), &[]), Err(ArrearsError::Negative));
    }
}
