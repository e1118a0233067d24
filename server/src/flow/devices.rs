//! A holder's devices: how one seems when it begins something, its access token, and its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::attestation::Verdict;
use wallet_core::es256::sha256;
use wallet_core::face::Mode;
use wallet_core::ids::{HolderId, NoticeId};
use wallet_core::refusal::{Reason, Refusal};
use wallet_core::revocation::RevocationReason;
use wallet_core::risk::{self, DeviceSignals, Outcome};
use zeroize::Zeroizing;

use super::attestations::{self, Evidence};
use super::callers::Device;
use super::certificates::{Ended, end};
use super::proofing::{Consent, TOKEN, fresh_token};
use super::{Context, data_keys, later};
use crate::edge::data_keys::HolderVault;
use crate::stop::Flow;
use crate::store::devices::{self, EndedWhy};
use crate::store::revocations::{self, Why};
use crate::store::{Conn, audit, codes, notices};

/// What is known of a device that begins something.
pub struct Introduction {
    /// What it says of itself.
    pub signals: Option<DeviceSignals>,
    /// The network that its request came from.
    pub network: Option<String>,
    /// What its maker says of its key.
    pub evidence: Option<Evidence>,
}

/// How a device seemed when it began something.
pub(super) struct Impression {
    /// `clear` or `step_up`.
    pub(super) risk: &'static str,
    pub(super) signals: KeptSignals,
}

/// What is kept of it, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptSignals {
    signals: Option<DeviceSignals>,
    network: Option<String>,
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation: Option<Verdict>,
}

/// Whether a device may begin an enrolment or a recovery, and what is kept of how it seemed. Nothing is signed or stored for whoever did
/// not agree to everything.
pub(super) fn impression(
    ctx: &Context,
    device: &Device,
    consent: &Consent,
    introduced: &Introduction,
    action: &'static str,
) -> Flow<Impression> {
    if !consent.is_whole() {
        return Err(Refusal::ConsentMissing.into());
    }
    let evidence = introduced.evidence.as_ref();
    let attestation = evidence.map(|evidence| attestations::judge(ctx, device, evidence)).transpose()?;
    let findings = risk::findings(introduced.signals.as_ref(), attestation.as_ref());
    let assessed = risk::assess(&findings);
    if assessed.outcome == Outcome::Block {
        let why = format!("device-untrusted: {}", assessed.reasons.join(" "));
        let now = ctx.now();
        ctx.holder_store.write(|conn| Ok(audit::append(conn, &device.jkt, action, "-", &why, now)?))?;
        let hint = ("此设备环境不可信，请更换手机", "This device can't be trusted; use another phone").into();
        let untrusted = Reason { code: "device-untrusted", field: None, hint };
        return Err(Refusal::EnrolmentRefused(untrusted).into());
    }
    let signals = KeptSignals {
        signals: introduced.signals.clone(),
        network: introduced.network.clone(),
        reasons: assessed.reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        attestation,
    };
    Ok(Impression { risk: assessed.outcome.as_str(), signals })
}

/// Keeps what a device said of itself: under the key of whose it is, or until it is somebody's under the service's own.
pub(super) fn keep_signals(ctx: &Context, conn: &mut Conn, jkt: &str, signals: &KeptSignals) -> Flow<()> {
    let context = signals_context(jkt);
    let sealed = match data_keys::of_device(ctx, conn, jkt)? {
        Some(vault) => vault.seal_json(&context, signals)?,
        None => ctx.vault.seal_json(&context, signals)?,
    };
    Ok(devices::keep_signals(conn, jkt, &sealed)?)
}

/// Makes a device a holder's, and what it said of itself with it.
pub(super) fn hand_over(conn: &mut Conn, jkt: &str, holder: HolderId, vault: &HolderVault<'_>) -> Flow<()> {
    devices::belongs_to(conn, jkt, holder)?;
    let Some(sealed) = devices::signals(conn, jkt)? else { return Ok(()) };
    // Under the service's own key, or the holder's: then it was theirs before. What somebody else said who had the device is not theirs to read.
    let Ok(opened) = vault.open(&signals_context(jkt), &sealed).map(Zeroizing::new) else {
        return Ok(devices::forget_signals(conn, jkt)?);
    };
    Ok(devices::keep_signals(conn, jkt, &vault.seal(&signals_context(jkt), &opened)?)?)
}

/// What the signals of a device are bound to.
pub(super) fn signals_context(jkt: &str) -> String {
    format!("devices.signals {jkt}")
}

/// How a device of this risk shows liveness, where `usual` is enough for the others.
pub(super) fn liveness(usual: Mode, risk: Option<&str>) -> Mode {
    let stepped_up = risk == Some(Outcome::StepUp.as_str());
    if stepped_up && usual == Mode::Silent { Mode::Actions } else { usual }
}

/// A token that takes the place of the present one.
#[derive(Serialize, ToSchema)]
pub struct RenewedToken {
    access_token: String,
    token_type: &'static str,
    token_expires_at: Timestamp,
}

/// Gives a device a token for another 90 days. The present one ends when the new one is first used, so that an answer which is lost
/// locks nobody out.
pub fn renew_token(ctx: &Context, device: &Device) -> Flow<RenewedToken> {
    let now = ctx.now();
    let token_expires_at = later(now, TOKEN);
    let access_token = fresh_token();
    ctx.holder_store.write(|conn| {
        devices::offer_token(conn, &device.jkt, &sha256(access_token.as_bytes()), token_expires_at)?;
        Ok(audit::append(conn, &device.jkt, "token.renew", &device.jkt, "done", now)?)
    })?;
    Ok(RenewedToken { access_token, token_type: "DPoP", token_expires_at })
}

/// The devices of a holder.
#[derive(Serialize, ToSchema)]
pub struct DeviceList {
    pub(super) devices: Vec<ShownDevice>,
}

/// A device on the wire.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Device)]
pub(super) struct ShownDevice {
    pub(super) jkt: String,
    /// The one that asks.
    this: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    pub(super) risk: String,
    pub(super) reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signals: Option<DeviceSignals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<Verdict>,
}

/// Lists the devices of the holder, or until something was issued the device itself.
pub fn list(ctx: &Context, device: &Device) -> Flow<DeviceList> {
    let (found, vault) = ctx.holder_store.read(|conn| {
        let holder = devices::holder_of(conn, &device.jkt)?;
        let vault = data_keys::of_device(ctx, conn, &device.jkt)?;
        Ok((devices::of_holder(conn, holder, &device.jkt)?, vault))
    })?;
    let shown = |found: devices::Shown| -> Flow<ShownDevice> {
        let context = signals_context(&found.jkt);
        let open = |sealed: &Vec<u8>| match &vault {
            Some(vault) => vault.open_json::<KeptSignals>(&context, sealed),
            None => ctx.vault.open_json::<KeptSignals>(&context, sealed),
        };
        let kept = found.sealed_signals.as_ref().map(open).transpose()?;
        let (signals, reasons, attestation) =
            kept.map(|kept| (kept.signals, kept.reasons, kept.attestation)).unwrap_or_default();
        Ok(ShownDevice {
            this: found.jkt == device.jkt,
            jkt: found.jkt,
            since: found.since,
            state: found.ended.map_or("active", |(why, _)| why.as_str()),
            ended_at: found.ended.map(|(_, at)| at),
            risk: found.risk.unwrap_or_else(|| "unknown".to_owned()),
            reasons,
            signals,
            attestation,
        })
    };
    Ok(DeviceList { devices: found.into_iter().map(shown).collect::<Flow<_>>()? })
}

/// Ends a device of the holder: its token, and the certificates that are bound to its key, since it could sign codes for them
/// without asking anybody. Ended before, it stays so.
pub fn revoke(ctx: &Context, device: &Device, jkt: &str) -> Flow<()> {
    let now = ctx.now();
    let why = Why { reason: RevocationReason::HolderRequest, note: Some("with its device".to_owned()) };
    ctx.holder_store.write(|conn| {
        let holder = devices::holder_of(conn, &device.jkt)?;
        let theirs = holder.is_some() && devices::holder_of(conn, jkt)? == holder;
        if !theirs && jkt != device.jkt {
            return Err(Refusal::NotFound.into());
        }
        if !devices::revoke(conn, jkt, now)? {
            return Ok(());
        }
        for certificate in revocations::open_of_device(conn, jkt)? {
            end(conn, certificate, &Ended::Revoked(why.clone()), now)?;
            codes::void(conn, certificate.id)?;
            audit::append(conn, &device.jkt, "certificate.revoke", certificate.id, "done", now)?;
        }
        if let Some(holder) = holder {
            notices::append(conn, holder, "device-revoked", now)?;
        }
        Ok(audit::append(conn, &device.jkt, "device.revoke", jkt, EndedWhy::Revoked.as_str(), now)?)
    })
}

/// What a holder was told.
#[derive(Serialize, ToSchema)]
pub struct NoticeList {
    notices: Vec<ShownNotice>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Notice)]
struct ShownNotice {
    id: NoticeId,
    kind: String,
    at: Timestamp,
}

/// The last hundred notices, the newest first.
pub fn notices(ctx: &Context, device: &Device) -> Flow<NoticeList> {
    let found = ctx.holder_store.read(|conn| match devices::holder_of(conn, &device.jkt)? {
        Some(holder) => Ok(notices::of_holder(conn, holder)?),
        None => Ok(Vec::new()),
    })?;
    let shown = |notice: notices::Notice| ShownNotice { id: notice.id, kind: notice.kind, at: notice.at };
    Ok(NoticeList { notices: found.into_iter().map(shown).collect() })
}
