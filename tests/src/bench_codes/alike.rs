//! Whether codes that are refused can be told apart by the time that it takes: unknown, bound to another, expired, by another key; and
//! digits that are unknown or expired.

use std::time::{Duration, Instant};

use ecert_server::store::codes::{self, Minted};
use ecert_server::store::handles;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use wallet_core::attributes::Share;
use wallet_core::code::numeric::NumericCode;
use wallet_core::code::qr::{Bound, Q1, Q2, handle_hash};
use wallet_core::ids::RelyingPartyId;

use super::place::{HOLDERS, Place};
use crate::clients::RelyingParty;
use crate::figures::{Figures, Goal, median};
use crate::timing::{Rank, interleaved};

/// How far the odds may be from even that one kind takes longer than another.
const AT_MOST: f64 = 0.05;
const QRS: [&str; 4] = ["unknown", "foreign", "expired", "forged"];
const DIGITS: [&str; 2] = ["unknown", "expired"];
/// A relying party has five misses a minute.
const MISSES_OF_EACH: usize = 4;

pub(super) async fn measure(place: &Place, count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let rp = place.relying_party(0)?;
    let offered = |kind| {
        let (code, rp) = (refused(place, kind), rp.clone());
        async move { answered(&rp, &code?).await }
    };
    // Before the clock counts: connections, caches, and plans of statements.
    interleaved::<4, _>(count / 10, offered).await?;
    let times: [Vec<Duration>; 4] = interleaved(count, offered).await?;
    compare(&QRS, &times, "QRs", figures);

    // Each miss counts against somebody, so the number is bounded by who there is.
    let count = count.min(MISSES_OF_EACH * 1_000 / DIGITS.len() / 2);
    let mut asked = 0;
    let times: [Vec<Duration>; 2] = interleaved(count, |kind| {
        let code = if kind == 0 { Ok(mint()) } else { expired_digits(place) };
        // The first few shops are left out: they may have missed before.
        let rp = place.relying_party(1 + asked / MISSES_OF_EACH);
        asked += 1;
        async move { answered(&rp?, &code?).await }
    })
    .await?;
    compare(&DIGITS, &times, "digits", figures);
    Ok(())
}

async fn answered(rp: &RelyingParty, code: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let answer = rp.redeem(code).await?;
    let took = began.elapsed();
    anyhow::ensure!(answer.refusal() == "404 code-unknown", "{}", answer.refusal());
    Ok(took)
}

fn refused(place: &Place, kind: usize) -> anyhow::Result<String> {
    let (people, mut rng, now) = (&place.people.identities, rand::rng(), Timestamp::now());
    let holder = rand::random_range(0..HOLDERS);
    let (handle, key) = (people.handle(holder, 0), people.device(holder)?);
    let early = now - SignedDuration::from_secs(91);
    let stranger = SigningKey::generate_from_rng(&mut rng);
    let elsewhere = Bound::to(RelyingPartyId::new(now, &mut rng), "check", None);
    Ok(match kind {
        0 => Q1::new(rand::random(), Share::Name, now, &mut rng).sign(&stranger)?,
        1 => Q2::new(handle, Share::Name, elsewhere, now, &mut rng).sign(&key)?,
        2 => Q1::new(handle, Share::Name, early, &mut rng).sign(&key)?,
        _ => Q1::new(handle, Share::Name, now, &mut rng).sign(&stranger)?,
    })
}

fn mint() -> String {
    NumericCode::mint(&mut rand::rng()).digits()
}

/// Digits of a holder that expired a minute ago.
fn expired_digits(place: &Place) -> anyhow::Result<String> {
    let (ctx, code) = (&place.context, NumericCode::mint(&mut rand::rng()));
    let hash = handle_hash(&place.people.identities.handle(rand::random_range(0..HOLDERS), 0));
    let expires_at = Timestamp::now() - SignedDuration::from_secs(60);
    let put = ctx.holder_store.write(|conn| {
        let named = handles::with_keys(conn, &[hash])?.into_iter().flatten().next();
        let Some((certificate, _)) = named else { return Ok(()) };
        let minted = Minted { certificate, share: Share::Name, expires_at };
        Ok(codes::replace(conn, &code.mac(&ctx.secrets.code), &minted)?)
    });
    put.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
    Ok(code.digits())
}

fn compare<const N: usize>(names: &[&str; N], times: &[Vec<Duration>; N], what: &str, figures: &mut Figures) {
    for (name, times) in names.iter().zip(times) {
        let millis = median(times.iter().map(|time| time.as_secs_f64() * 1e3));
        figures.note(format!("{what}, {name}: a refusal, p50"), millis, "ms");
    }
    for (place, (name, times_of_one)) in names.iter().zip(times).enumerate() {
        for (other, times_of_other) in names.iter().zip(times).take(place) {
            let apart = (Rank::of(times_of_one, times_of_other).odds() - 0.5).abs();
            let row = format!("{what}, {name} or {other}: odds beside even");
            figures.hold(row, apart, "", Goal::AtMost(AT_MOST));
        }
    }
}
