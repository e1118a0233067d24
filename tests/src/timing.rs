//! Whether kinds of requests can be told apart by the time that they take.

use std::future::Future;
use std::time::Duration;

use rand::seq::SliceRandom as _;

/// Times of `count` requests of each of `N` kinds, in turns of random order, so that whatever else goes on meets all kinds alike.
///
/// # Errors
/// Whatever a request ends with.
pub async fn interleaved<const N: usize, F>(
    count: usize,
    mut ask: impl FnMut(usize) -> F,
) -> anyhow::Result<[Vec<Duration>; N]>
where
    F: Future<Output = anyhow::Result<Duration>>,
{
    let mut times = [(); N].map(|()| Vec::with_capacity(count));
    let mut order: Vec<usize> = (0..N).collect();
    for _ in 0..count {
        order.shuffle(&mut rand::rng());
        for &kind in &order {
            let took = ask(kind).await?;
            times[kind].push(took);
        }
    }
    Ok(times)
}

/// The rank test of Mann and Whitney, as the area under the curve of whoever guesses the kind by the time.
#[derive(Debug, Clone, Copy)]
pub struct Rank(f64);

impl Rank {
    /// Of two samples.
    pub fn of(one: &[Duration], other: &[Duration]) -> Rank {
        let mut sorted = other.to_vec();
        sorted.sort_unstable();
        let wins = one.iter().map(|time| {
            let below = sorted.partition_point(|other| other < time);
            let up_to = sorted.partition_point(|other| other <= time);
            (below + up_to) as f64 / 2.0
        });
        Rank(wins.sum::<f64>() / (one.len() * other.len()).max(1) as f64)
    }

    /// The odds that one of the first kind took longer than one of the second: 0.5 where they can't be told apart.
    pub fn odds(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odds_of_equal_samples_are_even_and_of_apart_ones_certain() {
        let millis = |range: std::ops::Range<u64>| range.map(Duration::from_millis).collect::<Vec<_>>();
        let odds = |one: &[Duration], other: &[Duration]| Rank::of(one, other).odds();
        assert!((odds(&millis(0..9), &millis(0..9)) - 0.5).abs() < 1e-9);
        assert!((odds(&millis(10..20), &millis(0..9)) - 1.0).abs() < 1e-9);
        assert!(odds(&millis(0..5), &millis(10..20)).abs() < 1e-9);
    }
}
