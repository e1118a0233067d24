//! Erasure at the holder's own word: what is held of them is destroyed, and what must stay names nobody (docs/adr/0034).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::erasure::{Erased, ErasureReceipt, Kept, KeptWhat, KeptWhy};
use wallet_core::ids::{CertificateId, HolderId};
use wallet_core::pairwise::Eid;
use wallet_core::revocation::RevocationReason;

use super::callers::Device;
use super::certificates::{Ended, end, of_phone};
use super::{Context, random, recoveries};
use crate::stop::Flow;
use crate::store::erasures::{self, Erasure};
use crate::store::revocations::{self, Why};
use crate::store::{Conn, audit, devices, holders, past_uses, standing_numbers, throttles};

/// How long the phone that asked may ask again.
pub(super) const ASKED_AGAIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// That the holder means it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ErasureRequest)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// The word `erase`.
    #[serde(rename = "confirm")]
    _confirm: Confirm,
}

/// The one word for it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ErasureConfirmation)]
#[serde(rename_all = "snake_case")]
enum Confirm {
    /// All that is held of me is to be erased, and can't be brought back.
    Erase,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erasure)]
pub struct Done {
    /// When.
    erased_at: Timestamp,
    /// JWS `ecert-erasure+jwt`: what was erased, what is kept and why. It is to be had from this device for 30 days.
    receipt: String,
}

impl From<Erasure> for Done {
    fn from(erasure: Erasure) -> Done {
        Done { erased_at: erasure.at, receipt: erasure.receipt }
    }
}

/// Erases all that is held of a device's holder, in one transaction. The same device asking again is told the same.
pub fn erase(ctx: &Context, device: &Device, _: &Confirmed) -> Flow<Done> {
    let now = ctx.now();
    let done = ctx.holder_store.write(|conn| {
        if devices::holder_of(conn, &device.jkt)?.is_none()
            && let Some(before) = erasures::of_device(conn, &device.jkt)?
        {
            return Ok(before);
        }
        // Not by the device, which from before there were many says nothing of whose it is.
        let holder = of_phone(conn, device)?.holder;
        devices::belongs_to(conn, &device.jkt, holder)?;
        let ids = past_uses::certificates_of(conn, holder)?;
        destroy(conn, device, holder, &ids, now)?;
        let receipt = receipt(ctx, holder, ids, now)?;
        let erasure = Erasure { holder, receipt, at: now };
        erasures::insert(conn, &erasure, &device.jkt)?;
        audit::append(conn, &device.jkt, "holder.erase", holder, "done", now)?;
        Ok(erasure)
    })?;
    Ok(done.into())
}

fn destroy(
    conn: &mut Conn,
    device: &Device,
    holder: HolderId,
    ids: &[CertificateId],
    now: Timestamp,
) -> Flow<()> {
    let why = Why { reason: RevocationReason::HolderRequest, note: None };
    for open in revocations::open_of_holder(conn, holder)? {
        let id = open.id;
        end(conn, open, &Ended::Revoked(why.clone()), now)?;
        audit::append(conn, &device.jkt, "certificate.revoke", id, "done", now)?;
    }
    standing_numbers::end(conn, holder, "erased", now)?;
    let eid = holders::eid(conn, holder)?;
    throttles::forget_subject(conn, &recoveries::subject(&eid))?;
    erasures::empty_certificates(conn, ids)?;
    erasures::forget_notices(conn, holder)?;
    erasures::forget_consents(conn, holder)?;
    erasures::end_devices(conn, holder, now)?;
    Ok(erasures::destroy_key(conn, holder, &Eid::from_bytes(random()), now)?)
}

fn receipt(
    ctx: &Context,
    holder: HolderId,
    certificates: Vec<CertificateId>,
    now: Timestamp,
) -> Flow<String> {
    let kept = [
        (KeptWhat::BillsOfRelyingParties, KeptWhy::LegalObligation),
        (KeptWhat::RecentAnswers, KeptWhy::Technical),
        (KeptWhat::RecentCodes, KeptWhy::Technical),
        (KeptWhat::Withdrawals, KeptWhy::LegalClaims),
        (KeptWhat::AuditTrail, KeptWhy::LegalClaims),
        (KeptWhat::StatusListEntries, KeptWhy::Reliance),
        (KeptWhat::ConsentReceipt, KeptWhy::ProofOfConsent),
        (KeptWhat::ErasureReceipt, KeptWhy::LegalClaims),
    ];
    let receipt = ErasureReceipt {
        iss: ctx.public_url.clone(),
        iat: now.as_second(),
        holder,
        certificates,
        erased: Erased::ALL.into(),
        kept: kept.map(|(what, why)| Kept { what, why }).into(),
    };
    let signer = ctx.signer.current();
    Ok(receipt.sign(signer.header(), signer.as_ref())?)
}
