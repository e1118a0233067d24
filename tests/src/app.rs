//! A service in this process: an empty database, a clock wound by hand, real models.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use clap::{Args as _, Command};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use ecert_server::app::{Ports, open_keys, start, start_models};
use ecert_server::config::Config;
use ecert_server::edge::clock::{Clock, ManualClock};
use ecert_server::edge::keys::Keys;
use ecert_server::edge::models::ModelWorkers;
use ecert_server::edge::source::LocalRegister;
use ecert_server::edge::webhooks::Names;
use ecert_server::flow::admins::NewAdmin;
use ecert_server::flow::{Context, admins};
use ecert_server::roles::Role;
use ecert_server::store;
use ecert_server::store::admins::ProvenBy;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use wallet_core::document::DocumentNumber;
use wallet_core::es256::sha256;
use wallet_core::ids::AdminId;

use crate::clients::{Admin, Answer, Holder, RelyingParty, Staff, fresh_key};
use crate::samples::Samples;
use crate::specimen::{CardPhotos, Specimen};

/// A running service and who is needed to talk to it.
pub struct TestApp {
    /// Where it is reached.
    pub base: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// What its use cases reach.
    pub context: actix_web::web::Data<Context>,
    /// Its admin.
    pub admin: Admin,
    handle: actix_web::dev::ServerHandle,
    folder: Arc<TempDir>,
    _database: Option<OwnDatabase>,
}

/// The sample photographs, read once.
pub fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| Samples::open().unwrap_or_else(|error| missing(&error)))
}

/// Both sides of the default specimen card, drawn once.
pub fn card() -> &'static CardPhotos {
    static CARD: OnceLock<CardPhotos> = OnceLock::new();
    CARD.get_or_init(|| Specimen::franck().photographed(samples()).unwrap_or_else(|error| missing(&error)))
}

/// The frames of an enrolment.
pub fn enrolment_frames() -> Vec<Vec<u8>> {
    samples().franck_frames().iter().take(6).cloned().collect()
}

/// Other frames of the same person.
pub fn later_frames() -> Vec<Vec<u8>> {
    samples().franck_frames().iter().skip(6).cloned().collect()
}

/// Frames of somebody else.
pub fn stranger_frames() -> anyhow::Result<Vec<Vec<u8>>> {
    crate::samples::variants(samples().astronaut(), 3)
}

/// One set of workers for all tests: loading the models is the slow part.
fn shared_models() -> Arc<ModelWorkers> {
    static MODELS: OnceLock<Arc<ModelWorkers>> = OnceLock::new();
    let start = || config(&PathBuf::from("."), &[]).and_then(|config| start_models(&config));
    Arc::clone(MODELS.get_or_init(|| Arc::new(start().unwrap_or_else(|error| missing(&error)))))
}

#[allow(clippy::panic, reason = "without models and samples no story can be told")]
fn missing(error: &anyhow::Error) -> ! {
    panic!("{error:#}")
}

/// The settings of a service in a folder.
pub(crate) fn config(folder: &std::path::Path, flags: &[&str]) -> anyhow::Result<Config> {
    let folder = folder.display().to_string();
    let mut line = vec!["test", "--listen", "127.0.0.1:0", "--data-dir", &folder, "--model-queue", "64"];
    line.extend_from_slice(flags);
    let command = Config::augment_args(Command::new("test").args_override_self(true));
    Config::from_matches(&command.try_get_matches_from(line)?)
}

/// The PostgreSQL that `ECERT_TEST_POSTGRES=postgres://…/` names (a server, with a slash at its end), if there is one.
/// Every story then gets a database of its own there, instead of a SQLite file.
pub fn postgres_server() -> Option<String> {
    std::env::var("ECERT_TEST_POSTGRES").ok()
}

/// A database of a story's own on PostgreSQL; it is dropped with this value.
pub struct OwnDatabase {
    server: String,
    name: String,
}

impl OwnDatabase {
    /// An empty one on a server whose URL ends with a slash.
    pub fn on(server: &str) -> anyhow::Result<OwnDatabase> {
        let name = format!("ecert_test_{:016x}", rand::random::<u64>());
        PgConnection::establish(&format!("{server}postgres"))?
            .batch_execute(&format!("CREATE DATABASE {name}"))?;
        Ok(OwnDatabase { server: server.to_owned(), name })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.url_on(&self.server)
    }

    /// The same database, reached in another way.
    pub fn url_on(&self, server: &str) -> String {
        format!("{server}{}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        // Connections of a service that is still ending are cut. Should it fail, it goes with its server.
        if let Ok(mut conn) = PgConnection::establish(&format!("{}postgres", self.server)) {
            let _ = conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Runs statements on a database behind the service's back.
pub fn execute(url: &str, statements: &str) -> anyhow::Result<()> {
    match url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut sqlite = SqliteConnection::establish(file)?;
            sqlite.batch_execute("PRAGMA busy_timeout = 5000")?;
            Ok(sqlite.batch_execute(statements)?)
        }
        None => Ok(PgConnection::establish(url)?.batch_execute(statements)?),
    }
}

/// Longer than any story lasts.
const TOKEN: SignedDuration = SignedDuration::from_hours(24 * 3650);

fn added(context: &Context, name: &str, roles: &[Role]) -> anyhow::Result<NewAdmin> {
    let roles = roles.iter().copied().collect();
    Ok(admins::add(&context.rp_store, context.clock.as_ref(), name, &roles, TOKEN)?)
}

impl TestApp {
    /// Starts a service in which the register knows the specimen's person.
    pub async fn start() -> anyhow::Result<TestApp> {
        Self::start_with(&[], Some(shared_models())).await
    }

    /// Starts a service with these flags, and with workers of its own when `models` is none.
    pub async fn start_with(flags: &[&str], models: Option<Arc<ModelWorkers>>) -> anyhow::Result<TestApp> {
        let apart = !flags.contains(&"--database");
        let database = match postgres_server().filter(|_| apart) {
            Some(server) => Some(OwnDatabase::on(&server)?),
            None => None,
        };
        let url = database.as_ref().map(OwnDatabase::url);
        let mut flags = flags.to_vec();
        if let Some(url) = &url {
            flags.extend(["--database-connections", "4", "--database", url]);
        }
        let folder = Arc::new(tempfile::tempdir()?);
        Self::start_in(folder, &flags, Ports { models, ..Ports::default() }, database)
    }

    /// Starts a service that asks this name server.
    pub async fn with_names(names: Arc<dyn Names>) -> anyhow::Result<TestApp> {
        let database = postgres_server().map(|server| OwnDatabase::on(&server)).transpose()?;
        let url = database.as_ref().map(OwnDatabase::url);
        let flags: Vec<&str> =
            url.iter().flat_map(|url| ["--database-connections", "4", "--database", url]).collect();
        let ports = Ports { models: Some(shared_models()), names: Some(names), ..Ports::default() };
        Self::start_in(Arc::new(tempfile::tempdir()?), &flags, ports, database)
    }

    fn start_in(
        folder: Arc<TempDir>,
        flags: &[&str],
        ports: Ports,
        database: Option<OwnDatabase>,
    ) -> anyhow::Result<TestApp> {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::now()));
        let config = config(folder.path(), flags)?;
        let ports = Ports { clock: Some(Arc::clone(&clock) as Arc<dyn Clock>), ..ports };
        let running = start(&config, ports)?;
        let (context, handle, address) = (running.context.clone(), running.handle.clone(), running.address);
        actix_web::rt::spawn(running.serve());
        let base = context.public_url.clone();
        let admin = added(&context, "test", &Role::ALL)?;
        let admin = Admin::new(&base, &admin.token);
        let app = TestApp { base, address, clock, context, admin, handle, folder, _database: database };
        app.register(&Specimen::franck())?;
        Ok(app)
    }

    /// A script with these roles.
    pub fn script(&self, roles: &[Role]) -> anyhow::Result<Admin> {
        Ok(Admin::new(&self.base, &added(&self.context, "script", roles)?.token))
    }

    /// The secret of an invitation, for somebody with these roles.
    pub fn invitation(&self, roles: &[Role]) -> anyhow::Result<String> {
        let (now, secret) = (self.clock.now(), fresh_key());
        let (id, hash) = (AdminId::new(now, &mut rand::rng()), sha256(secret.as_bytes()));
        let by = ProvenBy::Invitation(&hash, now + SignedDuration::from_hours(1));
        let roles = roles.iter().copied().collect();
        self.context
            .rp_store
            .write(|conn| Ok(store::admins::insert(conn, id, "Lin", &roles, &by, now)?))
            .map_err(anyhow::Error::from)?;
        Ok(secret)
    }

    /// Somebody with a passkey and these roles, signed in.
    pub async fn staff(&self, roles: &[Role]) -> anyhow::Result<Staff> {
        Staff::invited(&self.base, &self.invitation(roles)?).await
    }

    /// A second person: with every role, and a passkey that was shown just now.
    pub async fn second(&self) -> anyhow::Result<Admin> {
        self.staff(&Role::ALL).await?.stepped_up().await
    }

    /// What comes of what was asked for, when a second person agrees.
    pub async fn approved(&self, asked: Answer) -> anyhow::Result<Value> {
        let asked = asked.expect_status(202)?;
        let decided = self.second().await?.decide(&asked, "approve").await?.expect_status(200)?;
        anyhow::ensure!(decided["action"]["state"] == "done", "it was not done: {decided}");
        Ok(decided)
    }

    /// Starts another replica: the same keys, and the databases that these flags name.
    pub async fn replica(&self, flags: &[&str]) -> anyhow::Result<TestApp> {
        self.replica_with(flags, Some(shared_models())).await
    }

    /// The same, with workers of its own when `models` is none.
    pub async fn replica_with(
        &self,
        flags: &[&str],
        models: Option<Arc<ModelWorkers>>,
    ) -> anyhow::Result<TestApp> {
        Self::start_in(Arc::clone(&self.folder), flags, Ports { models, ..Ports::default() }, None)
    }

    /// Its key store, opened beside it.
    ///
    /// # Errors
    /// When it does not open.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        open_keys(&config(self.folder(), &[])?, self.clock.as_ref())
    }

    /// Where the keys are, and the database on SQLite.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Where the tables of relying parties are.
    pub fn database(&self) -> &str {
        &self.context.rp_store.settings().url
    }

    /// Starts a service with shared models and these flags.
    pub async fn with_flags(flags: &[&str]) -> anyhow::Result<TestApp> {
        Self::start_with(flags, Some(shared_models())).await
    }

    /// Puts a person into the local register.
    pub fn register(&self, specimen: &Specimen) -> anyhow::Result<()> {
        self.register_person(&specimen.name, &specimen.number)
    }

    /// Puts a name and a number into the local register.
    pub fn register_person(&self, name: &str, number: &str) -> anyhow::Result<()> {
        let register = LocalRegister::new(self.context.holder_store.clone(), self.context.secrets.register);
        let number = DocumentNumber::parse(number).ok().context("the specimen's number is faulty")?;
        register.add(name, &number, self.clock.now())?;
        Ok(())
    }

    /// A new wallet.
    pub fn holder(&self) -> Holder {
        Holder::new(&self.base, Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// The specimen's person, enrolled.
    pub async fn enrolled(&self) -> anyhow::Result<Holder> {
        let mut holder = self.holder();
        holder.enrol(card(), &enrolment_frames()).await?;
        Ok(holder)
    }

    /// A relying party that may ask for everything.
    pub async fn relying_party(&self) -> anyhow::Result<RelyingParty> {
        let all = ["over_18", "name", "sex", "ethnicity", "birth_date", "address", "document_number"];
        self.admin.admit("Corner Shop", &all).await
    }

    /// What its clock shows.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Charges so far, over all relying parties.
    pub async fn charges(&self) -> anyhow::Result<i64> {
        let ledger = self.admin.ledger().await?.expect_status(200)?;
        anyhow::ensure!(ledger["sum_micros"] == 0, "the ledger does not sum to zero: {ledger}");
        ledger["transactions"].as_i64().context("no transactions in the ledger's answer")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}
