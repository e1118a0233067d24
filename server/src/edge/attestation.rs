//! Which makers of phones are believed when they vouch for a key.

use std::path::Path;

use anyhow::{Context as _, bail};
use wallet_core::attestation::{Anchors, App};

/// Makers, and the app that is ours.
#[derive(Default)]
pub struct Trust {
    /// The makers' roots; where there is none, nothing is checked.
    pub roots: Anchors,
    /// The app that keys must be of; any, where none is named.
    pub app: Option<App>,
}

impl Trust {
    /// Reads the roots (PEM, one or more).
    ///
    /// # Errors
    /// When the file can't be read or has something else, or when an app is named that could not be checked.
    pub fn read(roots: Option<&Path>, app: Option<App>) -> anyhow::Result<Trust> {
        let Some(file) = roots else {
            if app.is_some() {
                bail!("set --attestation-roots as well: without roots no app can be told from another");
            }
            return Ok(Trust::default());
        };
        let name = file.display();
        let pem = std::fs::read(file).with_context(|| format!("can't read the attestation roots {name}"))?;
        Ok(Trust { roots: Anchors::from_pem(&pem).with_context(|| format!("{name}"))?, app })
    }
}
