//! Revoking with the code on paper. Anybody may come here, so guesses are counted.
//!
//! All wrong codes together are bounded: each costs an attacker one of a number that all attackers share. That alone would let one
//! of them keep honest people out by using the number up. So whoever also names the certificate, which stands on the sheet and
//! can't be guessed, is counted against that certificate alone and is heard however many strangers guess.

use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use wallet_core::code::CodeMalformed;
use wallet_core::code::paper::PaperCode;
use wallet_core::es256::sha256;
use wallet_core::ids::CertificateId;
use wallet_core::refusal::Refusal;
use wallet_core::revocation::RevocationReason;

use super::{Context, certificates};
use crate::stop::Flow;
use crate::store::certificates::{by_revocation_code, find};
use crate::store::revocations::{self, Why};
use crate::store::{Conn, throttles};

/// Wrong codes that name no certificate, of all callers together: a minute, and a day. A day's 10,000 hit one of a million
/// certificates with a probability of 1 in 100,000, and then end it, no more.
const MISSES: [(i64, i64); 2] = [(60, 60), (86_400, 10_000)];
/// Wrong codes for one certificate, in a day.
const MISSES_OF_ONE: [(i64, i64); 1] = [(86_400, 10)];
const ANYBODY: &str = "anybody";

/// What a caller typed, well-formed.
enum Typed {
    /// Eighteen digits, as their MAC.
    Digits([u8; 32]),
    /// Twenty letters from before there were digits: 100 random bits can't be guessed, and are not counted.
    Letters([u8; 32]),
}

/// Revokes with a paper code, and the certificate that it belongs to where the caller names it.
pub fn revoke(ctx: &Context, code: &str, certificate: Option<CertificateId>) -> Flow<()> {
    let now = ctx.now();
    let typed = read(ctx, code).map_err(|CodeMalformed| Refusal::CodeMalformed)?;
    let (Typed::Digits(stored) | Typed::Letters(stored)) = typed;
    let counted = match (&typed, certificate) {
        (Typed::Letters(_), _) => None,
        (Typed::Digits(_), None) => Some((ANYBODY.to_owned(), MISSES.as_slice())),
        (Typed::Digits(_), Some(id)) => Some((id.to_string(), MISSES_OF_ONE.as_slice())),
    };
    if let Some((whose, windows)) = &counted {
        ctx.rp_store.read(|conn| limit(conn, whose, windows, now))?;
    }
    // Looked up before anything is locked: strangers may send what they like here.
    let found = ctx.holder_store.read(|conn| match certificate {
        None => Ok((by_revocation_code(conn, &stored)?.map(|found| found.id), true)),
        Some(id) => {
            let paper = revocations::paper_of(conn, id)?;
            let fits = paper.is_some_and(|paper| paper.ct_eq(&stored).into());
            Ok((fits.then_some(id), paper.is_some()))
        }
    })?;
    match (found, counted) {
        ((Some(id), _), _) => {
            let why = Why { reason: RevocationReason::LostDevice, note: None };
            certificates::revoke(ctx, "paper", &why, |conn| Ok(find(conn, id)?))
        }
        // A certificate that nobody has needs no counter: they would fill the table.
        ((None, true), Some((whose, windows))) => {
            ctx.rp_store.write_guarded(|conn| count(conn, &whose, windows, now))?;
            Err(Refusal::NotFound.into())
        }
        ((None, _), _) => Err(Refusal::NotFound.into()),
    }
}

fn read(ctx: &Context, code: &str) -> Result<Typed, CodeMalformed> {
    if let Ok(code) = code.parse::<PaperCode>() {
        return Ok(Typed::Digits(code.mac(&ctx.secrets.code)));
    }
    let letters = code.chars().filter(char::is_ascii_alphanumeric).count();
    let is_of_letters = letters == 20 && code.chars().all(|c| c.is_ascii_alphanumeric() || " -".contains(c));
    if is_of_letters { Ok(Typed::Letters(letters_hash(code))) } else { Err(CodeMalformed) }
}

/// What is stored of a code of letters. Spaces, hyphens and case do not matter to people, and not here.
pub fn letters_hash(code: &str) -> [u8; 32] {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    sha256(letters.to_ascii_uppercase().as_bytes())
}

fn subject(whose: &str, window: i64) -> String {
    format!("paper-misses/{window}/{whose}")
}

fn limit(conn: &mut Conn, whose: &str, windows: &[(i64, i64)], now: Timestamp) -> Flow<()> {
    for (window, most) in windows {
        let start = now.as_second() / window * window;
        if throttles::read(conn, &subject(whose, *window), start)? >= *most {
            if whose == ANYBODY {
                tracing::warn!(
                    window,
                    most,
                    "too many wrong paper codes: only who names the certificate is heard"
                );
            }
            let wait = u32::try_from(start + window - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
    }
    Ok(())
}

fn count(conn: &mut Conn, whose: &str, windows: &[(i64, i64)], now: Timestamp) -> Flow<()> {
    for (window, _) in windows {
        throttles::count(conn, &subject(whose, *window), now.as_second() / window * window)?;
    }
    Ok(())
}
