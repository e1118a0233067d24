//! The wallets that listen: open streams of this process, and who each belongs to. What they are told is read from the database, so that nothing is lost
//! with them but the streams, and a wallet comes back by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use wallet_core::ids::{CertificateId, RedemptionId};
use wallet_core::refusal::Refusal;

/// What waits for a holder, each with the word of its state.
pub type Waiting = BTreeMap<RedemptionId, &'static str>;

/// Streams of one certificate. One more ends the oldest: a phone that lost its network comes back before the stream that it lost is noticed to be dead.
const OF_ONE: usize = 3;
/// Seconds until a wallet that found no place may ask for one again.
const RETRY_AFTER: u32 = 30;

/// The streams of this process.
pub struct Listeners {
    streams: Mutex<Streams>,
    most: usize,
}

#[derive(Default)]
struct Streams {
    /// By a number that rises: the lowest is the oldest.
    open: BTreeMap<u64, Stream>,
    next: u64,
    closed: bool,
}

struct Stream {
    certificate: CertificateId,
    tell: watch::Sender<Waiting>,
}

impl Listeners {
    /// Room for so many streams.
    pub fn new(most: usize) -> Listeners {
        Listeners { streams: Mutex::default(), most }
    }

    /// A new stream of this certificate, for which this waits now.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when there is no room, or the service is about to end.
    pub fn join(
        self: &Arc<Self>,
        certificate: CertificateId,
        waiting: Waiting,
    ) -> Result<Listening, Refusal> {
        let mut streams = self.streams.lock();
        let own = streams.open.iter().filter(|(_, stream)| stream.certificate == certificate);
        let own: Vec<u64> = own.map(|(number, _)| *number).collect();
        for number in own.iter().take((own.len() + 1).saturating_sub(OF_ONE)) {
            streams.open.remove(number);
        }
        if streams.closed || streams.open.len() >= self.most {
            return Err(Refusal::Overloaded { retry_after: RETRY_AFTER });
        }
        let (tell, told) = watch::channel(waiting);
        let number = streams.next;
        streams.next += 1;
        streams.open.insert(number, Stream { certificate, tell });
        Ok(Listening { told, number, among: Arc::clone(self) })
    }

    /// The certificates that somebody listens for, each once.
    pub fn certificates(&self) -> Vec<CertificateId> {
        let mut all: Vec<CertificateId> =
            self.streams.lock().open.values().map(|stream| stream.certificate).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Tells the streams of those that were looked for what waits for them, where that has changed. Those that were not found are not in
    /// force any more, and their streams end.
    pub fn tell(&self, sought: &[CertificateId], found: &HashMap<CertificateId, Waiting>) {
        self.streams.lock().open.retain(|_, stream| match found.get(&stream.certificate) {
            Some(waiting) => {
                stream.tell.send_if_modified(|told| {
                    let differs = told != waiting;
                    if differs {
                        told.clone_from(waiting);
                    }
                    differs
                });
                true
            }
            // One that came while it was looked for is told the next time.
            None => sought.binary_search(&stream.certificate).is_err(),
        });
    }

    /// Ends all streams, and lets no more begin: the service is about to end, and they would hold it up.
    pub fn close(&self) {
        let mut streams = self.streams.lock();
        streams.open.clear();
        streams.closed = true;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.streams.lock().open.len()
    }
}

/// An open stream, until it is dropped.
pub struct Listening {
    told: watch::Receiver<Waiting>,
    number: u64,
    among: Arc<Listeners>,
}

impl Listening {
    /// What waits now.
    pub fn waiting(&mut self) -> Waiting {
        self.told.borrow_and_update().clone()
    }

    /// Waits until something else waits; `false` when the stream is to end.
    pub async fn changed(&mut self) -> bool {
        self.told.changed().await.is_ok()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.among.streams.lock().open.remove(&self.number);
    }
}
