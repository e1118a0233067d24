//! Proving that the log is whole: from what is published, by anybody; and against the acts, by whoever has the database.

use serde::Serialize;
use wallet_core::log::Hash;
use wallet_core::log::edge::Edge;
use wallet_core::log::note::{Checkpoint, VerifierKey};
use wallet_core::log::tiles::{FULL, Tile, TilePath, from_bundle, hashes};
use wallet_core::log::tree::leaf_hash;

use crate::progress::{Piece, Progress};

/// Findings that are kept of each kind; the others are counted.
const KEPT: u64 = 100;

/// What is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub check: &'static str,
    /// Where: a leaf's place, a tile's address, an act's id.
    pub id: String,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Leaves that the checkpoint says there are.
    pub size: u64,
    /// The checkpoint that was verified.
    pub checkpoint: String,
    /// Leaves that were read.
    pub leaves: u64,
    /// Acts of the audit trail that were compared with their leaves; `None` where there is no database.
    pub acts: Option<u64>,
    /// Acts that wait for their places: no fault.
    pub waiting: u64,
    /// Leaves whose acts are no longer kept.
    pub acts_gone: u64,
    /// All findings, the ones that are not listed too.
    pub found: u64,
    /// The first of each kind.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Notes a finding, as far as it is worth listing.
    pub(super) fn note(&mut self, check: &'static str, id: impl ToString) {
        self.found += 1;
        let listed = self.findings.iter().filter(|finding| finding.check == check).count() as u64;
        if listed < KEPT {
            self.findings.push(Finding { check, id: id.to_string() });
        }
    }
}

/// Where the published log is read.
pub trait Published {
    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// When it can't be read.
    fn checkpoint(&mut self) -> anyhow::Result<String>;

    /// A tile or bundle as it is served; `None` when it is not there.
    ///
    /// # Errors
    /// When it can't be read.
    fn tile(&mut self, path: TilePath) -> anyhow::Result<Option<Vec<u8>>>;
}

/// Reads everything: the signature holds, the leaves make the tiles and the root that were signed, and the log goes on from the
/// `earlier` checkpoint.
///
/// # Errors
/// When the log can't be read. That something is wrong with it is no error.
pub fn published(
    log: &mut impl Published,
    key: &VerifierKey,
    earlier: Option<&str>,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let note = log.checkpoint()?;
    let mut report = Report { checkpoint: note.clone(), ..Report::default() };
    let checkpoint = match Checkpoint::open(&note, key) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            report.note("checkpoint-does-not-hold", error);
            return Ok(report);
        }
    };
    report.size = checkpoint.size;
    let mut earlier = match earlier.map(|note| Checkpoint::open(note, key)).transpose() {
        Ok(earlier) => earlier,
        Err(error) => {
            report.note("earlier-checkpoint-does-not-hold", error);
            None
        }
    };
    if earlier.as_ref().is_some_and(|earlier| earlier.size > checkpoint.size) {
        report.note("log-is-shorter-than-before", checkpoint.size);
        earlier = None;
    }
    let piece = progress.begin("leaves of the log", Some(checkpoint.size));
    let mut reading = Reading { log, report: &mut report, piece: &piece, earlier };
    let edge = reading.leaves(checkpoint.size)?;
    if let Some(edge) = edge {
        for tile in edge.tiles() {
            reading.compare(&tile)?;
        }
        if edge.root() != checkpoint.root {
            report.note("root-differs-from-checkpoint", checkpoint.size);
        }
    }
    piece.end(&words(report.found));
    Ok(report)
}

/// How many findings, in words.
pub(super) fn words(found: u64) -> String {
    if found == 0 { "as it must be".to_owned() } else { format!("{found} FINDINGS") }
}

/// A log being read from its first leaf to its last.
struct Reading<'a, L> {
    log: &'a mut L,
    report: &'a mut Report,
    piece: &'a Piece,
    earlier: Option<Checkpoint>,
}

impl<L: Published> Reading<'_, L> {
    /// The edge of the tree that the leaves make; `None` when some are missing.
    fn leaves(&mut self, size: u64) -> anyhow::Result<Option<Edge>> {
        let mut edge = Edge::default();
        self.compare_with_earlier(&edge);
        while edge.size() < size {
            let first = edge.size();
            let width = usize::try_from(size - first).unwrap_or(FULL).min(FULL);
            let path = TilePath { level: None, index: first / FULL as u64, width };
            let entries = self.log.tile(path)?.and_then(|bytes| from_bundle(&bytes));
            let Some(entries) = entries.filter(|entries| entries.len() == width) else {
                self.report.note("entries-missing", path);
                return Ok(None);
            };
            let mut full = Vec::new();
            for entry in &entries {
                edge.push(leaf_hash(entry), &mut full);
                self.compare_with_earlier(&edge);
            }
            for tile in &full {
                self.compare(tile)?;
            }
            self.report.leaves += width as u64;
            self.piece.steps(width as u64);
        }
        Ok(Some(edge))
    }

    fn compare_with_earlier(&mut self, edge: &Edge) {
        let here = self.earlier.take_if(|earlier| earlier.size == edge.size());
        if here.is_some_and(|earlier| earlier.root != edge.root()) {
            self.report.note("log-was-another-before", edge.size());
        }
    }

    /// Compares a tile as it must be with the one that is served.
    fn compare(&mut self, tile: &Tile) -> anyhow::Result<()> {
        let path = TilePath { level: Some(tile.level), index: tile.index, width: tile.hashes.len() };
        let served: Option<Vec<Hash>> = self.log.tile(path)?.and_then(|bytes| hashes(&bytes));
        if served.as_ref() != Some(&tile.hashes) {
            self.report.note("tile-differs-from-leaves", path);
        }
        Ok(())
    }
}
