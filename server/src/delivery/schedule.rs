//! When what did not arrive is tried again, when it is given up, and how somebody is served who is slow, or never there.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long one try may take, all in all.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// From the first try to the last (Standard Webhooks asks for days or for less; ours are also messages that can be fetched).
pub const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Seconds from each try to the next; the last for all that follow.
const DELAYS: [i64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600];
/// Parts of a thousand by which a delay may be longer or shorter, so that what failed together does not come again together.
pub const JITTER: i64 = 200;
/// Whoever takes longer than this is served apart, so that others do not wait for them.
pub const QUICK: Duration = Duration::from_secs(2);
/// Whoever takes nothing for so long is switched off.
pub const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);
/// How long whoever just failed is left alone, whatever else waits for them.
pub const REST: SignedDuration = SignedDuration::from_secs(5);

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It may be taken another time.
    Failed,
    /// It will never be taken.
    Refused,
    /// Nothing will ever be taken (HTTP 410).
    Gone,
}

/// When to try again after `tries` tries, of which the first was at or after `begun`; `None` when it is given up. `jitter` is a random
/// number from 0 to 2 × [`JITTER`]. The last try is at the end of the time that there is, not before it.
pub fn next_try(tries: i64, begun: Timestamp, now: Timestamp, jitter: i64) -> Option<Timestamp> {
    let end = begun.saturating_add(TRIED_FOR).unwrap_or(Timestamp::MAX);
    if now >= end {
        return None;
    }
    let place = usize::try_from(tries.saturating_sub(1)).unwrap_or(0).min(DELAYS.len() - 1);
    let seconds = DELAYS.get(place).copied().unwrap_or_default();
    let milliseconds = seconds * (1000 - JITTER + jitter.clamp(0, 2 * JITTER));
    let next = now.saturating_add(SignedDuration::from_millis(milliseconds)).unwrap_or(Timestamp::MAX);
    Some(next.min(end))
}

/// How somebody has lately taken what they were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The last try was taken, in good time.
    pub quick: bool,
    /// Since when nothing was taken.
    pub failing_since: Option<Timestamp>,
}

impl Health {
    /// Of somebody new, who has to show that they are quick.
    pub const NEW: Health = Health { quick: false, failing_since: None };

    /// After a try that took so long.
    pub fn after(self, outcome: Outcome, took: Duration, now: Timestamp) -> Health {
        match outcome {
            Outcome::Taken => Health { quick: took <= QUICK, failing_since: None },
            // Of one letter, it says nothing about the others.
            Outcome::Refused => Health { quick: took <= QUICK, ..self },
            Outcome::Failed | Outcome::Gone => {
                Health { quick: false, failing_since: self.failing_since.or(Some(now)) }
            }
        }
    }

    /// Whether nobody is there any more.
    pub fn is_given_up(self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.duration_since(since) >= GIVEN_UP_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The moments of all tries, in seconds from the first.
    fn tries(jitter: impl Fn(i64) -> i64) -> Vec<i64> {
        let (begun, mut now, mut moments) = (at(0), at(0), vec![0]);
        while let Some(next) =
            next_try(i64::try_from(moments.len()).unwrap(), begun, now, jitter(now.as_second()))
        {
            now = next;
            moments.push(now.as_second());
        }
        moments
    }

    #[test]
    fn the_tries_of_a_day() {
        let without_jitter = tries(|_| JITTER);
        assert_eq!(
            without_jitter,
            [0, 5, 35, 155, 755, 2_555, 6_155, 13_355, 27_755, 49_355, 70_955, 86_400]
        );
    }

    #[test]
    fn whoever_is_slow_or_failing_is_served_apart_and_whoever_is_quick_comes_back() {
        let quick = Health::NEW.after(Outcome::Taken, Duration::from_millis(50), at(1));
        assert_eq!(quick, Health { quick: true, failing_since: None });
        assert!(!quick.after(Outcome::Taken, Duration::from_secs(3), at(2)).quick);
        let failing = quick.after(Outcome::Failed, Duration::from_millis(1), at(10));
        let still = failing.after(Outcome::Failed, Duration::from_secs(10), at(20));
        assert_eq!(still, Health { quick: false, failing_since: Some(at(10)) });
        assert_eq!(still.after(Outcome::Taken, Duration::from_millis(1), at(30)), quick);
        let hours = |hours: i64| at(10 + hours * 3600);
        assert!(
            !still.is_given_up(hours(71)) && still.is_given_up(hours(72)) && !quick.is_given_up(hours(72))
        );
    }

    proptest! {
        #[test]
        fn whatever_chance_says_it_goes_on_for_a_day_and_not_longer(seed in 0_i64..1_000) {
            let moments = tries(|second| (second * 7_919 + seed * 104_729).rem_euclid(2 * JITTER + 1));
            prop_assert!(moments.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(moments.last().copied(), Some(TRIED_FOR.as_secs()));
            prop_assert!((11..=15).contains(&moments.len()), "{:?}", moments);
        }

        #[test]
        fn a_delay_differs_from_its_own_by_a_fifth_at_most(tries in 1_i64..9, jitter in -1_000_i64..1_000) {
            let delay = DELAYS[usize::try_from(tries - 1).unwrap()] * 1000;
            let next = next_try(tries, at(0), at(1), jitter).unwrap().as_millisecond() - 1000;
            prop_assert!((delay * 4 / 5..=delay * 6 / 5).contains(&next), "{next} for {delay}");
        }
    }
}
