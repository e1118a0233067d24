//! Putting holders and relying parties straight into an installation's database, thousands a second: by COPY into PostgreSQL, in
//! large transactions into SQLite, sealed under the installation's own vault.

use std::io::IsTerminal as _;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args as _, Command};
use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use ecert_server::app;
use ecert_server::config::Config;
use ecert_server::edge::clock::{Clock as _, SystemClock};
use ecert_server::edge::vault::Vault;
use ecert_server::store::{Conn, Store};
use indicatif::{ProgressBar, ProgressStyle};

use super::days::Day;
use super::identities::Identities;
use super::rows::{self, Maker, Rows};

/// Rows that are made and written at once.
const CHUNK: u64 = 2_000;

/// Where a service keeps its things.
#[derive(Debug, Clone)]
pub struct Installation {
    config: Config,
}

/// Who is in the database, and so whom a driver may play.
#[derive(Debug, Clone)]
pub struct Population {
    /// Their keys and secrets.
    pub identities: Identities,
    /// Holders `0..holders` are there.
    pub holders: u64,
    /// Relying parties `0..relying_parties` are there.
    pub relying_parties: u64,
    /// Handles of each holder.
    pub handles: u64,
}

impl Installation {
    /// The installation with this data folder and database (`sqlite:FILE` or `postgres://…`; without one, SQLite in
    /// the data folder). Keys and tables are made when they are not there yet.
    ///
    /// # Errors
    /// When the settings do not hold.
    pub fn new(data_dir: &Path, database: Option<&str>) -> anyhow::Result<Installation> {
        let data_dir = data_dir.display().to_string();
        let mut line = vec!["load", "--data-dir", &data_dir];
        line.extend(database.iter().flat_map(|url| ["--database", *url]));
        let command = Config::augment_args(Command::new("load"));
        Ok(Installation { config: Config::from_matches(&command.try_get_matches_from(line)?)? })
    }

    /// Its database.
    pub fn database(&self) -> String {
        self.config.database_url()
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }
}

impl Population {
    /// Nobody yet. The same seed gives the same people; one handle each does, since a code is one-time and a handle
    /// need not be.
    pub fn new(seed: u64) -> Population {
        Population { identities: Identities::new(seed), holders: 0, relying_parties: 0, handles: 1 }
    }

    /// Adds what is missing to `holders` and `relying_parties`, with a bar on a terminal. The status lists of these
    /// holders are not published.
    ///
    /// # Errors
    /// When the database refuses, for example because it holds people of this seed already.
    pub fn grow(&mut self, at: &Installation, holders: u64, relying_parties: u64) -> anyhow::Result<()> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let stores = app::open_stores(&at.config, u32::try_from(threads)?)?;
        let keys = app::open_keys(&at.config, &SystemClock)?;
        let (secrets, keks) = (keys.secrets()?, keys.keks(SystemClock.now())?);
        let vault = Vault::new(&secrets.vault);
        let identities = self.identities.clone();
        let maker = Maker { identities, vault, keks, secrets, now: SystemClock.now(), handles: self.handles };
        let filler = |store| Filler { store, threads, turn: Mutex::new(()) };
        let (rps, holding) = (filler(stores.rps), filler(stores.holders));
        rps.fill("relying parties", self.relying_parties..relying_parties, |chunk| {
            Ok(maker.relying_parties(chunk.start, chunk.end - chunk.start))
        })?;
        self.relying_parties = self.relying_parties.max(relying_parties);
        holding.fill("holders", self.holders..holders, |chunk| {
            maker.holders(chunk.start, usize::try_from(chunk.end - chunk.start)?)
        })?;
        self.holders = self.holders.max(holders);
        let tidied = rps
            .store
            .read(|conn| Ok(rows::tidy(conn)?))
            .and_then(|()| holding.store.read(|conn| Ok(rows::tidy(conn)?)));
        tidied.map_err(|stop| anyhow::anyhow!("{stop:?}"))
    }

    /// Puts a day's charges in, over all relying parties, who then were there before it began.
    ///
    /// # Errors
    /// When the database refuses, for example because the day is closed.
    pub fn spend(&self, at: &Installation, day: &Day) -> anyhow::Result<()> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let store = app::open_stores(&at.config, u32::try_from(threads)?)?.rps;
        let filler = Filler { store, threads, turn: Mutex::new(()) };
        let parties: Vec<_> =
            (0..self.relying_parties).map(|number| self.identities.relying_party(number).id).collect();
        filler.fill("charges", 0..day.charges, |chunk| day.rows(chunk, &parties))?;
        let admitted = format!(
            "UPDATE relying_parties SET created_at = {} WHERE created_at > {0}",
            day.begins().as_microsecond()
        );
        let tidied = filler.store.read(|conn| Ok(conn.batch_execute(&admitted)?));
        tidied.map_err(|stop| anyhow::anyhow!("{stop:?}"))
    }
}

struct Filler {
    store: Store,
    threads: usize,
    /// SQLite has one writer at a time; rows are made by all threads all the same.
    turn: Mutex<()>,
}

impl Filler {
    fn fill<R: Rows>(
        &self,
        what: &'static str,
        range: Range<u64>,
        make: impl Fn(Range<u64>) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let (bar, started) = (bar(what, range.end - range.start), Instant::now());
        let next = AtomicU64::new(range.start);
        let work = || {
            loop {
                let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                if first >= range.end {
                    return anyhow::Ok(());
                }
                let chunk = first..range.end.min(first + CHUNK);
                let rows = make(chunk.clone())?;
                if let Err(error) = self.write(&rows) {
                    // The others need not go on.
                    next.store(range.end, Ordering::Relaxed);
                    return Err(error);
                }
                bar.inc(chunk.end - chunk.start);
            }
        };
        let outcome = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that fills the database panicked")))
            })
        });
        bar.finish();
        if !std::io::stderr().is_terminal() {
            let (count, seconds) = (range.end - range.start, started.elapsed().as_secs_f64());
            eprintln!("  {count} {what} in {seconds:.1} s, {:.0}/s", count as f64 / seconds);
        }
        outcome
    }

    fn write(&self, rows: &impl Rows) -> anyhow::Result<()> {
        let written = self.store.read(|conn| {
            rows::hurry(conn)?;
            match conn {
                Conn::Sqlite(sqlite) => {
                    let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                    Ok(sqlite.immediate_transaction(|sqlite| rows.insert_sqlite(sqlite))?)
                }
                Conn::Postgres(postgres) => {
                    Ok(postgres.transaction(|postgres| rows.insert_postgres(postgres))?)
                }
            }
        });
        written.map_err(|stop| anyhow::anyhow!("the population can't be put in: {stop:?}"))
    }
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = "  {prefix:<18} {bar:30} {human_pos:>11} / {human_len:<11} {per_sec}, {eta} left";
    // The template is fixed and correct; a plain bar is shown if it ever is not.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{OwnDatabase, postgres_server};
    use ecert_server::edge::data_keys::Vaults;
    use ecert_server::flow::issuance::attributes_context;
    use ecert_server::flow::templates::template_context;
    use ecert_server::store::certificates::{self, Standing};
    use ecert_server::store::{data_keys, handles, relying_parties};
    use wallet_core::attributes::Attribute;
    use wallet_core::ecert::Disclosure;
    use wallet_core::es256::{PublicKey, sha256};
    use wallet_core::face::protection::Stored;

    /// What the service does with a redemption's facts, on people who came in two steps; with `ECERT_TEST_POSTGRES` on
    /// PostgreSQL.
    #[test]
    fn the_service_reads_what_was_put_in() {
        let folder = tempfile::tempdir().unwrap();
        let database = postgres_server().map(|server| OwnDatabase::on(&server).unwrap());
        let url = database.as_ref().map(OwnDatabase::url);
        let installation = Installation::new(folder.path(), url.as_deref()).unwrap();
        let mut population = Population::new(1);
        population.grow(&installation, 3, 1).unwrap();
        population.grow(&installation, 5, 2).unwrap();

        let app::Stores { rps, holders } = app::open_stores(&installation.config, 1).unwrap();
        let keys = app::open_keys(&installation.config, &SystemClock).unwrap();
        let (secrets, keks) = (keys.secrets().unwrap(), keys.keks(SystemClock.now()).unwrap());
        let (service, people) = (Vault::new(&secrets.vault), &population.identities);
        let vaults = Vaults { service: &service, kms: &keks };
        let mut templates = Vec::new();
        for holder in 0..5 {
            let handle = sha256(&people.handle(holder, 0));
            let named = holders.read(|conn| Ok(handles::with_keys(conn, &[handle])?)).unwrap();
            let (id, key) = named.into_iter().next().flatten().unwrap();
            assert_eq!(key, PublicKey::from(&people.device(holder).unwrap()));
            let found = holders.read(|conn| Ok(certificates::find(conn, id)?)).unwrap().unwrap();
            assert!(found.standing == Standing::Active && found.is_current(SystemClock.now()));
            let key = holders.read(|conn| Ok(data_keys::find(conn, found.holder)?)).unwrap();
            let vault = vaults.of(found.holder, key.as_ref()).unwrap();
            let template = vault.open(&template_context(found.id), &found.sealed_template).unwrap();
            templates.push(Stored::from_bytes(&template).unwrap().to_bytes());
            let context = attributes_context(found.id);
            let attributes: Vec<Disclosure> = vault.open_json(&context, &found.sealed_attributes).unwrap();
            assert!(attributes.iter().any(|disclosure| disclosure.name == Attribute::Name));
        }
        templates.dedup();
        assert_eq!(templates.len(), 5);
        for number in 0..2 {
            let party = people.relying_party(number);
            let found = rps.read(|conn| Ok(relying_parties::by_keys(conn, &[party.key])?)).unwrap();
            let found = found.into_iter().next().flatten().unwrap();
            assert_eq!((found.rp.id, found.secret_hash), (party.id, party.secret_hash.to_vec()));
        }
    }
}
