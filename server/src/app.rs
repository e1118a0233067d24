//! Putting it together: ports, use cases, jobs and HTTP, from the settings.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, JsonConfig, PathConfig, QueryConfig};
use actix_web::{App, HttpServer};
use actix_web_prom::PrometheusMetricsBuilder;
use anyhow::{Context as _, anyhow, bail};
use jiff::tz::TimeZone;
use prometheus::{IntGauge, PullingGauge, Registry};
use tokio::signal::unix::{SignalKind, signal};
use wallet_core::ids::ReplicaId;
use wallet_core::onnx::Models;

use crate::config::{Config, SignerKind, SourceKind};
use crate::edge::attestation::Trust;
use crate::edge::clock::{Clock, SystemClock};
use crate::edge::face_index::FaceIndexes;
use crate::edge::keyring::Keyring;
use crate::edge::keys::pass_phrase::SecretSource;
use crate::edge::keys::{Keys, StoreSettings};
use crate::edge::listeners::Listeners;
use crate::edge::machine;
use crate::edge::mail::{Mailer, Smtp};
use crate::edge::metrics::{BUCKETS, Metrics};
use crate::edge::models::ModelWorkers;
use crate::edge::passkeys::Passkeys;
use crate::edge::payments::Gateways;
use crate::edge::pkcs11::{AuthPin, Token, TokenSettings};
use crate::edge::print::Press;
use crate::edge::signer::KeyPlaces;
use crate::edge::source::{AuthoritativeSource, DocumentOnly, LocalRegister};
use crate::edge::vault::Vault;
use crate::edge::webhooks::{Names, SystemNames, Webhooks};
use crate::flow::caches::Caches;
use crate::flow::misses::Misses;
use crate::flow::{Context, offers, prices, status_lists};
use crate::http::problem::{self, no_route};
use crate::http::uploads::Uploads;
use crate::http::{deadline, log};
use crate::jobs;
use crate::routes::routes;
use crate::stop::Flow;
use crate::store::Store;
use crate::store::rounds::Rounds;

/// A JSON body: the largest is an application with fifty purposes.
const MAX_JSON_BYTES: usize = 16 * 1024;

/// What a test replaces.
#[derive(Default)]
pub struct Ports {
    /// Instead of the machine's clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Instead of workers of its own.
    pub models: Option<Arc<ModelWorkers>>,
    /// Instead of the machine's resolver.
    pub names: Option<Arc<dyn Names>>,
}

/// The databases, which are one unless told otherwise.
#[derive(Clone)]
pub struct Stores {
    /// For relying parties, and for the house.
    pub rps: Store,
    /// For holders.
    pub holders: Store,
}

/// Opens the databases, with their tables up to date.
///
/// # Errors
/// When one can't be reached or brought up to date, or is not up to date and somebody else is to see to that.
pub fn open_stores(config: &Config, connections: u32) -> anyhow::Result<Stores> {
    config.make_data_dir()?;
    let open = |settings| {
        let store = Store::open(settings)?;
        if config.migrate {
            store.migrate()?;
        } else {
            store.ensure_current()?;
        }
        anyhow::Ok(store)
    };
    let rps = open(config.rp_database(connections))?;
    let holders = config.holder_database(connections).map(open).transpose()?.unwrap_or_else(|| rps.clone());
    Ok(Stores { rps, holders })
}

/// Opens the keys, or makes them on the first start.
pub fn open_keys(config: &Config, clock: &dyn Clock) -> anyhow::Result<Keys> {
    let token = match config.signer {
        SignerKind::File => None,
        SignerKind::Pkcs11 => Some(Arc::new(Token::new(token(config)?))),
    };
    let settings = StoreSettings {
        folder: config.data_dir.join("keys"),
        key_file: config.key_file(),
        pass_phrase: SecretSource {
            variable: "ECERT_KEY_PASS_PHRASE",
            file: config.key_pass_phrase_file.clone(),
            flag: "--key-pass-phrase-file",
            what: "the pass phrase of the key store".to_owned(),
        },
        seal: config.key_seal,
    };
    let address = config.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    Keys::open_or_create(settings, KeyPlaces::new(token), address, clock.now())
}

fn token(config: &Config) -> anyhow::Result<TokenSettings> {
    let label = config.pkcs11_token.clone().context("set --pkcs11-token to the token's label")?;
    let pin = SecretSource {
        variable: "ECERT_PKCS11_PIN",
        file: config.pkcs11_pin_file.clone(),
        flag: "--pkcs11-pin-file",
        what: format!("the PIN of the PKCS#11 token `{label}`"),
    };
    let module = config.pkcs11_module.clone().context("set --pkcs11-module to the token's library")?;
    Ok(TokenSettings { module, label, pin: AuthPin::from(pin.get()?.to_string()) })
}

/// Opens the database, the keys and the models, for a service that listens at `address`.
fn context(config: &Config, ports: Ports, address: SocketAddr) -> anyhow::Result<Context> {
    let clock = ports.clock.unwrap_or_else(|| Arc::new(SystemClock));
    let stores = open_stores(config, config.database_connections)?;
    let keys = open_keys(config, clock.as_ref())?;
    let (secrets, metrics) = (keys.secrets()?, Metrics::new()?);
    metrics.issuing_limit.set(config.issuing_limit.into());
    let signer = Keyring::open(keys, config.renew_signer, Arc::clone(&clock), metrics.clone())?;
    let models = match ports.models {
        Some(models) => models,
        None => Arc::new(start_models(config)?),
    };
    let source: Box<dyn AuthoritativeSource> = match config.source {
        SourceKind::Register => Box::new(LocalRegister::new(stores.holders.clone(), secrets.register)),
        SourceKind::DocumentOnly => Box::new(DocumentOnly),
    };
    let zone = TimeZone::get(&config.time_zone).context("unknown time zone")?;
    let gateways = config.payment_gateways.as_deref().map(Gateways::in_file).transpose()?.unwrap_or_default();
    let public_url = public_url(config, address)?;
    let ctx = Context {
        vault: Vault::new(&secrets.vault),
        passkeys: Passkeys::of(&public_url)?,
        public_url,
        rounds: Rounds::new(&stores.rps, &stores.holders),
        rp_store: stores.rps,
        holder_store: stores.holders,
        enrolment_liveness: config.enrolment_liveness,
        recovery_liveness: config.recovery_liveness,
        keep_days: config.keep_days,
        attestation: Trust::read(config.attestation_roots.as_deref(), config.attestation_app.clone())?,
        face_indexes: FaceIndexes::in_folder(config.data_dir.join("face-groups")),
        misses: Misses::new(config.numeric_breaker),
        caches: Caches::default(),
        listeners: Arc::new(Listeners::new(config.event_streams)),
        replica: ReplicaId::new(clock.now(), &mut rand::rng()),
        press: Press::in_folder(config.model_dir().ok()),
        signer,
        renew_signer: config.renew_signer,
        issuing_limit: config.issuing_limit,
        models,
        secrets,
        source,
        gateways,
        webhooks: webhooks(config, ports.names)?,
        mailer: mailer(config)?,
        metrics,
        clock,
        zone,
    };
    prepare(&ctx)?;
    Ok(ctx)
}

fn webhooks(config: &Config, names: Option<Arc<dyn Names>>) -> anyhow::Result<Webhooks> {
    let names = names.unwrap_or_else(|| Arc::new(SystemNames));
    Webhooks::new(names, config.webhook_private_targets, config.webhook_roots.as_deref())
}

fn mailer(config: &Config) -> anyhow::Result<Option<Box<dyn Mailer>>> {
    let Some(server) = &config.smtp else { return Ok(None) };
    let from = config.smtp_from.as_deref().context("set --smtp-from to the address that mails come from")?;
    Ok(Some(Box::new(Smtp::new(server, from)?)))
}

/// The address that wallets see, without a slash at its end: proofs are checked against it.
fn public_url(config: &Config, address: SocketAddr) -> anyhow::Result<String> {
    let Some(url) = &config.public_url else {
        if address.ip().is_unspecified() {
            tracing::warn!(%address, "set --public-url to the address that wallets see, or their proofs fail");
        }
        return Ok(format!("http://{address}"));
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        bail!("the public address must begin with https:// (or http:// for a trial), not `{url}`");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn prepare(ctx: &Context) -> Flow<()> {
    prices::install_first_list(ctx)?;
    offers::install_first(ctx)?;
    status_lists::publish(ctx, status_lists::FIRST)
}

/// Loads the models and starts their workers.
pub fn start_models(config: &Config) -> anyhow::Result<ModelWorkers> {
    #[cfg(feature = "bench-without-face")]
    if config.model_workers == 0 {
        return ModelWorkers::absent();
    }
    let folder = config.model_dir()?;
    let models = Models::load(&folder).context("the models can't be used; run `cargo xtask setup`")?;
    ModelWorkers::start(&models, config.model_workers(), config.model_queue)
}

/// A service that listens.
pub struct Running {
    /// The address it listens on.
    pub address: SocketAddr,
    /// What its use cases reach, for tests and the command line.
    pub context: Data<Context>,
    /// Stops it.
    pub handle: ServerHandle,
    server: actix_web::dev::Server,
}

impl Running {
    /// Serves until it is stopped, then lets the jobs finish.
    pub async fn serve(self) -> anyhow::Result<()> {
        let jobs = jobs::start(&self.context);
        let farewell = tokio::spawn(end_streams_on_sigterm(self.context.clone()));
        let served = self.server.await;
        farewell.abort();
        jobs.stop().await;
        Ok(served?)
    }
}

/// On SIGTERM the server lets requests finish, and a stream of events would go on for minutes.
async fn end_streams_on_sigterm(ctx: Data<Context>) {
    match signal(SignalKind::terminate()) {
        Ok(mut sent) => {
            sent.recv().await;
            ctx.listeners.close();
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not heard of; streams of events may hold up the end")
        }
    }
}

/// Everything that /metrics shows beside the requests.
fn registry(config: &Config, ctx: &Context, uploads: &Data<Uploads>) -> anyhow::Result<Registry> {
    let registry = Registry::new();
    let is_sqlite = config.database_url().starts_with("sqlite:");
    machine::register(&registry, if is_sqlite { "sqlite" } else { "postgresql" }, &config.data_dir)?;
    ctx.metrics.register(&registry)?;
    // Holders kept apart are in a database of their own kind of load; its pool has no metrics yet.
    ctx.rp_store.register_metrics(&registry)?;
    ctx.models.load().register(&registry)?;
    let listeners = Arc::clone(&ctx.listeners);
    registry.register(Box::new(PullingGauge::new(
        "ecert_event_streams",
        "Wallets that listen",
        Box::new(move || u32::try_from(listeners.count()).map_or(f64::MAX, f64::from)),
    )?))?;
    let now = uploads.clone();
    let most = IntGauge::new("ecert_uploads_max", "Uploads that may be in memory at once")?;
    most.set(i64::try_from(uploads.most())?);
    registry.register(Box::new(most))?;
    registry.register(Box::new(PullingGauge::new(
        "ecert_uploads",
        "Uploads in memory",
        Box::new(move || u32::try_from(now.in_memory()).map_or(f64::MAX, f64::from)),
    )?))?;
    Ok(registry)
}

/// Binds and starts. Call [`Running::serve`] to serve.
pub fn start(config: &Config, ports: Ports) -> anyhow::Result<Running> {
    let listener =
        TcpListener::bind(&config.listen).with_context(|| format!("can't listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let context = Data::new(context(config, ports, address)?);
    let uploads = Data::new(Uploads::new(config.uploads));
    let metrics = PrometheusMetricsBuilder::new("ecert")
        .endpoint("/metrics")
        .registry(registry(config, &context, &uploads)?)
        .buckets(&BUCKETS)
        .mask_unmatched_patterns("-")
        // A stream lasts for minutes by its nature; among answers it would look like a slow one.
        .exclude("/v1/me/events")
        .build();
    let metrics = metrics.map_err(|error| anyhow!("metrics: {error}"))?;
    let data = context.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(uploads.clone())
            .app_data(
                JsonConfig::default()
                    .limit(MAX_JSON_BYTES)
                    .error_handler(|error, _| problem::of_json(&error).into()),
            )
            .app_data(QueryConfig::default().error_handler(|_, _| problem::of_query().into()))
            .app_data(PathConfig::default().error_handler(|_, _| problem::of_path().into()))
            // The last is the outermost.
            .wrap(from_fn(deadline::requests))
            .wrap(metrics.clone())
            .wrap(from_fn(log::requests))
            .configure(routes)
            .default_service(web::to(no_route))
    })
    .client_request_timeout(Duration::from_secs(config.client_timeout))
    .keep_alive(Duration::from_secs(config.client_timeout))
    .shutdown_timeout(config.shutdown_timeout)
    .listen(listener)?
    .run();
    Ok(Running { address, context, handle: server.handle(), server })
}
