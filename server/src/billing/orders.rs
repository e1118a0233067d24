//! Orders: what is bought beforehand, from the placing on (A2.3.1). Paid is fulfilled: both happen in one transaction.

use std::num::NonZeroU64;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use wallet_core::money::{Micros, MoneyOverflow};

use super::packs::{PackError, Window, months};

/// An order that is unpaid for more than this has expired (A2.3.1); at this age it can still be paid.
pub const PAYABLE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be paid.
    Placed,
    /// Paid, and its packs granted.
    Fulfilled,
    /// Not paid in time.
    Expired,
    /// Not paid before others had bought the last of it; its price lapsed with it.
    SoldOut,
    /// Given up before it was paid.
    Cancelled,
    /// Given back unused.
    Withdrawn,
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All of it was paid.
    Paid,
    /// Less is left than was ordered.
    StockGone,
    /// Whoever placed it does not want it.
    Cancelled,
    /// Whoever bought it does not want it, and has not used it.
    Withdrawn,
}

impl State {
    /// Every state.
    pub const ALL: [State; 6] =
        [State::Placed, State::Fulfilled, State::Expired, State::SoldOut, State::Cancelled, State::Withdrawn];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Placed => "placed",
            State::Fulfilled => "fulfilled",
            State::Expired => "expired",
            State::SoldOut => "sold_out",
            State::Cancelled => "cancelled",
            State::Withdrawn => "withdrawn",
        }
    }

    /// The state of a word.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// What an order of this state is at `now`, when it was placed at `placed_at`: time alone makes it expire.
    pub fn at(self, placed_at: Timestamp, now: Timestamp) -> State {
        let is_over = now.duration_since(placed_at) > PAYABLE;
        if self == State::Placed && is_over { State::Expired } else { self }
    }

    /// The state after an event at `now`; the state that does not allow it otherwise.
    ///
    /// # Errors
    /// The state in which it is.
    pub fn after(self, event: Event, placed_at: Timestamp, now: Timestamp) -> Result<State, State> {
        match (self.at(placed_at, now), event) {
            (State::Placed, Event::Paid) => Ok(State::Fulfilled),
            (State::Placed, Event::StockGone) => Ok(State::SoldOut),
            (State::Placed, Event::Cancelled) => Ok(State::Cancelled),
            (State::Fulfilled, Event::Withdrawn) => Ok(State::Withdrawn),
            (state, _) => Err(state),
        }
    }
}

/// What is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Units for all its months.
    Pack,
    /// Units for each of its months, each a pack of its own.
    Monthly,
    /// Devices for all its months.
    Licence,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Pack, Kind::Monthly, Kind::Licence];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Pack => "pack",
            Kind::Monthly => "monthly",
            Kind::Licence => "licence",
        }
    }

    /// The kind of a word.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One pack of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// When it may be used.
    pub window: Window,
    /// Its part of what was paid: micro-yuan.
    pub paid: Micros,
}

/// The packs of an order that is paid at `now`: one, or one a month. What was paid is parted evenly, to the last micro-yuan.
///
/// # Errors
/// [`PackError::Months`], and an overflow that can't be.
pub fn parts(
    kind: Kind,
    count: u32,
    paid: Micros,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Vec<Part>, PackError> {
    let windows = months(now, count, zone)?;
    if kind != Kind::Monthly {
        let expires_at = windows.last().ok_or(PackError::Months)?.expires_at;
        return Ok(vec![Part { window: Window { starts_at: now, expires_at }, paid }]);
    }
    let months = NonZeroU64::new(count.into()).ok_or(PackError::Months)?;
    let mut parts = Vec::new();
    let mut so_far = Micros::ZERO;
    for (month, window) in (1..).zip(windows) {
        let until = paid.portion(month, months)?.micros;
        parts.push(Part { window, paid: until.minus(so_far)? });
        so_far = until;
    }
    Ok(parts)
}

/// A gift that came with a purchase, as far as it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiftUsed {
    /// Units.
    pub units: u64,
    /// What one of them costs by the list.
    pub price: Micros,
}

/// What giving an order back comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Goes to the balance.
    pub refund: Micros,
    /// Stays here, for each gift: what was used of it at the list's price (A2.6), all of them together never more than was paid.
    pub clawed_back: Vec<Micros>,
}

/// What giving an unused order back comes to.
///
/// # Errors
/// An overflow.
pub fn withdrawal(paid: Micros, gifts: &[GiftUsed]) -> Result<Withdrawal, MoneyOverflow> {
    let (mut refund, mut clawed_back) = (paid, Vec::new());
    for gift in gifts {
        let clawed = gift.price.times(gift.units)?.min(refund);
        refund = refund.minus(clawed)?;
        clawed_back.push(clawed);
    }
    Ok(Withdrawal { refund, clawed_back })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const EVENTS: [Event; 4] = [Event::Paid, Event::StockGone, Event::Cancelled, Event::Withdrawn];

    proptest! {
        #[test]
        fn an_order_is_paid_once_at_most_and_ends_once(
            steps in prop::collection::vec((0_i64..400_000, prop::sample::select(&EVENTS)), 0..20),
        ) {
            let (mut state, mut now, mut paid, mut closed) = (State::Placed, 0, 0, 0);
            for (later, event) in steps {
                now += later;
                if let Ok(next) = state.after(event, at(0), at(now)) {
                    paid += i32::from(event == Event::Paid);
                    closed += i32::from(state == State::Placed);
                    state = next;
                }
            }
            prop_assert!(paid <= 1 && closed <= 1);
            prop_assert!(matches!(state, State::Fulfilled | State::Withdrawn) == (paid == 1));
        }

        #[test]
        fn the_parts_of_an_order_are_all_that_was_paid(
            paid in 0..=i64::MAX, count in 1_u32..=36, kind in prop::sample::select(&Kind::ALL),
        ) {
            let zone = TimeZone::get("Asia/Shanghai").unwrap();
            let parts = parts(kind, count, Micros::new(paid), at(1_700_000_000), &zone).unwrap();
            prop_assert_eq!(parts.iter().map(|part| part.paid.get()).sum::<i64>(), paid);
            prop_assert!(parts.iter().all(|part| part.paid >= Micros::ZERO));
            prop_assert_eq!(parts.len(), if kind == Kind::Monthly { count as usize } else { 1 });
            prop_assert_eq!(parts[0].window.starts_at, at(1_700_000_000));
            prop_assert!(parts.windows(2).all(|two| two[0].window.expires_at == two[1].window.starts_at));
        }

        #[test]
        fn a_withdrawal_gives_back_what_was_paid_less_gifts_and_never_less_than_nothing(
            paid in 0..=i64::MAX, gifts in prop::collection::vec((0_u64..200, 0_i64..2_000_000), 0..3),
        ) {
            let gifts: Vec<_> =
                gifts.into_iter().map(|(units, price)| GiftUsed { units, price: Micros::new(price) }).collect();
            let Withdrawal { refund, clawed_back } = withdrawal(Micros::new(paid), &gifts).unwrap();
            prop_assert_eq!(refund.get() + clawed_back.iter().map(|clawed| clawed.get()).sum::<i64>(), paid);
            prop_assert!(clawed_back.iter().chain([&refund]).all(|micros| *micros >= Micros::ZERO));
        }
    }

    #[test]
    fn after_seven_days_it_can_be_paid_and_a_second_later_not() {
        let week = 7 * 24 * 3600;
        let paid = |second| State::Placed.after(Event::Paid, at(0), at(second));
        assert_eq!((paid(week), paid(week + 1)), (Ok(State::Fulfilled), Err(State::Expired)));
        assert_eq!(State::Fulfilled.at(at(0), at(week + 1)), State::Fulfilled);
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }
}
