//! Alerts when packs run low (P3): at which level, and how often.
//!
//! "Deduction, expiry and refund trigger; monthly packs, by each month's total, once a month for each threshold; others once for each
//! threshold as long as they last; a purchase, upgrade or renewal starts the judging anew."

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::packs::Pack;
use super::price::Service;

/// A remaining percentage from 1 to 99. At 0 it would tell too late, at 100 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Threshold(u8);

/// Not a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the threshold of an alert is a whole percentage from 1 to 99, and {0} is not")]
pub struct ThresholdOutOfRange(pub i64);

impl Default for Threshold {
    /// P3: 30 %.
    fn default() -> Self {
        Threshold(30)
    }
}

impl TryFrom<i64> for Threshold {
    type Error = ThresholdOutOfRange;

    fn try_from(percent: i64) -> Result<Threshold, ThresholdOutOfRange> {
        let whole = u8::try_from(percent).ok().filter(|percent| (1..=99).contains(percent));
        whole.map(Threshold).ok_or(ThresholdOutOfRange(percent))
    }
}

impl From<Threshold> for i64 {
    fn from(threshold: Threshold) -> i64 {
        i64::from(threshold.0)
    }
}

/// What a relying party set for the packs of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Whether it wants to be told.
    pub on: bool,
    /// At which remaining percentage.
    pub threshold: Threshold,
}

impl Default for Setting {
    /// On, as in P3's picture: who does not want to be told switches it off.
    fn default() -> Self {
        Setting { on: true, threshold: Threshold::default() }
    }
}

/// How packs recur; those of one service that recur otherwise have a state of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recurrence {
    /// Bought once.
    Once,
    /// Units anew every month.
    Monthly,
}

/// How full the valid packs are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    remaining: i128,
    units: i128,
    /// When the youngest of them began.
    began: Option<Timestamp>,
}

impl Level {
    /// Of the packs of `service` that are valid at `now`, used up or not; `packs` are those of one recurrence.
    pub fn of<'a>(packs: impl IntoIterator<Item = &'a Pack>, service: Service, now: Timestamp) -> Level {
        let valid = packs.into_iter().filter(|pack| pack.service == service && pack.is_valid(now));
        valid.fold(Level::default(), |level, pack| Level {
            remaining: level.remaining + i128::from(pack.remaining),
            units: level.units + i128::from(pack.units),
            began: level.began.max(Some(pack.starts_at)),
        })
    }

    /// Whether at most this percentage is left, exactly. Without a valid pack nothing is left.
    pub fn is_down_to(&self, threshold: Threshold) -> bool {
        self.remaining * 100 <= self.units * i128::from(threshold.0)
    }
}

/// What happened to packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A unit was drawn.
    Deduction,
    /// A pack expired.
    Expiry,
    /// A pack was given back.
    Refund,
    /// A pack was bought, made larger or renewed.
    Growth,
}

/// Which alerts were given already. Kept as JSON beside the setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    fired: BTreeSet<Threshold>,
    /// Of monthly packs: the month they were given in, by when it began.
    month: Option<Timestamp>,
}

impl AlertState {
    /// The state after an event, and whether the relying party is to be told. `level` is that after the event.
    ///
    /// A growth tells nothing by itself: it only lets every threshold tell again. A new month of a monthly pack does the same. While
    /// alerts are off nothing is told and nothing counts as told.
    #[must_use]
    pub fn after(
        mut self,
        event: Event,
        level: &Level,
        setting: Setting,
        recurrence: Recurrence,
    ) -> (Self, bool) {
        if recurrence == Recurrence::Monthly && level.began > self.month {
            self.month = level.began;
            self.fired.clear();
        }
        let fires = match event {
            Event::Growth => {
                self.fired.clear();
                false
            }
            Event::Deduction | Event::Expiry | Event::Refund => {
                setting.on && level.is_down_to(setting.threshold) && self.fired.insert(setting.threshold)
            }
        };
        (self, fires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wallet_core::ids::PackId;

    const SERVICE: Service = Service::PersonVerify;
    const EVENTS: [Event; 4] = [Event::Deduction, Event::Expiry, Event::Refund, Event::Growth];

    fn pack(units: i64, remaining: i64, starts: i64, expires: i64) -> Pack {
        let [starts_at, expires_at] = [starts, expires].map(|second| Timestamp::from_second(second).unwrap());
        Pack { id: PackId::from_bytes([0; 16]), service: SERVICE, units, remaining, starts_at, expires_at }
    }

    fn level(packs: &[Pack], second: i64) -> Level {
        Level::of(packs, SERVICE, Timestamp::from_second(second).unwrap())
    }

    fn at(percent: i64) -> Setting {
        Setting { on: true, threshold: Threshold::try_from(percent).unwrap() }
    }

    /// A tale of packs: each event with the percentage left after it, the month, and what was set.
    fn tale() -> impl Strategy<Value = Vec<(Event, i64, i64, Setting)>> {
        let setting = (any::<bool>(), prop::sample::select(&[10_i64, 30]));
        let setting = setting.prop_map(|(on, percent)| Setting { on, ..at(percent) });
        let one = (prop::sample::select(&EVENTS), 0_i64..=100, prop::bool::weighted(0.1), setting);
        prop::collection::vec(one, 0..80).prop_map(|tale| {
            let mut month = 0;
            let next = |(event, left, turns, setting)| {
                month += i64::from(turns);
                (event, left, month, setting)
            };
            tale.into_iter().map(next).collect()
        })
    }

    proptest! {
        #[test]
        fn each_threshold_tells_once_until_growth_or_the_next_month(
            tale in tale(), monthly in any::<bool>(),
        ) {
            let recurrence = if monthly { Recurrence::Monthly } else { Recurrence::Once };
            let (mut state, mut told, mut last_month) = (AlertState::default(), Vec::new(), 0);
            for (event, left, month, setting) in tale {
                if event == Event::Growth || (monthly && month != last_month) {
                    told.clear();
                }
                last_month = month;
                let low = left <= i64::from(setting.threshold);
                let fresh = !told.contains(&setting.threshold);
                let expected = event != Event::Growth && setting.on && low && fresh;
                let level = level(&[pack(100, left, month, 1000)], 999);
                let kept: AlertState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                let (next, fires) = state.clone().after(event, &level, setting, recurrence);
                let replayed = kept.after(event, &level, setting, recurrence).0;
                prop_assert_eq!((&next, fires), (&replayed, expected));
                told.extend(fires.then_some(setting.threshold));
                state = next;
            }
        }

        #[test]
        fn a_pack_drawn_to_nothing_tells_once_and_at_the_first_draw_that_reaches_the_threshold(
            units in 1_i64..2000, percent in 1_i64..=99,
        ) {
            let (mut state, mut told) = (AlertState::default(), Vec::new());
            for remaining in (0..units).rev() {
                let level = level(&[pack(units, remaining, 0, 9)], 5);
                let (next, fires) = state.after(Event::Deduction, &level, at(percent), Recurrence::Once);
                told.extend(fires.then_some(remaining));
                state = next;
            }
            prop_assert_eq!(told, [(units * percent / 100).min(units - 1)]);
        }
    }

    #[test]
    fn levels_are_of_valid_packs_and_exact() {
        let packs = [pack(100, 31, 0, 10), pack(200, 59, 5, 20), pack(1000, 0, 50, 60)];
        assert!(!level(&packs, 4).is_down_to(at(30).threshold));
        assert!(level(&packs, 7).is_down_to(at(30).threshold));
        assert!(level(&packs, 10).is_down_to(at(30).threshold));
        assert!(!level(&packs, 10).is_down_to(at(29).threshold));
        let huge = [pack(i64::MAX, i64::MAX, 0, 10), pack(i64::MAX, i64::MAX, 0, 10)];
        assert!(!level(&huge, 5).is_down_to(at(99).threshold));
        // All expired: nothing is left.
        assert!(level(&packs, 30).is_down_to(at(1).threshold));
    }

    #[test]
    fn a_monthly_pack_given_back_does_not_bring_the_last_month_again() {
        let (old, new) = (pack(100, 10, 0, 100), pack(100, 10, 50, 100));
        let step = |state: AlertState, packs: &[Pack], event| {
            state.after(event, &level(packs, 60), at(30), Recurrence::Monthly)
        };
        let (state, first) = step(AlertState::default(), &[old.clone(), new], Event::Deduction);
        let (_, again) = step(state, &[old], Event::Refund);
        assert!(first && !again);
    }

    #[test]
    fn thresholds_of_nothing_everything_and_less_are_refused() {
        for percent in [0, 100, -1, 256 + 30, i64::MIN, i64::MAX] {
            assert_eq!(Threshold::try_from(percent), Err(ThresholdOutOfRange(percent)));
        }
        assert_eq!(i64::from(Threshold::default()), 30);
        assert!(serde_json::from_str::<Threshold>("100").is_err());
        assert_eq!(serde_json::from_str::<Threshold>("99").unwrap(), at(99).threshold);
    }
}
