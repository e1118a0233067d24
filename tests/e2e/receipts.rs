//! What a relying party checks alone, with its receipts, its statement and the issuer's root: `ecert receipts verify`.

use std::path::PathBuf;
use std::process::{Command, Output};

use ecert_server::flow::statements;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::{root, text};
use serde_json::{Value, json};
use tempfile::TempDir;

type Test = anyhow::Result<()>;

/// What a relying party has kept of a day with three uses, and of the next with one.
struct Kept {
    folder: TempDir,
    proof: Value,
}

impl Kept {
    async fn of_two_days() -> anyhow::Result<Kept> {
        let app = TestApp::start().await?;
        let rp = app.admin.admit_with("Corner Shop", &["name"], &["face.compare"]).await?;
        let (folder, picture) = (tempfile::tempdir()?, &later_frames()[0]);
        std::fs::write(folder.path().join("root.der"), root(&app.holder().issuer().await?)?)?;
        let mut charges = Vec::new();
        for (number, uses) in [(0, 3), (3, 1)] {
            for place in number..number + uses {
                let answer = rp.compare(picture, picture).await?.expect_status(200)?;
                std::fs::write(folder.path().join(format!("{place}.jws")), text(&answer, "/receipt")?)?;
                charges.push(text(&answer, "/charge/id")?);
            }
            app.wait(86_400);
            statements::close_due(&app.context)?;
        }
        let bills = rp.get("/v1/statements").await?.expect_status(200)?;
        for (place, name) in [("/statements/0/statement", "first"), ("/statements/1/statement", "second")] {
            std::fs::write(folder.path().join(format!("{name}.jws")), text(&bills, place)?)?;
        }
        let period = text(&bills, "/statements/0/period")?;
        let address = format!("/v1/statements/{period}/proofs/{}", charges[1]);
        let proof = rp.get(&address).await?.expect_status(200)?;
        let kept = Kept { folder, proof };
        std::fs::write(kept.path("proof.json"), kept.proof.to_string())?;
        Ok(kept)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, more: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(ecert_tests::service::binary()?);
        command.current_dir(&self.folder).args(["receipts", "verify", "--root", "root.der"]);
        Ok(command.args(more).output()?)
    }

    /// Of what did not hold: what was said.
    fn refused(&self, more: &[&str]) -> anyhow::Result<String> {
        let output = self.verify(more)?;
        anyhow::ensure!(!output.status.success(), "{more:?} went well");
        Ok(String::from_utf8(output.stderr)?)
    }
}

#[actix_web::test]
async fn all_receipts_of_a_day_make_its_statement_and_no_others_do() -> Test {
    let kept = Kept::of_two_days().await?;
    let good = kept.verify(&["--statement", "first.jws", "2.jws", "0.jws", "1.jws"])?;
    let said = String::from_utf8(good.stdout)?;
    assert!(good.status.success() && said.contains("3 receipts make it, 0.018000 CNY"), "{said}");
    let missing = kept.refused(&["--statement", "first.jws", "0.jws", "2.jws"])?;
    assert!(missing.contains("missing: 1 receipts of face.compare by list-1"), "{missing}");
    let extra = kept.refused(&["--statement", "first.jws", "0.jws", "1.jws", "2.jws", "3.jws"])?;
    assert!(extra.contains("extra: 3.jws is of the period"), "{extra}");
    let twice = kept.refused(&["--statement", "first.jws", "0.jws", "1.jws", "1.jws"])?;
    assert!(twice.contains("are of one charge"), "{twice}");
    let json = kept.verify(&["--json", "--statement", "second.jws", "3.jws"])?;
    let last: Value =
        serde_json::from_str(String::from_utf8(json.stdout)?.lines().last().unwrap_or_default())?;
    assert_eq!((json.status.success(), &last["agrees"]), (true, &json!(true)));
    Ok(())
}

#[actix_web::test]
async fn a_changed_statement_or_one_of_another_issuer_is_refused() -> Test {
    let kept = Kept::of_two_days().await?;
    let token = std::fs::read_to_string(kept.path("first.jws"))?;
    let (signed, signature) = token.rsplit_once('.').expect("a token");
    let other = std::fs::read_to_string(kept.path("second.jws"))?;
    let (_, other) = other.rsplit_once('.').expect("a token");
    assert_ne!(signature, other);
    std::fs::write(kept.path("changed.jws"), format!("{signed}.{other}"))?;
    let said = kept.refused(&["--statement", "changed.jws", "0.jws", "1.jws", "2.jws"])?;
    assert!(said.contains("the statement does not hold"), "{said}");
    let said = kept.refused(&["--statement", "0.jws", "0.jws"])?;
    assert!(said.contains("the statement does not hold"), "a receipt is no statement: {said}");
    Ok(())
}

#[actix_web::test]
async fn one_receipt_is_proven_to_be_in_its_statement_and_another_is_not() -> Test {
    let kept = Kept::of_two_days().await?;
    let proof = ["--statement", "first.jws", "--proof", "proof.json"];
    let with = |more: &[&'static str]| [&proof[..], more].concat();
    let good = kept.verify(&with(&["1.jws"]))?;
    let place = format!("at place {}", kept.proof["index"]);
    assert!(good.status.success() && String::from_utf8(good.stdout)?.contains(&place));
    let json = kept.verify(&with(&["1.jws", "--json"]))?;
    let said = String::from_utf8(json.stdout)?;
    let last: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
    assert_eq!((&last["agrees"], &last["index"]), (&json!(true), &kept.proof["index"]));
    assert!(kept.refused(&with(&["2.jws"]))?.contains("is not in the statement"));
    assert!(kept.refused(&with(&["1.jws", "2.jws"]))?.contains("--proof is of one receipt"));
    let other = ["--statement", "second.jws", "--proof", "proof.json", "1.jws"];
    assert!(kept.refused(&other)?.contains("of another statement"));
    std::fs::write(kept.path("proof.json"), "{}")?;
    assert!(kept.refused(&with(&["1.jws"]))?.contains("the proof is not what"));
    assert!(kept.refused(&["--proof", "proof.json", "1.jws"])?.contains("--statement"));
    Ok(())
}
