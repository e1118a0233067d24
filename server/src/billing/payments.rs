//! Money that comes in and goes back (P2): what an amount does for an order, and when it may be sent back.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use wallet_core::money::Micros;

use super::orders::State;

/// Months in which money goes back by the way it came (P2).
pub const REFUNDABLE_MONTHS: i32 = 3;

/// What became of a payment. All of it is in the balance first; only [`Outcome::OrderPaid`] and [`Outcome::OrderPaidOver`] take
/// the order's price out of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was for no order.
    ToppedUp,
    /// It paid its order.
    OrderPaid,
    /// It paid its order, and what was more is in the balance.
    OrderPaidOver,
    /// It was less than the order costs.
    Short,
    /// The order had expired.
    Late,
    /// The order could not be had any more.
    SoldOut,
    /// The order had been paid.
    PaidTwice,
    /// The order had been given up, or back.
    NotWanted,
    /// There is no such order of this relying party.
    UnknownOrder,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::ToppedUp => "topped-up",
            Outcome::OrderPaid => "order-paid",
            Outcome::OrderPaidOver => "order-paid-over",
            Outcome::Short => "short",
            Outcome::Late => "late",
            Outcome::SoldOut => "sold-out",
            Outcome::PaidTwice => "paid-twice",
            Outcome::NotWanted => "not-wanted",
            Outcome::UnknownOrder => "unknown-order",
        }
    }

    /// Whether the order was paid by it.
    pub fn pays(self) -> bool {
        matches!(self, Outcome::OrderPaid | Outcome::OrderPaidOver)
    }
}

/// What `amount` does for an order of `total` that is in `state` now.
pub fn outcome(state: State, total: Micros, amount: Micros) -> Outcome {
    match state {
        State::Placed if amount < total => Outcome::Short,
        State::Placed if amount == total => Outcome::OrderPaid,
        State::Placed => Outcome::OrderPaidOver,
        State::Expired => Outcome::Late,
        State::SoldOut => Outcome::SoldOut,
        State::Fulfilled => Outcome::PaidTwice,
        State::Cancelled | State::Withdrawn => Outcome::NotWanted,
    }
}

/// A payment of which money shall go back.
#[derive(Debug, Clone, Copy)]
pub struct Refundable {
    /// What came in.
    pub paid: Micros,
    /// What of it went back, or was asked to.
    pub refunded: Micros,
    /// When it came in.
    pub received_at: Timestamp,
    /// What the relying party has now.
    pub balance: Micros,
}

/// Why money does not go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRefund {
    /// Three calendar months have gone by.
    TooLate,
    /// More than what is left of the payment.
    MoreThanPaid,
    /// More than the balance.
    MoreThanBalance,
}

/// Whether `asked` may go back at `now`: until three calendar months after the payment, to the moment, in the product's zone.
///
/// # Errors
/// [`NoRefund`].
pub fn may_go_back(
    payment: &Refundable,
    asked: Micros,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(), NoRefund> {
    let received = zone.to_datetime(payment.received_at);
    let last = received.checked_add(Span::new().months(REFUNDABLE_MONTHS)).ok();
    // Beyond the calendar nothing is too late.
    let last = last.and_then(|last| zone.to_timestamp(last).ok()).unwrap_or(Timestamp::MAX);
    if now > last {
        return Err(NoRefund::TooLate);
    }
    // Never below zero: whatever was refunded was bounded by this.
    let left = payment.paid.minus(payment.refunded).unwrap_or(Micros::ZERO);
    if asked > left {
        return Err(NoRefund::MoreThanPaid);
    }
    if asked > payment.balance {
        return Err(NoRefund::MoreThanBalance);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refundable(paid: i64, refunded: i64, balance: i64) -> Refundable {
        let received_at = "2026-11-30T10:00:00+08:00".parse().unwrap();
        let (paid, refunded, balance) = (Micros::new(paid), Micros::new(refunded), Micros::new(balance));
        Refundable { paid, refunded, received_at, balance }
    }

    fn ask(payment: &Refundable, asked: i64, now: &str) -> Result<(), NoRefund> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        may_go_back(payment, Micros::new(asked), now.parse().unwrap(), &zone)
    }

    proptest! {
        #[test]
        fn an_order_is_paid_by_all_of_its_price_and_while_it_is_placed(
            total in 0..=i64::MAX, amount in 1..=i64::MAX, state in prop::sample::select(&State::ALL),
        ) {
            let outcome = outcome(state, Micros::new(total), Micros::new(amount));
            prop_assert_eq!(outcome.pays(), state == State::Placed && amount >= total);
            prop_assert_eq!(outcome == Outcome::OrderPaidOver, outcome.pays() && amount > total);
        }

        #[test]
        fn no_more_goes_back_than_came_and_is_there(
            paid in 1..=i64::MAX, asks in prop::collection::vec((1..=i64::MAX, 0..=i64::MAX), 0..8),
        ) {
            let mut back = 0_i64;
            for (asked, balance) in asks {
                if ask(&refundable(paid, back, balance), asked, "2026-12-01T00:00:00Z").is_ok() {
                    prop_assert!(asked <= balance);
                    back += asked;
                }
            }
            prop_assert!(back <= paid);
        }
    }

    #[test]
    fn three_calendar_months_end_with_a_short_february() {
        let payment = refundable(100, 40, 70);
        assert_eq!(ask(&payment, 60, "2027-02-28T10:00:00+08:00"), Ok(()));
        assert_eq!(ask(&payment, 60, "2027-02-28T10:00:00.000001+08:00"), Err(NoRefund::TooLate));
        assert_eq!(ask(&payment, 61, "2026-12-01T00:00:00Z"), Err(NoRefund::MoreThanPaid));
        assert_eq!(ask(&refundable(100, 0, 70), 71, "2026-12-01T00:00:00Z"), Err(NoRefund::MoreThanBalance));
    }
}
