//! `cargo xtask bench log`: how fast acts get their places in the transparency log, and what a proof costs when it is large.
//!
//! Acts are queued as the trigger does it, and sequenced by the product's own code, on SQLite and, where `ECERT_TEST_POSTGRES` names
//! one, on PostgreSQL. The large log is made up on SQLite: its leaves are counted, its tiles are what the product would have written.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use ecert_server::edge::keys::{self, Secrets};
use ecert_server::flow::log::{self as flow, Keys, Sequencer};
use ecert_server::store::{Conn, Pooler, Settings, Store, log};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::ids::AuditId;
use wallet_core::log::edge::Edge;
use wallet_core::log::entry::Act;
use wallet_core::log::tiles::{FULL, FromTiles, MissingTile, Tile};
use wallet_core::log::tree::{consistency, leaf_hash};

use crate::app::{OwnDatabase, execute, postgres_server};
use crate::figures::{Figures, Goal};

/// The transparency log
#[derive(Debug, Parser)]
#[command(name = "bench-log", after_help = "Example: cargo xtask bench log -- --leaves 1000000")]
struct Arguments {
    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// To see that it works, not to quote: 20,000 acts, a log of 100,000
    #[arg(long)]
    quick: bool,
    /// Acts to be sequenced [default: 200000]
    #[arg(long)]
    acts: Option<u64>,
    /// Leaves of the large log [default: 10000000]
    #[arg(long)]
    leaves: Option<u64>,
}

/// Acts whose evidence is made in the large log.
const PROBES: u64 = 1000;
/// Acts queued by one statement.
const ROWS: u64 = 1000;
/// Tiles written in one transaction.
const TILES: usize = 1000;
const SEED: u64 = 7;

/// Measures, prints, and keeps the figures in `target/bench/log.json`.
///
/// # Errors
/// When a database can't be written, or a proof does not hold.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (acts, leaves) = if arguments.quick { (20_000, 100_000) } else { (200_000, 10_000_000) };
    let (acts, leaves) = (arguments.acts.unwrap_or(acts), arguments.leaves.unwrap_or(leaves));
    let folder = tempfile::tempdir()?;
    let made =
        keys::open_or_create(&folder.path().join("keys"), &folder.path().join("kek"), Timestamp::now());
    let (_, secrets) = made?;
    let in_file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let mut figures = Figures::default();
    sequence("SQLite", &in_file("acts.db"), &secrets, acts, &mut figures)?;
    match postgres_server() {
        Some(server) => {
            sequence("PostgreSQL", &OwnDatabase::on(&server)?.url(), &secrets, acts, &mut figures)?;
        }
        None => eprintln!("LEFT OUT: PostgreSQL; ECERT_TEST_POSTGRES names none"),
    }
    prove(&in_file("large.db"), &secrets, leaves, &mut figures)?;
    figures.save("log")?;
    if arguments.json {
        println!("{}", figures.json()?);
    } else {
        println!("{}", figures.table());
    }
    Ok(())
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

fn open(url: &str) -> anyhow::Result<Store> {
    let patience = Duration::from_secs(60);
    let settings = Settings {
        url: url.to_owned(),
        connections: 2,
        patience,
        statement_timeout: patience,
        lock_timeout: patience,
        pooler: Pooler::None,
    };
    let store = Store::open(settings)?;
    store.migrate()?;
    Ok(store)
}

/// As a judged redemption leaves it, with ids of the usual length.
fn act(number: u64) -> Act {
    let at = Timestamp::UNIX_EPOCH;
    let id = AuditId::new(at, &mut rand::rng()).to_string();
    Act {
        action: "redemption.judge".to_owned(),
        actor: "rp_01KAMX5B2WQ7N1F8SZ0V3D4E6G".to_owned(),
        at: 1_790_000_000_000_000,
        id,
        object: format!("red_{number:026}"),
        outcome: "passed".to_owned(),
    }
}

fn sequence(
    what: &str,
    url: &str,
    secrets: &Secrets,
    acts: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let store = open(url)?;
    let bar = bar("queueing acts", acts);
    for first in (0..acts).step_by(usize::try_from(ROWS)?) {
        let row = |number| {
            let act = act(number);
            let (id, actor, action) = (act.id, act.actor, act.action);
            format!("('{id}', '{actor}', '{action}', '{}', '{}', {})", act.object, act.outcome, act.at)
        };
        let rows: Vec<String> = (first..acts.min(first + ROWS)).map(row).collect();
        let into = "INSERT INTO log_queue (id, actor, action, object, outcome, at) VALUES";
        execute(url, &format!("{into} {}", rows.join(", ")))?;
        bar.set_position(first);
    }
    bar.finish_and_clear();
    let keys = Keys::of(secrets)?;
    let sequencer = Sequencer { log: &store, holders: &store, keys, now: Timestamp::now() };
    let (began, mut done) = (Instant::now(), 0);
    while done < acts {
        let taken = sequencer.run()? as u64;
        ensure!(taken > 0, "acts are missing from the queue");
        done += taken;
    }
    let rate = acts as f64 / began.elapsed().as_secs_f64();
    figures.hold(format!("{what}: acts sequenced"), rate, "/s", Goal::AtLeast(5000.0));
    let one = act(acts);
    let queue_one = format!(
        "INSERT INTO log_queue (id, actor, action, object, outcome, at) VALUES ('{}', '{}', '{}', '{}', '{}', {})",
        one.id, one.actor, one.action, one.object, one.outcome, one.at
    );
    execute(url, &queue_one)?;
    let began = Instant::now();
    sequencer.run()?;
    figures.note(format!("{what}: one act alone, with its checkpoint"), ms(began.elapsed()), "ms");
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A large log with real acts at random places.
struct Large {
    store: Store,
    size: u64,
    probes: Vec<(u64, Act)>,
}

fn grow(url: &str, keys: &Keys, size: u64, figures: &mut Figures) -> anyhow::Result<Large> {
    let store = open(url)?;
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut probes: Vec<(u64, Act)> =
        (0..PROBES).map(|number| (rng.random_range(0..size), act(number))).collect();
    probes.sort();
    probes.dedup_by_key(|(index, _)| *index);
    let bar = bar("making a large log", size);
    let (mut edge, mut tiles, mut next) = (Edge::default(), Vec::new(), probes.iter().peekable());
    let mut hashing = Duration::ZERO;
    while edge.size() < size {
        let began = Instant::now();
        while edge.size() < size && tiles.len() < TILES {
            let index = edge.size();
            let leaf = match next.next_if(|(place, _)| *place == index) {
                Some((_, act)) => leaf_hash(&keys.commitment(act)?),
                None => leaf_hash(&index.to_be_bytes()),
            };
            edge.push(leaf, &mut tiles);
        }
        hashing += began.elapsed();
        put(&store, &tiles)?;
        tiles.clear();
        bar.set_position(edge.size());
    }
    put(&store, &edge.tiles())?;
    let checkpoint = keys.signer.sign(size, edge.root());
    store.write_guarded(|conn| Ok(log::advance(conn, None, size, &checkpoint, Timestamp::now())?))?;
    let row = |(index, act): &(u64, Act)| {
        format!(
            "({index}, '{}', '{}', '{}', '{}', '{}', {})",
            act.id, act.actor, act.action, act.object, act.outcome, act.at
        )
    };
    let rows: Vec<String> = probes.iter().map(row).collect();
    let into = "INSERT INTO log_entries (log_index, id, actor, action, object, outcome, at) VALUES";
    execute(url, &format!("{into} {}", rows.join(", ")))?;
    bar.finish_and_clear();
    figures.note("large log: leaves", size as f64, "");
    figures.note("large log: leaves hashed into it", size as f64 / hashing.as_secs_f64(), "/s");
    Ok(Large { store, size, probes })
}

fn put(store: &Store, tiles: &[Tile]) -> anyhow::Result<()> {
    let put = |conn: &mut Conn| Ok(tiles.iter().try_for_each(|tile| log::put_tile(conn, tile))?);
    Ok(store.write_guarded(put)?)
}

fn prove(url: &str, secrets: &Secrets, leaves: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let keys = Keys::of(secrets)?;
    let large = grow(url, &keys, leaves, figures)?;
    let (mut making, mut checking, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (_, act) in &large.probes {
        let began = Instant::now();
        let evidence = flow::evidence_of(&large.store, secrets, &act.id)?;
        making.push(began.elapsed());
        let evidence = evidence.first().context("an act of the log has no evidence")?;
        let began = Instant::now();
        ensure!(evidence.verify(keys.signer.verifier())? == *act, "evidence of another act");
        checking.push(began.elapsed());
        bytes = evidence.proof.len();
    }
    figures.note("proof: text", bytes as f64, "bytes");
    figures.note("proof of an act: p50", percentile(&mut making, 50), "ms");
    figures.hold("proof of an act: p99", percentile(&mut making, 99), "ms", Goal::AtMost(10.0));
    figures.note("checking it: p50", percentile(&mut checking, 50), "ms");
    let mut linking = Vec::new();
    for (index, _) in &large.probes {
        let began = Instant::now();
        let link = large.store.read(|conn| {
            let tile = |level, index| log::tile(conn, level, index).map_err(|_| Trouble);
            Ok(consistency(&mut FromTiles::new(tile), index + 1, large.size).ok())
        })?;
        ensure!(link.is_some(), "a tile is missing");
        linking.push(began.elapsed());
    }
    figures.note("consistency proof: p50", percentile(&mut linking, 50), "ms");
    figures.note("tiles of the large log", (leaves / FULL as u64) as f64, "");
    Ok(())
}

/// A tile that can't be had.
struct Trouble;

impl From<MissingTile> for Trouble {
    fn from(_: MissingTile) -> Trouble {
        Trouble
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).map_or(f64::NAN, |time| ms(*time))
}
