//! The settings, each documented once: below. The same list makes the flags, the environment variables, the keys of the
//! file and the output of `ecert config print`. A flag beats the environment, which beats the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use wallet_core::attestation::App;
use wallet_core::face::Mode;

use crate::edge::keys::Seal;
use crate::store::{Pooler, Settings};

/// Who confirms name and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceKind {
    /// The table that `ecert register` fills; certificates reach IAL2.
    Register,
    /// Nobody; certificates stay at IAL1.
    DocumentOnly,
}

/// Where new keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignerKind {
    /// In the sealed key store.
    File,
    /// In a token, which they never leave.
    Pkcs11,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For machines.
    Json,
    /// For people.
    Text,
}

/// The settings of the service.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "ECERT_LISTEN", default_value = "127.0.0.1:8080", global = true)]
    pub listen: String,
    /// The address under which the world sees the service [default: http://LISTEN]
    #[arg(long, env = "ECERT_PUBLIC_URL", global = true)]
    pub public_url: Option<String>,
    /// sqlite:FILE or postgres://… [default: sqlite:DATA_DIR/ecert.db]
    #[arg(long, env = "ECERT_DATABASE", hide_env_values = true, global = true)]
    pub database: Option<String>,
    /// Where holders and their certificates are kept, if apart from the rest [default: the same as DATABASE]
    #[arg(long, env = "ECERT_HOLDER_DATABASE", hide_env_values = true, global = true)]
    pub holder_database: Option<String>,
    /// Whether to bring the tables up to date at the start; without it, `ecert db migrate` must have been run
    #[arg(long, env = "ECERT_MIGRATE", default_value_t = true, action = clap::ArgAction::Set, global = true)]
    pub migrate: bool,
    /// Connections to the database
    #[arg(long, env = "ECERT_DATABASE_CONNECTIONS", default_value_t = 8, global = true)]
    pub database_connections: u32,
    /// `transaction` when the URL leads to PgBouncer in transaction mode
    #[arg(long, env = "ECERT_DATABASE_POOLER", value_enum, default_value = "none", global = true)]
    pub database_pooler: Pooler,
    /// Milliseconds that a request waits, all in all, for connections or for SQLite's write lock, before it is refused with 503
    #[arg(long, env = "ECERT_DATABASE_PATIENCE", default_value_t = 3000, global = true)]
    pub database_patience: u64,
    /// Milliseconds that one statement may take on PostgreSQL
    #[arg(long, env = "ECERT_DATABASE_STATEMENT_TIMEOUT", default_value_t = 5000, global = true)]
    pub database_statement_timeout: u64,
    /// Milliseconds that one statement may wait for a lock on PostgreSQL
    #[arg(long, env = "ECERT_DATABASE_LOCK_TIMEOUT", default_value_t = 2000, global = true)]
    pub database_lock_timeout: u64,
    /// Days that attempts, charges and the audit trail stay in their tables on PostgreSQL; older days are detached, never deleted [default: for ever]
    #[arg(long, env = "ECERT_KEEP_DAYS", global = true)]
    pub keep_days: Option<u32>,
    /// Where keys, and by default the database, are kept
    #[arg(long, env = "ECERT_DATA_DIR", default_value = "data", global = true)]
    pub data_dir: PathBuf,
    /// 32 bytes that open the keys; made on the first start [default: DATA_DIR/key-file]
    #[arg(long, env = "ECERT_KEY_FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// How a new key store is sealed; an old one says so itself (`ecert keys reseal` changes it)
    #[arg(long, env = "ECERT_KEY_SEAL", value_enum, default_value = "key-file", global = true)]
    pub key_seal: Seal,
    /// Whose first line is the pass phrase of the key store [default: ECERT_KEY_PASS_PHRASE, else it is asked for]
    #[arg(long, env = "ECERT_KEY_PASS_PHRASE_FILE", global = true)]
    pub key_pass_phrase_file: Option<PathBuf>,
    /// Where new issuing and signing keys are made: in the sealed file, or in a PKCS#11 token
    #[arg(long, env = "ECERT_SIGNER", value_enum, default_value = "file", global = true)]
    pub signer: SignerKind,
    /// The library of the PKCS#11 token
    #[arg(long, env = "ECERT_PKCS11_MODULE", global = true)]
    pub pkcs11_module: Option<PathBuf>,
    /// The label of the PKCS#11 token
    #[arg(long, env = "ECERT_PKCS11_TOKEN", global = true)]
    pub pkcs11_token: Option<String>,
    /// Whose first line is the PIN of the PKCS#11 token [default: ECERT_PKCS11_PIN, else it is asked for]
    #[arg(long, env = "ECERT_PKCS11_PIN_FILE", global = true)]
    pub pkcs11_pin_file: Option<PathBuf>,
    /// Whether a signer is renewed by itself before it comes to its end
    #[arg(long, env = "ECERT_RENEW_SIGNER", default_value_t = true, action = clap::ArgAction::Set, global = true)]
    pub renew_signer: bool,
    /// E-certs that may be issued in an hour, over all replicas; more are refused with 503
    #[arg(long, env = "ECERT_ISSUING_LIMIT", default_value_t = 10_000, global = true)]
    pub issuing_limit: u32,
    /// Certificates (PEM, one or more) of the makers who are believed when they vouch for a phone's key [default: attestations are not checked]
    #[arg(long, env = "ECERT_ATTESTATION_ROOTS", global = true)]
    pub attestation_roots: Option<PathBuf>,
    /// The wallet app, PACKAGE:SHA256 of the certificate that signed it, for which an attested key must be [default: any]
    #[arg(long, env = "ECERT_ATTESTATION_APP", global = true)]
    pub attestation_app: Option<App>,
    /// Where `cargo xtask setup` put the models [default: the user's cache folder]
    #[arg(long, env = "ECERT_MODEL_DIR", global = true)]
    pub model_dir: Option<PathBuf>,
    /// Threads that run models; 0 means one a core
    #[arg(long, env = "ECERT_MODEL_WORKERS", default_value_t = 0, global = true)]
    pub model_workers: usize,
    /// Model jobs that may wait; more are refused with 503
    #[arg(long, env = "ECERT_MODEL_QUEUE", default_value_t = 8, global = true)]
    pub model_queue: usize,
    /// Uploads (documents, captures) in memory at once, each up to 24 MiB; more are refused with 503
    #[arg(long, env = "ECERT_UPLOADS", default_value_t = 32, global = true)]
    pub uploads: usize,
    /// Wallets that may listen at once for what waits for them; more are refused with 503 and ask now and then instead
    #[arg(long, env = "ECERT_EVENT_STREAMS", default_value_t = 4096, global = true)]
    pub event_streams: usize,
    /// A file with a line `NAME whsec_…` for each payment gateway whose notices are taken (docs/OPERATIONS.md) [default: none]
    #[arg(long, env = "ECERT_PAYMENT_GATEWAYS", global = true)]
    pub payment_gateways: Option<PathBuf>,
    /// Whether webhooks may also go to addresses that only this network reaches, and without TLS; for trials and closed networks
    #[arg(long, env = "ECERT_WEBHOOK_PRIVATE_TARGETS", default_value_t = false, action = clap::ArgAction::Set, global = true)]
    pub webhook_private_targets: bool,
    /// Certificates (PEM) of those who are believed when they certify receivers of webhooks [default: Mozilla's list]
    #[arg(long, env = "ECERT_WEBHOOK_ROOTS", global = true)]
    pub webhook_roots: Option<PathBuf>,
    /// The mail server, smtps://USER:PASSWORD@HOST:PORT or smtp://USER:PASSWORD@HOST:PORT?tls=required [default: no mails]
    #[arg(long, env = "ECERT_SMTP", hide_env_values = true, global = true)]
    pub smtp: Option<String>,
    /// The address that mails come from, `E-Cert <noreply@example.com>`
    #[arg(long, env = "ECERT_SMTP_FROM", global = true)]
    pub smtp_from: Option<String>,
    /// Who confirms name and number during enrolment
    #[arg(long, env = "ECERT_SOURCE", value_enum, default_value = "register", global = true)]
    pub source: SourceKind,
    /// How liveness is shown in an enrolment: silent, actions, flash or digits (docs/API.md)
    #[arg(long, env = "ECERT_ENROLMENT_LIVENESS", default_value = "silent", global = true)]
    pub enrolment_liveness: Mode,
    /// The same in a recovery, where no document is shown
    #[arg(long, env = "ECERT_RECOVERY_LIVENESS", default_value = "actions", global = true)]
    pub recovery_liveness: Mode,
    /// The zone of billing days and birthdays
    #[arg(long, env = "ECERT_TIME_ZONE", default_value = "Asia/Shanghai", global = true)]
    pub time_zone: String,
    /// Wrong 16 digits a minute, over all relying parties, from which on digits are taken from those only that send none
    #[arg(long, env = "ECERT_NUMERIC_BREAKER", default_value_t = 300, global = true)]
    pub numeric_breaker: u32,
    /// Seconds that a client may take to send its headers, and an idle connection may last
    #[arg(long, env = "ECERT_CLIENT_TIMEOUT", default_value_t = 15, global = true)]
    pub client_timeout: u64,
    /// Seconds that requests get to finish after SIGTERM
    #[arg(long, env = "ECERT_SHUTDOWN_TIMEOUT", default_value_t = 20, global = true)]
    pub shutdown_timeout: u64,
    /// Send OpenTelemetry traces to the collector at http://HOST:PORT (OTLP over HTTP) [default: off]
    #[arg(long, env = "ECERT_OTLP_ENDPOINT", global = true)]
    pub otlp_endpoint: Option<String>,
    /// The part of traces that is sent, 0 to 1; a caller's traceparent header decides for its own
    #[arg(long, env = "ECERT_OTLP_SAMPLE", default_value_t = 0.1, global = true)]
    pub otlp_sample: f64,
    /// Which log lines: error, warn, info, debug, or per module
    #[arg(long, env = "ECERT_LOG", default_value = "info", global = true)]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "ECERT_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
}

impl Config {
    /// The database's URL.
    pub fn database_url(&self) -> String {
        let default = || format!("sqlite:{}", self.data_dir.join("ecert.db").display());
        self.database.clone().unwrap_or_else(default)
    }

    /// Where the tables of relying parties are, and under which rules.
    pub fn rp_database(&self, connections: u32) -> Settings {
        self.settings(self.database_url(), connections)
    }

    /// The same for the tables of holders, if they are apart.
    pub fn holder_database(&self, connections: u32) -> Option<Settings> {
        Some(self.settings(self.holder_database.clone()?, connections))
    }

    fn settings(&self, url: String, connections: u32) -> Settings {
        Settings {
            url,
            connections,
            patience: Duration::from_millis(self.database_patience),
            statement_timeout: Duration::from_millis(self.database_statement_timeout),
            lock_timeout: Duration::from_millis(self.database_lock_timeout),
            pooler: self.database_pooler,
        }
    }

    /// Makes the data folder, readable by nobody else, where it is missing.
    pub fn make_data_dir(&self) -> anyhow::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.data_dir)
            .with_context(|| format!("can't make the folder {}", self.data_dir.display()))
    }

    /// The key file.
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data_dir.join("key-file"))
    }

    /// The folder with the models: as set, else where `cargo xtask setup` puts them.
    pub fn model_dir(&self) -> anyhow::Result<PathBuf> {
        let cache = || {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let user = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
            set("ECERT_CACHE").or_else(|| user().map(|cache| cache.join("ecert")))
        };
        self.model_dir.clone().or_else(cache).context("set --model-dir: there is no HOME to look in")
    }

    /// Threads that run models.
    pub fn model_workers(&self) -> usize {
        match self.model_workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    /// Reads the settings from what clap matched.
    pub fn from_matches(matches: &ArgMatches) -> anyhow::Result<Config> {
        Ok(Config::from_arg_matches(matches)?)
    }
}

/// The list of settings as clap arguments, in the order of the struct.
fn settings() -> Vec<clap::Arg> {
    Config::augment_args(Command::new("settings")).get_arguments().cloned().collect()
}

/// Puts the file's values in as defaults, so that flags and environment go before them. An unknown key is an error: a
/// misspelt setting must not be silently without effect.
pub fn with_file(mut command: Command, file: Option<&str>) -> anyhow::Result<Command> {
    let Some(file) = file else { return Ok(command) };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("can't read the configuration {file}"))?;
    let values: BTreeMap<String, toml::Value> =
        toml::from_str(&text).with_context(|| format!("{file} is not valid TOML"))?;
    let known = settings();
    for (key, value) in values {
        let Some(setting) = known.iter().find(|setting| setting.get_id() == key.as_str()) else {
            bail!("{file}: unknown setting `{key}`; `ecert config print` lists them all");
        };
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => value.to_string(),
            _ => bail!("{file}: `{key}` must be a text or a number"),
        };
        command = command.mut_arg(setting.get_id(), |argument| argument.default_value(value));
    }
    Ok(command)
}

/// One setting as it stands.
pub struct Printed {
    /// The key in the file.
    pub key: String,
    /// The environment variable.
    pub variable: String,
    /// The value in force; empty where the default depends on others.
    pub value: String,
    /// Where the value comes from.
    pub origin: &'static str,
    /// What it is.
    pub help: String,
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = self.key.replace('_', "-");
        writeln!(f, "# {}", self.help)?;
        writeln!(f, "# --{flag}, {} ({})", self.variable, self.origin)?;
        let commented = if self.value.is_empty() { "# " } else { "" };
        writeln!(f, "{commented}{} = {}", self.key, toml::Value::String(self.value.clone()))
    }
}

/// Every setting with its value: valid as a configuration file.
pub fn print(matches: &ArgMatches) -> Vec<Printed> {
    let printed = |setting: clap::Arg| {
        let id = setting.get_id().as_str();
        let secret = setting.is_hide_env_values_set();
        let raw = matches.get_raw(id).and_then(|mut values| values.next());
        let value = raw.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        // It may hold a password, and what is printed may end up anywhere.
        let value = if secret { String::new() } else { value };
        let origin = match matches.value_source(id) {
            Some(_) if secret => "set, and not shown",
            Some(clap::parser::ValueSource::CommandLine) => "from the command line",
            Some(clap::parser::ValueSource::EnvVariable) => "from the environment",
            Some(_) => "default, or from the file",
            None => "not set",
        };
        let variable = setting.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let help = setting.get_help().map(ToString::to_string).unwrap_or_default();
        Printed { key: id.to_owned(), variable, value, origin, help }
    };
    settings().into_iter().map(printed).collect()
}
