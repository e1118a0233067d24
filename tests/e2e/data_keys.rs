//! A key for each holder: given, bound to them, wrapped anew while people come and go.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ecert_server::flow::issuance::{attributes_context, portrait_context};
use ecert_server::flow::templates::template_context;
use ecert_server::store::certificates;
use ecert_server::store::data_keys::{self, Held};
use ecert_tests::app::{TestApp, enrolment_frames, execute, later_frames, samples};
use ecert_tests::clients::{Holder, RelyingParty};
use ecert_tests::specimen::{Sex, Specimen};
use serde_json::Value;
use wallet_core::attributes::Share;
use wallet_core::ids::{CertificateId, HolderId};

type Test = anyhow::Result<()>;

/// Runs `ecert keys …` beside a service.
fn keys(app: &TestApp, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ecert_tests::service::binary()?);
    command.arg("keys").args(arguments).arg("--data-dir").arg(app.folder());
    Ok(command.args(["--database", app.database()]).output()?)
}

/// The same, expected to go well; its JSON.
fn said(app: &TestApp, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = keys(app, &[arguments, &["--json"]].concat())?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The keys that wrap: name, state, how many holders.
fn keks(app: &TestApp) -> anyhow::Result<Vec<(String, String, i64)>> {
    let said = said(app, &["keks"])?;
    let kek = |kek: &Value| {
        Some((kek["id"].as_str()?.to_owned(), kek["state"].as_str()?.to_owned(), kek["holders"].as_i64()?))
    };
    Ok(said["keks"].as_array().into_iter().flatten().filter_map(kek).collect())
}

async fn within_half_a_minute(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> Test {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < Duration::from_secs(30), "{what}");
        actix_web::rt::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn holder_of(app: &TestApp, holder: &Holder) -> anyhow::Result<HolderId> {
    let id: CertificateId = holder.certificate()?.parse()?;
    let found = app.context.holder_store.read(|conn| Ok(certificates::find(conn, id)?))?;
    Ok(found.context("a certificate")?.holder)
}

async fn passes(holder: &mut Holder, rp: &RelyingParty) -> Test {
    let answer = rp.visit(&holder.qr(Share::Full)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!((&answer["outcome"], &answer["attributes"]["name"]), (&"passed".into(), &"林知远".into()));
    Ok(())
}

/// Somebody else with the same face.
async fn another(app: &TestApp) -> anyhow::Result<Holder> {
    let specimen = Specimen::franck().number_for((1985, 6, 5), Sex::Male, 7);
    app.register(&specimen)?;
    let mut holder = app.holder();
    holder.enrol(&specimen.photographed(samples())?, &enrolment_frames()).await?;
    Ok(holder)
}

#[actix_web::test]
async fn what_is_moved_to_another_holder_does_not_open() -> Test {
    let app = TestApp::start().await?;
    let (mut one, rp) = (app.enrolled().await?, app.relying_party().await?);
    let other = another(&app).await?;
    let (mine, theirs) = (holder_of(&app, &one)?, holder_of(&app, &other)?);
    passes(&mut one, &rp).await?;
    // Key and values are moved together, so that they would fit each other.
    let move_row = |from: HolderId, to: HolderId| {
        execute(
            app.database(),
            &format!(
                "UPDATE holders SET wrapped_key = (SELECT h.wrapped_key FROM holders h WHERE h.id = '{from}') WHERE id = '{to}'"
            ),
        )
    };
    let own = app.context.holder_store.read(|conn| Ok(data_keys::find(conn, mine)?))?.context("a key")?;
    move_row(theirs, mine)?;
    assert_eq!(rp.visit(&one.qr(Share::Full)?, &later_frames()).await?.refusal(), "500 internal");
    let moved = app.context.holder_store.read(|conn| Ok(data_keys::find(conn, mine)?))?.context("a key")?;
    app.context.holder_store.write(|conn| Ok(data_keys::rewrap(conn, mine, &moved, &own)?))?;
    passes(&mut one, &rp).await?;
    execute(
        app.database(),
        &format!(
            "UPDATE certificates SET sealed_template = (SELECT c.sealed_template FROM certificates c WHERE c.holder_id = '{theirs}') \
         WHERE holder_id = '{mine}'"
        ),
    )?;
    assert_eq!(rp.visit(&one.qr(Share::Full)?, &later_frames()).await?.refusal(), "500 internal");
    assert_eq!(app.charges().await?, 2);
    Ok(())
}

#[actix_web::test]
async fn the_key_that_wraps_is_rotated_while_redemptions_go_on() -> Test {
    let app = TestApp::start().await?;
    let (mut one, rp) = (app.enrolled().await?, app.relying_party().await?);
    another(&app).await?;
    let [(old, ..)] = &keks(&app)?[..] else { anyhow::bail!("one key was expected") };
    let made = said(&app, &["rotate-kek"])?;
    assert_eq!((&made["keks"][1]["state"], &made["keks"][0]["holders"]), (&"next".into(), &2.into()));
    passes(&mut one, &rp).await?;
    // The story's clock stands; the command's went on, and the key begins in a minute.
    app.wait(600);
    let open = rp.open(&one.qr(Share::Name)?).await?;
    // Nobody is served worse while the service wraps anew.
    while app.context.holder_store.read(|conn| Ok(!data_keys::under(conn, old, 1)?.is_empty()))? {
        passes(&mut one, &rp).await?;
    }
    rp.judge(&open, &later_frames()).await?.expect_status(200)?;
    passes(&mut one, &rp).await?;
    let wrapped: Vec<i64> = keks(&app)?.into_iter().map(|(_, _, holders)| holders).collect();
    assert_eq!(wrapped, [0, 2]);
    Ok(())
}

#[actix_web::test]
async fn a_key_that_wraps_is_dropped_once_nothing_names_it() -> Test {
    let app = TestApp::start().await?;
    let (mut one, rp) = (app.enrolled().await?, app.relying_party().await?);
    let [(old, ..)] = &keks(&app)?[..] else { anyhow::bail!("one key was expected") };
    said(&app, &["rotate-kek"])?;
    let refused = keys(&app, &["drop-kek", old])?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("1 holders"), "{refused:?}");
    app.wait(600);
    let is_free = || app.context.holder_store.read(|conn| Ok(data_keys::under(conn, old, 1)?.is_empty()));
    within_half_a_minute("not wrapped anew", || Ok(is_free()?)).await?;
    // A replica that was cut off may wrap with it for a day.
    let refused = keys(&app, &["drop-kek", old])?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("less than a day"), "{refused:?}");
    app.wait(2 * 86_400);
    let store = app.keys()?;
    store.drop_kek(old, app.clock_now())?;
    assert!(store.drop_kek(&keks(&app)?[0].0, app.clock_now()).is_err(), "the one that wraps stays");
    app.context.signer.refresh()?;
    passes(&mut one, &rp).await
}

/// Puts a holder's values back to what a program before data keys wrote.
fn put_before_data_keys(app: &TestApp, holder: HolderId) -> Test {
    let ctx = &app.context;
    ctx.holder_store.write(|conn| {
        let key = data_keys::find(conn, holder)?;
        let vault = ctx.vaults().of(holder, key.as_ref())?;
        for (held, sealed) in data_keys::values(conn, holder)? {
            let context = match &held {
                Held::Attributes(id) => attributes_context(*id),
                Held::Template(id) => template_context(*id),
                Held::Portrait(id) => portrait_context(*id),
                // What is not opened again here may stay.
                Held::Issued(_) | Held::Signals(_) => continue,
            };
            let before = ctx.vault.seal(&context, &vault.open(&context, &sealed)?)?;
            data_keys::replace(conn, &held, &sealed, &before)?;
        }
        Ok(())
    })?;
    execute(app.database(), "UPDATE holders SET kek = NULL, wrapped_key = NULL")
}

#[actix_web::test]
async fn who_enrolled_before_there_were_data_keys_is_given_one() -> Test {
    let app = TestApp::start().await?;
    let (mut one, rp) = (app.enrolled().await?, app.relying_party().await?);
    let holder = holder_of(&app, &one)?;
    put_before_data_keys(&app, holder)?;
    passes(&mut one, &rp).await?;
    let key = || app.context.holder_store.read(|conn| Ok(data_keys::find(conn, holder)?));
    within_half_a_minute("no key was given", || Ok(key()?.is_some())).await?;
    passes(&mut one, &rp).await?;
    let values = app.context.holder_store.read(|conn| Ok(data_keys::values(conn, holder)?))?;
    for (held, sealed) in
        values.iter().filter(|(held, _)| matches!(held, Held::Attributes(_) | Held::Template(_)))
    {
        let context = match held {
            Held::Attributes(id) => attributes_context(*id),
            Held::Template(id) => template_context(*id),
            _ => continue,
        };
        assert!(
            app.context.vault.open(&context, sealed).is_err(),
            "{held:?} is still under the service's key"
        );
    }
    Ok(())
}
