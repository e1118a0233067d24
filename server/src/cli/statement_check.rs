//! Whether receipts make the statement that they were billed by: what a relying party can find out alone.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use wallet_core::jws::{base64url, from_base64url};
use wallet_core::log::proof::includes;
use wallet_core::receipt::{Receipt, statement_leaf};
use wallet_core::statement::Statement;

use crate::billing::price::Service;
use crate::billing::statement::{Charge, Tally};

/// A receipt with the text that was signed, and where it came from.
pub(super) struct Given {
    pub(super) place: String,
    pub(super) token: String,
    pub(super) receipt: Receipt,
}

/// Where receipts and statement differ, as far as that can be told; nothing when they agree.
pub(super) fn differences(statement: &Statement, given: &[Given]) -> anyhow::Result<Vec<String>> {
    let (mut charged, mut differences) = (BTreeMap::new(), Vec::new());
    for one in given {
        let Some(charge) = &one.receipt.charge else { continue };
        if one.receipt.relying_party != statement.relying_party {
            differences.push(format!("extra: {} is of {}", one.place, one.receipt.relying_party));
        } else if let Some(period) = charge.period.as_ref().filter(|period| **period != statement.period) {
            differences.push(format!("extra: {} is of the period {period}", one.place));
        } else if let Some((earlier, ..)) = charged.insert(charge.id, (&one.place, one, charge)) {
            differences.push(format!("extra: {} and {earlier} are of one charge", one.place));
        }
    }
    let mut tally = Tally::default();
    for (place, one, charge) in charged.values() {
        let service = Service::parse(&one.receipt.service);
        let added = tally.add(&Charge {
            id: charge.id,
            service: service.with_context(|| format!("{place}: unknown service"))?,
            price_version: &charge.price_version,
            pack: charge.pack,
            micros: charge.amount.micros,
            leaf: statement_leaf(&one.token),
        });
        added.with_context(|| place.to_string())?;
    }
    let made = tally.finish()?;
    type Key = (String, String, Option<String>);
    let stated = statement.items.iter().map(|item| {
        let key: Key =
            (item.service.clone(), item.price_version.clone(), item.pack.map(|pack| pack.to_string()));
        (key, (item.uses, item.amount.micros.get()))
    });
    let stated: BTreeMap<Key, (u64, i64)> = stated.collect();
    let shown = made.items.iter().map(|(key, sums)| {
        let pack = key.pack.map(|pack| pack.to_string());
        ((key.service.as_str().to_owned(), key.price_version.clone(), pack), (sums.uses, sums.micros.get()))
    });
    let shown: BTreeMap<Key, (u64, i64)> = shown.collect();
    for key in stated.keys().chain(shown.keys().filter(|key| !stated.contains_key(*key))) {
        let of = |items: &BTreeMap<Key, (u64, i64)>| items.get(key).copied().unwrap_or_default();
        let ((uses, micros), (receipts, paid)) = (of(&stated), of(&shown));
        if (uses, micros) != (receipts, paid) {
            differences.push(item_words(key, (uses, micros), (receipts, paid)));
        }
    }
    let totals = (made.totals.uses, made.totals.micros.get());
    let signed = (statement.uses, statement.amount.micros.get());
    if totals != signed {
        let (uses, micros) = signed;
        let (receipts, paid) = totals;
        differences.push(format!(
            "total: the statement says {uses} uses and {micros} micros, {receipts} receipts make {paid} micros"
        ));
    } else if differences.is_empty() && base64url(&made.root) != statement.root {
        differences.push("root: as many receipts as the statement has, but not the same ones".to_owned());
    }
    Ok(differences)
}

fn item_words(
    (service, version, pack): &(String, String, Option<String>),
    (uses, micros): (u64, i64),
    (receipts, paid): (u64, i64),
) -> String {
    let word = match receipts.cmp(&uses) {
        std::cmp::Ordering::Less => format!("missing: {} receipts", uses - receipts),
        std::cmp::Ordering::Greater => format!("extra: {} receipts", receipts - uses),
        std::cmp::Ordering::Equal => "amount".to_owned(),
    };
    let from = pack.as_deref().map(|pack| format!(" from {pack}")).unwrap_or_default();
    format!(
        "{word} of {service} by {version}{from}: stated {uses} uses and {micros} micros, receipts make {receipts} and {paid}"
    )
}

/// The answer of `GET /v1/statements/{period}/proofs/{charge}`.
#[derive(Deserialize)]
struct Proof {
    index: u64,
    size: u64,
    path: Vec<String>,
    root: String,
}

/// That one receipt is in a statement, by the proof that came with it.
///
/// # Errors
/// When the proof is none, is of another statement, or does not lead from the receipt to the root that was signed.
pub(super) fn proven(statement: &Statement, token: &str, proof: &str) -> anyhow::Result<u64> {
    let proof: Proof = serde_json::from_str(proof).context("the proof is not what /proofs/… answers")?;
    let hash = |text: &str| <[u8; 32]>::try_from(from_base64url(text)?).ok().context("not a hash");
    let path = proof.path.iter().map(|text| hash(text)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(
        (&proof.root, proof.size) == (&statement.root, statement.uses),
        "the proof is of another statement"
    );
    let root = hash(&statement.root)?;
    ensure!(
        includes(&statement_leaf(token), proof.index, proof.size, &root, &path),
        "the receipt is not in the statement at the place that the proof says"
    );
    Ok(proof.index)
}
