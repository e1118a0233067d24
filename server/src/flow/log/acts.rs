//! The log against the database: every act has its leaf, and every leaf its act.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Context as _;
use jiff::Timestamp;
use wallet_core::log::entry::{Act, Commitment};
use wallet_core::log::tiles::{FULL, TilePath, bundle};

use super::Keys;
use super::verify::{Published, Report, published, words};
use crate::edge::keys::Secrets;
use crate::progress::Progress;
use crate::store::consistency::with_snapshots;
use crate::store::{Conn, Store, log};

/// Rows read at once: whole bundles.
const PAGE: i64 = 2048;
const PAGE_LEAVES: usize = 2048;

/// The databases, and what they are looked at with.
pub struct Inspected<'a> {
    /// Where the log is, and the acts of relying parties and the house.
    pub rps: &'a Store,
    /// Where the acts of holders are.
    pub holders: &'a Store,
    /// The keys of the log.
    pub secrets: &'a Secrets,
    /// Acts before this may have been detached with their partitions.
    pub since: Timestamp,
}

/// The log as it lies in the database.
struct Stored<'a>(&'a mut Conn);

impl Published for Stored<'_> {
    fn checkpoint(&mut self) -> anyhow::Result<String> {
        let head = log::head(self.0)?;
        Ok(head.context("the log has not begun; start the service once")?.checkpoint)
    }

    fn tile(&mut self, path: TilePath) -> anyhow::Result<Option<Vec<u8>>> {
        let hashes = match path.level {
            Some(level) => log::tile(self.0, level, path.index)?,
            None => log::bundle(self.0, path.index)?,
        };
        // As of one moment nothing stands behind what was signed.
        let is_whole = hashes.len() == path.width;
        Ok(is_whole.then(|| match path.level {
            Some(_) => hashes.as_flattened().to_vec(),
            None => bundle(&hashes),
        }))
    }
}

/// Looks at everything, as of one moment.
///
/// # Errors
/// When a database can't be read. That something is wrong is no error.
pub fn check(
    inspected: &Inspected<'_>,
    earlier: Option<&str>,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let keys = Keys::of(inspected.secrets)?;
    let are_one = inspected.rps.is_same_as(inspected.holders);
    let (mut report, missing) = with_snapshots(inspected.rps, inspected.holders, |rps, holders| {
        let mut report = published(&mut Stored(rps), keys.signer.verifier(), earlier, progress)?;
        let mut apart = (!are_one).then_some(holders);
        let mut leaves = Leaves { keys: &keys, since: inspected.since, report: &mut report };
        // Without a checkpoint that holds nobody can say how many leaves there shall be.
        if leaves.report.size > 0 {
            leaves.compare(rps, apart.as_deref_mut(), progress)?;
        }
        let mut missing = acts(rps, None, &mut report, progress)?;
        if let Some(holders) = apart {
            missing.extend(acts(rps, Some(holders), &mut report, progress)?);
        }
        Ok((report, missing))
    })?;
    // Where holders are apart, an act may have got its place between the two moments that were looked at.
    for page in missing.chunks(1000) {
        let ids: Vec<&str> = page.iter().map(String::as_str).collect();
        let known = inspected.rps.read(|conn| Ok(log::by_ids(conn, &ids)?))?;
        for id in ids.into_iter().filter(|id| are_one || !known.contains_key(*id)) {
            report.note("act-not-in-log", id);
        }
    }
    Ok(report)
}

/// The leaves, each to be compared with its act.
struct Leaves<'a> {
    keys: &'a Keys,
    since: Timestamp,
    report: &'a mut Report,
}

impl Leaves<'_> {
    fn compare(
        &mut self,
        rps: &mut Conn,
        mut holders: Option<&mut Conn>,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let size = self.report.size;
        let (piece, before) = (progress.begin("leaves and their acts", Some(size)), self.report.found);
        for first in (0..size).step_by(PAGE_LEAVES) {
            let end = size.min(first + PAGE.unsigned_abs());
            let rows = log::between(rps, first, end, PAGE)?;
            let entries = entries(rps, first, end)?;
            self.compare_page(first..end, &entries, &rows)?;
            self.compare_acts(rps, holders.as_deref_mut(), &rows)?;
            piece.steps(end - first);
        }
        for (index, _) in log::between(rps, size, u64::MAX, PAGE)? {
            self.report.note("act-without-leaf", index);
        }
        piece.end(&words(self.report.found - before));
        Ok(())
    }

    /// Whether each leaf commits to the act that is kept with it.
    fn compare_page(
        &mut self,
        places: Range<u64>,
        entries: &[Commitment],
        rows: &[(u64, Act)],
    ) -> anyhow::Result<()> {
        let rows: BTreeMap<u64, &Act> = rows.iter().map(|(index, act)| (*index, act)).collect();
        let mut entries = entries.iter();
        for index in places {
            match (entries.next(), rows.get(&index)) {
                (Some(entry), Some(act)) if self.keys.commitment(act)? != *entry => {
                    self.report.note("leaf-is-not-of-its-act", index);
                }
                (Some(_), Some(_)) => {}
                (Some(_), None) => self.report.note("leaf-without-act", index),
                (None, Some(_)) => self.report.note("act-without-leaf", index),
                // Said already: the entries are missing.
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Whether the audit trail still has the acts, and says the same of them.
    fn compare_acts(
        &mut self,
        rps: &mut Conn,
        holders: Option<&mut Conn>,
        rows: &[(u64, Act)],
    ) -> anyhow::Result<()> {
        let acts: Vec<Act> = rows.iter().map(|(_, act)| act.clone()).collect();
        let mut there = log::acts_again(rps, &acts)?;
        if let Some(holders) = holders {
            there.extend(log::acts_again(holders, &acts)?);
        }
        for act in &acts {
            match there.get(&act.id) {
                Some(now) if now == act => {}
                Some(_) => self.report.note("act-changed-since", &act.id),
                None if act.at < self.since.as_microsecond() => self.report.acts_gone += 1,
                None => self.report.note("logged-act-is-gone", &act.id),
            }
        }
        Ok(())
    }
}

/// The entries from `first` up to `end`, as far as they are there. `first` begins a bundle.
fn entries(conn: &mut Conn, first: u64, end: u64) -> anyhow::Result<Vec<Commitment>> {
    let mut entries = Vec::new();
    let mut at = first;
    while at < end {
        let bundle = log::bundle(conn, at / FULL as u64)?;
        let wanted = usize::try_from(end - at)?.min(FULL).min(bundle.len());
        entries.extend(bundle.into_iter().take(wanted));
        at += FULL as u64;
    }
    Ok(entries)
}

/// The acts of an audit trail (that beside the log, or the holders') that have no leaf and do not wait for one.
fn acts(
    rps: &mut Conn,
    mut holders: Option<&mut Conn>,
    report: &mut Report,
    progress: &Progress,
) -> anyhow::Result<Vec<String>> {
    let piece = progress.begin("acts and their leaves", None);
    let (mut after, mut missing) = ((String::new(), String::new()), Vec::new());
    let seen = report.acts.get_or_insert(0);
    loop {
        let source = holders.as_deref_mut().unwrap_or(rps);
        let page = log::acts_after(source, (&after.0, &after.1), PAGE)?;
        let Some(last) = page.last() else { break };
        after = (last.actor.clone(), last.id.clone());
        let ids: Vec<&str> = page.iter().map(|act| act.id.as_str()).collect();
        let waiting = log::of_those_waiting(source, &ids)?;
        let known = log::by_ids(rps, &ids)?;
        report.waiting += waiting.len() as u64;
        let logged = |id: &&str| known.contains_key(*id) || waiting.iter().any(|waits| waits == *id);
        missing.extend(ids.iter().filter(|id| !logged(id)).map(|id| (*id).to_owned()));
        *seen += page.len() as u64;
        piece.steps(page.len() as u64);
    }
    piece.end(&words(missing.len() as u64));
    Ok(missing)
}
