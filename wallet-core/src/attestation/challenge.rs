//! Challenges that a key is to be made for. The server keeps none: each carries its end, and a MAC that only the server can make.
//!
//! A challenge is bound to no key, because a phone needs it before it makes the key. It need not be: whoever shows an attestation proves
//! the described key in the same request.

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;

use super::Reason;
use crate::pairwise::keyed;

/// How long a challenge is good for.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Bytes of one: 16 random ones, 8 of its end, 16 of the MAC. Android takes 128 at most.
pub const LENGTH: usize = 40;

/// Makes a challenge from random bytes.
pub fn mint(key: &[u8; 32], random: [u8; 16], now: Timestamp) -> ([u8; LENGTH], Timestamp) {
    let ends = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let second = ends.as_second().to_be_bytes();
    let mut challenge = [0; LENGTH];
    let parts = random.iter().chain(&second).copied().chain(mac(key, &random, &second));
    challenge.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
    (challenge, ends)
}

/// Whether a challenge is ours and not past its end.
///
/// # Errors
/// The one of both that fails.
pub fn check(key: &[u8; 32], challenge: &[u8], now: Timestamp) -> Result<(), Reason> {
    let (random, rest) = challenge.split_first_chunk::<16>().ok_or(Reason::ChallengeUnknown)?;
    let (second, made) = rest.split_first_chunk::<8>().ok_or(Reason::ChallengeUnknown)?;
    if !bool::from(mac(key, random, second).as_slice().ct_eq(made)) {
        return Err(Reason::ChallengeUnknown);
    }
    let is_past = now.as_second() > i64::from_be_bytes(*second);
    if is_past { Err(Reason::ChallengeExpired) } else { Ok(()) }
}

fn mac(key: &[u8; 32], random: &[u8; 16], second: &[u8; 8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut()
        .zip(keyed(key, &[b"attestation", random, second]))
        .for_each(|(place, byte)| *place = byte);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_for_ten_minutes_under_its_key_alone() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (challenge, ends) = mint(&[7; 32], [1; 16], now);
        assert_eq!(check(&[7; 32], &challenge, now), Ok(()));
        assert_eq!(check(&[7; 32], &challenge, ends), Ok(()));
        let late = ends + SignedDuration::from_secs(1);
        assert_eq!(check(&[7; 32], &challenge, late), Err(Reason::ChallengeExpired));
        assert_eq!(check(&[8; 32], &challenge, now), Err(Reason::ChallengeUnknown));
        for place in 0..LENGTH {
            let mut other = challenge;
            other[place] ^= 1;
            assert_eq!(check(&[7; 32], &other, now), Err(Reason::ChallengeUnknown), "{place}");
            assert_eq!(check(&[7; 32], &challenge[..place], now), Err(Reason::ChallengeUnknown), "{place}");
        }
        assert_eq!(
            check(&[7; 32], &[challenge.as_slice(), &[0]].concat(), now),
            Err(Reason::ChallengeUnknown)
        );
    }
}
