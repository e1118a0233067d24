//! The states of a redemption, and every way from one to the next.
//!
//! ```text
//! AwaitingHolder ── agreed ──▶ Challenged (by the holder) ── judged ──▶ Passed · Failed
//!       └─ refused, reported, cancelled, three wrong numbers ─▶ Cancelled ◀─ cancelled ─┘
//!                              Challenged (by the relying party), from the start
//! ```
//! A deadline that has passed, or captures that are used up, close a redemption without a trace: that follows from the time and the
//! count, and is not stored. Whoever stores the next state does so only if the one before is still there.

use jiff::{SignedDuration, Timestamp};

/// Captures of one redemption: the third that can't be judged is the last. Who tunes a false face gets three tries a code.
pub const MAX_CAPTURES: u32 = 3;
/// Wrong numbers of one approval: the third closes it. Of a hundred numbers, a blind guess hits in 3 of 100 cases.
pub const MAX_WRONG_NUMBERS: u32 = 3;
/// How long a holder has to answer, somewhere else than at a counter.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(300);

/// On whose device the face is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The relying party's.
    RelyingParty,
    /// The holder's own phone.
    Holder,
}

/// Why there will be no judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The relying party took it back.
    ByRelyingParty,
    /// The holder does not want it.
    Refused,
    /// The holder says that it is none of theirs.
    Reported,
    /// The holder's phone sent the wrong number too often.
    NumberMismatch,
}

/// How a redemption stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The holder is asked on their own phone.
    AwaitingHolder {
        /// Until when.
        deadline: Timestamp,
    },
    /// A capture is awaited.
    Challenged {
        /// From whom.
        on: Device,
        /// Until when.
        deadline: Timestamp,
        /// Captures so far, none of which could be judged.
        unusable: u32,
    },
    /// Judged: it is the person.
    Passed,
    /// Judged: it is not.
    Failed,
    /// Will not be judged.
    Cancelled(Cancellation),
}

/// What may happen to a redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The holder agrees, with the right number.
    Agreed {
        /// Until when their capture is awaited.
        until: Timestamp,
    },
    /// The holder's phone sends another number than the relying party showed.
    WrongNumber {
        /// How many came before it.
        earlier: u32,
    },
    /// A capture came that can't be judged.
    Unusable,
    /// A capture was judged.
    Judged {
        /// How.
        passed: bool,
    },
    /// Somebody who may does not want it.
    Cancelled(Cancellation),
}

/// The event has no place in this state, or comes too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the redemption is over, or not at this step")]
pub struct NotNow;

impl State {
    /// Whether anything may still happen to it at `now`.
    pub fn is_open(self, now: Timestamp) -> bool {
        match self {
            State::AwaitingHolder { deadline } => now <= deadline,
            State::Challenged { deadline, unusable, .. } => now <= deadline && unusable < MAX_CAPTURES,
            State::Passed | State::Failed | State::Cancelled(_) => false,
        }
    }

    /// Whether a capture on this device is awaited at `now`.
    pub fn awaits_capture_on(self, device: Device, now: Timestamp) -> bool {
        self.is_open(now) && matches!(self, State::Challenged { on, .. } if on == device)
    }

    /// The state after `event`, which came at `now`.
    ///
    /// # Errors
    /// When the redemption is over by then, or has no such event in its state: it stays as it is.
    pub fn after(self, event: Event, now: Timestamp) -> Result<State, NotNow> {
        if !self.is_open(now) {
            return Err(NotNow);
        }
        match (self, event) {
            (_, Event::Cancelled(why)) => Ok(State::Cancelled(why)),
            (State::AwaitingHolder { .. }, Event::Agreed { until }) => {
                Ok(State::Challenged { on: Device::Holder, deadline: until, unusable: 0 })
            }
            (State::AwaitingHolder { .. }, Event::WrongNumber { earlier }) => {
                let is_last = earlier.saturating_add(1) >= MAX_WRONG_NUMBERS;
                Ok(if is_last { State::Cancelled(Cancellation::NumberMismatch) } else { self })
            }
            (State::Challenged { on, deadline, unusable }, Event::Unusable) => {
                Ok(State::Challenged { on, deadline, unusable: unusable + 1 })
            }
            (State::Challenged { .. }, Event::Judged { passed }) => {
                Ok(if passed { State::Passed } else { State::Failed })
            }
            _ => Err(NotNow),
        }
    }

    /// The word of the API, with the time taken into account.
    pub fn word(self, now: Timestamp) -> &'static str {
        match self {
            State::Passed => "passed",
            State::Failed => "failed",
            State::Cancelled(_) => "cancelled",
            _ if !self.is_open(now) => "expired",
            State::AwaitingHolder { .. } => "awaiting_holder",
            State::Challenged { .. } => "challenged",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CANCELLATIONS: [Cancellation; 4] = [
        Cancellation::ByRelyingParty,
        Cancellation::Refused,
        Cancellation::Reported,
        Cancellation::NumberMismatch,
    ];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0i64..2_000).prop_map(|until| Event::Agreed { until: at(until) }),
            (0u32..5).prop_map(|earlier| Event::WrongNumber { earlier }),
            Just(Event::Unusable),
            any::<bool>().prop_map(|passed| Event::Judged { passed }),
            (0usize..4).prop_map(|why| Event::Cancelled(CANCELLATIONS[why])),
        ]
    }

    fn any_start() -> impl Strategy<Value = State> {
        prop_oneof![
            Just(State::AwaitingHolder { deadline: at(300) }),
            Just(State::Challenged { on: Device::RelyingParty, deadline: at(120), unusable: 0 }),
        ]
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Passed | State::Failed | State::Cancelled(_))
    }

    proptest! {
        #[test]
        fn nothing_leaves_a_closed_state_and_every_path_ends(
            start in any_start(),
            events in proptest::collection::vec((any_event(), 0i64..200), 0..40),
        ) {
            let (mut state, mut time, mut judged, mut captures) = (start, 0, 0, 0);
            for (event, later) in events {
                time += later;
                let after = state.after(event, at(time));
                prop_assert!(state.is_open(at(time)) || after == Err(NotNow));
                let Ok(next) = after else { continue };
                judged += i32::from(matches!(event, Event::Judged { .. }));
                captures += u32::from(matches!(event, Event::Judged { .. } | Event::Unusable));
                // Only a capture that was asked for is judged, and only by whom it was asked from.
                if matches!(next, State::Passed | State::Failed) {
                    let was_challenged = matches!(state, State::Challenged { .. });
                    prop_assert!(was_challenged);
                }
                if let (State::Challenged { on, .. }, State::Challenged { on: then, .. }) = (state, next) {
                    prop_assert_eq!(on, then);
                }
                state = next;
            }
            prop_assert!(judged <= 1 && captures <= MAX_CAPTURES);
            prop_assert!(!state.is_open(at(100_000)));
            prop_assert!(!is_final(state) || state.word(at(0)) == state.word(at(100_000)));
        }

        #[test]
        fn a_face_on_the_relying_partys_device_opens_no_approval(event in any_event()) {
            let awaiting = State::AwaitingHolder { deadline: at(300) };
            prop_assert!(!awaiting.awaits_capture_on(Device::RelyingParty, at(0)));
            if let Ok(next) = awaiting.after(event, at(0)) {
                prop_assert!(!next.awaits_capture_on(Device::RelyingParty, at(0)));
            }
        }
    }

    #[test]
    fn the_third_wrong_number_and_the_third_unusable_capture_close() {
        let awaiting = State::AwaitingHolder { deadline: at(300) };
        let wrong = |earlier| awaiting.after(Event::WrongNumber { earlier }, at(1));
        assert_eq!((wrong(0), wrong(1)), (Ok(awaiting), Ok(awaiting)));
        assert_eq!(wrong(2), Ok(State::Cancelled(Cancellation::NumberMismatch)));
        let mut state = State::Challenged { on: Device::RelyingParty, deadline: at(120), unusable: 0 };
        for _ in 0..MAX_CAPTURES {
            state = state.after(Event::Unusable, at(1)).unwrap();
        }
        assert_eq!(
            (state.after(Event::Judged { passed: true }, at(1)), state.word(at(1))),
            (Err(NotNow), "expired")
        );
    }

    #[test]
    fn a_deadline_is_the_last_moment() {
        let state = State::Challenged { on: Device::Holder, deadline: at(120), unusable: 0 };
        assert!(state.awaits_capture_on(Device::Holder, at(120)));
        assert!(!state.awaits_capture_on(Device::Holder, at(121)));
        assert!(!state.awaits_capture_on(Device::RelyingParty, at(0)));
    }
}
