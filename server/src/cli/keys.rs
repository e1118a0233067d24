//! `ecert keys`: the key ceremonies. A running service follows within a second.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use wallet_core::x509_lint::Role;

use super::keks;
use crate::app::{open_keys, open_stores};
use crate::config::Config;
use crate::edge::clock::{Clock as _, SystemClock};
use crate::edge::keys::pass_phrase::SecretSource;
use crate::edge::keys::{self, KeyInfo, KeyState, Keys, RetirementReason, RootSource, Seal};
use crate::store::{Store, audit};

#[derive(Subcommand)]
pub(super) enum KeysAction {
    /// Show every key: what it does, until when, where its private half is
    #[command(
        after_help = "Examples:\n  ecert keys list\n  ecert keys list --json | jq '.[] | select(.days_left < 400)'"
    )]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make new keys that take the place of others; what was signed before goes on to verify
    #[command(subcommand)]
    Rotate(RotateAction),
    /// Take a key back before its time: it signs no more and is on its CA's revocation list
    #[command(after_help = "\
Examples:
  ecert keys rotate signer && ecert keys retire q7Hj3x --reason key-compromise
  ecert keys retire Zk80aB --root /media/safe/root.sealed

What the key signed is then refused by whoever reads the lists. To replace a key that nobody has stolen, rotate is enough.")]
    Retire {
        /// The beginning of its name, at least six characters
        key: String,
        /// Why
        #[arg(long, value_enum, default_value = "superseded")]
        reason: RetirementReason,
        #[command(flatten)]
        root: RootArguments,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the certificates of all keys that verify something; never a private key
    #[command(
        after_help = "Examples:\n  ecert keys export > chain.pem\n  ecert keys export --format der --to ./certificates"
    )]
    Export {
        /// One PEM text, or a DER file for each
        #[arg(long, value_enum, default_value = "pem")]
        format: Format,
        /// A folder for a file each, ROLE-KEY.pem or .der [default: one text on the standard output]
        #[arg(long)]
        to: Option<PathBuf>,
        /// As JSON: DER in base64
        #[arg(long)]
        json: bool,
    },
    /// The root
    #[command(subcommand)]
    Root(RootAction),
    /// Show the keys that wrap holders' data keys, and how many each wraps: how far a rotation has come
    #[command(
        after_help = "Example:\n  ecert keys keks --json | jq '.keks[] | select(.state == \"unwrapping\")'"
    )]
    Keks {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key that wraps data keys; the service wraps all of them anew, a few at a time
    #[command(after_help = "\
Examples:
  ecert keys rotate-kek
  ecert keys rotate-kek --at 2026-12-01T02:00:00+08:00      where each replica has a copy of the key store: after all have it

The one before still unwraps until drop-kek destroys it.")]
    RotateKek {
        /// From when it wraps [default: in a minute, when every process has seen it]
        #[arg(long)]
        at: Option<Timestamp>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Destroy a key that wraps nothing any more: back-ups of the database from when it did are then of no use for holders' data
    #[command(after_help = "\
Example:
  ecert keys drop-kek 4f1c0a9be22d7713

Refused while a data key is wrapped under it, and for a day after another took its place. What was erased since is then closed in
back-ups too, as far as no back-up of the key store has the key.")]
    DropKek {
        /// Its name
        kek: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Seal the key store under another key file or pass phrase
    #[command(after_help = "\
Examples:
  ecert keys reseal --under pass-phrase --new-pass-phrase-file /run/secrets/new
  ecert keys reseal --under key-file

Running services need the new pass phrase at their next start, or now, if the store changes before.")]
    Reseal {
        /// Under what
        #[arg(long, value_enum)]
        under: Seal,
        /// Whose first line is the new pass phrase [default: ECERT_NEW_KEY_PASS_PHRASE, else it is asked for]
        #[arg(long)]
        new_pass_phrase_file: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum RotateAction {
    /// A new signer under the issuing CA
    #[command(after_help = "\
Examples:
  ecert keys rotate signer
  ecert keys rotate signer --at 2026-12-01T02:00:00+08:00")]
    Signer {
        /// From when it signs; it is published at once [default: now]
        #[arg(long)]
        at: Option<Timestamp>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// A new issuing CA under the root, with a signer
    #[command(after_help = "\
Examples:
  ecert keys rotate issuing
  ecert keys rotate issuing --root /media/safe/root.sealed --root-pass-phrase-file /run/secrets/root")]
    Issuing {
        /// From when its signer signs; both are published at once [default: now]
        #[arg(long)]
        at: Option<Timestamp>,
        #[command(flatten)]
        root: RootArguments,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum RootAction {
    /// Take the root's private key out of this installation, into a file under a pass phrase
    #[command(after_help = "\
Examples:
  ecert keys root move --to /media/safe/root.sealed
  ecert keys root move --to root.sealed --root-pass-phrase-file /run/secrets/root

Copy the file to two media, put them into two safes, and destroy back-ups of the key store that were made before: the root is in them.")]
    Move {
        /// The file; it must not be there yet
        #[arg(long)]
        to: PathBuf,
        /// Whose first line is the pass phrase [default: ECERT_ROOT_PASS_PHRASE, else it is asked for]
        #[arg(long)]
        root_pass_phrase_file: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the root is, once it was taken out.
#[derive(Args)]
pub(super) struct RootArguments {
    /// The file that the root was moved to, if it was
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Whose first line is its pass phrase [default: ECERT_ROOT_PASS_PHRASE, else it is asked for]
    #[arg(long, value_name = "FILE")]
    root_pass_phrase_file: Option<PathBuf>,
}

impl RootArguments {
    fn source(self) -> RootSource {
        match self.root {
            Some(path) => {
                RootSource::File { path, pass_phrase: root_pass_phrase(self.root_pass_phrase_file) }
            }
            None => RootSource::Store,
        }
    }
}

/// How certificates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text (RFC 7468).
    Pem,
    /// Bytes.
    Der,
}

fn root_pass_phrase(file: Option<PathBuf>) -> SecretSource {
    let what = "the pass phrase of the root".to_owned();
    SecretSource { variable: "ECERT_ROOT_PASS_PHRASE", file, flag: "--root-pass-phrase-file", what }
}

pub(super) fn run(config: &Config, action: KeysAction) -> anyhow::Result<()> {
    ensure!(
        keys::are_in(&config.data_dir.join("keys")),
        "there are no keys in {}; `ecert serve` makes them on its first start",
        config.data_dir.display()
    );
    let (keys, now) = (open_keys(config, &SystemClock)?, SystemClock.now());
    let ceremony = |action, object: &str| Ceremony::begin(config, action, object);
    match action {
        KeysAction::List { json } => show(&keys.list(now)?, json),
        KeysAction::Rotate(RotateAction::Signer { at, json }) => {
            let ceremony = ceremony("key.rotate", "signer")?;
            let made = keys.rotate_signer(at.unwrap_or(now), now).map(|signer| vec![signer]);
            show(&ceremony.end(made)?, json)
        }
        KeysAction::Rotate(RotateAction::Issuing { at, root, json }) => {
            let ceremony = ceremony("key.rotate", "issuing")?;
            show(&ceremony.end(keys.rotate_issuing(&root.source(), at.unwrap_or(now), now))?, json)
        }
        KeysAction::Retire { key, reason, root, json } => {
            let ceremony = ceremony("key.retire", &key)?;
            show(&ceremony.end(keys.retire(&key, reason, &root.source(), now))?, json)
        }
        KeysAction::Export { format, to, json } => export(&keys, format, to, json, now),
        KeysAction::Root(RootAction::Move { to, root_pass_phrase_file, json }) => {
            let ceremony = ceremony("key.move", "root")?;
            let taken = keys.take_out_root(&to, &root_pass_phrase(root_pass_phrase_file), now);
            let moved = ceremony.end(taken.map(|root| vec![root]))?;
            if !json {
                println!("the root's private key is in {} and no longer here", to.display());
            }
            show(&moved, json)
        }
        KeysAction::Keks { json } => keks::show(config, &keys, json, now),
        KeysAction::RotateKek { at, json } => keks::rotate(config, &keys, at, json, now),
        KeysAction::DropKek { kek, json } => keks::destroy(config, &keys, &kek, json, now),
        KeysAction::Reseal { under, new_pass_phrase_file, json } => {
            let source = SecretSource {
                variable: "ECERT_NEW_KEY_PASS_PHRASE",
                file: new_pass_phrase_file,
                flag: "--new-pass-phrase-file",
                what: "the new pass phrase of the key store".to_owned(),
            };
            let ceremony = ceremony("key.reseal", "key_store")?;
            show(&ceremony.end(keys.reseal(under, &source).and_then(|()| keys.list(now)))?, json)
        }
    }
}

/// A ceremony on the record: that it begins is written before anything is done, and how it ended after. Without a record it does not begin.
pub(super) struct Ceremony {
    store: Store,
    action: &'static str,
    object: String,
}

impl Ceremony {
    pub(super) fn begin(config: &Config, action: &'static str, object: &str) -> anyhow::Result<Self> {
        let store = open_stores(config, 1)?.rps;
        let ceremony = Ceremony { store, action, object: object.to_owned() };
        ceremony.note(object, "begun").context("nothing was done, since it can't be put on the record")?;
        Ok(ceremony)
    }

    /// The keys that it was about.
    fn end(self, outcome: anyhow::Result<Vec<KeyInfo>>) -> anyhow::Result<Vec<KeyInfo>> {
        self.end_about(outcome, |keys| keys.iter().map(|key| key.kid.clone()).collect())
    }

    /// What came of it, and the names of the keys that it was about.
    pub(super) fn end_about<T>(
        self,
        outcome: anyhow::Result<T>,
        names: impl FnOnce(&T) -> Vec<String>,
    ) -> anyhow::Result<T> {
        match &outcome {
            Ok(done) => names(done).iter().try_for_each(|name| self.note(name, "done")),
            Err(_) => self.note(&self.object, "failed"),
        }
        .with_context(|| format!("the end of `{}` is not on the record", self.action))?;
        outcome
    }

    fn note(&self, object: &str, outcome: &str) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let noted =
            self.store.write(|conn| Ok(audit::append(conn, "cli", self.action, object, outcome, now)?));
        noted.map_err(anyhow::Error::from)
    }
}

fn show(keys: &[KeyInfo], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(keys)?);
        return Ok(());
    }
    println!("{:<43}  {:<8} {:<10} {:<11} {:<10}  {:>6}", "key", "role", "state", "lives", "until", "days");
    for key in keys {
        println!(
            "{:<43}  {:<8} {:<10} {:<11} {:<10}  {:>6}",
            key.kid,
            key.role.as_str(),
            word(key.state),
            key.lives,
            key.not_after.strftime("%Y-%m-%d"),
            key.days_left
        );
        println!("  sha256 {}", key.fingerprint);
        if key.state == KeyState::Next {
            println!("  signs from {}", key.active_from);
        }
    }
    Ok(())
}

fn word(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Next => "next",
        KeyState::Verifying => "verifying",
        KeyState::Retired => "retired",
        KeyState::Expired => "expired",
    }
}

fn export(
    keys: &Keys,
    format: Format,
    to: Option<PathBuf>,
    json: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let gone = [KeyState::Retired, KeyState::Expired];
    let keys: Vec<KeyInfo> = keys.list(now)?.into_iter().filter(|key| !gone.contains(&key.state)).collect();
    if json {
        let told = |key: &KeyInfo| json!({ "kid": key.kid, "role": key.role, "certificate": STANDARD.encode(&key.certificate) });
        println!("{}", serde_json::to_string_pretty(&keys.iter().map(told).collect::<Vec<_>>())?);
        return Ok(());
    }
    let Some(folder) = to else {
        ensure!(format == Format::Pem, "DER is written to files: name a folder with --to");
        keys.iter().for_each(|key| print!("{}", pem(key)));
        return Ok(());
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    for key in &keys {
        let (ending, bytes) = match format {
            Format::Pem => ("pem", pem(key).into_bytes()),
            Format::Der => ("der", key.certificate.clone()),
        };
        let short: String = key.kid.chars().take(8).collect();
        let file = folder.join(format!("{}-{short}.{ending}", key.role.as_str()));
        std::fs::write(&file, bytes).with_context(|| format!("can't write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn pem(key: &KeyInfo) -> String {
    let name = match key.role {
        Role::Root => "root",
        Role::Issuing => "issuing CA",
        Role::Signer => "signer",
    };
    let text = STANDARD.encode(&key.certificate);
    let mut pem = format!("{name} {}\n-----BEGIN CERTIFICATE-----\n", key.kid);
    // 64 characters a line (RFC 7468 §2).
    for line in text.as_bytes().chunks(64) {
        pem += &String::from_utf8_lossy(line);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
