//! Published status lists, for whoever verifies offline.

use std::time::{Duration, Instant};

use ecert_tests::app::TestApp;
use ecert_tests::clients::{Answer, root};
use reqwest::Client;
use reqwest::header::{ACCEPT, IF_NONE_MATCH};
use wallet_core::ecert::{UnverifiedCert, verify::verify};
use wallet_core::jws::from_base64url;
use wallet_core::status_list::{Status, StatusList, Trust};

use crate::revocation::Test;

const JWT: &str = "application/statuslist+jwt";
const CWT: &str = "application/statuslist+cwt";

#[actix_web::test]
async fn the_published_lists_follow_within_a_second_in_both_forms() -> Test {
    let app = TestApp::start().await?;
    let holder = app.enrolled().await?;
    let root = root(&holder.issuer().await?)?;
    let cert = UnverifiedCert::from_bytes(&from_base64url(holder.issued["certificate"].as_str().unwrap())?)?;
    let cert = verify(cert, &root, jiff::Timestamp::now())?;
    let place = &cert.claims().status;
    let statuses = async || -> anyhow::Result<[Option<Status>; 2]> {
        let (now, trust) = (jiff::Timestamp::now(), Trust::Root(&root));
        let get = async |form| Client::new().get(&place.uri).header(ACCEPT, form).send().await?.bytes().await;
        let jwt = String::from_utf8(get(JWT).await?.to_vec())?;
        let jwt = StatusList::verify_jwt(&jwt, &place.uri, trust, now)?;
        let cwt = StatusList::verify_cwt(&get(CWT).await?, &place.uri, trust, now)?;
        Ok([jwt.get(place.index), cwt.get(place.index)])
    };
    assert_eq!(statuses().await?, [Some(Status::Valid); 2]);
    let follows = async |expected: Status| -> Test {
        let began = Instant::now();
        while statuses().await? != [Some(expected); 2] {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(1), "not published within a second");
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{expected:?} was published after {:?}", began.elapsed());
        Ok(())
    };
    app.admin.suspend(&holder.certificate()?).await?.expect_status(204)?;
    follows(Status::Suspended).await?;
    app.admin.reactivate(&holder.certificate()?).await?.expect_status(204)?;
    follows(Status::Valid).await?;
    holder.revoke().await?.expect_status(204)?;
    follows(Status::Invalid).await
}

#[actix_web::test]
async fn a_list_comes_in_the_form_that_is_asked_for_or_not_at_all() -> Test {
    let app = TestApp::start().await?;
    let url = format!("{}/v1/status-lists/1", app.base);
    let form = async |accept: &str| -> anyhow::Result<String> {
        let answer = Answer::to(Client::new().get(&url).header(ACCEPT, accept)).await?;
        if answer.status != 200 {
            return Ok(answer.refusal());
        }
        assert_eq!(
            (&answer.headers["vary"], &answer.headers["cache-control"]),
            (&"Accept".parse()?, &"public, max-age=60".parse()?)
        );
        Ok(answer.headers["content-type"].to_str()?.to_owned())
    };
    for accept in ["*/*", "application/*", JWT, "application/statuslist+cwt;q=0.4, */*;q=0.5"] {
        assert_eq!(form(accept).await?, JWT, "{accept}");
    }
    for accept in [CWT, "application/statuslist+cwt, */*;q=0.1", "*/*, application/statuslist+jwt;q=0"] {
        assert_eq!(form(accept).await?, CWT, "{accept}");
    }
    for accept in ["text/html", "application/json", "application/statuslist+jwt;q=0"] {
        assert_eq!(form(accept).await?, "406 not-acceptable", "{accept}");
    }
    let without = reqwest::Client::new().get(&url).send().await?;
    assert_eq!(without.headers()["content-type"], JWT);
    Ok(())
}

#[actix_web::test]
async fn what_is_known_is_not_sent_again_until_it_is_published_anew() -> Test {
    let app = TestApp::start().await?;
    let url = format!("{}/v1/status-lists/1", app.base);
    let get = async |accept: &str, known: &str| {
        Answer::to(Client::new().get(&url).header(ACCEPT, accept).header(IF_NONE_MATCH, known)).await
    };
    let mut tag = get(JWT, "\"nothing\"").await?.headers["etag"].to_str()?.to_owned();
    let mut again = get(JWT, &format!("\"x\", W/{tag}")).await?;
    if again.status == 200 {
        // The service publishes it when it starts, and on a slow machine just now.
        tag = again.headers["etag"].to_str()?.to_owned();
        again = get(JWT, &format!("\"x\", W/{tag}")).await?;
    }
    assert_eq!((again.status, &again.body), (304, &"".into()));
    assert_eq!(again.headers["etag"].to_str()?, tag);
    assert_eq!(get(CWT, &tag).await?.status, 200, "the other form is another thing");
    ecert_server::flow::status_lists::publish_all(&app.context)?;
    let anew = get(JWT, &tag).await?;
    assert_eq!(anew.status, 200);
    let version = |tag: &str| tag.trim_matches('"').split('-').next().and_then(|n| n.parse::<i64>().ok());
    assert!(version(anew.headers["etag"].to_str()?) > version(&tag));
    Ok(())
}

#[actix_web::test]
async fn all_lists_are_named_in_one_place() -> Test {
    let app = TestApp::start().await?;
    let issuer = app.holder().issuer().await?;
    let aggregation = issuer["status_list_aggregation_endpoint"].as_str().unwrap();
    let named = Answer::to(Client::new().get(aggregation)).await?.expect_status(200)?;
    assert_eq!(named["status_lists"][0], format!("{}/v1/status-lists/1", app.base));
    assert_eq!(Answer::to(Client::new().get(format!("{aggregation}/77"))).await?.refusal(), "404 not-found");
    Ok(())
}
