//! What is kept of a face: protected, renewable without a capture, erased with its certificate.

use std::process::Command;

use anyhow::{Context as _, ensure};
use ecert_server::edge::models::Lane;
use ecert_server::flow::templates::template_context;
use ecert_server::store::{certificates, data_keys};
use ecert_tests::app::{TestApp, later_frames, samples};
use serde_json::Value;
use wallet_core::attributes::Share;
use wallet_core::face::Tier;
use wallet_core::face::protection::Stored;
use wallet_core::ids::CertificateId;
use wallet_core::picture::Picture;

type Test = anyhow::Result<()>;

/// The sealed template of a certificate.
fn sealed(app: &TestApp, id: CertificateId) -> anyhow::Result<Vec<u8>> {
    let found = app.context.holder_store.read(|conn| Ok(certificates::find(conn, id)?))?;
    Ok(found.context("a certificate")?.sealed_template)
}

fn opened(app: &TestApp, id: CertificateId) -> anyhow::Result<Stored> {
    let (holder, key) = app.context.holder_store.read(|conn| {
        let holder = certificates::find(conn, id)?.context("a certificate")?.holder;
        Ok((holder, data_keys::find(conn, holder)?))
    })?;
    let vault = app.context.vaults().of(holder, key.as_ref())?;
    Ok(Stored::from_bytes(&vault.open(&template_context(id), &sealed(app, id)?)?)?)
}

/// Runs `ecert templates rekey`; its JSON.
fn rekey(app: &TestApp, arguments: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.args(["templates", "rekey", "--json", "--database", app.database()]);
    let output = command.args(arguments).arg("--data-dir").arg(app.folder()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Puts what the first version kept of this face in the place of the template: SFace's 128 numbers, as they are, under the service's key.
fn put_version_1(app: &TestApp, id: CertificateId) -> Test {
    let picture = Picture::decode(samples().franck(0)?)?;
    let look = move |engine: &mut wallet_core::onnx::Engine| {
        let face = engine.locate(&picture)?.map_err(|_| wallet_core::onnx::ModelError::Input("test"))?;
        engine.embed(Tier::Main, &face.aligned)
    };
    let main = app.context.models.run(Lane::Redemption, look)??.context("an embedder")?;
    let bytes: Vec<u8> = main.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(bytes.len(), 512);
    let (old, new) = (sealed(app, id)?, app.context.vault.seal(&template_context(id), &bytes)?);
    let replaced =
        app.context.holder_store.write(|conn| Ok(certificates::replace_template(conn, id, &old, &new)?))?;
    ensure!(replaced, "there was no template");
    Ok(())
}

#[actix_web::test]
async fn a_template_is_protected_and_renewed_without_a_capture() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let id: CertificateId = holder.certificate()?.parse()?;
    assert!(opened(&app, id)?.is_protected());
    let before = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;

    let stolen = sealed(&app, id)?;
    let done = rekey(&app, &[])?;
    assert_eq!(
        (&done["rekeyed"], &done["were_plain"], &done["last"]),
        (&1.into(), &0.into(), &id.to_string().into())
    );
    assert_ne!(sealed(&app, id)?, stolen);
    let after = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    let score = |answer: &Value| answer["judgement"]["comparison_score"].as_f64().context("a score");
    assert!((score(&before)? - score(&after)?).abs() < 1e-4, "the same frames have the same score");
    assert_eq!(rekey(&app, &["--after", &id.to_string()])?["rekeyed"], 0, "nothing is left to go on with");
    Ok(())
}

#[actix_web::test]
async fn a_template_from_before_there_was_protection_is_still_compared_with() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let id: CertificateId = holder.certificate()?.parse()?;
    put_version_1(&app, id)?;
    assert!(!opened(&app, id)?.is_protected());
    for is_protected in [false, true] {
        let answer = rp.visit(&holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
        assert_eq!((&answer["outcome"], opened(&app, id)?.is_protected()), (&"passed".into(), is_protected));
        let models = answer["judgement"]["comparison_models"].as_array().context("models")?;
        ensure!(models.len() == 1 && models[0].to_string().contains("sface"), "{models:?}");
        if !is_protected {
            assert_eq!(rekey(&app, &[])?["were_plain"], 1);
        }
    }
    Ok(())
}

#[actix_web::test]
async fn the_template_of_an_ended_certificate_is_erased() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let id: CertificateId = holder.certificate()?.parse()?;
    app.admin.revoke(&holder.certificate()?, "other").await?.expect_status(204)?;
    assert!(sealed(&app, id)?.is_empty());
    assert_eq!(rekey(&app, &[])?["rekeyed"], 0);
    Ok(())
}
