//! The liability cap (A8.5): the most that all damages for a fault may come to, from what was paid for the service that failed.
//!
//! For packs: the fees of the service period in which the fault lies. For pay-as-you-go: what was paid up to the fault in 过往12个自然月.
//! Natural months are whole ones, so these are the twelve before the month of the fault, and that month up to the fault: of the two ways
//! to read the clause the one that is better for who did not write it. Who paid for less time has what was paid.

use std::num::NonZeroU64;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use wallet_core::money::{Micros, MoneyOverflow};

use super::packs::Window;
use super::periods::{Cycle, EndOfCalendar, Period, start_of};
use super::price::Service;

/// Natural months of pay-as-you-go before that of the fault.
pub const MONTHS: i64 = 12;

/// What was paid for a pack, less what was paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackFee {
    /// Of what.
    pub service: Service,
    /// Its service period.
    pub window: Window,
    /// How much.
    pub paid: Micros,
}

/// What was paid for use on account, less what was paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseFee {
    /// Of what.
    pub service: Service,
    /// When: the settling, not the use.
    pub paid_at: Timestamp,
    /// How much.
    pub paid: Micros,
}

/// A payment of a statement in which the service stands, maybe beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which statement; its payments come one after another.
    pub statement: String,
    /// What it comes to.
    pub amount: Micros,
    /// What of that is for the service.
    pub of_service: Micros,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// How much.
    pub paid: Micros,
}

/// What of payments was for the service: its share of the statement, of which each payment pays as much as of all the rest. Rounded half to
/// even over all payments so far, so that a statement that is paid has paid for the service exactly.
///
/// # Errors
/// [`LiabilityError`].
pub fn for_use(service: Service, payments: &[Settled]) -> Result<Vec<UseFee>, LiabilityError> {
    let (mut fees, mut so_far) = (Vec::new(), ("", Micros::ZERO, Micros::ZERO));
    for one in payments {
        let (paid, before) =
            if so_far.0 == one.statement { (so_far.1, so_far.2) } else { (Micros::ZERO, Micros::ZERO) };
        let paid = paid.plus(one.paid)?;
        if paid.is_negative() || one.of_service.is_negative() {
            return Err(LiabilityError::Negative);
        }
        let amount = NonZeroU64::new(one.amount.get().unsigned_abs()).unwrap_or(NonZeroU64::MIN);
        let by_now = one.of_service.portion(paid.get().unsigned_abs(), amount)?.micros;
        fees.push(UseFee { service, paid_at: one.paid_at, paid: by_now.minus(before)? });
        so_far = (&one.statement, paid, by_now);
    }
    Ok(fees)
}

/// Why there is no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiabilityError {
    /// More was paid back than paid.
    #[error("a fee is below zero")]
    Negative,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
    /// No time is twelve months before the fault.
    #[error(transparent)]
    EndOfCalendar(#[from] EndOfCalendar),
}

/// The cap for a fault of `service` at `fault_at` to who uses it from packs.
///
/// # Errors
/// [`LiabilityError`].
pub fn of_packs(
    fees: impl IntoIterator<Item = PackFee>,
    service: Service,
    fault_at: Timestamp,
) -> Result<Micros, LiabilityError> {
    let fails = |fee: &PackFee| {
        fee.service == service && fee.window.starts_at <= fault_at && fault_at < fee.window.expires_at
    };
    sum(fees.into_iter().filter(fails).map(|fee| fee.paid))
}

/// The cap for a fault of `service` at `fault_at` to who uses it on account.
///
/// # Errors
/// [`LiabilityError`].
pub fn of_use(
    fees: impl IntoIterator<Item = UseFee>,
    service: Service,
    fault_at: Timestamp,
    zone: &TimeZone,
) -> Result<Micros, LiabilityError> {
    let from = first_counted(fault_at, zone)?;
    let counts = |fee: &UseFee| fee.service == service && from <= fee.paid_at && fee.paid_at <= fault_at;
    sum(fees.into_iter().filter(counts).map(|fee| fee.paid))
}

/// From when on payments for use count for a fault at `fault_at`.
///
/// # Errors
/// [`EndOfCalendar`].
pub fn first_counted(fault_at: Timestamp, zone: &TimeZone) -> Result<Timestamp, EndOfCalendar> {
    let month = Period::of(Cycle::Monthly, fault_at, zone)?.date();
    start_of(month.checked_sub(Span::new().months(MONTHS))?, zone)
}

fn sum(fees: impl Iterator<Item = Micros>) -> Result<Micros, LiabilityError> {
    let mut sum = Micros::ZERO;
    for fee in fees {
        if fee.is_negative() {
            return Err(LiabilityError::Negative);
        }
        sum = sum.plus(fee)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 3] = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"];
    const SERVICE: Service = Service::FaceLiveness;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn use_fee(second: i64, micros: i64) -> UseFee {
        UseFee { service: SERVICE, paid_at: at(second), paid: Micros::new(micros) }
    }

    fn pack_fee(starts: i64, expires: i64, micros: i64) -> PackFee {
        let window = Window { starts_at: at(starts), expires_at: at(expires) };
        PackFee { service: SERVICE, window, paid: Micros::new(micros) }
    }

    proptest! {
        #[test]
        fn payments_of_twelve_months_and_the_running_one_count_and_no_others(
            fees in prop::collection::vec((1_500_000_000_i64..1_600_000_000, 0_i64..1_000_000), 0..40),
            fault in 1_550_000_000_i64..1_600_000_000, zone in prop::sample::select(&ZONES),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            // Natural months counted since the year 0.
            let month = |second| {
                let date = zone.to_datetime(at(second)).date();
                i64::from(date.year()) * 12 + i64::from(date.month())
            };
            let counts = |second: i64| second <= fault && month(second) >= month(fault) - MONTHS;
            let expected: i64 = fees.iter().filter(|fee| counts(fee.0)).map(|fee| fee.1).sum();
            let fees = || fees.iter().map(|(second, micros)| use_fee(*second, *micros));
            prop_assert_eq!(of_use(fees(), SERVICE, at(fault), &zone), Ok(Micros::new(expected)));
            prop_assert_eq!(of_use(fees().rev(), SERVICE, at(fault), &zone), Ok(Micros::new(expected)));
            prop_assert_eq!(of_use(fees(), Service::FaceSearch, at(fault), &zone), Ok(Micros::ZERO));
        }

        #[test]
        fn packs_count_whose_period_holds_the_fault(
            fees in prop::collection::vec((0_i64..50, 1_i64..50, 0_i64..1_000_000), 0..20),
            fault in 0_i64..100,
        ) {
            let holds = |starts: i64, lasts: i64| (starts..starts + lasts).contains(&fault);
            let expected: i64 = fees.iter().filter(|fee| holds(fee.0, fee.1)).map(|fee| fee.2).sum();
            let fee = |fee: &(i64, i64, i64)| pack_fee(fee.0, fee.0 + fee.1, fee.2);
            let fees = || fees.iter().map(fee);
            prop_assert_eq!(of_packs(fees(), SERVICE, at(fault)), Ok(Micros::new(expected)));
            prop_assert_eq!(of_packs(fees(), Service::FaceSearch, at(fault)), Ok(Micros::ZERO));
        }
    }

    proptest! {
        #[test]
        fn a_service_is_paid_for_by_its_share_and_in_the_end_exactly(
            shares in prop::collection::vec((0_i64..1_000_000, 0_i64..1_000_000), 1..5),
            cuts in prop::collection::vec(1_u64..50, 1..6),
        ) {
            for (statement, (of_service, others)) in shares.into_iter().enumerate() {
                let (amount, whole) = (of_service + others, cuts.iter().sum::<u64>());
                let (mut payments, mut cut, mut paid) = (Vec::new(), 0, 0);
                for part in &cuts {
                    cut += part;
                    let by_now = i64::try_from(i128::from(amount) * i128::from(cut) / i128::from(whole)).unwrap();
                    payments.push(Settled {
                        statement: statement.to_string(), amount: Micros::new(amount), of_service: Micros::new(of_service),
                        paid_at: at(i64::try_from(cut).unwrap()), paid: Micros::new(by_now - paid),
                    });
                    paid = by_now;
                }
                let fees = for_use(SERVICE, &payments).unwrap();
                prop_assert!(fees.iter().all(|fee| !fee.paid.is_negative()));
                prop_assert_eq!(fees.iter().map(|fee| fee.paid.get()).sum::<i64>(), if amount == 0 { 0 } else { of_service });
                let of_all: i64 = for_use(SERVICE, &[payments.clone(), payments.iter().map(|one| Settled { statement: "other".into(), ..one.clone() }).collect()].concat())
                    .unwrap().iter().map(|fee| fee.paid.get()).sum();
                prop_assert_eq!(of_all, if amount == 0 { 0 } else { 2 * of_service });
            }
        }
    }

    #[test]
    fn counting_begins_with_a_natural_month_of_the_zone_and_over_leap_days() {
        let from = |fault: &str, zone: &str| {
            let zone = TimeZone::get(zone).unwrap();
            first_counted(fault.parse().unwrap(), &zone).unwrap().to_string()
        };
        assert_eq!(from("2024-02-29T23:59:59+08:00", "Asia/Shanghai"), "2023-01-31T16:00:00Z");
        assert_eq!(from("2024-02-29T16:00:00Z", "Asia/Shanghai"), "2023-02-28T16:00:00Z");
        assert_eq!(from("2026-10-25T00:30:00Z", "Europe/Berlin"), "2025-09-30T22:00:00Z");
        assert_eq!(from("2026-11-01T02:29:59Z", "America/St_Johns"), "2025-10-01T02:30:00Z");
    }

    #[test]
    fn negative_fees_and_sums_out_of_range_are_refused() {
        let zone = TimeZone::UTC;
        let of = |fees: &[UseFee]| of_use(fees.iter().copied(), SERVICE, at(10), &zone);
        assert_eq!(of(&[use_fee(5, -1)]), Err(LiabilityError::Negative));
        let huge = [use_fee(5, i64::MAX), use_fee(6, 1)];
        assert_eq!(of(&huge), Err(LiabilityError::Overflow(MoneyOverflow)));
        let refunded = of_packs([pack_fee(0, 20, -1)], SERVICE, at(10));
        assert_eq!(refunded, Err(LiabilityError::Negative));
    }
}
