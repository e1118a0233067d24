//! A folder for the time of a bench, and everything that must end with it: also on Ctrl-C, SIGTERM and failure.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

type Ending = Box<dyn FnOnce() + Send>;

/// What is left of it when it ends: nothing.
pub(crate) struct Scratch {
    folder: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    endings: Vec<Ending>,
    folder: Option<TempDir>,
}

impl Scratch {
    /// A folder that everybody may look into: PostgreSQL runs as another user.
    pub(crate) fn new() -> anyhow::Result<Scratch> {
        let folder = tempfile::Builder::new()
            .prefix("ecert-bench-")
            .tempdir()
            .context("no place for temporary files")?;
        let path = folder.path().to_owned();
        let kept = Arc::new(Mutex::new(Kept { endings: Vec::new(), folder: Some(folder) }));
        let scratch = Scratch { folder: path, kept };
        scratch.end_on_signals()?;
        Ok(scratch)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has something done in the end; what was named last is done first.
    pub(crate) fn at_end(&self, ending: impl FnOnce() + Send + 'static) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).endings.push(Box::new(ending));
    }

    fn end_on_signals(&self) -> anyhow::Result<()> {
        let kept = Arc::clone(&self.kept);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            let signalled = runtime.block_on(async {
                let (mut interrupt, mut terminate) =
                    (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                std::io::Result::Ok(())
            });
            if signalled.is_ok() {
                eprintln!("\nstopped; clearing up");
                end(&kept);
                std::process::exit(130);
            }
        });
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        end(&self.kept);
    }
}

fn end(kept: &Mutex<Kept>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some(ending) = kept.endings.pop() {
        ending();
    }
    drop(kept.folder.take());
}
