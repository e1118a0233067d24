//! The vector index of one face group: approximate nearest templates by cosine (HNSW, Malkov and Yashunin 2018, by `usearch`).
//!
//! It only proposes: whoever asks compares the proposed templates exactly. It may be lost at any moment, since the database has
//! every template; keeping it sealed on the disk saves the time of building it.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use moka::sync::Cache;
use parking_lot::RwLock;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};
use wallet_core::face::Embedding;
use wallet_core::ids::FaceGroupId;

use super::vault::Vault;

/// Neighbours of a vector in the graph, and how many candidates are looked at while adding and while searching. Chosen by `cargo xtask
/// bench search` at a million templates: recall above 0.99 in well under 5 ms.
const CONNECTIVITY: usize = 16;
const EXPANSION_ADD: usize = 96;
const EXPANSION_SEARCH: usize = 192;
/// Room is made for so many vectors at first; it is doubled when it is used up.
const FIRST_ROOM: usize = 1024;

/// Feature vectors of one group as of one revision of it.
pub struct FaceIndex {
    index: Index,
    revision: i64,
    /// Removed templates stay in the graph, as stepping stones, for as long as it lives.
    has_removed: bool,
}

impl FaceIndex {
    /// Of a group to which nothing was added yet, for vectors of `width` numbers.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn empty(width: usize) -> anyhow::Result<FaceIndex> {
        let options = IndexOptions {
            dimensions: width,
            metric: MetricKind::Cos,
            quantization: ScalarKind::F16,
            connectivity: CONNECTIVITY,
            expansion_add: EXPANSION_ADD,
            expansion_search: EXPANSION_SEARCH,
            multi: false,
        };
        let index = Index::new(&options).map_err(broken)?;
        index.reserve(FIRST_ROOM).map_err(broken)?;
        Ok(FaceIndex { index, revision: 0, has_removed: false })
    }

    /// The revision of the group that it knows.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Templates in it.
    pub fn len(&self) -> usize {
        self.index.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.memory_usage()
    }

    /// Takes over one change of the group: a vector under its number, or none when it was removed.
    ///
    /// # Errors
    /// When there is no memory for it, or the number is taken.
    pub fn change(&mut self, number: u64, vector: Option<&Embedding>, revision: i64) -> anyhow::Result<()> {
        match vector {
            Some(vector) => {
                if self.index.size() == self.index.capacity() {
                    self.index.reserve(self.index.capacity() * 2).map_err(broken)?;
                }
                self.index.add(number, vector.values()).map_err(broken)?;
            }
            None => {
                self.has_removed |= self.index.remove(number).map_err(broken)? > 0;
            }
        }
        self.revision = revision;
        Ok(())
    }

    /// The numbers of the vectors that are probably nearest, nearest first.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn nearest(&self, probe: &Embedding, count: usize) -> anyhow::Result<Vec<u64>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.index.search(probe.values(), count).map_err(broken)?.keys)
    }

    fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = self.revision.to_le_bytes().to_vec();
        let start = bytes.len();
        bytes.resize(start + self.index.serialized_length(), 0);
        let buffer = bytes.get_mut(start..).unwrap_or_default();
        self.index.save_to_buffer(buffer).map_err(broken)?;
        Ok(bytes)
    }

    fn from_bytes(bytes: &[u8], width: usize) -> anyhow::Result<FaceIndex> {
        let (revision, buffer) = bytes.split_first_chunk::<8>().context("an index file that is cut short")?;
        let mut loaded = FaceIndex::empty(width)?;
        loaded.index.load_from_buffer(buffer).map_err(broken)?;
        ensure!(loaded.index.dimensions() == width, "an index of vectors of another width");
        loaded.revision = i64::from_le_bytes(*revision);
        Ok(loaded)
    }
}

fn broken(error: impl Display) -> anyhow::Error {
    anyhow!("the face index: {error}")
}

/// Indexes not used for so long are dropped from memory. Removed faces leave traces in the database for longer than this, so
/// that none is missed.
const IDLE: Duration = Duration::from_hours(1);
/// Bytes of all indexes in memory: about six million templates.
const MOST_BYTES: u64 = 3 << 30;

/// The indexes that this process has in memory, and their files.
pub struct FaceIndexes {
    loaded: Cache<FaceGroupId, Arc<RwLock<FaceIndex>>>,
    folder: PathBuf,
}

impl FaceIndexes {
    /// With files in this folder, which is made when it is needed.
    pub fn in_folder(folder: PathBuf) -> FaceIndexes {
        let weigh = |_: &FaceGroupId, index: &Arc<RwLock<FaceIndex>>| {
            u32::try_from(index.read().bytes() >> 10).unwrap_or(u32::MAX)
        };
        let loaded =
            Cache::builder().weigher(weigh).max_capacity(MOST_BYTES >> 10).time_to_idle(IDLE).build();
        FaceIndexes { loaded, folder }
    }

    /// The index of a group, of vectors of `width` numbers: from memory, from its file, or empty.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn of(
        &self,
        vault: &Vault,
        group: FaceGroupId,
        width: usize,
    ) -> anyhow::Result<Arc<RwLock<FaceIndex>>> {
        let load = || self.load(vault, group, width).map(|index| Arc::new(RwLock::new(index)));
        self.loaded.try_get_with(group, load).map_err(|error| anyhow!("{error:#}"))
    }

    /// The index in the file of a group; an empty one where there is none, or none that can be used.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn load(&self, vault: &Vault, group: FaceGroupId, width: usize) -> anyhow::Result<FaceIndex> {
        match self.read(vault, group, width) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => FaceIndex::empty(width),
            Err(error) => {
                tracing::warn!(%group, %error, "the file of a face index is not used, it is built anew");
                FaceIndex::empty(width)
            }
        }
    }

    /// Forgets what is kept of a group, in memory and on the disk.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn forget(&self, group: FaceGroupId) -> anyhow::Result<()> {
        self.loaded.invalidate(&group);
        self.drop_file(group)
    }

    fn drop_file(&self, group: FaceGroupId) -> anyhow::Result<()> {
        match fs::remove_file(self.file(group)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("the file of a face index can't be removed")
            }
            _ => Ok(()),
        }
    }

    /// Puts an index on the disk, sealed: it holds templates. One that still holds removed ones is not written, and its file is
    /// removed: it is built anew by the next process.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, vault: &Vault, group: FaceGroupId, index: &FaceIndex) -> anyhow::Result<()> {
        if index.has_removed {
            return self.drop_file(group);
        }
        let sealed = vault.seal(&seal_context(group), &index.to_bytes()?)?;
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        std::io::Write::write_all(&mut file, &sealed)?;
        // Whoever reads meanwhile sees the old file or the new one.
        file.persist(self.file(group))?;
        Ok(())
    }

    /// The groups that have a file.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn kept(&self) -> anyhow::Result<Vec<FaceGroupId>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let group = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".index")?.parse().ok();
        Ok(entries.filter_map(|entry| entry.ok().and_then(group)).collect())
    }

    fn read(&self, vault: &Vault, group: FaceGroupId, width: usize) -> anyhow::Result<Option<FaceIndex>> {
        match fs::read(self.file(group)) {
            Ok(sealed) => {
                let opened = vault.open(&seal_context(group), &sealed)?;
                FaceIndex::from_bytes(&opened, width).map(Some)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn file(&self, group: FaceGroupId) -> PathBuf {
        self.folder.join(format!("{group}.index"))
    }
}

fn seal_context(group: FaceGroupId) -> String {
    format!("face-groups.index {group}")
}

#[cfg(test)]
mod tests {
    use wallet_core::face::Space;

    use super::*;

    const WIDTH: usize = 128;

    fn vector(axis: usize) -> Embedding {
        let mut raw = [0.01; WIDTH];
        raw[axis] = 1.0;
        Embedding::normalise(Space::UNKNOWN, &raw).unwrap()
    }

    #[test]
    fn finds_what_was_added_and_not_what_was_removed() {
        let mut index = FaceIndex::empty(WIDTH).unwrap();
        for number in 0..100_u8 {
            index.change(number.into(), Some(&vector(number.into())), number.into()).unwrap();
        }
        assert_eq!(index.nearest(&vector(42), 1).unwrap(), [42]);
        index.change(42, None, 100).unwrap();
        assert!(!index.nearest(&vector(42), 5).unwrap().contains(&42));
        assert_eq!((index.revision(), index.len()), (100, 99));
    }

    #[test]
    fn what_was_removed_is_not_kept_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let indexes = FaceIndexes::in_folder(folder.path().join("face-groups"));
        let (vault, group) = (Vault::new(&[1; 32]), FaceGroupId::first_at(jiff::Timestamp::UNIX_EPOCH));
        let mut index = FaceIndex::empty(WIDTH).unwrap();
        index.change(1, Some(&vector(1)), 1).unwrap();
        index.change(2, Some(&vector(2)), 2).unwrap();
        indexes.keep(&vault, group, &index).unwrap();
        assert_eq!(indexes.kept().unwrap(), [group]);
        assert_eq!(indexes.of(&vault, group, WIDTH).unwrap().read().revision(), 2);
        index.change(2, None, 3).unwrap();
        indexes.keep(&vault, group, &index).unwrap();
        assert_eq!(indexes.kept().unwrap(), []);
    }

    #[test]
    fn reads_back_what_it_wrote_and_grows() {
        let mut index = FaceIndex::empty(WIDTH).unwrap();
        for number in 0..2000_u16 {
            index.change(number.into(), Some(&vector(usize::from(number % 128))), number.into()).unwrap();
        }
        let mut back = FaceIndex::from_bytes(&index.to_bytes().unwrap(), WIDTH).unwrap();
        assert_eq!((back.revision(), back.len()), (1999, 2000));
        back.change(2000, Some(&vector(7)), 2000).unwrap();
        assert!(FaceIndex::from_bytes(&[0; 20], WIDTH).is_err());
    }
}
