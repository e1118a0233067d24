//! Pictures that nobody's camera takes.

use std::collections::BTreeSet;

use ecert_tests::app::{TestApp, samples};
use ecert_tests::odd_pictures::{Fate, all};
use wallet_core::picture::Picture;

type Test = anyhow::Result<()>;

fn fate(bytes: &[u8]) -> Fate {
    match Picture::decode(bytes) {
        Ok(picture) => Fate::Read(picture.width(), picture.height()),
        Err(error) => Fate::Refused(error.code()),
    }
}

#[test]
fn each_is_read_or_refused_for_its_own_reason() -> Test {
    let odd = all()?;
    let names: BTreeSet<&str> = odd.iter().map(|odd| odd.name.as_str()).collect();
    assert!(names.len() == odd.len() && odd.len() >= 300, "{} names of {}", names.len(), odd.len());
    let wrong: Vec<String> = odd
        .iter()
        .filter(|odd| odd.fate != Fate::Either && odd.fate != fate(&odd.bytes))
        .map(|odd| format!("{}: {:?}, not {:?}", odd.name, fate(&odd.bytes), odd.fate))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[actix_web::test]
async fn over_http_each_code_is_a_clear_refusal_that_costs_nothing() -> Test {
    let app = TestApp::start().await?;
    let rp = app.admin.admit_with("Bank", &["over_18"], &["face.compare"]).await?;
    let mut seen = BTreeSet::new();
    for odd in all()? {
        let Fate::Refused(code) = odd.fate else { continue };
        // One of each reason, by its first picture: the rest differ in bytes alone.
        if !seen.insert(code) {
            continue;
        }
        let expected = match code {
            "picture-broken" => "422 capture-unusable/picture-broken",
            "picture-too-many-pixels" => "413 capture-too-large",
            _ => "415 media-unsupported",
        };
        let answer = rp.compare(&samples().franck_frames()[0], &odd.bytes).await?;
        assert_eq!(answer.refusal(), expected, "{}", odd.name);
        assert_eq!(answer.body["billable"], false);
    }
    assert_eq!((seen.len(), app.charges().await?), (4, 0));
    Ok(())
}
