//! The index of one face group: which of up to a million templates are probably nearest to a probe.
//!
//! Templates are stored turned by a random rotation, so the signs of their numbers are hyperplanes drawn at random: two templates
//! differ in about as many signs as their angle has of 180° (Charikar 2002). A search counts differing signs over all of them, 16
//! bytes each, and compares the [`SHORTLIST`] nearest by eight-bit numbers. It only proposes: whoever asks compares what it proposes
//! exactly. A graph of neighbours was tried first and found a seventh of what it should not (docs/adr/0013).
//!
//! It may be lost at any moment, since the database has every template; keeping it sealed on the disk saves the time of reading them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use moka::sync::Cache;
use parking_lot::RwLock;
use wallet_core::face::Embedding;
use wallet_core::ids::FaceGroupId;
use zeroize::Zeroizing;

use super::vault::Vault;

/// Templates that are compared by more than their signs. Of a million, the template of the person searched for is among so many
/// unless it scores below the threshold of a search (docs/BENCHMARKS.md).
const SHORTLIST: usize = 4_000;
/// Vectors whose distances are looked at to find out how far the shortlist reaches.
const SAMPLE: usize = 65_536;
/// Numbers of a unit vector times this are kept in eight bits. Few are above 0.4; those are kept as 0.4.
const EIGHT_BITS: f32 = 317.0;

/// Feature vectors of one group as of one revision of it.
pub struct FaceIndex {
    width: usize,
    /// Rising: faces are taken over in the order in which they were added.
    numbers: Vec<u64>,
    /// A bit for each number of each vector.
    signs: Vec<u64>,
    /// Each number of each vector; all zero when it was removed.
    values: Vec<i8>,
    removed: usize,
    revision: i64,
}

impl FaceIndex {
    /// Of a group to which nothing was added yet, for vectors of `width` numbers.
    pub fn empty(width: usize) -> FaceIndex {
        FaceIndex {
            width,
            numbers: Vec::new(),
            signs: Vec::new(),
            values: Vec::new(),
            removed: 0,
            revision: 0,
        }
    }

    /// The revision of the group that it knows.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Vectors in it.
    pub fn len(&self) -> usize {
        self.numbers.len() - self.removed
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        (self.numbers.capacity() + self.signs.capacity()) * 8 + self.values.capacity()
    }

    /// Takes over one change of the group: a vector under its number, or none when it was removed. Removed ones are overwritten.
    ///
    /// # Errors
    /// When the vector has another width, or its number does not rise.
    pub fn change(&mut self, number: u64, vector: Option<&Embedding>, revision: i64) -> anyhow::Result<()> {
        match vector {
            Some(vector) => self.add(number, vector.values())?,
            None => self.remove(number),
        }
        self.revision = revision;
        Ok(())
    }

    fn add(&mut self, number: u64, vector: &[f32]) -> anyhow::Result<()> {
        ensure!(vector.len() == self.width, "a vector of another width");
        ensure!(self.numbers.last().is_none_or(|last| *last < number), "a face's number does not rise");
        self.numbers.push(number);
        self.signs.extend(signs(vector));
        self.values.extend(eight_bits(vector));
        Ok(())
    }

    fn remove(&mut self, number: u64) {
        // One that was added and removed before we looked was never here.
        let Ok(place) = self.numbers.binary_search(&number) else { return };
        let from = place * self.width;
        if let Some(values) = self.values.get_mut(from..from + self.width) {
            values.fill(0);
        }
        let words = self.width.div_ceil(64);
        if let Some(signs) = self.signs.get_mut(place * words..(place + 1) * words) {
            signs.fill(0);
        }
        self.removed += 1;
    }

    /// The numbers of the vectors that are probably nearest, nearest first.
    ///
    /// # Errors
    /// When the probe has another width.
    pub fn nearest(&self, probe: &Embedding, count: usize) -> anyhow::Result<Vec<u64>> {
        ensure!(probe.values().len() == self.width, "a probe of another width");
        let mut scored = self.listed(probe.values());
        let best_first = |a: &(i32, u64), b: &(i32, u64)| b.cmp(a);
        if scored.len() > count {
            scored.select_nth_unstable_by(count, best_first);
            scored.truncate(count);
        }
        scored.sort_unstable_by(best_first);
        Ok(scored.into_iter().map(|(_, number)| number).collect())
    }

    /// The shortlist of a probe: for each vector on it how near it is, by eight-bit numbers, and its number.
    fn listed(&self, probe: &[f32]) -> Vec<(i32, u64)> {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "the processor has just been asked whether it can")]
        {
            // Six and four times as fast as what every x86-64 has.
            if is_x86_feature_detected!("avx512vpopcntdq") && is_x86_feature_detected!("avx512bw") {
                return unsafe { self.listed_by_avx512(probe) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                return unsafe { self.listed_by_avx2(probe) };
            }
        }
        self.list(probe)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
    fn listed_by_avx512(&self, probe: &[f32]) -> Vec<(i32, u64)> {
        self.list(probe)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,popcnt")]
    fn listed_by_avx2(&self, probe: &[f32]) -> Vec<(i32, u64)> {
        self.list(probe)
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is compiled once for each kind of processor")]
    fn list(&self, probe: &[f32]) -> Vec<(i32, u64)> {
        let probe_signs: Vec<u64> = signs(probe).collect();
        // To whole sixteens; what stands beyond the last vector is none.
        let mut distances = vec![u8::MAX; self.numbers.len().next_multiple_of(16)];
        differences(&self.signs, &probe_signs, &mut distances);
        let furthest = furthest_listed(&distances);
        let probe: Vec<i8> = eight_bits(probe).collect();
        let mut scored = Vec::with_capacity(SHORTLIST);
        for (chunk, some) in distances.as_chunks::<16>().0.iter().enumerate() {
            // The least of sixteen spares most of them a look each.
            if some.iter().fold(u8::MAX, |least, d| least.min(*d)) > furthest {
                continue;
            }
            for (i, _) in some.iter().enumerate().filter(|(_, d)| **d <= furthest) {
                let place = chunk * 16 + i;
                let vector = self.values.get(place * self.width..(place + 1) * self.width);
                let Some((vector, number)) = vector.zip(self.numbers.get(place)) else { continue };
                let product = product(&probe, vector);
                // Those that were removed have none.
                if product != 0 {
                    scored.push((product, *number));
                }
            }
        }
        scored
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let counts = [self.width as u64, self.numbers.len() as u64, self.removed as u64];
        let words = counts.iter().chain(&self.numbers).chain(&self.signs);
        let mut bytes = Zeroizing::new(self.revision.to_le_bytes().to_vec());
        bytes.extend(words.flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    fn from_bytes(bytes: &[u8], width: usize) -> anyhow::Result<FaceIndex> {
        let (revision, bytes) = bytes.split_first_chunk::<8>().context("an index file that is cut short")?;
        let (header, bytes) = bytes.split_at_checked(24).context("an index file that is cut short")?;
        let counts: Vec<usize> =
            words(header).map(|word| Ok(usize::try_from(word)?)).collect::<anyhow::Result<_>>()?;
        let &[kept_width, count, removed] = counts.as_slice() else { return Err(anyhow!("no counts")) };
        ensure!(kept_width == width, "an index of vectors of another width");
        let sizes = count.checked_mul(8).zip(count.checked_mul(width.div_ceil(64) * 8));
        let (numbers, signs) = sizes.context("an index of too many vectors")?;
        let (numbers, bytes) = bytes.split_at_checked(numbers).context("an index file that is cut short")?;
        let (signs, values) = bytes.split_at_checked(signs).context("an index file that is cut short")?;
        ensure!(Some(values.len()) == count.checked_mul(width), "an index file of another length");
        Ok(FaceIndex {
            width,
            numbers: words(numbers).collect(),
            signs: words(signs).collect(),
            values: values.iter().map(|value| value.cast_signed()).collect(),
            removed,
            revision: i64::from_le_bytes(*revision),
        })
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

/// A set bit for each number that is not negative.
fn signs(vector: &[f32]) -> impl Iterator<Item = u64> {
    vector
        .chunks(64)
        .map(|numbers| numbers.iter().rev().fold(0, |word, number| (word << 1) | u64::from(*number >= 0.0)))
}

fn eight_bits(vector: &[f32]) -> impl Iterator<Item = i8> {
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
    vector.iter().map(|number| (number * EIGHT_BITS).round() as i8)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "as `differences`")]
fn product(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// In how many signs each vector differs from the probe, 255 at most.
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is compiled once for each kind of processor")]
fn differences(signs: &[u64], probe: &[u64], distances: &mut [u8]) {
    #[allow(clippy::cast_possible_truncation, reason = "at most 64")]
    let differing = |a: &u64, b: &u64| (a ^ b).count_ones() as u8;
    match probe {
        // The width of the models at hand, without a loop in the loop.
        [low, high] => {
            for (distance, [a, b]) in distances.iter_mut().zip(signs.as_chunks::<2>().0) {
                *distance = differing(a, low) + differing(b, high);
            }
        }
        _ => {
            for (distance, vector) in distances.iter_mut().zip(signs.chunks_exact(probe.len().max(1))) {
                // What differs in more than 255 signs is as far as can be.
                let all = vector.iter().zip(probe).map(|(a, b)| differing(a, b));
                *distance = all.fold(0, u8::saturating_add);
            }
        }
    }
}

/// The distance up to which there are about [`SHORTLIST`] vectors, judged by one in so many where there are many.
fn furthest_listed(distances: &[u8]) -> u8 {
    let step = (distances.len() / SAMPLE).max(1);
    let mut counts = [0_usize; 256];
    for distance in distances.iter().step_by(step) {
        if let Some(count) = counts.get_mut(usize::from(*distance)) {
            *count += 1;
        }
    }
    let mut listed = 0;
    let beyond = counts.iter().position(|count| {
        listed += count * step;
        listed > SHORTLIST
    });
    beyond.map_or(u8::MAX, |beyond| u8::try_from(beyond.saturating_sub(1)).unwrap_or(u8::MAX))
}

/// Indexes not used for so long are dropped from memory. Removed faces leave traces in the database for longer than this, so
/// that none is missed.
const IDLE: Duration = Duration::from_hours(1);
/// Bytes of all indexes in memory: about twelve million templates.
const MOST_BYTES: u64 = 2 << 30;

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
    pub fn of(&self, vault: &Vault, group: FaceGroupId, width: usize) -> Arc<RwLock<FaceIndex>> {
        self.loaded.get_with(group, || Arc::new(RwLock::new(self.load(vault, group, width))))
    }

    /// The index in the file of a group; an empty one where there is none, or none that can be used.
    pub fn load(&self, vault: &Vault, group: FaceGroupId, width: usize) -> FaceIndex {
        match self.read(vault, group, width) {
            Ok(Some(index)) => index,
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

    /// Removes the file of a group, of which something was removed.
    ///
    /// # Errors
    /// When it can't be.
    pub fn drop_file(&self, group: FaceGroupId) -> anyhow::Result<()> {
        match fs::remove_file(self.file(group)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("the file of a face index can't be removed")
            }
            _ => Ok(()),
        }
    }

    /// Puts an index on the disk, sealed: it holds templates.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep(&self, vault: &Vault, group: FaceGroupId, index: &FaceIndex) -> anyhow::Result<()> {
        let sealed = vault.seal(&seal_context(group), &index.to_bytes())?;
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
                let opened = Zeroizing::new(vault.open(&seal_context(group), &sealed)?);
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
mod tests;
