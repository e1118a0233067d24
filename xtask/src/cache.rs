//! The cache folder: where files lie, how they are hashed, and how they are put in place.
//!
//! Invariant: a name in the cache never shows a half-written file. Bytes go to a temporary name beside it, are flushed
//! to the disk, and are renamed; a reader sees the old file or the new one.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base16ct::lower;
use sha2::{Digest, Sha256};

/// The folder that `setup` fills.
pub(crate) struct Cache {
    root: PathBuf,
}

/// Held by the one `setup` that may write; released when dropped or when the process ends.
pub(crate) struct Lock {
    _file: File,
}

/// How a file in the cache compares with its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Good,
    Missing,
    /// The file is there with other bytes than pinned.
    Changed,
}

impl Cache {
    /// The cache of this user: `$ECERT_CACHE`, else `$XDG_CACHE_HOME/ecert`, else `~/.cache/ecert`.
    ///
    /// # Errors
    /// When none of the three variables is set, or the folder cannot be made.
    pub(crate) fn of_user() -> Result<Self> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = variable("ECERT_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("ecert")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache").join("ecert")))
            .context("no cache folder: set ECERT_CACHE to a folder that may be written")?;
        Self::at(&root)
    }

    /// The cache in the folder `root`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot make the cache folder {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("cannot reach {}", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The place of `file`, which is given relative to the cache folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Waits until no other process writes to the cache; `waiting` is called once if that takes a while.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) fn lock(&self, waiting: impl FnOnce()) -> Result<Lock> {
        let path = self.path("setup.lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().context("cannot wait for the other setup")?;
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache folder"),
        }
        Ok(Lock { _file: file })
    }

    /// How `file` compares with the hash `sha256`.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub(crate) fn state(&self, file: &str, sha256: &str) -> Result<State> {
        let path = self.path(file);
        match hash_file(&path) {
            Ok(found) if found == sha256 => Ok(State::Good),
            Ok(_) => Ok(State::Changed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::Missing),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Puts `bytes` in place as `file`.
    ///
    /// # Errors
    /// When the disk is full or the folder may not be written.
    pub(crate) fn put(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(file);
        write_whole(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// An empty folder for downloads; what an interrupted `setup` left in it is removed. Needs the lock.
    ///
    /// # Errors
    /// When the folder cannot be emptied or made.
    pub(crate) fn incoming(&self, _lock: &Lock) -> Result<PathBuf> {
        let path = self.path("incoming");
        self.clear_incoming(_lock)?;
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Removes the folder for downloads. Needs the lock.
    ///
    /// # Errors
    /// When the folder is there but cannot be removed.
    pub(crate) fn clear_incoming(&self, _lock: &Lock) -> Result<()> {
        remove_folder(&self.path("incoming"))
    }
}

/// Removes a folder with all it holds, if it is there.
///
/// # Errors
/// When it is there but cannot be removed.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    lower::encode_string(&Sha256::digest(bytes))
}

fn hash_file(path: &Path) -> std::io::Result<String> {
    // Large pieces keep the unoptimised glue of a development build out of the way: 100 MB take well under a second.
    const PIECE: usize = 1 << 20;
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE];
    let mut digest = Sha256::new();
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(lower::encode_string(&digest.finalize()));
        }
        digest.update(piece.get(..read).unwrap_or_default());
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_added_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_missing_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let sha256 = hash(b"weights");
        assert_eq!(cache.state("models/a.onnx", &sha256).unwrap(), State::Missing);

        cache.put("models/a.onnx", b"weights").unwrap();
        assert_eq!(cache.state("models/a.onnx", &sha256).unwrap(), State::Good);

        fs::write(cache.path("models/a.onnx"), b"weighty").unwrap();
        assert_eq!(cache.state("models/a.onnx", &sha256).unwrap(), State::Changed);

        cache.put("models/a.onnx", b"weights").unwrap();
        assert_eq!(cache.state("models/a.onnx", &sha256).unwrap(), State::Good);
        assert_eq!(fs::read_dir(cache.path("models")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_second_setup_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let first = cache.lock(|| panic!("nobody to wait for")).unwrap();
        std::thread::scope(|scope| {
            let (told, tell) = std::sync::mpsc::channel();
            let second = scope.spawn(|| cache.lock(move || told.send(()).unwrap()).map(drop));
            tell.recv().unwrap();
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_hash_is_sha256() {
        assert_eq!(hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
