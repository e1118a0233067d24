//! A wallet's handles: by each the server finds the certificate, and each has a key of its own. One for each code, so that two codes
//! have nothing in common.

use std::collections::VecDeque;

/// Keys that a wallet sends for handles at once, at most.
pub const BATCH: usize = 64;
/// A wallet that has fewer than this unused fetches more: a third of a batch.
pub const REFILL_BELOW: usize = BATCH / 3;
/// Handles that the server keeps of a certificate; the oldest beyond are retired. More than a batch and all that a wallet has unused when
/// it asks for the next.
pub const KEPT: usize = BATCH + BATCH / 2;

/// A handle and its key, or whatever signs by that key.
#[derive(Debug, Clone)]
pub struct Handle<K> {
    /// As the server gave it.
    pub id: [u8; 16],
    /// What its codes are signed with.
    pub key: K,
}

/// The handles of a wallet.
#[derive(Debug, Clone)]
pub struct Handles<K> {
    fresh: VecDeque<Handle<K>>,
    used: VecDeque<Handle<K>>,
}

impl<K> Default for Handles<K> {
    fn default() -> Self {
        Handles { fresh: VecDeque::new(), used: VecDeque::new() }
    }
}

impl<K> Handles<K> {
    /// Takes in a batch: the handles that the server gave, in the order of the keys that were sent.
    pub fn add(&mut self, batch: impl IntoIterator<Item = Handle<K>>) {
        self.fresh.extend(batch);
    }

    /// The handle for the next code: the oldest that was never used. Only when none is left, because the wallet was without a network
    /// for long, one is used again, and the codes of both uses can be linked: the one whose use is longest ago.
    pub fn take(&mut self) -> Option<&Handle<K>> {
        let next = self.fresh.pop_front().or_else(|| self.used.pop_front())?;
        self.used.push_back(next);
        // What the server has retired is of no use.
        while self.used.len() > KEPT - BATCH {
            self.used.pop_front();
        }
        self.used.back()
    }

    /// How many were never used.
    pub fn unused(&self) -> usize {
        self.fresh.len()
    }

    /// Whether it is time to fetch more.
    pub fn want_more(&self) -> bool {
        self.unused() < REFILL_BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(from: u8, count: u8) -> impl Iterator<Item = Handle<()>> {
        (from..from + count).map(|id| Handle { id: [id; 16], key: () })
    }

    #[test]
    fn none_is_used_twice_until_all_were_and_then_the_oldest() {
        let mut handles = Handles::default();
        handles.add(batch(0, 3));
        let mut taken = || handles.take().unwrap().id[0];
        assert_eq!([taken(), taken(), taken(), taken(), taken()], [0, 1, 2, 0, 1]);
        handles.add(batch(7, 1));
        assert_eq!(handles.take().unwrap().id[0], 7);
    }

    #[test]
    fn what_is_unused_at_a_refill_is_still_kept_by_the_server() {
        let mut handles = Handles::default();
        assert!(handles.want_more() && handles.take().is_none());
        handles.add(batch(0, 64));
        while !handles.want_more() {
            handles.take();
        }
        assert!(handles.unused() + BATCH <= KEPT);
    }
}
