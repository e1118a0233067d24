//! One person who visits one relying party, over and over: each visit a fresh code, an opening and a capture with a real face.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use ecert_server::edge::clock::SystemClock;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use wallet_core::attributes::Share;

use crate::clients::{Admin, Holder, RelyingParty, text};
use crate::load::cpu;
use crate::samples::Samples;
use crate::service::Service;
use crate::specimen::Specimen;

/// Who visits, and where.
pub(super) struct Guests {
    service: Service,
    guest: Arc<Guest>,
    clients: usize,
    _folder: TempDir,
}

struct Guest {
    rp: RelyingParty,
    holder: Mutex<Holder>,
    frames: Vec<Vec<u8>>,
    visits: AtomicU64,
}

/// What came of visits.
#[derive(Default)]
pub(super) struct Came {
    judged: Vec<Duration>,
    busy: Vec<Duration>,
    otherwise: u64,
}

enum Visit {
    Judged(Duration),
    Busy(Duration),
    Otherwise,
}

impl Came {
    fn add(&mut self, visit: Visit) {
        match visit {
            Visit::Judged(took) => self.judged.push(took),
            Visit::Busy(took) => self.busy.push(took),
            Visit::Otherwise => self.otherwise += 1,
        }
    }

    pub(super) fn judged(&self) -> usize {
        self.judged.len()
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.len()
    }

    pub(super) fn otherwise(&self) -> u64 {
        self.otherwise
    }

    /// How long a capture took to be judged.
    pub(super) fn took(&self, share: f64) -> Duration {
        percentile(&self.judged, share)
    }

    /// How long a 503 took.
    pub(super) fn refused_took(&self, share: f64) -> Duration {
        percentile(&self.busy, share)
    }
}

fn percentile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (share * times.len().saturating_sub(1) as f64) as usize;
    times.get(place).copied().unwrap_or_default()
}

impl Guests {
    /// A service with one person enrolled, who shows `frames` frames each time; `clients` at once where nothing else is said.
    pub(super) async fn enrolled(samples: &Samples, frames: usize, clients: usize) -> anyhow::Result<Guests> {
        let folder = tempfile::tempdir()?;
        let service = Service::start_in(folder.path())?;
        let person = Specimen::franck();
        service.command(&["register", "add", &person.name, &person.number])?;
        let admin: Value = serde_json::from_str(&service.command(&[
            "admin", "add", "--name", "bench", "--role", "operator", "--role", "finance", "--json",
        ])?)?;
        let rp = Admin::new(&service.base, &text(&admin, "/token")?).admit("Shop", &["over_18"]).await?;
        let mut holder = Holder::new(&service.base, Arc::new(SystemClock));
        let enrolment = samples.franck_frames().get(..6).context("too few samples")?;
        holder.enrol(&person.photographed(samples)?, enrolment).await?;
        let guest = Guest {
            rp,
            holder: Mutex::new(holder),
            frames: samples.franck_frames().iter().skip(6).take(frames).cloned().collect(),
            visits: AtomicU64::new(0),
        };
        Ok(Guests { service, guest: Arc::new(guest), clients, _folder: folder })
    }

    /// CPU time of the service so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::time_of(&[self.service.process.id()])
    }

    /// Bytes that the service has in memory.
    pub(super) fn resident(&self) -> anyhow::Result<f64> {
        cpu::resident(self.service.process.id())
    }

    /// Visits one after another by each client, until the time is over.
    pub(super) async fn for_so_long(&self, time: Duration) -> anyhow::Result<Came> {
        let until = Instant::now() + time;
        self.while_so(move |_| Instant::now() < until).await
    }

    /// So many visits.
    pub(super) async fn so_many(&self, visits: u64) -> anyhow::Result<Came> {
        let style = ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {eta}")?;
        let bar = ProgressBar::new(visits).with_message("redemptions").with_style(style);
        let before = self.guest.visits.load(Ordering::Relaxed);
        let shown = bar.clone();
        let came = self.while_so(move |begun| {
            shown.set_position((begun - before).min(visits));
            begun - before < visits
        });
        let came = came.await?;
        bar.finish_and_clear();
        ensure!(came.otherwise == 0 && came.busy.is_empty(), "the service did not judge every capture");
        Ok(came)
    }

    async fn while_so(&self, goes_on: impl Fn(u64) -> bool + Clone + Send + 'static) -> anyhow::Result<Came> {
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let (guest, goes_on) = (Arc::clone(&self.guest), goes_on.clone());
            clients.spawn(async move {
                let mut came = Vec::new();
                while goes_on(guest.visits.fetch_add(1, Ordering::Relaxed)) {
                    came.push(guest.visit().await?);
                }
                anyhow::Ok(came)
            });
        }
        let mut all = Came::default();
        while let Some(came) = clients.join_next().await {
            came??.into_iter().for_each(|visit| all.add(visit));
        }
        Ok(all)
    }

    /// Visits that begin at this rate, whatever becomes of those before.
    pub(super) async fn at_rate(&self, per_second: f64, time: Duration) -> anyhow::Result<Came> {
        let (mut visits, began, mut begun) = (JoinSet::new(), Instant::now(), 0_u64);
        while began.elapsed() < time {
            let guest = Arc::clone(&self.guest);
            guest.visits.fetch_add(1, Ordering::Relaxed);
            visits.spawn(async move { guest.visit().await });
            begun += 1;
            let due = began + Duration::from_secs_f64(begun as f64 / per_second);
            tokio::time::sleep_until(due.into()).await;
        }
        let mut all = Came::default();
        while let Some(visit) = visits.join_next().await {
            all.add(visit??);
        }
        Ok(all)
    }
}

impl Guest {
    /// Opens a redemption and sends the capture; the time is that of the capture.
    async fn visit(&self) -> anyhow::Result<Visit> {
        let code = self.holder.lock().unwrap_or_else(PoisonError::into_inner).qr(Share::Over18)?;
        let began = Instant::now();
        let opened = self.rp.redeem(&code).await?;
        let open = match opened.status {
            201 => RelyingParty::opened(&opened.body)?,
            503 => return Ok(Visit::Busy(began.elapsed())),
            _ => bail!("a code was refused: {}", opened.refusal()),
        };
        let began = Instant::now();
        let judged = self.rp.judge(&open, &self.frames).await?;
        Ok(match judged.status {
            200 if judged.body["outcome"] == "passed" => Visit::Judged(began.elapsed()),
            503 => Visit::Busy(began.elapsed()),
            _ => Visit::Otherwise,
        })
    }
}
