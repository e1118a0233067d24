//! Handles for a wallet's codes: it makes the keys, the server ties a handle to each.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::code::handles::{BATCH, KEPT, REFILL_BELOW};
use wallet_core::code::qr::handle_hash;
use wallet_core::es256::PublicKey;
use wallet_core::ids::CertificateId;
use wallet_core::jws::{base64url, from_base64url};
use wallet_core::pairwise::keyed;
use wallet_core::refusal::Refusal;

use super::Context;
use super::callers::Device;
use super::certificates::in_force;
use crate::stop::Flow;
use crate::store::handles::{self, Keyed};
use crate::store::{certificates, throttles};

/// Batches that a certificate may ask for in a day (UTC): 1,024 codes.
const BATCHES_A_DAY: i64 = 16;
const DAY: i64 = 86_400;

/// Handles, one for each key that was sent, in that order.
#[derive(Serialize, ToSchema)]
#[schema(as = Handles)]
pub struct Refilled {
    /// 16 bytes each, base64url.
    handles: Vec<String>,
    /// How many handles the certificate has now, these among them.
    held: i64,
    /// The wallet should ask again when it has fewer than this unused.
    refill_below: usize,
}

/// The keys of a batch: 1 to 64 points of P-256 (SEC 1, compressed or not, base64url), each once.
pub fn read_keys(texts: &[String]) -> Result<Vec<PublicKey>, Refusal> {
    let invalid = || {
        let expected = format!("1 to {BATCH} different P-256 public keys, SEC 1 in base64url");
        Refusal::RequestInvalid { field: "keys", expected }
    };
    if texts.is_empty() || texts.len() > BATCH {
        return Err(invalid());
    }
    let key = |text: &String| {
        let bytes = from_base64url(text).map_err(|_| invalid())?;
        PublicKey::from_sec1(&bytes).map_err(|_| invalid())
    };
    let keys = texts.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let different: HashSet<Vec<u8>> = keys.iter().map(PublicKey::to_sec1).collect();
    if different.len() == keys.len() { Ok(keys) } else { Err(invalid()) }
}

/// Ties a handle to each key, for the device's certificate. The same keys sent again, after a lost answer, get the same handles. The oldest
/// handles are retired when there are more than are kept.
pub fn refill(ctx: &Context, device: &Device, keys: &[PublicKey]) -> Flow<Refilled> {
    let now = ctx.now();
    let day = now.as_second() / DAY * DAY;
    ctx.holder_store.write(|conn| {
        let certificate = certificates::of_device(conn, &device.jkt)?.ok_or(Refusal::NotFound)?;
        let certificate = in_force(certificate, now)?.id;
        let subject = format!("handle-batches/{certificate}");
        if throttles::read(conn, &subject, day)? >= BATCHES_A_DAY {
            let wait = u32::try_from(day + DAY - now.as_second()).unwrap_or(1).max(1);
            return Err(Refusal::RateLimited { retry_after: wait }.into());
        }
        throttles::count(conn, &subject, day)?;
        let ids: Vec<[u8; 16]> = keys.iter().map(|key| handle(ctx, certificate, key)).collect();
        let keyed = |(place, (id, key)): (i64, (&[u8; 16], &PublicKey))| Keyed {
            hash: handle_hash(id),
            key: key.clone(),
            issued_at: now.as_microsecond().saturating_add(place),
        };
        let batch: Vec<Keyed> = (0..).zip(ids.iter().zip(keys)).map(keyed).collect();
        handles::insert_all(conn, certificate, &batch)?;
        let held = handles::retire(conn, certificate, i64::try_from(KEPT).unwrap_or(i64::MAX))?;
        let handles = ids.iter().map(|id| base64url(id)).collect();
        Ok(Refilled { handles, held, refill_below: REFILL_BELOW })
    })
}

/// Random to whoever lacks the server's key, and the same whenever the same key is sent.
fn handle(ctx: &Context, certificate: CertificateId, key: &PublicKey) -> [u8; 16] {
    let mac = keyed(&ctx.secrets.code, &[b"handle", certificate.to_string().as_bytes(), &key.to_sec1()]);
    let mut handle = [0; 16];
    handle.iter_mut().zip(mac).for_each(|(place, byte)| *place = byte);
    handle
}
