//! Revoked at one process, refused at another within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ecert_server::edge::clock::SystemClock;
use ecert_tests::app::{OwnDatabase, card, enrolment_frames, later_frames, postgres_server};
use ecert_tests::clients::{Admin, Holder, RelyingParty, text};
use ecert_tests::service::Service;
use ecert_tests::specimen::Specimen;
use wallet_core::attributes::Share;

use crate::revocation::Test;

/// What the product promises.
const AT_MOST: Duration = Duration::from_secs(1);

/// Two processes over one database, and who talks to them.
struct Processes {
    admin: Admin,
    holder: Holder,
    there: RelyingParty,
    _services: [Service; 2],
    _folder: tempfile::TempDir,
    _database: Option<OwnDatabase>,
}

impl Processes {
    async fn start() -> anyhow::Result<Processes> {
        let folder = tempfile::tempdir()?;
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        let in_file = format!("sqlite:{}", folder.path().join("ecert.db").display());
        let url = database.as_ref().map_or(in_file, OwnDatabase::url);
        let flags = ["--database", &url, "--database-connections", "4"];
        let start = || Service::spawn(&mut Service::serving(folder.path(), &flags)?, folder.path());
        let services = [start()?, start()?];
        let run = |words: &[&str]| services[0].command(&[words, &["--database", &url]].concat());
        run(&["register", "add", &Specimen::franck().name, &Specimen::franck().number])?;
        let added: serde_json::Value = serde_json::from_str(&run(&[
            "admin", "add", "--name", "x", "--role", "operator", "--role", "finance", "--json",
        ])?)?;
        let admin = Admin::new(&services[0].base, &text(&added, "/token")?);
        let rp = admin.admit("Corner Shop", &["over_18", "name"]).await?;
        let there = RelyingParty::new(&services[1].base, &rp.id, &rp.api_key);
        let mut holder = Holder::new(&services[0].base, Arc::new(SystemClock));
        holder.enrol(card(), &enrolment_frames()).await?;
        Ok(Processes { admin, holder, there, _services: services, _folder: folder, _database: database })
    }

    /// How long it takes from the answer here until codes are refused there.
    async fn refused_after(&mut self, refusal: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        loop {
            let answer = self.there.redeem(&self.holder.qr(Share::Name)?).await?;
            if answer.refusal() == refusal {
                return Ok(began.elapsed());
            }
            anyhow::ensure!(answer.status == 201 && began.elapsed() < 5 * AT_MOST, "{}", answer.refusal());
        }
    }
}

#[actix_web::test]
async fn what_one_process_revokes_the_other_refuses_within_a_second() -> Test {
    let mut processes = Processes::start().await?;
    let certificate = processes.holder.certificate()?;
    // Known there, so that whatever may be remembered is.
    let there = processes.there.clone();
    let passed =
        there.visit(&processes.holder.qr(Share::Name)?, &later_frames()).await?.expect_status(200)?;
    assert_eq!(passed["outcome"], "passed");
    let open = there.open(&processes.holder.qr(Share::Name)?).await?;

    processes.admin.suspend(&certificate).await?.expect_status(204)?;
    let suspended = processes.refused_after("403 certificate-suspended").await?;
    processes.admin.reactivate(&certificate).await?.expect_status(204)?;
    there.open(&processes.holder.qr(Share::Name)?).await?;

    processes.admin.revoke(&certificate, "stolen-device").await?.expect_status(204)?;
    let revoked = processes.refused_after("410 certificate-revoked").await?;
    let began = Instant::now();
    assert_eq!(there.judge(&open, &later_frames()).await?.refusal(), "410 certificate-revoked");
    println!(
        "refused by the other process after {suspended:?} (suspended), {revoked:?} (revoked); an opened redemption was refused after {:?}",
        began.elapsed()
    );
    assert!(suspended <= AT_MOST && revoked <= AT_MOST);
    Ok(())
}
