//! `ecert documents read`: what is read from photographs that nobody took straight from above.

use std::path::Path;
use std::process::Command;

use ecert_tests::app::samples;
use ecert_tests::specimen::scene::{Desk, Scene};
use ecert_tests::specimen::{self, Specimen, page, people};
use serde_json::{Value, json};

type Test = anyhow::Result<()>;

/// What is printed, and whether all was read.
fn read(files: &[&Path], arguments: &[&str]) -> anyhow::Result<(Value, bool)> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    let output = command.args(["documents", "read", "--json"]).args(arguments).args(files).output()?;
    anyhow::ensure!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((serde_json::from_slice(&output.stdout)?, output.status.success()))
}

fn value<'a>(reading: &'a Value, name: &str) -> &'a Value {
    let fields = reading["fields"].as_array().into_iter().flatten();
    fields.clone().find(|field| field["name"] == name).map_or(&Value::Null, |field| &field["value"])
}

#[test]
fn both_sides_of_a_tilted_card_are_read_field_by_field() -> Test {
    let (folder, who) = (tempfile::tempdir()?, people::person(6));
    let font = specimen::font(samples().font())?;
    let portrait = specimen::portrait_from(samples().franck(0)?, ecert_tests::samples::FRANCK_FACE)?;
    let tilted =
        Scene { desk: Desk::Wood, turn: 14.0, pitch: 15.0, yaw: -15.0, quality: 60, ..Scene::plain(1) };
    let upside_down = Scene { turn: 188.0, ..tilted };
    let (front, back) = (folder.path().join("front.jpg"), folder.path().join("back.jpg"));
    std::fs::write(
        &front,
        tilted.photograph(&who.print_front(&portrait, &font), specimen::cover_of_card)?.jpeg,
    )?;
    std::fs::write(&back, upside_down.photograph(&who.print_back(&font), specimen::cover_of_card)?.jpeg)?;

    let (read, whole) = read(&[&back, &front], &[])?;
    assert!(whole, "{read:#}");
    assert_eq!([&read[0]["document"], &read[1]["document"]], ["id-card-back", "id-card-front"]);
    assert_eq!(value(&read[0], "issuer"), &json!(who.issuer));
    for (name, printed) in [("name", &who.name), ("address", &who.address), ("number", &who.number)] {
        assert_eq!(value(&read[1], name), &json!(printed));
    }
    assert_eq!(read[1]["condition"]["screen_suspected"], json!(false));
    Ok(())
}

#[test]
fn a_lamp_and_a_fault_are_named_and_nothing_is_guessed() -> Test {
    let folder = tempfile::tempdir()?;
    let font = specimen::font(samples().font())?;
    let portrait = specimen::portrait_from(samples().franck(0)?, ecert_tests::samples::FRANCK_FACE)?;
    let print = Specimen::franck().wrong_check_digit().print_front(&portrait, &font);
    let lamp = Scene { glare: Some(([0.35, 0.5], 0.2)), ..Scene::plain(2) };
    let (front, nothing) = (folder.path().join("front.jpg"), folder.path().join("nothing.jpg"));
    std::fs::write(&front, lamp.photograph(&print, specimen::cover_of_card)?.jpeg)?;
    std::fs::write(&nothing, samples().landscape())?;

    let (read, whole) = read(&[&front, &nothing], &[])?;
    assert!(!whole);
    let problem = |name: &str| {
        let fields = read[0]["fields"].as_array().into_iter().flatten();
        fields.clone().find(|field| field["name"] == name).map(|field| field["problem"].clone())
    };
    assert_eq!(problem("number"), Some(json!("check-digit")));
    assert_eq!(problem("address"), Some(json!("field-unreadable")));
    assert!(read[0]["condition"]["glare"].as_f64() > Some(0.02), "{read:#}");
    assert_eq!(read[1]["problem"], "not-a-document");
    Ok(())
}

/// Doc 9303's own specimen. Not in OCR-B, which the cache does not have; `cargo xtask bench documents` reads zones in it.
#[test]
fn the_zone_of_a_passport_is_read() -> Test {
    let folder = tempfile::tempdir()?;
    let font = specimen::font(samples().font())?;
    let portrait = specimen::portrait_from(samples().franck(0)?, ecert_tests::samples::FRANCK_FACE)?;
    let lines =
        ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
            .map(str::to_owned);
    let print = page::print(&lines, &portrait, &font, &font);
    let scene = Scene { turn: -8.0, pitch: 8.0, yaw: 6.0, ..Scene::plain(3) };
    let file = folder.path().join("page.jpg");
    std::fs::write(&file, scene.photograph(&print, |_, _| 1.0)?.jpeg)?;
    let (read, whole) = read(&[&file], &["--kind", "passport"])?;
    assert!(whole, "{read:#}");
    assert_eq!(read[0]["document"], "td3");
    for (name, printed) in [
        ("number", "L898902C3"),
        ("surname", "ERIKSSON"),
        ("given_names", "ANNA MARIA"),
        ("birth", "1974-08-12"),
        ("expires", "2012-04-15"),
        ("optional", "ZE184226B"),
    ] {
        assert_eq!(value(&read[0], name), printed);
    }
    Ok(())
}
