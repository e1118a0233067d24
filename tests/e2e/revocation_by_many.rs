//! Many certificates at once: of a holder, of a sponsor, from a file.

use std::process::Command;

use ecert_server::store::certificates;
use ecert_tests::app::TestApp;
use ecert_tests::clients::{Answer, Holder, text};
use ecert_tests::service::binary;
use reqwest::Client;
use serde_json::{Value, json};
use wallet_core::ids::CertificateId;

use crate::revocation::{Test, enrolled_under, is_revoked};

/// So many more certificates like that of a holder.
fn more_like(app: &TestApp, holder: &Holder, count: u32) -> anyhow::Result<Vec<String>> {
    let like: CertificateId = holder.certificate()?.parse()?;
    let ids = app.context.holder_store.write(|conn| {
        let like = certificates::find(conn, like)?.expect("it was issued");
        let mut ids = Vec::new();
        for place in 0..count {
            let mut another = like.clone();
            another.id = CertificateId::new(app.context.now(), &mut rand::rng());
            another.status = (2, place);
            certificates::insert(conn, &another, &rand::random(), None)?;
            ids.push(another.id.to_string());
        }
        Ok(ids)
    })?;
    Ok(ids)
}

fn csv(ids: &[String]) -> String {
    let lines = ids.iter().map(|id| format!("{id},stolen-device,lot 7\n"));
    std::iter::once("certificate_id,reason,note\n".to_owned()).chain(lines).collect()
}

fn counts(report: &Value) -> Value {
    json!([&report["lines"], &report["revoked"], &report["already_ended"], &report["unknown"]])
}

#[actix_web::test]
async fn a_file_revokes_what_it_names_and_the_same_file_changes_nothing() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let mut ids = more_like(&app, &holder, 3)?;
    ids.insert(0, holder.certificate()?);
    app.admin.revoke(&ids[2], "misuse").await?.expect_status(204)?;
    app.admin.suspend(&ids[3]).await?.expect_status(204)?;
    ids.push("crt_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned());
    let report = app.approved(app.admin.revoke_csv(csv(&ids)).await?).await?["report"].take();
    assert_eq!(counts(&report), json!([5, 3, 1, 1]));
    let line =
        |line: usize, outcome| json!({ "line": line, "certificate_id": ids[line - 2], "outcome": outcome });
    assert_eq!(report["unchanged"], json!([line(4, "already-ended"), line(6, "unknown")]));
    is_revoked(&mut holder, &rp).await?;
    let again = app.approved(app.admin.revoke_csv(csv(&ids)).await?).await?["report"].take();
    assert_eq!(counts(&again), json!([5, 0, 4, 1]));
    let shown = app.admin.certificate(&ids[2]).await?.expect_status(200)?;
    assert_eq!(shown["reason"], "misuse", "what had ended stays as it was");
    let shown = app.admin.certificate(&ids[3]).await?.expect_status(200)?;
    assert_eq!(json!([&shown["state"], &shown["note"]]), json!(["revoked", "lot 7"]));
    Ok(())
}

#[actix_web::test]
async fn a_thousand_are_revoked_by_one_file() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let ids = more_like(&app, &holder, 1000)?;
    let report = app.approved(app.admin.revoke_csv(csv(&ids)).await?).await?["report"].take();
    assert_eq!(counts(&report), json!([1000, 1000, 0, 0]));
    Ok(())
}

#[actix_web::test]
async fn one_wrong_line_and_nothing_is_done() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let good = csv(&[holder.certificate()?]);
    let wrong = [
        format!("{good}crt_x,misuse,\n"),
        format!("{good}\"unclosed,misuse,\n"),
        format!("{good}{}", good.lines().last().unwrap()),
        good.replace("certificate_id", "id"),
        good.replace("stolen-device", "stolen"),
        good.replace("lot 7", &"x".repeat(201)),
        good.replace("lot 7", "a\u{0}b"),
        String::new(),
    ];
    for file in wrong {
        let answer = app.admin.revoke_csv(file.clone()).await?;
        assert_eq!(answer.refusal(), "400 request-invalid", "{file}");
        assert!(answer.body["detail"].as_str().unwrap().contains("line "), "{file}");
    }
    assert_eq!(app.admin.revoke_csv(vec![b'x'; (16 << 20) + 1]).await?.refusal(), "400 request-invalid");
    let url = format!("{}/v1/admin/certificates:revoke", app.base);
    let as_text = Client::new().post(url).bearer_auth(app.admin.token()).body(good);
    assert_eq!(Answer::to(as_text).await?.refusal(), "400 request-invalid");
    let shown = app.admin.certificate(&holder.certificate()?).await?.expect_status(200)?;
    assert_eq!(shown["state"], "active");
    Ok(())
}

#[actix_web::test]
async fn an_admin_ends_all_of_a_holder() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let id = text(&app.admin.certificate(&holder.certificate()?).await?.body, "/holder_id")?;
    more_like(&app, &holder, 2)?;
    let (path, why) = (format!("/v1/admin/holders/{id}/revocation"), json!({ "reason": "deceased" }));
    assert_eq!(app.admin.post(&path, &json!({ "reason": "x" })).await?.refusal(), "400 request-invalid");
    for revoked in [3, 0] {
        assert_eq!(app.admin.post(&path, &why).await?.expect_status(200)?["revoked"], revoked);
    }
    is_revoked(&mut holder, &rp).await?;
    let nobody = "/v1/admin/holders/hol_01ARZ3NDEKTSV4RRFFQ69G5FAV/revocation";
    assert_eq!(app.admin.post(nobody, &why).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn an_admin_ends_all_that_a_relying_party_sponsored() -> Test {
    let app = TestApp::start().await?;
    let (sponsor, other) = (app.relying_party().await?, app.relying_party().await?);
    let given = sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?;
    let unused = sponsor.post_json("/v1/sponsorships", &json!({})).await?.expect_status(201)?;
    let mut holder = enrolled_under(&app, &text(&given, "/id")?).await?;
    let path = |rp: &str| format!("/v1/admin/relying-parties/{rp}/sponsorships/revocation");
    let why = json!({ "reason": "cessation" });
    for (rp, revoked) in [(&other, 0), (&sponsor, 1)] {
        let asked = app.admin.post(&path(&rp.id), &why).await?;
        assert_eq!(app.approved(asked).await?["revoked"], revoked);
    }
    is_revoked(&mut holder, &other).await?;
    assert_eq!(
        app.holder().start_under(Some(&text(&unused, "/id")?)).await?.refusal(),
        "400 request-invalid"
    );
    let nobody = path("rp_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(app.admin.post(&nobody, &why).await?.refusal(), "404 not-found");
    Ok(())
}

#[actix_web::test]
async fn the_command_line_revokes_a_file_while_the_service_runs() -> Test {
    let app = TestApp::start().await?;
    let (mut holder, rp) = (app.enrolled().await?, app.relying_party().await?);
    let file = app.folder().join("stolen.csv");
    let run = |text: &str, json: bool| -> anyhow::Result<std::process::Output> {
        std::fs::write(&file, text)?;
        let mut command = Command::new(binary()?);
        command.args(["certificates", "revoke", "--csv"]).arg(&file).arg("--data-dir").arg(app.folder());
        command.args(["--database", app.database()]).args(json.then_some("--json"));
        Ok(command.output()?)
    };
    let wrong = run("certificate_id,reason,note\nx,y,z\n", false)?;
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("line 2"));
    let good = csv(&[holder.certificate()?]);
    let done: Value = serde_json::from_slice(&run(&good, true)?.stdout)?;
    assert_eq!(counts(&done), json!([1, 1, 0, 0]));
    is_revoked(&mut holder, &rp).await?;
    let again = run(&good, false)?;
    let (said, how) = (String::from_utf8(again.stdout)?, String::from_utf8(again.stderr)?);
    assert!(said.contains("line 2") && said.contains("0 revoked, 1 had ended already, 0 unknown"), "{said}");
    assert!(how.contains("certificates"), "{how}");
    Ok(())
}
