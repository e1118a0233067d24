//! Suspending and ending certificates: by an admin, by the holder, by a sponsor, or with the code on paper. One way in for all.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::code::test_people::TestPerson;
use wallet_core::ids::{AdminId, CertificateId, HolderId, RelyingPartyId, SponsorshipId};
use wallet_core::pairwise::Eid;
use wallet_core::refusal::Refusal;
use wallet_core::revocation::{CRL_CERTIFICATE_HOLD, CRL_SUPERSEDED, RevocationReason};

use super::amounts::is_line;
use super::callers::Device;
use super::{Context, status_lists, test_people};
use crate::edge::data_keys::HolderVault;
use crate::stop::Flow;
use crate::store::certificates::{self, Certificate, Owner, Standing};
pub use crate::store::revocations::Ended;
use crate::store::revocations::{self, Open, Record, State, Why};
use crate::store::{Conn, audit, holders, notices, outbox, withdrawals};

/// Notes are for the record, not for stories.
const MAX_NOTE: usize = 200;

/// Why, as a caller says it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Why)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// A word of [`RevocationReason`].
    pub reason: String,
    /// At most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Said {
    /// The reason and the note, if they are ones. An empty note is none.
    pub fn check(&self) -> Result<Why, Refusal> {
        let reason = self.reason.parse().map_err(|_| {
            let expected = RevocationReason::ALL.map(RevocationReason::as_str).join(", ");
            Refusal::RequestInvalid { field: "reason", expected: format!("one of {expected}") }
        })?;
        let note = self.note.as_deref().unwrap_or_default().trim();
        if !is_line(note, 0..=MAX_NOTE) {
            let expected = format!("at most {MAX_NOTE} characters in one line");
            return Err(Refusal::RequestInvalid { field: "note", expected });
        }
        Ok(Why { reason, note: (!note.is_empty()).then(|| note.to_owned()) })
    }
}

/// An admin revokes. That is a decision about the person too: a hold that a suspension put on them ends, so that they may enrol anew.
pub fn revoke_by_admin(ctx: &Context, admin: AdminId, id: CertificateId, said: &Said) -> Flow<()> {
    let why = said.check()?;
    revoke(ctx, &admin.to_string(), &why, |conn| {
        let found = certificates::find(conn, id)?;
        if let Some(certificate) = &found {
            holders::release(conn, certificate.holder)?;
        }
        Ok(found)
    })
}

/// The holder revokes their own.
pub fn revoke_by_holder(ctx: &Context, device: &Device, id: CertificateId) -> Flow<()> {
    let why = Why { reason: RevocationReason::HolderRequest, note: None };
    revoke(ctx, &device.jkt, &why, |conn| {
        Ok(certificates::find(conn, id)?.filter(|found| found.device_jkt == device.jkt))
    })
}

/// Revokes what is found. Revoking twice is no error: who asks wants it revoked, and it is.
pub(super) fn revoke(
    ctx: &Context,
    actor: &str,
    why: &Why,
    mut find: impl FnMut(&mut Conn) -> Flow<Option<Certificate>>,
) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let certificate = find(conn)?.ok_or(Refusal::NotFound)?;
        let outcome = if certificate.standing.is_final() { "already ended" } else { "done" };
        if !certificate.standing.is_final() {
            end_and_tell(conn, Open::from(&certificate), &Ended::Revoked(why.clone()), now)?;
        }
        Ok(audit::append(conn, actor, "certificate.revoke", certificate.id, outcome, now)?)
    })
}

/// An admin suspends an active certificate: it is refused everywhere at once, keeps its template, and may come back. Until then nothing
/// else is issued to its holder.
pub fn suspend(ctx: &Context, admin: AdminId, id: CertificateId, said: &Said) -> Flow<()> {
    let (why, now) = (said.check()?, ctx.now());
    change(ctx, admin, id, "certificate.suspend", Standing::Suspended, |conn| {
        Ok(revocations::suspend(conn, id, &why, now)?)
    })
}

/// An admin brings a suspended certificate back.
pub fn reactivate(ctx: &Context, admin: AdminId, id: CertificateId) -> Flow<()> {
    change(ctx, admin, id, "certificate.reactivate", Standing::Active, |conn| {
        Ok(revocations::reactivate(conn, id)?)
    })
}

/// Compare-and-set between active and suspended. What is so already stays so; what has ended stays ended, and is a refusal.
fn change(
    ctx: &Context,
    admin: AdminId,
    id: CertificateId,
    action: &'static str,
    to: Standing,
    mut set: impl FnMut(&mut Conn) -> Flow<bool>,
) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let changed = set(conn)?;
        let certificate = certificates::find(conn, id)?.ok_or(Refusal::NotFound)?;
        if certificate.standing != to {
            return Err(Refusal::CertificateRevoked.into());
        }
        if changed {
            republish(conn, certificate.status.0, now)?;
            let told = if to == Standing::Suspended {
                holders::hold(conn, certificate.holder, now)?;
                "suspended"
            } else {
                holders::release(conn, certificate.holder)?;
                "reactivated"
            };
            notices::append(conn, certificate.holder, told, now)?;
        }
        let outcome = if changed { "done" } else { "already so" };
        Ok(audit::append(conn, admin, action, id, outcome, now)?)
    })
}

/// A certificate as admins see it: no personal data.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Certificate)]
pub struct Shown {
    pub(super) id: CertificateId,
    holder_id: HolderId,
    pub(super) state: &'static str,
    /// Since when it stands so; absent while it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RevocationReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// RFC 5280 §5.3.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    crl_reason: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<CertificateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sponsorship_id: Option<SponsorshipId>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    status: Place,
}

/// Where a certificate stands in the published lists.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusPlace)]
struct Place {
    uri: String,
    index: i64,
}

/// Shows a certificate to an admin, and that they looked is on record.
pub fn show(ctx: &Context, admin: AdminId, id: CertificateId) -> Flow<Shown> {
    let now = ctx.now();
    let record = ctx.holder_store.write(|conn| {
        let record = revocations::record(conn, id)?.ok_or(Refusal::NotFound)?;
        audit::append(conn, admin, "certificate.read", id, "done", now)?;
        Ok(record)
    })?;
    Ok(Shown::of(ctx, record))
}

impl Shown {
    /// A certificate as its record has it.
    pub(super) fn of(ctx: &Context, record: Record) -> Shown {
        let mut shown = Shown {
            id: record.id,
            holder_id: record.holder,
            state: Standing::Active.as_str(),
            since: None,
            reason: None,
            note: None,
            crl_reason: None,
            superseded_by: None,
            sponsorship_id: record.sponsorship,
            issued_at: record.issued_at,
            expires_at: record.expires_at,
            status: Place { uri: status_lists::uri(ctx, record.status.0), index: record.status.1 },
        };
        match record.state {
            State::Active => {}
            State::Suspended { since, why } => {
                let crl_reason = CRL_CERTIFICATE_HOLD;
                shown.stands(Standing::Suspended, since, crl_reason, Some(why));
            }
            State::Revoked { at, why } => {
                let crl_reason = why.reason.crl_reason();
                shown.stands(Standing::Revoked, at, crl_reason, Some(why));
            }
            State::Superseded { at, by } => {
                shown.stands(Standing::Superseded, at, CRL_SUPERSEDED, None);
                shown.superseded_by = by;
            }
        }
        shown
    }

    fn stands(&mut self, standing: Standing, since: Timestamp, crl_reason: u8, why: Option<Why>) {
        self.state = standing.as_str();
        self.since = Some(since);
        self.crl_reason = Some(crl_reason);
        if let Some(Why { reason, note }) = why {
            self.reason = Some(reason);
            self.note = note;
        }
    }
}

/// The certificate that another row refers to: it must be there.
pub(super) fn referred_to(conn: &mut Conn, id: CertificateId) -> Flow<Certificate> {
    let certificate = certificates::find(conn, id)?;
    Ok(certificate.ok_or_else(|| anyhow::anyhow!("a certificate that is referred to is missing"))?)
}

/// The certificate of a phone whose holder asks for what is theirs by law: it need not be in time any more. A revoked or suspended one
/// shows and changes nothing, since the phone may be in other hands; who has another certificate asks with that.
pub(super) fn of_phone(conn: &mut Conn, phone: &Device) -> Flow<Certificate> {
    let newest = certificates::of_device(conn, &phone.jkt)?.ok_or(Refusal::NotFound)?;
    match newest.standing {
        Standing::Active => Ok(newest),
        Standing::Suspended => Err(Refusal::CertificateSuspended.into()),
        Standing::Revoked | Standing::Superseded => Err(Refusal::CertificateRevoked.into()),
    }
}

/// How long a certificate that was read in force counts as that. The product promises that a revoked one is refused within a
/// second, everywhere; a judgement takes a fraction of this.
const FRESH: SignedDuration = SignedDuration::from_millis(500);

/// A certificate in force, and its holder, as they were read a moment ago.
pub(super) struct InForce {
    pub(super) certificate: Certificate,
    pub(super) owner: Owner,
    read_at: Timestamp,
}

impl InForce {
    /// The certificate that another row refers to, as it was `read` beside that row at a time; read now if it was not.
    pub(super) fn of(
        ctx: &Context,
        id: CertificateId,
        read: Option<(Certificate, Owner)>,
        read_at: Timestamp,
    ) -> Flow<InForce> {
        if let Some(person) = TestPerson::of_certificate(id) {
            return test_people::in_force(ctx, person, read_at);
        }
        let (found, read_at) = match read {
            // Where the tables were parted, what lies beside the redemption is what was left behind.
            Some(read) if ctx.rounds.in_one => (Some(read), read_at),
            _ => (ctx.rounds.certificates.join(id)?, ctx.now()),
        };
        let (certificate, owner) =
            found.ok_or_else(|| anyhow::anyhow!("a certificate that is referred to is missing"))?;
        Ok(InForce { certificate: in_force(certificate, read_at)?, owner, read_at })
    }

    /// That its holder wants to have to do with a relying party.
    pub(super) fn consents_to(&self, ctx: &Context, rp: RelyingPartyId) -> Flow<()> {
        let holder = self.certificate.holder;
        if self.owner.has_blocks
            && ctx.holder_store.read(|conn| Ok(withdrawals::is_blocked(conn, holder, rp)?))?
        {
            return Err(Refusal::ConsentMissing.into());
        }
        Ok(())
    }

    /// One that nobody has read.
    pub(super) fn assumed(certificate: Certificate, eid: Eid, read_at: Timestamp) -> InForce {
        InForce { certificate, owner: Owner { eid, key: None, has_blocks: false }, read_at }
    }

    /// What opens its sealed parts.
    pub(super) fn vault<'a>(&self, ctx: &'a Context) -> anyhow::Result<HolderVault<'a>> {
        ctx.vaults().of(self.certificate.holder, self.owner.key.as_ref())
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
    match certificate.standing {
        Standing::Active if certificate.is_current(now) => Ok(certificate),
        Standing::Suspended if certificate.is_current(now) => Err(Refusal::CertificateSuspended),
        _ => Err(Refusal::CertificateRevoked),
    }
}

impl From<&Certificate> for Open {
    fn from(certificate: &Certificate) -> Open {
        Open { id: certificate.id, holder: certificate.holder, list: certificate.status.0 }
    }
}

/// Ends a certificate that has not ended and asks for its status list to be published anew.
pub(super) fn end(conn: &mut Conn, certificate: Open, ended: &Ended, now: Timestamp) -> Flow<()> {
    revocations::end(conn, certificate.id, ended, now)?;
    republish(conn, certificate.list, now)
}

/// The same, and its holder hears of it: somebody else may have done it.
pub(super) fn end_and_tell(conn: &mut Conn, certificate: Open, ended: &Ended, now: Timestamp) -> Flow<()> {
    notices::append(conn, certificate.holder, "revoked", now)?;
    end(conn, certificate, ended, now)
}

pub(super) fn republish(conn: &mut Conn, list: i64, now: Timestamp) -> Flow<()> {
    Ok(outbox::append(conn, outbox::REPUBLISH_STATUS_LIST, &list.to_string(), now)?)
}
