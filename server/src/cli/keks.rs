//! `ecert keys keks`, `rotate-kek`, `drop-kek`: the keys that wrap holders' data keys. A running service follows within a second.

use std::collections::BTreeMap;

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::keys::Ceremony;
use crate::app::open_stores;
use crate::config::Config;
use crate::edge::keys::{KekInfo, Keys};
use crate::store::{Store, data_keys};

/// By then every process has seen a new key in the store, which each looks at every second, and can unwrap what another wraps with it.
const SEEN: SignedDuration = SignedDuration::from_secs(60);

/// A key that wraps, and how much it does.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    kek: KekInfo,
    /// Holders whose data keys it wraps.
    holders: i64,
}

/// Shows all of them, and how far a rotation has come.
pub(super) fn show(config: &Config, keys: &Keys, json: bool, now: Timestamp) -> anyhow::Result<()> {
    let (counts, without) = counts(&open_stores(config, 1)?.holders)?;
    let shown = |kek: KekInfo| Shown { holders: counts.get(&kek.id).copied().unwrap_or(0), kek };
    let all: Vec<Shown> = keys.keks(now)?.list().into_iter().map(shown).collect();
    if json {
        let all = serde_json::json!({ "keks": all, "holders_without_data_key": without });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{:<16}  {:<10} {:>12}  from", "kek", "state", "holders");
    for Shown { kek, holders } in all {
        println!("{:<16}  {:<10} {holders:>12}  {}", kek.id, kek.state.as_str(), kek.active_from);
    }
    if without > 0 {
        println!("{without} holders have no data key yet; the service gives them one");
    }
    Ok(())
}

/// Makes one that takes the place of the current.
pub(super) fn rotate(
    config: &Config,
    keys: &Keys,
    at: Option<Timestamp>,
    json: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let ceremony = Ceremony::begin(config, "kek.rotate", "key_store")?;
    let at = at.unwrap_or(now.saturating_add(SEEN)?);
    ceremony.end_about(keys.rotate_kek(at, now), |made| vec![made.id.clone()])?;
    show(config, keys, json, now)
}

/// Destroys one that wraps nothing any more.
pub(super) fn destroy(
    config: &Config,
    keys: &Keys,
    id: &str,
    json: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let ceremony = Ceremony::begin(config, "kek.drop", id)?;
    let by_kek = counts(&open_stores(config, 1)?.holders)?.0;
    let named = by_kek.get(id).copied().unwrap_or(0);
    let dropped = || {
        ensure!(
            named == 0,
            "{id} wraps the data keys of {named} holders; the service wraps them anew by itself"
        );
        // An empty database says that nothing is wrapped; it may be another one than the service's.
        ensure!(
            !by_kek.is_empty(),
            "no holder in this database has a data key: is it the service's (--database, --holder-database)?"
        );
        keys.drop_kek(id, now)
    };
    ceremony.end_about(dropped(), |()| vec![id.to_owned()])?;
    show(config, keys, json, now)
}

/// Holders by the key that wraps theirs, and those who have none.
fn counts(holders: &Store) -> anyhow::Result<(BTreeMap<String, i64>, i64)> {
    let (counts, without) = holders.read(|conn| Ok(data_keys::counts(conn)?))?;
    Ok((counts.into_iter().collect(), without))
}
