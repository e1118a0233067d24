//! A small disk that can be filled.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// A tmpfs; unmounted with this value.
pub(super) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many MiB at `at`. Wants root.
    pub(super) fn mount(at: &Path, mebibytes: u32) -> anyhow::Result<SmallDisk> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={mebibytes}m,mode=0755");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "ecert-faults"]).arg(at).status()?;
        ensure!(status.success(), "can't mount a tmpfs at {}", at.display());
        Ok(SmallDisk { at: at.to_owned() })
    }

    /// Writes until nothing fits any more.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        // Ever smaller pieces, down to one page, so that not even a page is left.
        for piece in [1 << 20, 1 << 16, 1 << 12, 1] {
            let zeros = vec![0; piece];
            while filler.write_all(&zeros).is_ok() {}
        }
        Ok(())
    }

    /// Frees what was filled.
    pub(super) fn free(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.filler()).context("nothing was filled")
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open is being ended.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
