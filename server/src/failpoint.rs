//! Only in builds with the feature `bench-without-face`: a place between commit and answer at which the process may die, so that
//! `cargo xtask faults` can show that asking again gives the answer that was lost. A build of a release does not have
//! this file.

use std::sync::OnceLock;

/// Of so many commits one is the last; 0 or nothing: none is.
const VARIABLE: &str = "ECERT_FAULT_ABORT_AFTER_COMMIT";

/// Ends the process at once, as often as the variable says.
pub(crate) fn after_commit() {
    static ONE_IN: OnceLock<u32> = OnceLock::new();
    let set = || std::env::var(VARIABLE).ok().and_then(|value| value.parse().ok()).unwrap_or(0);
    let one_in = *ONE_IN.get_or_init(set);
    if one_in > 0 && rand::random_ratio(1, one_in) {
        std::process::abort();
    }
}
