//! Our formats beside python-cwt, cbor2 and cryptography, which share no code with us.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use wallet_core::ecert::{AssuranceLevel, UnverifiedCert, verify::verify};
use wallet_core::jws::from_base64url;

#[derive(Deserialize)]
struct Theirs {
    /// File → case → whether it is accepted.
    verdicts: BTreeMap<String, BTreeMap<String, bool>>,
    /// E-certs that the peer made.
    made: Vec<String>,
}

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn file(name: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(vectors().join(name))?)?)
}

/// What the peer says to our vectors, if its environment is there.
fn theirs() -> anyhow::Result<Option<Theirs>> {
    let Some(python) = std::env::var_os("ECERT_COSE_PYTHON") else {
        eprintln!("left out: no ECERT_COSE_PYTHON; `cargo xtask test` sets it");
        return Ok(None);
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/formats.py");
    let output = Command::new(python).arg(program).arg(vectors()).output().context("cannot start Python")?;
    ensure!(output.status.success(), "the peer failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

#[test]
fn the_peer_accepts_and_refuses_the_very_vectors_that_we_do() -> anyhow::Result<()> {
    let Some(theirs) = theirs()? else { return Ok(()) };
    let mut compared = 0;
    for (name, verdicts) in &theirs.verdicts {
        for case in file(&format!("{name}.json"))?["cases"].as_array().context("cases")? {
            let case_name = case["name"].as_str().context("a name")?;
            if let Some(accepted) = verdicts.get(case_name) {
                assert_eq!(*accepted, case["expect"] == "accepted", "{name}: {case_name}");
                compared += 1;
            }
        }
    }
    println!("{compared} verdicts are the same");
    assert!(compared > 200, "{compared}");
    Ok(())
}

#[test]
fn certificates_that_the_peer_signs_are_believed() -> anyhow::Result<()> {
    let Some(theirs) = theirs()? else { return Ok(()) };
    let trust = file("trust.json")?;
    let root = STANDARD.decode(trust["root"].as_str().context("a root")?)?;
    let now = trust["now"].as_str().context("a time")?.parse()?;
    let mut levels = Vec::new();
    for certificate in &theirs.made {
        let cert = UnverifiedCert::from_bytes(&from_base64url(certificate)?)?;
        levels.push(verify(cert, &root, now)?.claims().assurance);
    }
    assert_eq!(levels, [AssuranceLevel::Ial1, AssuranceLevel::Ial2]);
    Ok(())
}
