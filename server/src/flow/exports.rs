//! A copy of what is held of a holder, for them (GDPR art. 15 and 20; PIPL art. 45): for machines, and for people to read.

mod page;

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use wallet_core::attributes::Attribute;
use wallet_core::ecert::Disclosure;
use wallet_core::ids::HolderId;
use wallet_core::jws::from_base64url;
use wallet_core::refusal::Refusal;
use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;

use super::callers::Device;
use super::certificates::{self, of_phone};
use super::consents::{self, Consents, Taken};
use super::devices::ShownDevice;
use super::past_uses::{self, SeenOverAsking, SeenUse, Who};
use super::{Context, devices, issuance, standing_numbers, templates};
use crate::edge::data_keys::HolderVault;
use crate::edge::print::Language;
use crate::stop::Flow;
use crate::store::exports::{self, Consented, Kept};
use crate::store::notices::{self, Notice};
use crate::store::{self as rows, Conn, audit, revocations, throttles};

/// The version of the form of `data.json`: another where a member means something else, or is gone.
const FORMAT: &str = "ecert-export/1";
/// Copies in a day (UTC): enough for who lost one, too few to keep the service busy.
const A_DAY: i64 = 5;
/// Seconds in a day.
const DAY: i64 = 86_400;
/// Uses in a copy, the newest: seven a day for four years. All of it is held in memory, some 4 MiB.
const MOST_USES: usize = 10_000;
/// Requests for too much, the newest.
const MOST_OVER_ASKINGS: i64 = 1000;

/// All that is held of a holder.
#[derive(Serialize)]
struct Export {
    format: &'static str,
    /// Our address.
    service: String,
    exported_at: Timestamp,
    holder: HolderId,
    since: Timestamp,
    certificates: Vec<Exported>,
    number: standing_numbers::Shown,
    devices: Vec<ShownDevice>,
    consents: Vec<Consented>,
    redemptions: Vec<SeenUse>,
    /// Whether there are more uses than are told.
    older_redemptions_left_out: bool,
    over_asked: Vec<SeenOverAsking>,
    withdrawals: Vec<Taken>,
    blocked: Vec<Who>,
    notices: Vec<Notice>,
}

/// A certificate of theirs.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    shown: certificates::Shown,
    assurance_level: String,
    device_jkt: String,
    attributes: Vec<Disclosure>,
    /// The name of the file with the picture on the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    portrait: Option<String>,
    /// What faces are compared with, as it is kept: turned by a key of ours (ISO/IEC 24745), base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    face_template: Option<String>,
}

/// A file in the copy.
type File = (String, Vec<u8>);

/// Makes the copy: a ZIP.
pub fn export(ctx: &Context, device: &Device, language: Language) -> Flow<Vec<u8>> {
    let now = ctx.now();
    let holder = ctx.holder_store.write(|conn| {
        let holder = of_phone(conn, device)?.holder;
        count(conn, holder, now)?;
        audit::append(conn, &device.jkt, "holder.export", holder, "done", now)?;
        Ok(holder)
    })?;
    let (mut export, pictures) = of_holders_side(ctx, device, holder, now)?;
    let all = ctx.holder_store.read(|conn| Ok(rows::past_uses::certificates_of(conn, holder)?))?;
    let (uses, over_asked) = past_uses::of_certificates(ctx, &all, MOST_USES + 1, MOST_OVER_ASKINGS, now)?;
    export.older_redemptions_left_out = uses.len() > MOST_USES;
    export.redemptions = uses.into_iter().take(MOST_USES).collect();
    export.over_asked = over_asked;
    let Consents { withdrawals, blocked, .. } = consents::list(ctx, device)?;
    (export.withdrawals, export.blocked) = (withdrawals, blocked);
    let page = page::of(&export, language);
    let mut files = vec![
        ("index.html".to_owned(), page.into_bytes()),
        ("data.json".to_owned(), serde_json::to_vec_pretty(&export)?),
    ];
    files.extend(pictures);
    Ok(archive(&files)?)
}

fn count(conn: &mut Conn, holder: HolderId, now: Timestamp) -> Flow<()> {
    let (subject, today) = (format!("exports/{holder}"), now.as_second().div_euclid(DAY) * DAY);
    if throttles::read(conn, &subject, today)? >= A_DAY {
        let left = u32::try_from(today + DAY - now.as_second()).unwrap_or(1).max(1);
        return Err(Refusal::RateLimited { retry_after: left }.into());
    }
    Ok(throttles::count(conn, &subject, today)?)
}

/// What stands on the holders' side, and the pictures.
fn of_holders_side(
    ctx: &Context,
    device: &Device,
    holder: HolderId,
    now: Timestamp,
) -> Flow<(Export, Vec<File>)> {
    let devices = devices::list(ctx, device)?.devices;
    ctx.holder_store.read(|conn| {
        let key = rows::data_keys::find(conn, holder)?;
        let vault = ctx.vaults().of(holder, key.as_ref())?;
        let (mut exported, mut pictures) = (Vec::new(), Vec::new());
        for kept in exports::certificates_of(conn, holder)? {
            let picture = picture(&vault, &kept)?;
            let record = revocations::record(conn, kept.id)?.ok_or(Refusal::NotFound)?;
            let shown = certificates::Shown::of(ctx, record);
            exported.push(certificate(&vault, kept, shown, picture.as_ref().map(|(name, _)| name.clone()))?);
            pictures.extend(picture);
        }
        let export = Export {
            format: FORMAT,
            service: ctx.public_url.clone(),
            exported_at: now,
            holder,
            since: exports::known_since(conn, holder)?,
            certificates: exported,
            number: rows::standing_numbers::of_holder(conn, holder)?.into(),
            devices: devices.clone(),
            consents: exports::consents_of(conn, holder)?,
            redemptions: Vec::new(),
            older_redemptions_left_out: false,
            over_asked: Vec::new(),
            withdrawals: Vec::new(),
            blocked: Vec::new(),
            notices: notices::of_holder(conn, holder)?,
        };
        Ok((export, pictures))
    })
}

fn certificate(
    vault: &HolderVault<'_>,
    kept: Kept,
    shown: certificates::Shown,
    portrait: Option<String>,
) -> Flow<Exported> {
    let attributes = vault.open_json(&issuance::attributes_context(kept.id), &kept.attributes)?;
    let template = match kept.template.is_empty() {
        true => None,
        false => Some(Zeroizing::new(vault.open(&templates::template_context(kept.id), &kept.template)?)),
    };
    Ok(Exported {
        shown,
        assurance_level: kept.assurance,
        device_jkt: kept.device_jkt,
        attributes,
        portrait,
        face_template: template.map(|template| STANDARD.encode(template.as_slice())),
    })
}

/// The picture on the document, as a file.
fn picture(vault: &HolderVault<'_>, kept: &Kept) -> Flow<Option<File>> {
    let Some(sealed) = &kept.portrait else { return Ok(None) };
    let portrait: Disclosure = vault.open_json(&issuance::portrait_context(kept.id), sealed)?;
    let bytes =
        from_base64url(&portrait.value).map_err(|_| anyhow::anyhow!("a stored picture is damaged"))?;
    // The three kinds that are taken in (`wallet_core::picture`).
    let ending = match bytes.as_slice() {
        [0xff, 0xd8, ..] => "jpg",
        [0x89, b'P', ..] => "png",
        _ => "webp",
    };
    Ok(Some((format!("portrait-{}.{ending}", kept.id), bytes)))
}

fn archive(files: &[File]) -> anyhow::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name.as_str(), SimpleFileOptions::default())?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

impl Exported {
    /// The value of an attribute, if it stands on the document.
    fn value(&self, name: Attribute) -> Option<&str> {
        let found = self.attributes.iter().find(|disclosure| disclosure.name == name);
        found.map(|disclosure| disclosure.value.as_str())
    }
}
