//! How often a service is billed from when on.
//!
//! Invariant: a change takes effect where a period of the cycle before it ends and one of its own begins, so that the periods of a service
//! tile time across it, and every use is in exactly one of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::periods::{Cycle, EndOfCalendar, Period};

/// From `since` on a service is billed by `cycle`. Before its first change it is billed daily.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// From when on: a use is of the cycle that was in force when it was submitted.
    pub since: Timestamp,
    /// By what.
    pub cycle: Cycle,
}

/// The cycle in force at a moment, by the changes of a service in their order.
pub fn in_force(changes: &[Change], at: Timestamp) -> Cycle {
    let last = changes.iter().take_while(|change| change.since <= at).last();
    last.map_or(Cycle::default(), |change| change.cycle)
}

/// The first moment from `from` on at which a period of either cycle begins: one of the longer cycle, since each of these begins with one of
/// every shorter.
///
/// # Errors
/// [`EndOfCalendar`].
pub fn boundary(cycles: [Cycle; 2], from: Timestamp, zone: &TimeZone) -> Result<Timestamp, EndOfCalendar> {
    let longer = cycles.into_iter().max().unwrap_or_default();
    let (start, end) = Period::of(longer, from, zone)?.bounds();
    Ok(if start == from { start } else { end })
}

/// A time in which a cycle is in force for some service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// From when on.
    pub from: Timestamp,
    /// Until when: the end of a period. None: for ever.
    pub until: Option<Timestamp>,
    /// Which.
    pub cycle: Cycle,
}

/// The spans of services, each with its changes in their order, from `first` on.
pub fn spans<'a>(services: impl IntoIterator<Item = &'a [Change]>, first: Timestamp) -> BTreeSet<Span> {
    let mut spans = BTreeSet::new();
    for changes in services {
        let usual = Change { since: first.min(Timestamp::UNIX_EPOCH), cycle: Cycle::default() };
        let ends = changes.iter().map(|change| Some(change.since)).chain([None]);
        for (change, until) in [usual].iter().chain(changes).zip(ends) {
            if until.is_none_or(|until| until > first) {
                spans.insert(Span { from: change.since.max(first), until, cycle: change.cycle });
            }
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 4] = ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Changes at boundaries, as the service makes them.
    fn changes() -> impl Strategy<Value = (TimeZone, Vec<Change>)> {
        let steps = prop::collection::vec((1_i64..40_000_000, prop::sample::select(&Cycle::ALL)), 0..5);
        (prop::sample::select(&ZONES), steps).prop_map(|(zone, steps)| {
            let zone = TimeZone::get(zone).unwrap();
            let (mut changes, mut earliest) = (Vec::<Change>::new(), 1_300_000_000_i64);
            for (later, cycle) in steps {
                let before = changes.last().map_or(Cycle::Daily, |change| change.cycle);
                let since = boundary([before, cycle], at(earliest + later), &zone).unwrap();
                changes.push(Change { since, cycle });
                earliest = since.as_second();
            }
            (zone, changes)
        })
    }

    proptest! {
        #[test]
        fn a_boundary_is_the_first_moment_at_which_a_period_of_both_begins(
            one in prop::sample::select(&Cycle::ALL), other in prop::sample::select(&Cycle::ALL),
            second in 1_300_000_000_i64..1_400_000_000, zone in prop::sample::select(&ZONES),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let found = boundary([one, other], at(second), &zone).unwrap();
            prop_assert!(found >= at(second));
            for cycle in [one, other] {
                prop_assert_eq!(Period::of(cycle, found, &zone).unwrap().bounds().0, found);
            }
            // The longer cycle has no other beginning in between.
            let before = Period::of(one.max(other), at(second), &zone).unwrap();
            prop_assert!(found == before.bounds().0 || found == before.bounds().1);
            prop_assert_eq!(boundary([one, other], found, &zone).unwrap(), found);
        }

        #[test]
        fn every_use_is_in_exactly_one_period_that_is_closed(
            (zone, changes) in changes(), second in 1_300_000_000_i64..1_450_000_000, first in 1_290_000_000_i64..1_350_000_000,
        ) {
            let used = at(second.max(first));
            let period = Period::of(in_force(&changes, used), used, &zone).unwrap();
            prop_assert!(period.contains(used));
            // Walked as they are closed: the period of the use is among them once, and no other holds it.
            let mut holding = Vec::new();
            for span in spans([changes.as_slice()], at(first)) {
                let mut next = Period::of(span.cycle, span.from.max(used.min(span.until.unwrap_or(used))), &zone).unwrap();
                while span.until.is_none_or(|until| next.bounds().0 < until) && next.bounds().0 <= used {
                    if next.contains(used) && span.from <= used {
                        holding.push(next);
                    }
                    next = next.next(&zone).unwrap();
                }
            }
            prop_assert_eq!(holding, [period]);
        }

        #[test]
        fn a_use_that_is_late_is_of_a_period_that_is_open((zone, changes) in changes(), second in 1_300_000_000_i64..1_450_000_000, wait in 0_i64..4_000) {
            let (submitted, now) = (at(second), at(second + wait));
            let period = Period::for_use(|at| in_force(&changes, at), submitted, now, &zone).unwrap();
            prop_assert!(period.closable_at() > now);
            prop_assert!(period.contains(submitted) || period.contains(now));
        }
    }

    #[test]
    fn before_its_first_change_a_service_is_billed_daily() {
        let changes =
            [Change { since: at(10), cycle: Cycle::Monthly }, Change { since: at(20), cycle: Cycle::Hourly }];
        let cycles = [9, 10, 19, 20].map(|second| in_force(&changes, at(second)));
        assert_eq!(cycles, [Cycle::Daily, Cycle::Monthly, Cycle::Monthly, Cycle::Hourly]);
        let of_two = spans([changes.as_slice(), &[]], at(12));
        let shown: Vec<_> = of_two
            .iter()
            .map(|span| (span.from.as_second(), span.until.map(|until| until.as_second()), span.cycle))
            .collect();
        assert_eq!(
            shown,
            [(12, None, Cycle::Daily), (12, Some(20), Cycle::Monthly), (20, None, Cycle::Hourly)]
        );
    }
}
