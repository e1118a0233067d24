//! Holders' data keys: given with the first certificate, or by a job to who enrolled before there were any; wrapped anew after a rotation.
//!
//! Each step is a small transaction that leaves nothing half done: a holder's key and all that is sealed under it change together, and what
//! was done is seen from the rows. So the job may be killed at any point, and two may run at once.

use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::HolderId;
use zeroize::Zeroizing;

use super::{Context, devices, issuance, templates};
use crate::edge::data_keys::{DataKey, HolderVault, Vaults};
use crate::stop::Flow;
use crate::store::data_keys::{self, Held, WrappedKey};
use crate::store::{Conn, devices as rows};

/// Holders who are given keys in a transaction: a few milliseconds, beside which a service goes on.
const GIVEN_AT_ONCE: i64 = 20;
/// Keys that are wrapped anew in a transaction.
const WRAPPED_AT_ONCE: i64 = 200;
/// Transactions in a run of the job: well within its lease.
const STEPS: usize = 100;
/// How long the job stays with a replica that died over it.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);

impl Context {
    /// What opens what belongs to any holder.
    pub fn vaults(&self) -> Vaults<'_> {
        Vaults { service: &self.vault, kms: &self.signer }
    }
}

/// What seals for a holder, who is given a key if they have none.
pub(super) fn ensure<'a>(
    ctx: &'a Context,
    conn: &mut Conn,
    holder: HolderId,
    now: Timestamp,
) -> Flow<HolderVault<'a>> {
    match data_keys::find(conn, holder)? {
        Some(key) => Ok(ctx.vaults().of(holder, Some(&key))?),
        None => give(ctx, conn, holder, now),
    }
}

/// What seals for the holder of a device, as far as there is one and they have a key.
pub(super) fn of_device<'a>(ctx: &'a Context, conn: &mut Conn, jkt: &str) -> Flow<Option<HolderVault<'a>>> {
    let Some(holder) = rows::holder_of(conn, jkt)? else { return Ok(None) };
    let key = data_keys::find(conn, holder)?;
    Ok(Some(ctx.vaults().of(holder, key.as_ref())?))
}

/// Gives a holder a key, and seals all of theirs under it. What does not open stays as it is: `ecert db check` names it.
fn give<'a>(ctx: &'a Context, conn: &mut Conn, holder: HolderId, now: Timestamp) -> Flow<HolderVault<'a>> {
    let key = DataKey::fresh();
    data_keys::give(conn, holder, &ctx.vaults().kms.wrap(holder, &key, now)?)?;
    let vault = ctx.vaults().under(&key);
    for (held, sealed) in data_keys::values(conn, holder)? {
        let context = context(&held);
        if let Ok(opened) = ctx.vault.open(&context, &sealed) {
            let opened = Zeroizing::new(opened);
            data_keys::replace(conn, &held, &sealed, &vault.seal(&context, &opened)?)?;
        }
    }
    Ok(vault)
}

/// What a sealed value of a holder is bound to.
fn context(held: &Held) -> String {
    match held {
        Held::Attributes(id) => issuance::attributes_context(*id),
        Held::Template(id) => templates::template_context(*id),
        Held::Portrait(id) => issuance::portrait_context(*id),
        Held::Issued(id) => issuance::answer_context(*id),
        Held::Signals(jkt) => devices::signals_context(jkt),
    }
}

/// Whether a holder has no key yet, or one that is wrapped under a key which wraps no more.
pub fn any_waits(ctx: &Context) -> Flow<bool> {
    let spent = spent(ctx)?;
    ctx.holder_store.read(|conn| {
        if !data_keys::without(conn, 1)?.is_empty() {
            return Ok(true);
        }
        for kek in &spent {
            if !data_keys::under(conn, kek, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// Gives keys to those who have none, and wraps anew what a key that wraps no more has wrapped; some at a time.
pub fn work(ctx: &Context) -> Flow<()> {
    let (mut given, mut wrapped) = (0, 0);
    for _ in 0..STEPS {
        let some = give_some(ctx)?;
        given += some;
        if some == 0 {
            break;
        }
    }
    for kek in spent(ctx)? {
        for _ in 0..STEPS {
            let some = rewrap_some(ctx, &kek)?;
            wrapped += some;
            if some == 0 {
                break;
            }
        }
    }
    if given + wrapped > 0 {
        tracing::info!(given, wrapped, "data keys were given to holders, and wrapped anew");
    }
    Ok(())
}

/// The keys that only unwrap.
fn spent(ctx: &Context) -> Flow<Vec<String>> {
    let (keks, current) = (ctx.signer.kek_ids(), ctx.vaults().kms.current(ctx.now())?);
    // Those before the current one: a next one has wrapped nothing.
    Ok(keks.into_iter().take_while(|kek| *kek != current).collect())
}

fn give_some(ctx: &Context) -> Flow<usize> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        let some = data_keys::without(conn, GIVEN_AT_ONCE)?;
        for holder in &some {
            give(ctx, conn, *holder, now)?;
        }
        Ok(some.len())
    })
}

fn rewrap_some(ctx: &Context, kek: &str) -> Flow<usize> {
    let (now, kms) = (ctx.now(), ctx.vaults().kms);
    let some = ctx.holder_store.read(|conn| Ok(data_keys::under(conn, kek, WRAPPED_AT_ONCE)?))?;
    // One that does not open, since its row is damaged, keeps no other from its turn.
    let anew = |(holder, old): (HolderId, WrappedKey)| {
        let key = kms.unwrap(holder, &old).ok()?;
        Some(kms.wrap(holder, &key, now).map(|new| (holder, old, new)))
    };
    let anew = some.into_iter().filter_map(anew).collect::<anyhow::Result<Vec<_>>>()?;
    if anew.is_empty() {
        return Ok(0);
    }
    ctx.holder_store.write(|conn| {
        // Whose key changed or was destroyed meanwhile is left alone.
        anew.iter().try_for_each(|(holder, old, new)| {
            data_keys::rewrap(conn, *holder, old, new)?;
            Flow::Ok(())
        })
    })?;
    Ok(anew.len())
}
