//! Packs: units of a service bought or given beforehand, and how they are used up (P1, A2.6).

use std::num::NonZeroU64;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use wallet_core::ids::PackId;
use wallet_core::money::{Micros, MoneyOverflow};

use super::price::Service;

/// Units of each service that are given with the first purchase (P1: 免费测试流量包, 限首次购买).
pub const FREE_UNITS: i64 = 100;
/// How long they last. P1 is silent: a year, as packs are sold.
pub const FREE_MONTHS: u32 = 12;
/// The services they are given for.
pub const FREE_SERVICES: [Service; 2] = [Service::PersonVerify, Service::FaceLiveness];
/// Ten years: no pack is sold for longer.
pub const MOST_MONTHS: u32 = 120;

/// Units of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Which.
    pub id: PackId,
    /// Of what.
    pub service: Service,
    /// How many it began with.
    pub units: i64,
    /// How many are left.
    pub remaining: i64,
    /// From when on it may be drawn from.
    pub starts_at: Timestamp,
    /// From when on it may not, and what is left is void.
    pub expires_at: Timestamp,
}

/// Why a rule of packs can't be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// More drawn than there were, or a number below zero.
    #[error("{drawn} of {units} units can't have been drawn")]
    Units {
        /// What the pack began with.
        units: i64,
        /// What was drawn.
        drawn: i64,
    },
    /// What was paid is below zero.
    #[error("what was paid for a pack is below zero")]
    Negative,
    /// A sum out of range.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
    /// No pack lasts as long.
    #[error("a pack lasts from 1 to {MOST_MONTHS} months, within the calendar")]
    Months,
}

impl Pack {
    /// Whether `at` is within its validity, units left or none.
    pub fn is_valid(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.expires_at
    }
}

/// The pack that a use of `service` at `at` draws from: of the valid ones with units left the one that expires first, and of those that
/// expire together the one granted first. `None`: the use is on account.
pub fn draw(packs: &[Pack], service: Service, at: Timestamp) -> Option<&Pack> {
    packs
        .iter()
        .filter(|pack| pack.service == service && pack.remaining > 0 && pack.is_valid(at))
        .min_by_key(|pack| (pack.expires_at, pack.id))
}

/// The packs whose units are void by `now` (A2.6), and not yet written off.
pub fn voided(packs: &[Pack], now: Timestamp) -> impl Iterator<Item = &Pack> {
    packs.iter().filter(move |pack| pack.remaining > 0 && pack.expires_at <= now)
}

/// From when until when: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub starts_at: Timestamp,
    /// Until before then.
    pub expires_at: Timestamp,
}

/// The windows of a monthly pack: each begins where the one before it ends, at the local time of day and on the day of the month of the
/// grant, or on the last day of a shorter month. A local time that the clocks skip is the moment after the skip, and one that they
/// repeat is the first of the two.
///
/// # Errors
/// [`PackError::Months`].
pub fn months(granted_at: Timestamp, months: u32, zone: &TimeZone) -> Result<Vec<Window>, PackError> {
    if !(1..=MOST_MONTHS).contains(&months) {
        return Err(PackError::Months);
    }
    let granted = zone.to_datetime(granted_at);
    let mut windows = Vec::new();
    let mut starts_at = granted_at;
    for month in 1..=months {
        // Always from the grant: from month to month, the 31st would become the 28th for good.
        let local = granted.checked_add(Span::new().months(month)).map_err(|_| PackError::Months)?;
        let expires_at = zone.to_timestamp(local).map_err(|_| PackError::Months)?;
        windows.push(Window { starts_at, expires_at });
        starts_at = expires_at;
    }
    Ok(windows)
}

/// A pack to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Of what.
    pub service: Service,
    /// How many.
    pub units: i64,
    /// When it may be used.
    pub window: Window,
}

/// What a purchase at `now` is given for nothing: 100 of each of two services, once in a relying party's life. `had` are the services for
/// which it was ever given any.
///
/// # Errors
/// [`PackError::Months`], at the end of the calendar.
pub fn first_purchase_grants(
    had: &[Service],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Vec<Grant>, PackError> {
    let last = months(now, FREE_MONTHS, zone)?.last().copied().ok_or(PackError::Months)?;
    let window = Window { starts_at: now, expires_at: last.expires_at };
    let due = FREE_SERVICES.into_iter().filter(|service| !had.contains(service));
    Ok(due.map(|service| Grant { service, units: FREE_UNITS, window }).collect())
}

/// What of `paid` is earned once `drawn` of the `units` are: that share, rounded half to even. A draw earns the difference to what was
/// earned before it, so a pack that is used up has earned exactly what was paid. What is void at expiry counts as drawn then.
///
/// # Errors
/// [`PackError::Units`], [`PackError::Negative`].
pub fn earned(paid: Micros, units: i64, drawn: i64) -> Result<Micros, PackError> {
    let refused = PackError::Units { units, drawn };
    let (Ok(whole), Ok(part)) = (u64::try_from(units), u64::try_from(drawn)) else { return Err(refused) };
    let whole = NonZeroU64::new(whole).filter(|whole| part <= whole.get()).ok_or(refused)?;
    if paid.is_negative() {
        return Err(PackError::Negative);
    }
    Ok(paid.portion(part, whole)?.micros)
}

/// What a draw of the units after `before` up to `after` earns.
///
/// # Errors
/// As [`earned`].
pub fn earned_by(paid: Micros, units: i64, before: i64, after: i64) -> Result<Micros, PackError> {
    if before > after {
        return Err(PackError::Units { units: after, drawn: before });
    }
    Ok(earned(paid, units, after)?.minus(earned(paid, units, before)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 3] = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pack(number: u128, remaining: i64, starts: i64, lasts: i64) -> Pack {
        let id = PackId::from_bytes(number.to_be_bytes());
        let (starts_at, expires_at) = (at(starts), at(starts + lasts));
        Pack { id, service: Service::FaceCompare, units: 10, remaining, starts_at, expires_at }
    }

    fn packs() -> impl Strategy<Value = Vec<Pack>> {
        let one = (0_i64..4, 0_i64..20, 1_i64..20);
        prop::collection::vec(one, 0..8).prop_map(|packs| {
            (0..).zip(packs).map(|(id, (left, starts, lasts))| pack(id, left, starts, lasts)).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_drawn_void_and_left_is_what_there_was(
            mut packs in packs(), uses in prop::collection::vec(0_i64..40, 0..40),
        ) {
            let before: i64 = packs.iter().map(|pack| pack.remaining).sum();
            let (mut drawn, mut on_account) = (0, 0);
            for second in &uses {
                let found = draw(&packs, Service::FaceCompare, at(*second)).map(|pack| pack.id);
                match packs.iter_mut().find(|pack| Some(pack.id) == found) {
                    Some(pack) => (pack.remaining, drawn) = (pack.remaining - 1, drawn + 1),
                    None => on_account += 1,
                }
            }
            prop_assert_eq!(drawn + on_account, i64::try_from(uses.len()).unwrap());
            let void: i64 = voided(&packs, at(20)).map(|pack| pack.remaining).sum();
            let lasting = packs.iter().filter(|pack| pack.expires_at > at(20));
            let left: i64 = lasting.map(|pack| pack.remaining).sum();
            prop_assert_eq!(drawn + void + left, before);
            prop_assert!(packs.iter().all(|pack| pack.remaining >= 0));
        }

        #[test]
        fn the_drawn_pack_is_valid_and_none_expires_before_it(packs in packs(), second in 0_i64..40) {
            prop_assert_eq!(draw(&packs, Service::FaceSearch, at(second)), None);
            let mut able = packs.iter().filter(|pack| pack.is_valid(at(second)) && pack.remaining > 0);
            match draw(&packs, Service::FaceCompare, at(second)) {
                Some(found) => prop_assert!(
                    found.is_valid(at(second))
                        && able.all(|pack| (found.expires_at, found.id) <= (pack.expires_at, pack.id))
                ),
                None => prop_assert!(able.next().is_none()),
            }
        }

        #[test]
        fn a_used_up_pack_has_earned_what_was_paid_however_it_was_drawn(
            paid in 0..=i64::MAX, units in 1_i64..=i64::MAX,
            cuts in prop::collection::vec(0..=i64::MAX, 0..6),
        ) {
            let mut drawn: Vec<i64> = cuts.into_iter().map(|cut| cut % units).chain([0, units]).collect();
            drawn.sort_unstable();
            let mut sum = 0;
            for pair in drawn.windows(2) {
                let step = earned_by(Micros::new(paid), units, pair[0], pair[1]).unwrap();
                prop_assert!(!step.is_negative());
                sum += step.get();
            }
            prop_assert_eq!(sum, paid);
        }

        #[test]
        fn monthly_windows_tile_time_and_keep_the_day_of_the_grant(
            second in 1_600_000_000_i64..2_000_000_000, count in 1_u32..=36,
            zone in prop::sample::select(&ZONES),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let windows = months(at(second), count, &zone).unwrap();
            prop_assert_eq!(windows.len(), count as usize);
            prop_assert_eq!(windows[0].starts_at, at(second));
            prop_assert!(windows.iter().all(|window| window.starts_at < window.expires_at));
            prop_assert!(windows.windows(2).all(|pair| pair[0].expires_at == pair[1].starts_at));
            let granted = zone.to_datetime(at(second));
            for window in &windows {
                let end = zone.to_datetime(window.expires_at).date();
                prop_assert_eq!(end.day(), granted.day().min(end.days_in_month()));
            }
        }
    }

    #[test]
    fn the_31st_becomes_the_last_of_each_month_and_comes_back() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let granted: Timestamp = "2023-12-31T09:30:00+08:00".parse().unwrap();
        let ends: Vec<String> = months(granted, 4, &zone)
            .unwrap()
            .iter()
            .map(|window| zone.to_datetime(window.expires_at).to_string())
            .collect();
        let expected =
            ["2024-01-31T09:30:00", "2024-02-29T09:30:00", "2024-03-31T09:30:00", "2024-04-30T09:30:00"];
        assert_eq!(ends, expected);
    }

    #[test]
    fn a_window_may_end_in_a_local_time_that_the_clocks_skip_or_repeat() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let end =
            |granted: &str| months(granted.parse().unwrap(), 1, &zone).unwrap()[0].expires_at.to_string();
        assert_eq!(end("2024-02-29T02:30:00+01:00"), "2024-03-29T01:30:00Z");
        assert_eq!(end("2024-03-01T02:30:00+01:00"), "2024-04-01T00:30:00Z");
        assert_eq!(end("2025-02-28T02:30:00+01:00"), "2025-03-28T01:30:00Z");
        // 30 March 2025, 02:30 does not exist; 27 October 2024, 02:30 does twice.
        assert_eq!(end("2024-09-27T02:30:00+02:00"), "2024-10-27T00:30:00Z");
        let skipped = months("2025-01-30T02:30:00+01:00".parse().unwrap(), 2, &zone).unwrap();
        assert_eq!(skipped[1].expires_at.to_string(), "2025-03-30T01:30:00Z");
        assert_eq!(months(at(0), 0, &zone), Err(PackError::Months));
        assert_eq!(months(at(0), MOST_MONTHS + 1, &zone), Err(PackError::Months));
    }

    #[test]
    fn a_hundred_of_two_services_once() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let now: Timestamp = "2024-02-29T12:00:00+08:00".parse().unwrap();
        let grants = first_purchase_grants(&[], now, &zone).unwrap();
        let given: Vec<_> = grants.iter().map(|grant| (grant.service, grant.units)).collect();
        assert_eq!(given, [(Service::PersonVerify, 100), (Service::FaceLiveness, 100)]);
        assert_eq!(zone.to_datetime(grants[0].window.expires_at).to_string(), "2025-02-28T12:00:00");
        assert_eq!(first_purchase_grants(&FREE_SERVICES, now, &zone), Ok(Vec::new()));
    }

    #[test]
    fn a_pack_may_be_drawn_from_its_start_until_before_its_expiry_and_is_void_then() {
        let packs = [pack(1, 5, 10, 10)];
        let drawn = [9, 10, 19, 20].map(|second| draw(&packs, Service::FaceCompare, at(second)).is_some());
        assert_eq!(drawn, [false, true, true, false]);
        assert_eq!([19, 20].map(|second| voided(&packs, at(second)).count()), [0, 1]);
    }

    #[test]
    fn no_more_is_earned_than_was_paid_for() {
        let paid = Micros::new(10);
        let refused = |units, drawn| earned(paid, units, drawn) == Err(PackError::Units { units, drawn });
        assert!(refused(3, 4) && refused(3, -1) && refused(0, 0) && refused(-1, -1));
        assert_eq!(earned(Micros::new(-1), 3, 1), Err(PackError::Negative));
        assert_eq!(earned(paid, 3, 1), Ok(Micros::new(3)));
        assert_eq!(earned(paid, 4, 1), Ok(Micros::new(2)));
        assert_eq!(earned(paid, 4, 3), Ok(Micros::new(8)));
    }
}
