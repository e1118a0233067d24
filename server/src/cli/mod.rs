//! The command line: `ecert serve` and what is done on the machine itself.

mod admin;
mod audit;
mod billing;
mod certificates;
mod db;
mod db_words;
mod documents;
mod keks;
mod keys;
mod log;
mod models;
mod receipts;
mod register;
mod serve;
mod statement_check;
mod templates;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Config};
use crate::openapi;

/// E-Cert: enrol once, show a code, be verified by face on every use.
#[derive(Parser)]
#[command(
    name = "ecert",
    version,
    after_help = "Example:\n  ecert serve --listen 127.0.0.1:8080 --data-dir ./data"
)]
struct Cli {
    /// A TOML file with settings; `ecert config print` shows all of them
    #[arg(long, env = "ECERT_CONFIG", global = true)]
    config: Option<String>,
    #[command(flatten)]
    settings: Config,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the service
    #[command(
        after_help = "Example:\n  ecert serve --listen 0.0.0.0:8080 --public-url https://id.example.org"
    )]
    Serve,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigAction),
    /// Admins
    #[command(subcommand)]
    Admin(admin::AdminAction),
    /// The auditor's side: replay the books
    #[command(subcommand)]
    Audit(audit::AuditAction),
    /// The books: close the day, print a statement
    #[command(subcommand)]
    Billing(billing::BillingAction),
    /// Certificates: many of them at once
    #[command(subcommand)]
    Certificates(certificates::CertificatesAction),
    /// The database: bring up to date, look, check, back up, restore, move
    #[command(subcommand)]
    Db(db::DbAction),
    /// The issuer's keys: list, rotate, retire, export, take the root offline
    #[command(subcommand)]
    Keys(keys::KeysAction),
    /// The local register of names and numbers
    #[command(subcommand)]
    Register(register::RegisterAction),
    /// Documents: what is read from a photograph
    #[command(subcommand)]
    Documents(documents::DocumentsAction),
    /// The models: how right they are on pictures of your own
    #[command(subcommand)]
    Models(models::ModelsAction),
    /// What is kept of faces
    #[command(subcommand)]
    Templates(templates::TemplatesAction),
    /// The transparency log: its checkpoint, whether it is whole, proofs out of it
    #[command(subcommand)]
    Log(log::LogAction),
    /// Print the description of the API (OpenAPI 3.1), as it is served at /openapi.json
    #[command(after_help = "Example:\n  ecert openapi > openapi.json")]
    Openapi,
    /// Receipts
    #[command(subcommand)]
    Receipts(receipts::ReceiptsAction),
}

#[derive(Subcommand)]
enum ConfigAction {
    /// Print every setting with its value, as a valid configuration file
    #[command(after_help = "Example:\n  ecert config print > ecert.toml && ecert --config ecert.toml serve")]
    Print {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line.
pub fn run() -> ExitCode {
    match try_run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ecert: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_run() -> anyhow::Result<ExitCode> {
    let matches = matches()?;
    let cli = Cli::from_arg_matches(&matches)?;
    match cli.command {
        Action::Serve => serve::serve(&cli.settings).map(|()| ExitCode::SUCCESS),
        Action::Config(ConfigAction::Print { json }) => {
            print_config(&matches, json)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Admin(action) => admin::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Audit(action) => audit::run(&cli.settings, action),
        Action::Billing(action) => billing::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Certificates(action) => certificates::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Db(action) => db::run(&cli.settings, action),
        Action::Keys(action) => keys::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Register(action) => register::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Documents(action) => {
            let whole = documents::run(&cli.settings, action)?;
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Action::Models(action) => models::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Templates(action) => templates::run(&cli.settings, action).map(|()| ExitCode::SUCCESS),
        Action::Log(action) => log::run(&cli.settings, action),
        Action::Openapi => print_openapi().map(|()| ExitCode::SUCCESS),
        Action::Receipts(action) => receipts::run(action),
    }
}

/// Parses twice: first only to find the file, whose values are then the defaults of the real parse.
fn matches() -> anyhow::Result<ArgMatches> {
    let command = Cli::augment_args(Command::new("ecert"));
    let first = command.clone().ignore_errors(true).get_matches();
    let file = first.get_one::<String>("config").cloned();
    Ok(config::with_file(command, file.as_deref())?.get_matches())
}

fn print_openapi() -> anyhow::Result<()> {
    let document = openapi::document().map_err(|names| anyhow!("several types have one name: {names:?}"))?;
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}

fn print_config(matches: &ArgMatches, json: bool) -> anyhow::Result<()> {
    let settings = config::print(matches);
    if json {
        let values: serde_json::Map<_, _> = settings
            .into_iter()
            .map(|setting| {
                let about = serde_json::json!({
                    "value": setting.value, "variable": setting.variable, "origin": setting.origin, "help": setting.help,
                });
                (setting.key, about)
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&values)?);
    } else {
        for setting in settings {
            println!("{setting}");
        }
    }
    Ok(())
}
