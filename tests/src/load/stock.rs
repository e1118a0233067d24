//! Codes that holders' phones signed before the clock started, so that signing is no part of what is measured.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wallet_core::attributes::Share;
use wallet_core::code::qr::Q1;

use super::population::Population;

/// A code lives 60 s and is taken for 30 more; one that is older than this would expire on a client that tries again.
const FRESH: Duration = Duration::from_secs(55);

/// Signed codes, oldest first.
pub(super) struct Stock {
    population: Population,
    codes: Mutex<VecDeque<(Instant, String)>>,
}

impl Stock {
    pub(super) fn new(population: Population) -> Stock {
        Stock { population, codes: Mutex::new(VecDeque::new()) }
    }

    /// Signs `count` codes on all cores.
    pub(super) fn fill(&self, count: usize) -> anyhow::Result<()> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let work = || {
            for _ in 0..count.div_ceil(threads) {
                let code = self.sign()?;
                self.codes.lock().unwrap_or_else(PoisonError::into_inner).push_back((Instant::now(), code));
            }
            anyhow::Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that signs codes panicked")))
            })
        })
    }

    /// A code of a random holder, and whether it was signed only now.
    pub(super) fn code(&self) -> anyhow::Result<(String, bool)> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((signed, code)) = codes.pop_front() {
            if signed.elapsed() < FRESH {
                return Ok((code, false));
            }
        }
        drop(codes);
        Ok((self.sign()?, true))
    }

    fn sign(&self) -> anyhow::Result<String> {
        let people = &self.population;
        anyhow::ensure!(people.holders > 0, "there is no holder whose code could be redeemed");
        let holder = rand::random_range(0..people.holders);
        let handle = people.identities.handle(holder, rand::random_range(0..people.handles));
        let code = Q1::new(handle, Share::Full, Timestamp::now(), &mut rand::rng());
        Ok(code.sign(&people.identities.device(holder)?)?)
    }
}
