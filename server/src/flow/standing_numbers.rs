//! The standing E-cert number: off until the holder wants one, and ended by them or by an admin.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::attributes::Share;
use wallet_core::code::standing::StandingNumber;
use wallet_core::ids::{AdminId, CertificateId, HolderId};
use wallet_core::refusal::Refusal;

use super::Context;
use super::callers::Device;
use super::certificates::{Said, in_force};
use crate::stop::Flow;
use crate::store::standing_numbers::{self, Standing};
use crate::store::{Conn, audit, certificates};

/// A number, told once: the server keeps what stands for it only.
#[derive(Serialize, ToSchema)]
#[schema(as = NumberMade)]
pub struct Made {
    /// In four groups of four.
    number: String,
    share: Share,
    made_at: Timestamp,
}

/// Whether there is a number.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Number)]
pub struct Shown {
    on: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_at: Option<Timestamp>,
}

fn holder_of(conn: &mut Conn, device: &Device, now: Timestamp) -> Flow<HolderId> {
    let certificate = certificates::of_device(conn, &device.jkt)?.ok_or(Refusal::NotFound)?;
    Ok(in_force(certificate, now)?.holder)
}

/// Gives the holder a number; the one before ends.
pub fn make(ctx: &Context, device: &Device, share: Share) -> Flow<Made> {
    let now = ctx.now();
    let number = ctx.holder_store.write(|conn| {
        let holder = holder_of(conn, device, now)?;
        let number = StandingNumber::mint(&mut rand::rng());
        let replaced = standing_numbers::end(conn, holder, "replaced by the holder", now)?;
        standing_numbers::insert(
            conn,
            &number.mac(&ctx.secrets.code),
            &Standing { holder, share, made_at: now },
        )?;
        let outcome = if replaced { "replaced" } else { "made" };
        audit::append(conn, &device.jkt, "number.make", holder, outcome, now)?;
        Ok(number)
    })?;
    Ok(Made { number: number.grouped(), share, made_at: now })
}

/// Whether the holder has a number, and what it may share.
pub fn show(ctx: &Context, device: &Device) -> Flow<Shown> {
    let now = ctx.now();
    let found = ctx.holder_store.read(|conn| {
        let holder = holder_of(conn, device, now)?;
        Ok(standing_numbers::of_holder(conn, holder)?)
    })?;
    Ok(found.into())
}

impl From<Option<Standing>> for Shown {
    fn from(found: Option<Standing>) -> Shown {
        Shown {
            on: found.is_some(),
            share: found.map(|found| found.share),
            made_at: found.map(|found| found.made_at),
        }
    }
}

/// The holder switches their number off. Off is what they want: without one it is no error.
pub fn switch_off(ctx: &Context, device: &Device) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let holder = holder_of(conn, device, now)?;
        if standing_numbers::end(conn, holder, "switched off by the holder", now)? {
            audit::append(conn, &device.jkt, "number.end", holder, "done", now)?;
        }
        Ok(())
    })
}

/// An admin ends the number of a certificate's holder, with a reason.
pub fn revoke_by_admin(ctx: &Context, admin: AdminId, id: CertificateId, said: &Said) -> Flow<()> {
    let (why, now) = (said.check()?, ctx.now());
    ctx.holder_store.write(|conn| {
        let certificate = certificates::find(conn, id)?.ok_or(Refusal::NotFound)?;
        let ended = standing_numbers::end(conn, certificate.holder, why.reason.as_str(), now)?;
        let outcome = if ended { "done" } else { "already ended" };
        Ok(audit::append(conn, admin, "number.end", certificate.holder, outcome, now)?)
    })
}
