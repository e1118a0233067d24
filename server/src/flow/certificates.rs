//! Ending certificates: by an admin, by the holder, or with the code on paper. One way in for all three.

use jiff::{SignedDuration, Timestamp};
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, CertificateId};
use wallet_core::pairwise::Eid;
use wallet_core::refusal::Refusal;

use super::Context;
use super::callers::Device;
use crate::stop::Flow;
use crate::store::certificates::{self, Certificate, Ended};
use crate::store::{Conn, audit, outbox};

/// Reasons are for the record, not for stories.
const MAX_REASON: usize = 200;

/// An admin revokes, with a reason.
pub fn revoke_by_admin(ctx: &Context, admin: AdminId, id: CertificateId, reason: &str) -> Flow<()> {
    let reason = checked_reason(reason)?;
    revoke(ctx, &admin.to_string(), reason, |conn| Ok(certificates::find(conn, id)?))
}

/// A reason as it is put on record.
pub(super) fn checked_reason(reason: &str) -> Result<&str, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let expected = format!("1 to {MAX_REASON} characters");
        return Err(Refusal::RequestInvalid { field: "reason", expected });
    }
    Ok(reason)
}

/// The holder revokes their own.
pub fn revoke_by_holder(ctx: &Context, device: &Device, id: CertificateId) -> Flow<()> {
    revoke(ctx, &device.jkt, "revoked by the holder", |conn| {
        Ok(certificates::find(conn, id)?.filter(|found| found.device_jkt == device.jkt))
    })
}

/// Whoever has the paper code revokes: the phone may be lost. 100 random bits can't be guessed, so wrong ones need no
/// counting.
pub fn revoke_by_paper(ctx: &Context, paper_code: &str) -> Flow<()> {
    let hash = paper_code_hash(paper_code);
    // Looked up before anything is locked: strangers may send what they like here.
    ctx.holder_store
        .read(|conn| Ok(certificates::by_revocation_code(conn, &hash)?))?
        .ok_or(Refusal::NotFound)?;
    revoke(ctx, "paper", "revoked with the paper code", |conn| {
        Ok(certificates::by_revocation_code(conn, &hash)?)
    })
}

/// What is stored of a paper code. Spaces, hyphens and case do not matter to people, and not here.
pub fn paper_code_hash(code: &str) -> [u8; 32] {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    sha256(letters.to_ascii_uppercase().as_bytes())
}

fn revoke(
    ctx: &Context,
    actor: &str,
    reason: &str,
    mut find: impl FnMut(&mut Conn) -> Flow<Option<Certificate>>,
) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let certificate = find(conn)?.ok_or(Refusal::NotFound)?;
        // Revoking twice is no error: who asks wants it revoked, and it is.
        let outcome = if certificate.active { "done" } else { "already ended" };
        if certificate.active {
            end(conn, &certificate, Ended::Revoked, reason, now)?;
        }
        Ok(audit::append(conn, actor, "certificate.revoke", certificate.id, outcome, now)?)
    })
}

/// The certificate that another row refers to: it must be there.
pub(super) fn referred_to(conn: &mut Conn, id: CertificateId) -> Flow<Certificate> {
    let certificate = certificates::find(conn, id)?;
    Ok(certificate.ok_or_else(|| anyhow::anyhow!("a certificate that is referred to is missing"))?)
}

/// How long a certificate that was read in force counts as that. The product promises that a revoked one is refused within a
/// second, everywhere; a judgement takes a fraction of this.
const FRESH: SignedDuration = SignedDuration::from_millis(500);

/// A certificate in force, and the eid of its holder, as they were read a moment ago.
pub(super) struct InForce {
    pub(super) certificate: Certificate,
    pub(super) eid: Eid,
    read_at: Timestamp,
}

impl InForce {
    /// The certificate that another row refers to, as it was `read` beside that row at a time; read now if it was not.
    pub(super) fn of(
        ctx: &Context,
        id: CertificateId,
        read: Option<(Certificate, Eid)>,
        read_at: Timestamp,
    ) -> Flow<InForce> {
        let (found, read_at) = match read {
            // Where the tables were parted, what lies beside the redemption is what was left behind.
            Some(read) if ctx.rounds.in_one => (Some(read), read_at),
            _ => (ctx.rounds.certificates.join(id)?, ctx.now()),
        };
        let (certificate, eid) =
            found.ok_or_else(|| anyhow::anyhow!("a certificate that is referred to is missing"))?;
        Ok(InForce { certificate: in_force(certificate, read_at)?, eid, read_at })
    }

    /// The same as it is now, read anew if that moment has passed.
    pub(super) fn still(self, ctx: &Context) -> Flow<InForce> {
        let now = ctx.now();
        if now.duration_since(self.read_at).abs() > FRESH {
            return InForce::of(ctx, self.certificate.id, None, now);
        }
        Ok(InForce { certificate: in_force(self.certificate, now)?, ..self })
    }
}

/// The certificate, if it is in force.
pub(super) fn in_force(certificate: Certificate, now: Timestamp) -> Result<Certificate, Refusal> {
    if certificate.in_force(now) { Ok(certificate) } else { Err(Refusal::CertificateRevoked) }
}

/// Ends an active certificate and asks for its status list to be published anew.
pub(super) fn end(
    conn: &mut Conn,
    certificate: &Certificate,
    state: Ended,
    reason: &str,
    now: Timestamp,
) -> Flow<()> {
    certificates::end(conn, certificate.id, state, reason, now)?;
    outbox::append(conn, outbox::REPUBLISH_STATUS_LIST, &certificate.status.0.to_string(), now)?;
    Ok(())
}
