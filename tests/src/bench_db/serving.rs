//! Services under load: started over a population, measured in turns.

use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::scratch::Scratch;
use crate::load::{Installation, Load, Population, Report, cpu};
use crate::service::{self, Service};

/// Codes are signed ahead for a turn that goes this much faster than the one before.
const FASTER: f64 = 1.5;
/// A turn in which more of the codes than this had to be signed while the clock ran says so.
const SIGNED_LATE: f64 = 0.05;

/// A service with its population, and the processes whose CPU time is its own.
pub(crate) struct Served {
    bases: Vec<String>,
    services: Vec<Arc<Mutex<Child>>>,
    pids: Vec<u32>,
    load: Load,
    /// Of each replica.
    clients: usize,
    runtime: tokio::runtime::Runtime,
    last_rate: f64,
}

/// What one turn gave.
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// CPU time of service and database for a charged redemption.
    pub(crate) cpu_ms: f64,
    /// The same of the service alone.
    pub(crate) service_cpu_ms: f64,
    pub(crate) report: Report,
}

/// How the services of a bench are started.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) clients: usize,
    /// Of each service; none: as it comes.
    pub(crate) connections: Option<u32>,
    /// Of the database, none when it is in the service.
    pub(crate) database: Option<u32>,
}

impl Served {
    /// Starts `replicas` services over one population.
    pub(crate) fn start(
        scratch: &Scratch,
        at: &Installation,
        population: &Population,
        setting: &Setting,
        replicas: usize,
    ) -> anyhow::Result<Served> {
        let (mut bases, mut services, mut pids) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..replicas {
            let (child, base) = spawn(scratch, at, setting)?;
            pids.push(child.id());
            bases.push(base);
            let service = Arc::new(Mutex::new(child));
            services.push(Arc::clone(&service));
            scratch.at_end(move || stop(&service));
        }
        let first = bases.first().context("at least one replica")?;
        let mut load = Load::on(first, population);
        load.bases = bases.clone();
        load.clients = setting.clients;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        pids.extend(setting.database);
        Ok(Served { bases, services, pids, load, clients: setting.clients, runtime, last_rate: 0.0 })
    }

    /// Where the first replica listens.
    pub(crate) fn base(&self) -> &str {
        self.bases.first().map_or("", String::as_str)
    }

    /// Leaves all but the first replica idle, or puts all to work. Each has as many clients.
    pub(crate) fn use_replicas(&mut self, count: usize) {
        self.load.bases = self.bases.iter().take(count).cloned().collect();
        self.load.clients = self.clients * count;
    }

    /// So many visits, for warming up.
    pub(crate) fn visits(&mut self, visits: u64) -> anyhow::Result<()> {
        let mut load = self.load.clone();
        load.until.visits = Some(visits);
        let report = self.runtime.block_on(load.run())?;
        self.last_rate = self.last_rate.max(report.charged_per_second());
        check(&report)
    }

    /// One turn as fast as it goes, or at a rate.
    pub(crate) fn turn(&mut self, time: Duration, rate: Option<f64>) -> anyhow::Result<Turn> {
        let mut load = self.load.clone();
        (load.rate, load.until.duration) = (rate, Some(time));
        if rate.is_some() {
            // Who waits for a turn costs nothing, and a slow answer must not hold back those that are due.
            load.clients *= 4;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of codes"
        )]
        let prepared = (rate.unwrap_or(self.last_rate * FASTER) * time.as_secs_f64()) as usize;
        load.prepared = prepared;
        let services: Vec<u32> = self.pids.iter().take(self.services.len()).copied().collect();
        let before = (cpu::time_of(&self.pids)?, cpu::time_of(&services)?);
        let report = self.runtime.block_on(load.run())?;
        let after = (cpu::time_of(&self.pids)?, cpu::time_of(&services)?);
        check(&report)?;
        let each = |before, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e3 / report.charged().max(1) as f64
        };
        let per_second = report.charged_per_second();
        self.last_rate = self.last_rate.max(per_second);
        if report.signed_late as f64 > SIGNED_LATE * report.opened as f64 {
            eprintln!("    ({} codes were signed while the clock ran)", report.signed_late);
        }
        let (cpu_ms, service_cpu_ms) = (each(before.0, after.0), each(before.1, after.1));
        Ok(Turn { per_second, cpu_ms, service_cpu_ms, report })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.services.iter().for_each(|service| stop(service));
    }
}

fn stop(service: &Mutex<Child>) {
    let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
    // Already gone is as good as ended.
    let _ = service.kill();
    let _ = service.wait();
}

fn spawn(scratch: &Scratch, at: &Installation, setting: &Setting) -> anyhow::Result<(Child, String)> {
    let mut command = Service::serving(at.data_dir(), &["--database", &at.database()])?;
    // Uploads are bounded by the memory that photographs take; these have a few bytes.
    command.args(["--uploads", "1024"]).env("ECERT_LOG", "error");
    if let Some(connections) = setting.connections {
        command.args(["--database-connections", &connections.to_string()]);
    }
    let log =
        std::fs::File::options().create(true).append(true).open(scratch.folder().join("service.log"))?;
    service::spawn(command.stderr(Stdio::from(log)))
}

/// Measured is only what went as it must.
fn check(report: &Report) -> anyhow::Result<()> {
    ensure!(
        report.charged() > 0 && report.refusals.is_empty() && report.given_up.is_empty(),
        "the service did not answer as it must: {} charged, refused {:?}, given up {:?}, tried again {:?}; it must be \
         built with the feature bench-without-face",
        report.charged(),
        report.refusals,
        report.given_up.first(),
        report.retries
    );
    Ok(())
}
