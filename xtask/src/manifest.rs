//! `manifest.json`, which tells the server what lies in the cache; the server refuses a file whose hash differs.
//!
//! Invariant: the manifest is a function of the pins, so that two set-ups of one version write the same bytes.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::pins::{Pin, Role};

/// The name of the manifest in the cache folder.
pub(crate) const FILE: &str = "manifest.json";

#[derive(Serialize)]
struct Manifest {
    version: u32,
    runtime: Option<Runtime>,
    models: BTreeMap<&'static str, Model>,
    samples: BTreeMap<&'static str, Plain>,
    fonts: BTreeMap<&'static str, Plain>,
    peers: BTreeMap<&'static str, Plain>,
    apps: BTreeMap<&'static str, Plain>,
}

#[derive(Serialize)]
struct Runtime {
    file: &'static str,
    version: &'static str,
    package: String,
    licence: &'static str,
    sha256: &'static str,
}

#[derive(Serialize)]
struct Model {
    file: &'static str,
    name: &'static str,
    package: String,
    path: &'static str,
    licence: &'static str,
    sha256_source: &'static str,
    sha256: &'static str,
    /// -1 is a size known only when the model runs.
    input: &'static [i64],
    prepared: &'static str,
    thresholds: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct Plain {
    file: &'static str,
    package: String,
    path: &'static str,
    licence: &'static str,
    sha256: &'static str,
}

/// The manifest of `pins`, as indented JSON with a line end.
///
/// # Errors
/// Never in practice: every value is plain data.
pub(crate) fn render(pins: &[&'static Pin]) -> Result<Vec<u8>> {
    let mut manifest = Manifest {
        version: 1,
        runtime: None,
        models: BTreeMap::new(),
        samples: BTreeMap::new(),
        fonts: BTreeMap::new(),
        peers: BTreeMap::new(),
        apps: BTreeMap::new(),
    };
    for pin in pins {
        match pin.role {
            Role::Runtime => manifest.runtime = Some(runtime(pin)),
            Role::Model { name, input, thresholds } => {
                let thresholds = thresholds.iter().copied().collect();
                manifest.models.insert(pin.key, model(pin, name, input, thresholds));
            }
            Role::Peer => drop(manifest.peers.insert(pin.key, plain(pin))),
            Role::Sample => drop(manifest.samples.insert(pin.key, plain(pin))),
            Role::Font => drop(manifest.fonts.insert(pin.key, plain(pin))),
            Role::App => drop(manifest.apps.insert(pin.key, plain(pin))),
        }
    }
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    Ok(json)
}

fn runtime(pin: &Pin) -> Runtime {
    Runtime {
        file: pin.file,
        version: pin.package.version,
        package: pin.package.to_string(),
        licence: pin.licence,
        sha256: pin.sha256,
    }
}

fn model(
    pin: &Pin,
    name: &'static str,
    input: &'static [i64],
    thresholds: BTreeMap<&'static str, f64>,
) -> Model {
    Model {
        file: pin.file,
        name,
        package: pin.package.to_string(),
        path: pin.path,
        licence: pin.licence,
        sha256_source: pin.sha256_source,
        sha256: pin.sha256,
        input,
        prepared: pin.steps.describe(),
        thresholds,
    }
}

fn plain(pin: &Pin) -> Plain {
    Plain {
        file: pin.file,
        package: pin.package.to_string(),
        path: pin.path,
        licence: pin.licence,
        sha256: pin.sha256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::{Machine, pins};

    #[test]
    fn the_manifest_depends_on_the_pins_alone() {
        let mut backwards = pins(Machine::X86_64);
        backwards.reverse();
        assert_eq!(render(&pins(Machine::X86_64)).unwrap(), render(&backwards).unwrap());
    }

    #[test]
    fn the_manifest_names_every_pin_once() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let pins = pins(machine);
            let json: serde_json::Value = serde_json::from_slice(&render(&pins).unwrap()).unwrap();
            let sections = ["models", "samples", "fonts", "peers", "apps"];
            let listed: usize = sections.iter().map(|name| json[name].as_object().unwrap().len()).sum();
            assert_eq!(listed + 1, pins.len(), "the runtime stands for itself");
            assert_eq!(json["runtime"]["version"], "1.31.1");
            let wheel = format!("{}.whl", machine.name());
            assert!(pins[0].package.file.ends_with(&wheel));
        }
    }

    #[test]
    fn machines_differ_in_the_runtime_only() {
        let (intel, arm) = (pins(Machine::X86_64), pins(Machine::Aarch64));
        let differing: Vec<_> = intel.iter().zip(&arm).filter(|(a, b)| a.sha256 != b.sha256).collect();
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].0.key, "runtime");
    }

    #[test]
    fn every_hash_is_a_sha256_and_no_two_files_share_a_place() {
        let pins = pins(Machine::X86_64);
        for pin in &pins {
            for sha256 in [pin.sha256, pin.sha256_source] {
                assert_eq!(sha256.len(), 64, "{}", pin.file);
                assert!(sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            }
        }
        let places: std::collections::BTreeSet<_> = pins.iter().map(|pin| pin.file).collect();
        assert_eq!(places.len(), pins.len());
    }
}
