//! What the server needs and does not get: disk, connections, an answer from the database, a place for its audit trail.

use std::time::Duration;

use serde_json::json;

use super::Harness;
use super::check::Findings;
use super::postgres::is_root;
use super::probes::Probes;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;
use super::traffic::Acknowledged;

/// The slow database answers each packet so late.
const LATENCY: Duration = Duration::from_secs(10);
/// From its recovery to the first answer to a client (issue 3).
const RECOVERED: Duration = Duration::from_secs(5);
/// Time to find free space again, or a restarted database.
const BACK: Duration = Duration::from_secs(20);
/// How long anybody may wait while all connections are held: for a connection, then for a lock.
const BOUNDED: Duration = Duration::from_secs(12);
/// The longest that the server gives any request, and a second to say so.
const LONGEST: Duration = Duration::from_secs(61);
/// MiB under SQLite: some minutes of redemptions fit.
const SQLITE_DISK: u32 = 192;
/// MiB under PostgreSQL, of which an empty one takes about 50.
const POSTGRES_DISK: u32 = 320;

/// The disk under the database is full for some seconds.
pub(super) async fn disk_full(
    harness: &Harness,
    database: Database,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    if !is_root() {
        tally.skip("mounting a small disk wants root");
        return Ok(());
    }
    tally.doing("setting up");
    let size = if database == Database::Sqlite { SQLITE_DISK } else { POSTGRES_DISK };
    let setting = Setting { disk: Some(size), clients: 4, ..Setting::over(database) };
    let mut stage = Stage::set(&harness.binary, &setting).await?;
    stage.traffic.go();
    for _ in 0..tally.runs {
        stage.traffic.goes_on(10, BACK).await;
        if let Some(disk) = &stage.disk {
            tokio::task::block_in_place(|| disk.fill())?;
        }
        tally.doing("the disk is full");
        let known = stage.traffic.journal().captures.last().cloned();
        let probes = Probes::send(&stage.site, Duration::from_millis(100), Duration::from_secs(3)).await?;
        let mut found = read_back(&stage, known).await?;
        tally.note(format!("with a full disk: {}", probes.words()));
        if probes.carried_out() == probes.all.len() {
            found.problems.push("nobody noticed the full disk; the fault was not put in".to_owned());
        }
        unhealthy(&probes, &mut found);
        if let Some(disk) = &stage.disk {
            disk.free()?;
        }
        if let Some(postgres) = &mut stage.postgres
            && !postgres.lives()
        {
            // PostgreSQL gives up when its log can't be written; whoever looks after it starts it again.
            postgres.start().await?;
        }
        let back = stage.traffic.goes_on(1, BACK).await;
        probes.account(&stage.site, &stage.traffic).await?;
        let so_far = stage.check_so_far()?;
        tally.run(back, &merged(found, so_far));
    }
    stage.close(tally).await
}

/// Reads what was answered before: the same, or a clean word that it can't be had now.
async fn read_back(stage: &Stage, known: Option<Acknowledged>) -> anyhow::Result<Findings> {
    let mut found = Findings::default();
    let Some(known) = known else { return Ok(found) };
    for path in ["", "/receipt"] {
        let path = format!("/v1/redemptions/{}{path}", known.redemption);
        match stage.site.get(&path, Some(known.ask.shop)).await {
            Ok(reply) if matches!(reply.status, 200 | 404 | 503) => {}
            // What is recorded before it is told can't be told.
            Ok(reply) if reply.status == 500 && reply.json()["code"] == "internal" => {}
            Ok(reply) => found.problems.push(format!("a read was answered with {}", reply.refusal())),
            Err(error) => found.problems.push(format!("a read was not answered: {error:#}")),
        }
    }
    Ok(found)
}

fn unhealthy(probes: &Probes, found: &mut Findings) {
    if probes.unhealthy > 0 {
        found.problems.push(format!("/healthz was late or wrong {} times", probes.unhealthy));
    }
}

fn merged(one: Findings, other: Findings) -> Findings {
    Findings {
        lost: one.lost + other.lost,
        doubled: one.doubled + other.doubled,
        problems: [one.problems, other.problems].concat(),
    }
}

/// PostgreSQL is ten seconds away: clients are sent away with 503, and served again soon after it is near.
pub(super) async fn slow_database(harness: &Harness, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up");
    let setting = Setting { slow_line: true, ..Setting::over(Database::Postgres) };
    let mut stage = Stage::set(&harness.binary, &setting).await?;
    stage.traffic.go();
    for _ in 0..tally.runs {
        stage.traffic.goes_on(10, BACK).await;
        let line = stage.slow_line.as_ref().ok_or_else(|| anyhow::anyhow!("no slow line"))?;
        line.set_latency(LATENCY);
        tally.doing("every packet takes ten seconds");
        let probing = Probes::send(&stage.site, Duration::from_millis(250), Duration::from_secs(20));
        let healing = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            line.set_latency(Duration::ZERO);
            stage.traffic.goes_on(1, RECOVERED).await
        };
        let (probes, back) = tokio::join!(probing, healing);
        let probes = probes?;
        let mut found = Findings::default();
        tally.note(format!(
            "at 10 s latency: {}; slowest {} ms",
            probes.words(),
            probes.slowest().as_millis()
        ));
        if probes.shed() * 2 < probes.all.len() {
            found.problems.push("fewer than half were sent away with 503 and Retry-After".to_owned());
        }
        if probes.slowest() > LONGEST {
            found.problems.push(format!("a client waited {} ms", probes.slowest().as_millis()));
        }
        clean_words(&probes, &mut found);
        unhealthy(&probes, &mut found);
        probes.account(&stage.site, &stage.traffic).await?;
        let so_far = stage.check_so_far()?;
        tally.run(back, &merged(found, so_far));
    }
    stage.close(tally).await
}

/// Overload is no malfunction: nobody may be told "internal", and nobody left without an answer.
fn clean_words(probes: &Probes, found: &mut Findings) {
    let unclean =
        probes.all.iter().filter(|probe| probe.reply.as_ref().is_none_or(|reply| reply.status == 500));
    let count = unclean.count();
    if count > 0 {
        found.problems.push(format!("{count} clients were told `internal`, or nothing"));
    }
}

/// Somebody holds what every redemption needs, so that all connections wait.
pub(super) async fn pool_exhausted(
    harness: &Harness,
    database: Database,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    tally.doing("setting up");
    let flags = vec!["--database-connections", "4"];
    let setting = Setting { flags, ..Setting::over(database) };
    let mut stage = Stage::set(&harness.binary, &setting).await?;
    stage.traffic.go();
    for _ in 0..tally.runs {
        stage.traffic.goes_on(10, BACK).await;
        let mut holder = stage.db()?;
        tokio::task::block_in_place(|| holder.hold())?;
        tally.doing("every connection waits for a lock");
        let probing = Probes::send(&stage.site, Duration::from_millis(100), Duration::from_secs(6));
        let letting_go = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            tokio::task::block_in_place(|| holder.let_go())?;
            anyhow::Ok(stage.traffic.goes_on(1, RECOVERED).await)
        };
        let (probes, back) = tokio::join!(probing, letting_go);
        let (probes, back) = (probes?, back?);
        let mut found = Findings::default();
        let slowest = probes.slowest();
        tally.note(format!("without connections: {}; slowest {} ms", probes.words(), slowest.as_millis()));
        if probes.shed() == 0 {
            found.problems.push("nobody was sent away with 503 and Retry-After".to_owned());
        }
        if slowest > BOUNDED {
            found.problems.push(format!("clients waited longer than {BOUNDED:?} for an answer"));
        }
        clean_words(&probes, &mut found);
        unhealthy(&probes, &mut found);
        probes.account(&stage.site, &stage.traffic).await?;
        let so_far = stage.check_so_far()?;
        tally.run(back, &merged(found, so_far));
    }
    stage.close(tally).await
}

/// The audit trail takes no lines: what must be on record is refused, and costs nothing.
pub(super) async fn audit_unwritable(
    harness: &Harness,
    database: Database,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    tally.doing("setting up");
    let mut stage = Stage::set(&harness.binary, &Setting::over(database)).await?;
    let admin = stage.admin()?;
    stage.traffic.go();
    for _ in 0..tally.runs {
        stage.traffic.goes_on(10, BACK).await;
        let known = stage.traffic.journal().captures.iter().rev().find(is_charged).cloned();
        let mut db = stage.db()?;
        tokio::task::block_in_place(|| db.break_audit(true))?;
        // What was committed just before is told in this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = (db.charges()?, stage.traffic.answered());
        tally.doing("the audit trail takes no lines");
        let probes = Probes::send(&stage.site, Duration::from_millis(100), Duration::from_secs(3)).await?;
        let mut found = Findings::default();
        let after = (db.charges()?, stage.traffic.answered());
        if before != after || probes.carried_out() > 0 {
            found.problems.push("somebody was served, or charged, without a line of audit".to_owned());
        }
        unhealthy(&probes, &mut found);
        found.problems.extend(unrecorded(&stage, &admin, known).await?);
        tally.note(format!("without an audit trail: {}", probes.words()));
        tokio::task::block_in_place(|| db.break_audit(false))?;
        let back = stage.traffic.goes_on(1, BACK).await;
        probes.account(&stage.site, &stage.traffic).await?;
        let so_far = stage.check_so_far()?;
        tally.run(back, &merged(found, so_far));
    }
    stage.close(tally).await
}

fn is_charged(answer: &&Acknowledged) -> bool {
    answer.judged.as_ref().is_some_and(|judged| judged.charge.is_some())
}

/// Other requests that must be on record: what a relying party reads, whom an admin takes in.
async fn unrecorded(stage: &Stage, admin: &str, known: Option<Acknowledged>) -> anyhow::Result<Vec<String>> {
    let mut served = Vec::new();
    if let Some(known) = known {
        let path = format!("/v1/redemptions/{}", known.redemption);
        let reply = stage.site.get(&path, Some(known.ask.shop)).await?;
        if reply.status < 500 {
            served.push(format!("reading a person's attributes without audit: {}", reply.refusal()));
        }
    }
    let shop = json!({ "name": "Shop", "purposes": [{ "name": "check", "attributes": ["over_18"] }], "services": ["ecert.redeem"] });
    let reply = stage.site.post_as(admin, "/v1/admin/relying-parties", &shop).await?;
    if reply.status < 500 {
        served.push(format!("taking in a relying party without audit: {}", reply.refusal()));
    }
    Ok(served)
}
