//! What stands between whoever got in and a signature: usable device keys, a limit per hour, and a last look at the claims.

use jiff::{SignedDuration, Timestamp};
use wallet_core::chain;
use wallet_core::ecert::Claims;
use wallet_core::ecert::lint::{self, Policy};
use wallet_core::es256::PublicKey;
use wallet_core::ids::HolderId;
use wallet_core::refusal::{Reason, Refusal};
use wallet_core::x509_lint;

use super::Context;
use super::callers::Device;
use crate::edge::signer::Signer;
use crate::stop::Flow;
use crate::store::{Conn, certificates, throttles};

/// How long a certificate lasts: a face changes, a card is replaced.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
/// The counter of issuing.
const ISSUING: &str = "issuing";
/// Seconds.
const HOUR: i64 = 3600;

/// Whether more may be issued in this hour: a breaker for whoever has got hold of the way in, held in the database so that it
/// counts over all replicas.
///
/// # Errors
/// [`Refusal::Overloaded`] when not.
pub(super) fn ensure_room(ctx: &Context) -> Flow<()> {
    let (hour, wait) = hour(ctx.now());
    let issued = ctx.holder_store.read(|conn| Ok(throttles::read(conn, ISSUING, hour)?))?;
    if issued >= i64::from(ctx.issuing_limit) {
        return Err(Refusal::Overloaded { retry_after: wait }.into());
    }
    Ok(())
}

/// What was issued in this hour, for /metrics.
pub(super) fn issued_this_hour(conn: &mut Conn, now: Timestamp) -> Flow<i64> {
    Ok(throttles::read(conn, ISSUING, hour(now).0)?)
}

pub(super) fn count(conn: &mut Conn, limit: u32, now: Timestamp) -> Flow<()> {
    let (hour, wait) = hour(now);
    throttles::count(conn, ISSUING, hour)?;
    // Counted first: two that come at once see one another here.
    if throttles::read(conn, ISSUING, hour)? > i64::from(limit) {
        tracing::error!(limit, "as many E-certs were issued in this hour as may be; no more are");
        return Err(Refusal::Overloaded { retry_after: wait }.into());
    }
    Ok(())
}

/// The second in which this hour began, and how many of it are left.
fn hour(now: Timestamp) -> (i64, u32) {
    let begun = now.as_second().div_euclid(HOUR) * HOUR;
    (begun, u32::try_from(begun + HOUR - now.as_second()).unwrap_or(1))
}

/// Before anything is done for a device: a key that somebody else has as well proves nothing.
///
/// # Errors
/// [`Refusal::EnrolmentRefused`].
pub(super) fn ensure_usable(ctx: &Context, key: &PublicKey) -> Result<(), Refusal> {
    if lint::is_weak(key) || ctx.signer.own_keys().contains(key) {
        return Err(unusable_key());
    }
    Ok(())
}

fn unusable_key() -> Refusal {
    let hint = (
        "此设备的密钥无法使用，请重新安装应用后再试",
        "This phone's key can't be used; install the app anew and try again",
    );
    Refusal::EnrolmentRefused(Reason { code: "device-key-unusable", field: None, hint: hint.into() })
}

/// The last look before a signature that can't be taken back. What is found is a defect of ours, so it is no refusal.
pub(super) fn ensure_sound(ctx: &Context, claims: &Claims, signer: &Signer, now: Timestamp) -> Flow<()> {
    let validity = (x509_lint::begins(own(signer)), chain::expiry(own(signer)));
    let (Ok(from), Ok(until)) = validity else {
        return Err(anyhow::anyhow!("the signer's certificate can't be read").into());
    };
    let policy = Policy {
        issuer: &ctx.public_url,
        lifetime: LIFETIME,
        signer: (from, until),
        own_keys: &ctx.signer.own_keys(),
        previous: ctx.caches.last_serial.lock().replace(claims.cti),
        now,
    };
    let findings = lint::lint(claims, &policy);
    if findings.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(anyhow::anyhow!("an E-cert was not signed: {}", findings.join("; ")).into())
}

fn own(signer: &Signer) -> &[u8] {
    signer.chain().first().map_or(&[], Vec::as_slice)
}

/// When the signer's own certificate ends.
pub(super) fn expiry(signer: &Signer) -> Timestamp {
    chain::expiry(own(signer)).unwrap_or(Timestamp::MAX)
}

/// A device key that another holder's certificate is bound to proves nothing of this one.
pub(super) fn ensure_own(conn: &mut Conn, device: &Device, holder: HolderId) -> Flow<()> {
    let earlier = certificates::of_device(conn, &device.jkt)?;
    if earlier.is_some_and(|earlier| earlier.standing.is_open() && earlier.holder != holder) {
        return Err(unusable_key().into());
    }
    Ok(())
}
