//! Two replicas over one database.

use std::sync::Barrier;

use ecert_server::flow::jobs;
use ecert_tests::app::{OwnDatabase, TestApp, later_frames, postgres_server};
use ecert_tests::clients::{RelyingParty, fresh_key};
use jiff::SignedDuration;
use wallet_core::attributes::Share;

use crate::database::Test;

const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// Two services over one database of theirs.
pub(crate) struct Pair {
    pub(crate) one: TestApp,
    pub(crate) other: TestApp,
    _folder: tempfile::TempDir,
    _database: Option<OwnDatabase>,
}

impl Pair {
    pub(crate) async fn start() -> anyhow::Result<Pair> {
        Pair::with_flags(&[]).await
    }

    /// With these flags for both.
    pub(crate) async fn with_flags(flags: &[&str]) -> anyhow::Result<Pair> {
        let folder = tempfile::tempdir()?;
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        let in_file = format!("sqlite:{}", folder.path().join("ecert.db").display());
        let url = database.as_ref().map_or(in_file, OwnDatabase::url);
        let flags = [&["--database", url.as_str()], flags].concat();
        let one = TestApp::with_flags(&flags).await?;
        let other = one.replica(&flags).await?;
        Ok(Pair { one, other, _folder: folder, _database: database })
    }
}

#[actix_web::test]
async fn what_one_replica_began_another_finishes() -> Test {
    let pair = Pair::start().await?;
    let (mut holder, rp) = (pair.one.enrolled().await?, pair.one.relying_party().await?);
    let there = RelyingParty::new(&pair.other.base, &rp.id, &rp.api_key);
    let open = rp.open(&holder.qr(Share::Name)?).await?;
    let key = fresh_key();
    let answer = there.judge_with(&open, &later_frames(), &key).await?.expect_status(200)?;
    assert_eq!(answer["outcome"], "passed");
    assert_eq!(rp.judge_with(&open, &later_frames(), &key).await?.expect_status(200)?, answer);
    holder.revoke().await?.expect_status(204)?;
    assert_eq!(there.redeem(&holder.qr(Share::Name)?).await?.refusal(), "410 certificate-revoked");
    assert_eq!(pair.other.charges().await?, 1);
    Ok(())
}

/// How many of both replicas' threads get a job that all ask for at once.
fn takers(pair: &Pair, name: &str) -> usize {
    const THREADS: usize = 4;
    let start = Barrier::new(2 * THREADS);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..2 * THREADS)
            .map(|place| {
                let (app, start) = (if place % 2 == 0 { &pair.one } else { &pair.other }, &start);
                let ctx = app.context.clone().into_inner();
                scope.spawn(move || {
                    start.wait();
                    // A replica may take what it holds already; here the threads of one count as one.
                    (place % 2, jobs::take(&ctx, name, LEASE).expect("the database answers"))
                })
            })
            .collect();
        let took = asked.into_iter().map(|thread| thread.join().expect("no panic"));
        let replicas: std::collections::BTreeSet<usize> =
            took.filter(|(_, took)| *took).map(|(replica, _)| replica).collect();
        replicas.len()
    })
}

#[actix_web::test]
async fn a_job_is_run_by_one_replica_and_taken_over_when_that_one_dies() -> Test {
    let pair = Pair::start().await?;
    for job in 0..10 {
        assert_eq!(takers(&pair, &format!("job {job}")), 1);
    }
    let (one, other) = (&pair.one, &pair.other);
    assert!(jobs::take(&one.context, "a job", LEASE)?);
    assert!(!jobs::take(&other.context, "a job", LEASE)?, "it is leased");
    // The first one says nothing any more.
    other.wait(59);
    assert!(!jobs::take(&other.context, "a job", LEASE)?, "its lease has not run out");
    other.wait(2);
    assert!(jobs::take(&other.context, "a job", LEASE)?, "its lease has run out");
    // Should it only have been slow, it takes nothing back.
    jobs::give_back(&one.context, "a job", SignedDuration::ZERO, true)?;
    assert!(!jobs::take(&one.context, "a job", LEASE)?, "it belongs to the other one");
    jobs::give_back(&other.context, "a job", SignedDuration::from_hours(1), true)?;
    assert!(!jobs::take(&other.context, "a job", LEASE)?, "it is not due");
    other.wait(3600);
    assert!(jobs::take(&other.context, "a job", LEASE)?);
    Ok(())
}
