//! The wire formats, held to files: every case of `tests/vectors/` is made here by code that shares nothing with the
//! product's encoders, is judged as its file says, and is read by an independent library in `tests/e2e/peer.rs`.
//!
//! `ECERT_VECTORS=write` writes the files anew; without it they are compared.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "clippy does not see what makes the cases as tests; a table is as long as it is"
)]

mod attestations;
mod certificates;
mod chains;
mod codes;
#[path = "../../../tests/src/craft.rs"]
#[allow(unreachable_pub, reason = "in its own crate it is public")]
mod craft;
mod issuer;
#[path = "../../../tests/src/phone.rs"]
#[allow(unreachable_pub, reason = "in its own crate it is public")]
mod phone;
mod proofs;

mod seeds;
mod status_lists;
mod theirs;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The word for a case that is accepted. Anything else is why it is refused.
const ACCEPTED: &str = "accepted";

/// One input with its verdict.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Case<I> {
    name: String,
    #[serde(flatten)]
    input: I,
    expect: String,
}

fn case<I>(name: &str, input: I, expect: impl Display) -> Case<I> {
    Case { name: name.to_owned(), input, expect: expect.to_string() }
}

/// A file of cases.
#[derive(Serialize, Deserialize)]
struct File<I> {
    about: String,
    cases: Vec<Case<I>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

/// Whether the files are to be written, not compared.
fn writes() -> bool {
    std::env::var_os("ECERT_VECTORS").is_some_and(|word| word == "write")
}

/// Holds a file to `made`, byte for byte.
fn hold(name: &str, made: &[u8]) {
    let path = folder().join(name);
    if writes() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let found = std::fs::read(&path).unwrap_or_default();
    assert!(found == made, "tests/vectors/{name} is not what is made; ECERT_VECTORS=write writes it anew");
}

/// Holds the file `name` to `cases`, and the product to the file.
fn judged<I>(name: &str, about: &str, cases: Vec<Case<I>>, judge: impl Fn(&I) -> Result<(), String>)
where
    I: Serialize + DeserializeOwned,
{
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases of {name} have one name");
    let made = File { about: about.to_owned(), cases };
    hold(name, format!("{}\n", serde_json::to_string_pretty(&made).unwrap()).as_bytes());
    let file: File<I> = serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap();
    let verdict = |input: &I| judge(input).err().unwrap_or_else(|| ACCEPTED.to_owned());
    let verdicts = file.cases.iter().map(|case| (case, verdict(&case.input)));
    let wrong: Vec<String> = verdicts
        .filter(|(case, verdict)| case.expect != *verdict)
        .map(|(case, verdict)| format!("{}: expected {:?}, got {verdict:?}", case.name, case.expect))
        .collect();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[test]
fn chains_are_judged_as_their_file_says() {
    chains::hold();
}

#[test]
fn certificates_are_judged_as_their_file_says() {
    hold("trust.json", certificates::trust().as_bytes());
    certificates::hold();
}

#[test]
fn codes_are_judged_as_their_file_says() {
    codes::hold();
}

#[test]
fn status_lists_are_judged_as_their_file_says() {
    status_lists::hold();
}

#[test]
fn proofs_and_receipts_are_judged_as_their_files_say() {
    proofs::hold_dpop();
    proofs::hold_receipts();
}

#[test]
fn the_files_hold_over_150_hostile_cases() {
    let files = ["chains", "certificates", "codes", "status_lists", "dpop", "receipts"];
    let counts = files.map(|name| {
        // Another test may be writing the file just now.
        let bytes = std::fs::read(folder().join(format!("{name}.json"))).unwrap_or_default();
        let file: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let cases = file["cases"].as_array().cloned().unwrap_or_default();
        let refused = cases.iter().filter(|case| case["expect"] != ACCEPTED).count();
        (name, cases.len(), refused)
    });
    println!("file, cases, refused: {counts:?}");
    assert!(writes() || counts.iter().map(|(_, _, refused)| refused).sum::<usize>() >= 150);
}
