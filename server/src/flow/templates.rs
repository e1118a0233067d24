//! Templates as certificates keep them: turned under a salt of their own, then sealed.

use wallet_core::face::Template;
use wallet_core::face::protection::{Stored, Unlocked};
use wallet_core::ids::CertificateId;
use zeroize::Zeroizing;

use super::{Context, random};

/// What the sealed template of a certificate is bound to.
pub fn template_context(id: CertificateId) -> String {
    format!("certificates.template {id}")
}

/// Protects under a new salt, and seals.
pub(super) fn seal(ctx: &Context, id: CertificateId, template: &Template) -> anyhow::Result<Vec<u8>> {
    let stored = Stored::protect(template, &ctx.secrets.template, random());
    ctx.vault.seal(&template_context(id), &stored.to_bytes())
}

/// What a face is compared with. Templates from before they were protected are opened too.
pub(super) fn open(ctx: &Context, id: CertificateId, sealed: &[u8]) -> anyhow::Result<Unlocked> {
    let bytes = Zeroizing::new(ctx.vault.open(&template_context(id), sealed)?);
    Ok(Stored::from_bytes(&bytes)?.unlock(&ctx.secrets.template))
}
