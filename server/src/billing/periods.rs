//! Billing periods: which one an instant is in, when it may be closed, and which one a late use is written to.
//!
//! Invariant: the periods of a cycle tile time in any zone. A day begins with the first instant whose local date is not before it, so it
//! may last 23 or 25 hours; an hour is apart from the one that the clocks repeat, and a change of the clocks within an hour ends it.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

/// A use is written to the period of its submission until so long after its end, by the writer's clock.
pub const WRITABLE: SignedDuration = SignedDuration::from_mins(5);
/// A period may be closed from so long after its end on, by the closer's clock. Twice [`WRITABLE`]: what was judged writable is committed
/// by then, and the clocks of two replicas may be five minutes apart, less what a transaction takes.
pub const CLOSING_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// How often a product is billed (A2.3.2 hourly, P1 daily, B2.3.2 monthly); the shortest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cycle {
    /// Every local hour.
    Hourly,
    /// Every natural day.
    #[default]
    Daily,
    /// Every natural month.
    Monthly,
}

impl Cycle {
    /// Every cycle.
    pub const ALL: [Cycle; 3] = [Cycle::Hourly, Cycle::Daily, Cycle::Monthly];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Cycle::Hourly => "hourly",
            Cycle::Daily => "daily",
            Cycle::Monthly => "monthly",
        }
    }

    /// The cycle of a name on the wire.
    pub fn parse(text: &str) -> Option<Cycle> {
        Cycle::ALL.into_iter().find(|cycle| cycle.as_str() == text)
    }

    /// The cycle of a period that is written so.
    pub fn of_name(period: &str) -> Cycle {
        match period.len() {
            7 => Cycle::Monthly,
            10 => Cycle::Daily,
            _ => Cycle::Hourly,
        }
    }
}

/// The instant is so near an end of the calendar that its period has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is at the end of the calendar")]
pub struct EndOfCalendar;

impl From<jiff::Error> for EndOfCalendar {
    fn from(_: jiff::Error) -> Self {
        EndOfCalendar
    }
}

/// One period of one cycle in one zone. Written as `2026-11`, `2026-11-22` or `2026-11-22T09+08`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    cycle: Cycle,
    /// The local time that names it.
    name: DateTime,
    offset: Offset,
    start: Timestamp,
    end: Timestamp,
}

impl Period {
    /// The one that `at` is in.
    ///
    /// # Errors
    /// [`EndOfCalendar`].
    pub fn of(cycle: Cycle, at: Timestamp, zone: &TimeZone) -> Result<Period, EndOfCalendar> {
        let day = billing_day(at, zone)?;
        match cycle {
            Cycle::Hourly => hour(at, zone),
            Cycle::Daily => of_dates(cycle, day, day.tomorrow()?, zone),
            Cycle::Monthly => {
                let first = day.first_of_month();
                of_dates(cycle, first, first.checked_add(Span::new().months(1))?, zone)
            }
        }
    }

    /// The one that a use submitted at `submitted` is written to by a writer whose clock shows `now`: that of its submission, unless it
    /// ended more than [`WRITABLE`] ago; then the current one. `cycle` says which is in force at a moment. The price stays that of the
    /// submission.
    ///
    /// # Errors
    /// [`EndOfCalendar`].
    pub fn for_use(
        cycle: impl Fn(Timestamp) -> Cycle,
        submitted: Timestamp,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Period, EndOfCalendar> {
        let of_submission = Period::of(cycle(submitted), submitted, zone)?;
        let late = now.duration_since(of_submission.end) > WRITABLE;
        if late { Period::of(cycle(now), now, zone) } else { Ok(of_submission) }
    }

    /// The one after it.
    ///
    /// # Errors
    /// [`EndOfCalendar`].
    pub fn next(&self, zone: &TimeZone) -> Result<Period, EndOfCalendar> {
        Period::of(self.cycle, self.end, zone)
    }

    /// Its cycle.
    pub fn cycle(&self) -> Cycle {
        self.cycle
    }

    /// The natural day on which it begins: that of a daily one, the first of a monthly one.
    pub fn date(&self) -> Date {
        self.name.date()
    }

    /// From when until when: half-open.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        (self.start, self.end)
    }

    /// Whether `at` is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// From when on it may be closed.
    pub fn closable_at(&self) -> Timestamp {
        self.end.checked_add(CLOSING_WAIT).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.name.date();
        match self.cycle {
            Cycle::Hourly => write!(f, "{date}T{:02}{}", self.name.hour(), self.offset),
            Cycle::Daily => write!(f, "{date}"),
            Cycle::Monthly => write!(f, "{}", date.strftime("%Y-%m")),
        }
    }
}

/// The last day that has begun by `at`. Not the local date: where the clocks go back over midnight, that returns to the day before.
fn billing_day(at: Timestamp, zone: &TimeZone) -> Result<Date, EndOfCalendar> {
    let mut day = zone.to_datetime(at).date();
    while start_of(day.tomorrow()?, zone)? <= at {
        day = day.tomorrow()?;
    }
    Ok(day)
}

/// The first instant at which the local date is `day` or later.
pub(super) fn start_of(day: Date, zone: &TimeZone) -> Result<Timestamp, EndOfCalendar> {
    let midnight = zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0));
    let skipped = matches!(midnight.offset(), AmbiguousOffset::Gap { .. });
    let start = midnight.compatible()?;
    if !skipped {
        return Ok(start);
    }
    // The clocks skip midnight: the day begins with the change.
    Ok(changes_until(start, zone)?.next().unwrap_or(start))
}

fn of_dates(cycle: Cycle, first: Date, next: Date, zone: &TimeZone) -> Result<Period, EndOfCalendar> {
    let (start, end) = (start_of(first, zone)?, start_of(next, zone)?);
    Ok(Period { cycle, name: first.at(0, 0, 0, 0), offset: zone.to_offset(start), start, end })
}

/// The longest time about `at` in which both the local hour and the offset stay.
fn hour(at: Timestamp, zone: &TimeZone) -> Result<Period, EndOfCalendar> {
    let offset = zone.to_offset(at);
    let local = offset.to_datetime(at);
    let name = local.date().at(local.hour(), 0, 0, 0);
    let full = offset.to_timestamp(name)?;
    let full_end = full.checked_add(SignedDuration::from_hours(1))?;
    let instant_before = |change: &Timestamp| change.checked_sub(SignedDuration::from_nanos(1));
    // Some transitions change only the name of the time.
    let start = changes_until(at, zone)?
        .take_while(|change| *change > full)
        .find(|change| instant_before(change).is_ok_and(|before| zone.to_offset(before) != offset));
    let end = zone
        .following(at)
        .take_while(|change| change.timestamp() < full_end)
        .find(|change| change.offset() != offset)
        .map(|change| change.timestamp());
    let (start, end) = (start.unwrap_or(full), end.unwrap_or(full_end));
    Ok(Period { cycle: Cycle::Hourly, name, offset, start, end })
}

/// The changes of the clocks up to and with `at`, the last first.
fn changes_until(
    at: Timestamp,
    zone: &TimeZone,
) -> Result<impl Iterator<Item = Timestamp> + '_, EndOfCalendar> {
    let after = at.checked_add(SignedDuration::from_nanos(1))?;
    Ok(zone.preceding(after).map(|change| change.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use proptest::prelude::*;

    /// The last three: changes at 00:01 with offsets of half an hour; of half an hour; and a day that never was.
    const ZONES: [&str; 5] =
        ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"];

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// Any instant from 1985 to 2035, half of them within two hours of a change of the clocks.
    fn instants() -> impl Strategy<Value = (TimeZone, Timestamp)> {
        let at = (473_385_600_i64..2_051_222_400, 0_i64..1_000_000, any::<bool>(), -7200_i64..7200);
        (prop::sample::select(&ZONES), at).prop_map(|(name, (second, micro, near, shift))| {
            let zone = zone(name);
            let mut at = Timestamp::from_second(second).unwrap();
            if near && let Some(change) = zone.following(at).next() {
                at = change.timestamp().checked_add(shift.seconds()).unwrap();
            }
            (zone, at.checked_add(micro.microseconds()).unwrap())
        })
    }

    proptest! {
        #[test]
        fn every_instant_is_in_exactly_one_period_and_periods_tile_time((zone, at) in instants()) {
            for cycle in Cycle::ALL {
                let period = Period::of(cycle, at, &zone).unwrap();
                let (start, end) = period.bounds();
                prop_assert!(period.contains(at) && !period.contains(end));
                let last = end.checked_sub(1.nanosecond()).unwrap();
                prop_assert_eq!(Period::of(cycle, start, &zone).unwrap(), period);
                prop_assert_eq!(Period::of(cycle, last, &zone).unwrap(), period);
                let next = period.next(&zone).unwrap();
                prop_assert_eq!(next.bounds().0, end);
                prop_assert_ne!(next.to_string(), period.to_string());
                let before = Period::of(cycle, start.checked_sub(1.nanosecond()).unwrap(), &zone).unwrap();
                prop_assert_eq!(before.bounds().1, start);
            }
        }

        #[test]
        fn nothing_is_written_to_a_period_that_may_be_closing(
            (zone, submitted) in instants(), wait in 0_i64..200_000, skew in -299_i64..=299,
        ) {
            let now = submitted.checked_add(wait.seconds()).unwrap();
            let closers_now = now.checked_add(skew.seconds()).unwrap();
            for cycle in Cycle::ALL {
                let period = Period::for_use(|_| cycle, submitted, now, &zone).unwrap();
                prop_assert!(closers_now < period.closable_at());
                prop_assert!(period.contains(submitted) || period.contains(now));
                let punctual = Period::of(cycle, submitted, &zone).unwrap();
                prop_assert!(period == punctual || now.duration_since(punctual.bounds().1) > WRITABLE);
            }
        }

        #[test]
        fn a_day_is_the_local_date_where_midnight_is_never_repeated(second in 0_i64..2_000_000_000) {
            for name in ["Asia/Shanghai", "Europe/Berlin"] {
                let (zone, at) = (zone(name), Timestamp::from_second(second).unwrap());
                let period = Period::of(Cycle::Daily, at, &zone).unwrap();
                prop_assert_eq!(period.date(), super::super::price::usage_date(at, &zone));
            }
        }
    }

    fn of(cycle: Cycle, at: &str, name: &str) -> (String, SignedDuration) {
        let period = Period::of(cycle, at.parse().unwrap(), &zone(name)).unwrap();
        let (start, end) = period.bounds();
        (period.to_string(), end.duration_since(start))
    }

    #[test]
    fn days_of_23_and_25_hours_and_leap_days_are_one_day_each() {
        let hours = SignedDuration::from_hours;
        let daily = |at, zone| of(Cycle::Daily, at, zone);
        assert_eq!(daily("2026-03-29T12:00:00Z", "Europe/Berlin"), ("2026-03-29".into(), hours(23)));
        assert_eq!(daily("2026-10-25T12:00:00Z", "Europe/Berlin"), ("2026-10-25".into(), hours(25)));
        assert_eq!(daily("2024-02-29T15:59:59Z", "Asia/Shanghai"), ("2024-02-29".into(), hours(24)));
        assert_eq!(daily("2024-02-29T16:00:00Z", "Asia/Shanghai"), ("2024-03-01".into(), hours(24)));
        assert_eq!(
            of(Cycle::Monthly, "2024-02-29T15:59:59Z", "Asia/Shanghai"),
            ("2024-02".into(), hours(29 * 24))
        );
        // Samoa had no 30 December 2011. Newfoundland's clocks went from 00:01 back to 23:01: that hour is of the new day.
        assert_eq!(daily("2011-12-30T09:59:59Z", "Pacific/Apia"), ("2011-12-29".into(), hours(24)));
        assert_eq!(daily("2011-12-30T10:00:00Z", "Pacific/Apia"), ("2011-12-31".into(), hours(24)));
        assert_eq!(daily("2010-11-07T02:45:00Z", "America/St_Johns"), ("2010-11-07".into(), hours(25)));
    }

    #[test]
    fn the_hour_that_the_clocks_repeat_is_two_periods() {
        let hourly = |at, zone| of(Cycle::Hourly, at, zone);
        let hour = SignedDuration::from_hours(1);
        assert_eq!(hourly("2026-10-25T00:30:00Z", "Europe/Berlin"), ("2026-10-25T02+02".into(), hour));
        assert_eq!(hourly("2026-10-25T01:30:00Z", "Europe/Berlin"), ("2026-10-25T02+01".into(), hour));
        assert_eq!(hourly("2026-11-22T03:29:59Z", "America/St_Johns"), ("2026-11-21T23-03:30".into(), hour));
        // Lord Howe's clocks go from 02:00 back to 01:30.
        let half = SignedDuration::from_mins(30);
        assert_eq!(
            hourly("2026-04-04T15:10:00Z", "Australia/Lord_Howe"),
            ("2026-04-05T01+10:30".into(), half)
        );
    }

    #[test]
    fn a_use_is_written_to_its_day_for_five_minutes_and_then_to_the_current_one() {
        let zone = zone("Asia/Shanghai");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let submitted = at("2026-11-22T23:59:59+08:00");
        let day = |now| Period::for_use(|_| Cycle::Daily, submitted, at(now), &zone).unwrap().to_string();
        assert_eq!(day("2026-11-23T00:05:00+08:00"), "2026-11-22");
        assert_eq!(day("2026-11-23T00:05:00.000001+08:00"), "2026-11-23");
        let period = Period::of(Cycle::Daily, submitted, &zone).unwrap();
        assert_eq!(period.closable_at(), at("2026-11-23T00:10:00+08:00"));
        assert_eq!(Period::of(Cycle::Daily, Timestamp::MAX, &zone), Err(EndOfCalendar));
        for cycle in Cycle::ALL {
            let name = Period::of(cycle, submitted, &zone).unwrap().to_string();
            assert_eq!((Cycle::parse(cycle.as_str()), Cycle::of_name(&name)), (Some(cycle), cycle));
        }
    }
}
