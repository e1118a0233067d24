//! Templates as certificates keep them: turned under a salt of their own, then sealed.

use serde::Serialize;
use wallet_core::face::protection::{ProtectionKey, Stored, Unlocked};
use wallet_core::ids::CertificateId;
use zeroize::Zeroizing;

use super::{Context, random};
use crate::edge::data_keys::{HolderVault, Vaults};
use crate::progress::Progress;
use crate::stop::Flow;
use crate::store::Store;
use crate::store::certificates::{self, SealedTemplate};

/// Templates that are put into the database at a time: a transaction of a few milliseconds, beside which a service goes on.
const AT_ONCE: i64 = 200;

/// What the sealed template of a certificate is bound to.
pub fn template_context(id: CertificateId) -> String {
    format!("certificates.template {id}")
}

/// Seals a protected template.
pub(super) fn seal(vault: &HolderVault<'_>, id: CertificateId, stored: &Stored) -> anyhow::Result<Vec<u8>> {
    vault.seal(&template_context(id), &stored.to_bytes())
}

/// What a face is compared with. Templates from before they were protected are opened too.
pub(super) fn open(
    ctx: &Context,
    vault: &HolderVault<'_>,
    id: CertificateId,
    sealed: &[u8],
) -> anyhow::Result<Unlocked> {
    Ok(stored(vault, id, sealed)?.unlock(&ctx.secrets.template))
}

/// The same as it is stored.
pub(super) fn stored(vault: &HolderVault<'_>, id: CertificateId, sealed: &[u8]) -> anyhow::Result<Stored> {
    let bytes = Zeroizing::new(vault.open(&template_context(id), sealed)?);
    Ok(Stored::from_bytes(&bytes)?)
}

/// What [`rekey`] did.
#[derive(Debug, Default, Serialize)]
pub struct Rekeyed {
    /// Templates under a new salt.
    pub rekeyed: u64,
    /// Of these, such as were stored before there was protection.
    pub were_plain: u64,
    /// Templates that were replaced or erased meanwhile, and so left alone.
    pub left_alone: u64,
    /// The last certificate that was looked at.
    pub last: Option<CertificateId>,
}

/// Puts every template under a new salt, without anybody being captured: what was copied of them before says nothing about what is
/// stored then. From behind `after` on, so that it can go on where it was interrupted; `done` hears of each step.
pub fn rekey(
    store: &Store,
    protection: &ProtectionKey,
    vaults: Vaults<'_>,
    after: Option<CertificateId>,
    progress: &Progress,
    mut done: impl FnMut(&Rekeyed),
) -> Flow<Rekeyed> {
    let piece =
        progress.begin("templates", Some(store.read(|conn| Ok(certificates::count_templates(conn)?))?));
    let mut all = Rekeyed { last: after, ..Rekeyed::default() };
    loop {
        let found = store.read(|conn| Ok(certificates::templates_after(conn, all.last, AT_ONCE)?))?;
        if found.is_empty() {
            break;
        }
        let mut renewed = Vec::with_capacity(found.len());
        for SealedTemplate { holder, key, certificate: id, sealed } in found {
            let vault = vaults.of(holder, key.as_ref())?;
            let stored = stored(&vault, id, &sealed)?;
            all.were_plain += u64::from(!stored.is_protected());
            let bytes = stored.rekey(protection, random()).to_bytes();
            renewed.push((id, sealed, vault.seal(&template_context(id), &bytes)?));
        }
        let replaced = store.write(|conn| {
            let replace = |(id, old, new): &(CertificateId, Vec<u8>, Vec<u8>)| {
                Ok(u64::from(certificates::replace_template(conn, *id, old, new)?))
            };
            renewed.iter().map(replace).sum::<Flow<u64>>()
        })?;
        all.rekeyed += replaced;
        all.left_alone += renewed.len() as u64 - replaced;
        all.last = renewed.last().map(|(id, ..)| *id);
        piece.steps(renewed.len() as u64);
        done(&all);
    }
    piece.end(&format!("{} under a new salt", all.rekeyed));
    Ok(all)
}
