//! How long a request may wait for the database, all in all. A request asks it several times; were each to wait its fill, the last
//! would come when nobody listens any more.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// What is left to the request that this thread works on; none beside requests.
    static LEFT: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Works on a request that may wait so long, with everything that `work` does on this thread.
pub fn of_a_request<T>(most: Duration, work: impl FnOnce() -> T) -> T {
    struct Until;
    impl Drop for Until {
        fn drop(&mut self) {
            LEFT.set(None);
        }
    }
    let _until = Until;
    LEFT.set(Some(most));
    work()
}

/// What is left to wait; for whoever is no request, `most`.
pub(super) fn left(most: Duration) -> Duration {
    LEFT.get().unwrap_or(most)
}

/// Waits in `wait`, and counts how long.
pub(super) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let outcome = wait();
    lose(began.elapsed());
    outcome
}

/// Counts time that was waited otherwise.
pub(super) fn lose(time: Duration) {
    LEFT.set(LEFT.get().map(|left| left.saturating_sub(time)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_has_waited_is_gone_for_the_rest_of_it_alone() {
        let second = Duration::from_secs(1);
        let left_after = of_a_request(second, || {
            waiting(|| std::thread::sleep(Duration::from_millis(20)));
            left(second)
        });
        assert!(left_after <= Duration::from_millis(980), "{left_after:?}");
        assert_eq!(left(second), second);
    }
}
