//! Answers that are lost on their way, and crowds that ask for the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wallet_core::es256::sha256;

use super::Harness;
use super::check::Findings;
use super::client::{Ask, Reply, Site, What};
use super::proxy::LossyLine;
use super::stage::{Database, Setting, Stage};
use super::tally::Tally;
use crate::clients::fresh_key;

/// Clients that ask for the same.
const CROWD: usize = 64;
/// Until each of a crowd has its answer.
const ANSWERED: Duration = Duration::from_secs(90);
/// Of so many answers one is lost.
const LOSSY: u32 = 3;
/// The server's failpoint: of so many commits one is its last.
const LAST_COMMIT: &str = "40";
const BACK: Duration = Duration::from_secs(30);

/// The request goes through, the answer is dropped by the network; whoever asks again gets the very same bytes.
pub(super) async fn lost(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up");
    let setting = Setting::over(database);
    let mut stage = Stage::set(&harness.binary, &setting).await?;
    let line = LossyLine::to(stage.server.port, LOSSY).await?;
    stage.reach_through(line.port, setting.clients)?;
    stage.traffic.go();
    let (began, runs) = (Instant::now(), usize::try_from(tally.runs)?);
    let most = Duration::from_secs(60) + Duration::from_millis(100) * u32::try_from(tally.runs)?;
    while line.lost().len() < runs && began.elapsed() < most {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tally.doing(&format!("{} answers lost on the way", line.lost().len()));
    }
    stage.traffic.settle(Duration::from_secs(150)).await;
    let told = stage.traffic.told_since((0, 0));
    let lost = line.lost();
    for answer in told.opened.iter().chain(&told.captures) {
        let Some(bodies) = lost.get(&answer.ask.key) else { continue };
        let mut found = Findings::default();
        if bodies.iter().any(|body| sha256(body) != answer.answer) {
            found.lost += 1;
            found.problems.push("the second answer under a key differs from the first".to_owned());
        }
        tally.run(Some(Duration::ZERO), &found);
    }
    stage.close(tally).await
}

/// The server aborts right after a commit, before it answers: a failpoint that only builds for benches have.
pub(super) async fn abort(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up");
    let mut stage = Stage::set_with(&harness.binary, &Setting::over(database), |server, _| {
        server.set("ECERT_FAULT_ABORT_AFTER_COMMIT", LAST_COMMIT);
        Ok(())
    })
    .await?;
    stage.traffic.go();
    for _ in 0..tally.runs {
        let began = Instant::now();
        while stage.server.lives() && began.elapsed() < BACK {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut found = Findings::default();
        if stage.server.lives() {
            found.problems.push("the failpoint was not reached".to_owned());
        } else {
            stage.server.start().await?;
        }
        // It may die again on its first commit: then it is the next run that waits for it.
        let back = answered_or_dead(&mut stage).await;
        let so_far = stage.check_so_far()?;
        found = Findings { problems: [found.problems, so_far.problems].concat(), ..so_far };
        tally.run(back, &found);
    }
    stage.server.kill();
    stage.server.set("ECERT_FAULT_ABORT_AFTER_COMMIT", "0");
    stage.server.start().await?;
    stage.close(tally).await
}

async fn answered_or_dead(stage: &mut Stage) -> Option<Duration> {
    let (began, before) = (Instant::now(), stage.traffic.answered());
    while began.elapsed() < BACK {
        if stage.traffic.answered() > before || !stage.server.lives() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}

/// What a crowd is told, each asking until it has an answer; and how long the last one waited.
async fn crowd(site: &Arc<Site>, asks: Vec<Ask>) -> (Vec<(Ask, Reply, u32)>, Duration) {
    let began = Instant::now();
    let mut asking = JoinSet::new();
    for ask in asks {
        let site = Arc::clone(site);
        asking.spawn(async move {
            let (reply, tries) = site.until_answered(&ask, |_| {}).await;
            (ask, reply, tries)
        });
    }
    let mut told = Vec::new();
    let all = async {
        while let Some(answer) = asking.join_next().await {
            told.extend(answer.ok());
        }
    };
    // Whoever has no answer by then is missed in the count.
    let _ = tokio::time::timeout(ANSWERED, all).await;
    (told, began.elapsed())
}

/// Many clients at once with one code, each under a key of its own: one redemption.
pub(super) async fn one_code(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up");
    let stage = Stage::set(&harness.binary, &Setting::over(database)).await?;
    for run in 0..tally.runs {
        let code = stage.site.code(run % stage.site.people.holders)?;
        let ask = |client: usize| Ask {
            shop: client as u64 % stage.site.people.relying_parties,
            key: fresh_key(),
            what: What::Open { code: code.clone() },
        };
        let (told, took) = crowd(&stage.site, (0..CROWD).map(ask).collect()).await;
        let mut found = Findings::default();
        let (won, others): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, reply, _)| reply.status == 201);
        found.doubled += won.len().saturating_sub(1) as u64;
        let refused = others.iter().filter(|(_, reply, _)| reply.refusal() == "409 code-already-redeemed");
        if won.len() != 1 || refused.count() != CROWD - 1 {
            let words: Vec<String> = others.iter().map(|(_, reply, _)| reply.refusal()).collect();
            found.problems.push(format!(
                "{} were told of a redemption, the others {}",
                won.len(),
                summed(&words)
            ));
        }
        for (ask, reply, tries) in won {
            stage.traffic.journal().take_opening(&stage.site, ask, &reply, tries)?;
        }
        tally.gap(took);
        tally.run(Some(took), &found);
    }
    stage.close(tally).await
}

/// Many clients at once under one key: one answer, bit for bit, and one charge.
pub(super) async fn one_key(harness: &Harness, database: Database, tally: &mut Tally) -> anyhow::Result<()> {
    tally.doing("setting up");
    let stage = Stage::set(&harness.binary, &Setting::over(database)).await?;
    for run in 0..tally.runs {
        let shop = run % stage.site.people.relying_parties;
        let code = stage.site.code(run % stage.site.people.holders)?;
        let open = Ask { shop, key: fresh_key(), what: What::Open { code } };
        let (told, took) = crowd(&stage.site, vec![open; CROWD]).await;
        let mut found = same(&told, 201);
        let Some((ask, reply, tries)) = told.into_iter().next() else { continue };
        let opened = stage.traffic.journal().take_opening(&stage.site, ask, &reply, tries)?;
        let mut slowest = took;
        if let Some((redemption, nonce)) = opened {
            let what = What::Judge { redemption: redemption.clone(), nonce, face: b'P' };
            let judge = Ask { shop, key: fresh_key(), what };
            let (told, took) = crowd(&stage.site, vec![judge; CROWD]).await;
            slowest = slowest.max(took);
            found.problems.extend(same(&told, 200).problems);
            if let Some((ask, reply, tries)) = told.into_iter().next() {
                stage.traffic.journal().take_capture(&stage.site, ask, &redemption, &reply, tries)?;
            }
        }
        tally.gap(slowest);
        tally.run(Some(slowest), &found);
    }
    stage.close(tally).await
}

/// Whether a whole crowd was told the same, with this status.
fn same(told: &[(Ask, Reply, u32)], status: u16) -> Findings {
    let mut found = Findings::default();
    let first = told.first().map(|(_, reply, _)| &reply.body);
    let alike = told.iter().filter(|(_, reply, _)| reply.status == status && Some(&reply.body) == first);
    if alike.count() != CROWD {
        let words: Vec<String> = told.iter().map(|(_, reply, _)| reply.refusal()).collect();
        found.problems.push(format!("not all of {CROWD} had the same answer: {}", summed(&words)));
    }
    found
}

fn summed(words: &[String]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    counts.iter().map(|(word, count)| format!("{word} ×{count}")).collect::<Vec<_>>().join(", ")
}
