//! `ecert models report`: what an operator's folder of pictures says about the models.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};
use ecert_tests::app::samples;
use ecert_tests::specimen::Specimen;
use serde_json::{Value, json};

type Test = anyhow::Result<()>;

fn report(data: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    Ok(command.args(["models", "report", "--data"]).arg(data).args(arguments).output()?)
}

fn refused(data: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = report(data, arguments)?;
    ensure!(!output.status.success(), "it went well");
    Ok(String::from_utf8(output.stderr)?)
}

/// Writes a file below a folder.
fn put(root: &Path, path: &str, bytes: impl AsRef<[u8]>) -> Test {
    let path = root.join(path);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(fs::write(path, bytes)?)
}

/// Three comparisons of one man with himself, three with somebody else, and two that can't be made.
const PAIRS: &str = "\
path_a,path_b,same,group
one/0.jpg,one/1.jpg,1,frames
one/0.jpg,one/2.jpg,1,frames
one/2.jpg,one/3.jpg,1,frames
one/0.jpg,other.png,0,strangers
one/1.jpg,other.png,0,strangers
other.png,one/2.jpg,0,strangers
one/3.jpg,landscape.jpg,0,strangers
one/3.jpg,broken.jpg,1,frames
";

fn with_pairs() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    for (index, frame) in samples().franck_frames().iter().take(4).enumerate() {
        put(root, &format!("one/{index}.jpg"), frame)?;
    }
    put(root, "other.png", samples().astronaut())?;
    put(root, "landscape.jpg", samples().landscape())?;
    put(root, "broken.jpg", "not a picture")?;
    put(root, "pairs.csv", PAIRS)?;
    Ok(folder)
}

fn put_presentations_and_cards(root: &Path) -> Test {
    for index in 4..7 {
        put(root, &format!("pad/live/{index}.jpg"), samples().franck(index)?)?;
    }
    put(root, "pad/attack/no-face/1.jpg", samples().landscape())?;
    let specimen = Specimen::franck();
    let card = specimen.photographed(samples())?;
    put(root, "cards/front.jpg", &card.front)?;
    put(root, "cards/back.jpg", &card.back)?;
    put(root, "cards/faulty.jpg", Specimen::franck().wrong_check_digit().photographed(samples())?.front)?;
    let (name, number, issuer) = (&specimen.name, &specimen.number, &specimen.issuer);
    let lines = [
        "path,field,expected".to_owned(),
        format!("cards/front.jpg,name,{name}"),
        format!("cards/front.jpg,number,{number}"),
        "cards/front.jpg,sex,female".to_owned(),
        format!("cards/back.jpg,issuer,{issuer}"),
        "cards/faulty.jpg,refused,front".to_owned(),
    ];
    put(root, "cards.csv", lines.join("\n"))
}

#[test]
fn pairs_presentations_and_cards_become_a_report() -> Test {
    let (folder, out) = (with_pairs()?, tempfile::tempdir()?);
    put_presentations_and_cards(folder.path())?;
    let out = out.path().join("accuracy");
    let output = report(folder.path(), &["--json", "--workers", "2", "--out", &out.display().to_string()])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(fs::read(out.join("report.json"))?, output.stdout);

    let whole = &read["verification"];
    for (key, value) in [("pairs", 8), ("genuine", 3), ("impostor", 3), ("failed_to_acquire", 2)] {
        assert_eq!(whole[key], value, "{key}");
    }
    assert_eq!(whole["acquisition"]["reasons"], json!({"no-face": 1, "not-a-picture": 1}));
    assert_eq!((&whole["eer"], &whole["held_out"]), (&json!(0.0), &Value::Null));
    assert_eq!(whole["fnmr_at_fmr"], json!({"1e-2": 0.0, "1e-3": 0.0, "1e-4": null}));
    let own = &whole["at_threshold"];
    assert_eq!((&own["threshold"], &own["fmr"], &own["fnmr"]), (&json!(0.42), &json!(0.0), &json!(0.0)));
    // Wilson: of three without an error 0 to z² / (3 + z²).
    let high = own["fnmr_interval"][1].as_f64().context("an interval")?;
    assert!((high - 0.5615).abs() < 1e-4, "{high}");
    let frames = &whole["groups"]["frames"];
    assert_eq!((&frames["pairs"], &frames["impostor"], &frames["eer"]), (&json!(4), &json!(0), &Value::Null));
    assert_eq!(read["verification_with_gates"]["genuine"], 3);

    let pad = &read["pad"];
    assert_eq!((&pad["live"]["n"], &pad["live"]["bpcer"]), (&json!(3), &json!(0.0)));
    let attack = &pad["species"]["no-face"];
    assert_eq!(
        (&attack["n"], &attack["apcer"], &attack["non_response"]),
        (&json!(0), &Value::Null, &json!(1))
    );
    let ocr = &read["ocr"];
    assert_eq!((&ocr["n"], &ocr["exact"]), (&json!(4), &json!(3)));
    assert_eq!(ocr["fields"]["sex"]["wrong"], 1, "the man's card says male");
    assert_eq!(ocr["faulty"], json!({"n": 1, "accepted": 0}));
    is_complete_and_says_no_path(&read, &out, folder.path())
}

fn is_complete_and_says_no_path(read: &Value, out: &Path, data: &Path) -> Test {
    let cache = std::env::var_os("ECERT_MODEL_DIR").context("`cargo xtask test` sets it")?;
    let manifest: Value = serde_json::from_slice(&fs::read(Path::new(&cache).join("manifest.json"))?)?;
    let models = manifest["models"].as_object().context("models")?;
    assert!(models.iter().all(|(role, entry)| read["models"][role]["sha256"] == entry["sha256"]));
    assert_eq!(read["program"]["version"], env!("CARGO_PKG_VERSION"));

    let page = fs::read_to_string(out.join("report.md"))?;
    assert!(page.contains("| **whole** | 3 | 3 | 2 | 0.00 |") && page.contains("(roc.svg)"), "{page}");
    assert!(page.contains("## What these figures do not say") && page.contains("held out:"), "{page}");
    let plot = fs::read_to_string(out.join("roc.svg"))?;
    assert!(plot.starts_with("<svg") && plot.contains("<polyline") && plot.trim_end().ends_with("</svg>"));
    let all = page + &plot + &read.to_string();
    let said = [data.display().to_string(), "other.png".to_owned(), "one/0".to_owned(), "林知远".to_owned()];
    assert!(said.iter().all(|word| !all.contains(word)), "pictures and people are named");
    Ok(())
}

#[test]
fn a_terminal_gets_a_table_and_what_was_not_measured() -> Test {
    let folder = with_pairs()?;
    let output = report(folder.path(), &["--workers", "1"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains("8 pairs of") && text.contains("3 genuine, 3 impostor, 2 not compared"), "{text}");
    assert!(text.contains("strangers") && text.contains("not measured: APCER"), "{text}");
    assert!(String::from_utf8(output.stderr)?.contains("7 looked at"));
    assert_eq!(fs::read_dir(folder.path())?.count(), 5, "nothing is written beside the pictures");
    Ok(())
}

#[test]
fn what_is_missing_is_told_with_what_to_do() -> Test {
    let folder = with_pairs()?;
    let root = folder.path();
    let no_models = refused(root, &["--model-dir", &root.display().to_string()])?;
    assert!(no_models.contains("cargo xtask setup"), "{no_models}");
    assert!(refused(root, &["--workers", "0"])?.contains("--workers"));

    put(root, "pairs.csv", PAIRS.replace("one/2.jpg,one/3.jpg", "one/2.jpg,one/33.jpg"))?;
    let no_picture = refused(root, &[])?;
    assert!(no_picture.contains("pairs.csv, line 4: there is no file one/33.jpg"), "{no_picture}");
    fs::remove_file(root.join("pairs.csv"))?;
    let no_list = refused(root, &[])?;
    assert!(
        no_list.contains("there is no pairs.csv") && no_list.contains("path_a,path_b,same,group"),
        "{no_list}"
    );
    assert!(refused(&root.join("none"), &[])?.contains("there is no folder"));
    Ok(())
}
