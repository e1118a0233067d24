//! Models whose files are as the manifest says and that calculate nonsense all the same: nobody is let in, or billed, by one.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ecert_tests::app::{TestApp, later_frames};
use ecert_tests::clients::RelyingParty;
use serde_json::Value;
use wallet_core::attributes::Share;
use wallet_core::es256::sha256;

type Test = anyhow::Result<()>;

/// A folder of models like the real one, but for one role: a stretch in the middle of its weights is `FF` throughout, which is no number
/// wherever a float begins.
fn broken(role: &str, folder: &Path) -> Test {
    let real = PathBuf::from(std::env::var_os("ECERT_MODEL_DIR").context("`cargo xtask test` sets it")?);
    for entry in std::fs::read_dir(&real)? {
        let name = entry?.file_name();
        if name != "manifest.json" && name != "models" {
            symlink(real.join(&name), folder.join(&name))?;
        }
    }
    std::fs::create_dir(folder.join("models"))?;
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(real.join("manifest.json"))?)?;
    for (key, entry) in manifest["models"].as_object_mut().context("no models")? {
        let file = entry["file"].as_str().context("no file")?.to_owned();
        if key != role {
            symlink(real.join(&file), folder.join(&file))?;
            continue;
        }
        let mut bytes = std::fs::read(real.join(&file))?;
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xFF);
        std::fs::write(folder.join(&file), &bytes)?;
        entry["sha256"] = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    }
    Ok(std::fs::write(folder.join("manifest.json"), serde_json::to_vec(&manifest)?)?)
}

/// What a service with this role's model broken says to a capture that a healthy one passes, on the same databases.
async fn judged_with_broken(app: &TestApp, role: &str) -> anyhow::Result<String> {
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let folder = tempfile::tempdir()?;
    broken(role, folder.path())?;
    let models = folder.path().display().to_string();
    let flags = ["--database", app.database(), "--model-dir", &models, "--model-workers", "1"];
    let replica = app.replica_with(&flags, None).await?;
    let there = RelyingParty::new(&replica.base, &rp.id, &rp.api_key);
    let answer = there.judge(&open, &later_frames()).await?;
    let said = if answer.status == 200 { answer.body["outcome"].to_string() } else { answer.refusal() };
    assert_eq!(app.charges().await?, 0, "{role}: {said}");
    // The healthy one still judges it.
    assert_eq!(rp.judge(&open, &later_frames()).await?.expect_status(200)?["outcome"], "passed", "{role}");
    Ok(said)
}

#[actix_web::test]
async fn a_model_that_answers_with_no_number_lets_nobody_in_and_costs_nothing() -> Test {
    for role in ["face-landmarks", "face-embedder-quick", "liveness"] {
        let app = TestApp::start().await?;
        assert_eq!(judged_with_broken(&app, role).await?, "500 internal", "{role}");
    }
    Ok(())
}
