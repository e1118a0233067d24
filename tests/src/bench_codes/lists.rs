//! One status list of ten million entries, of which one in fifty is out of force: made, signed, stored, read and looked up in.

use std::time::Instant;

use anyhow::ensure;
use ecert_server::store::status_lists::{self, Signed};
use jiff::{SignedDuration, Timestamp};
use wallet_core::status_list::{Status, StatusList, Trust, Validity};

use super::place::Place;
use crate::figures::Figures;

/// One in so many is out of force.
const OUT_OF_FORCE: u32 = 50;
/// A number that no list of the service has.
const NUMBER: i64 = 1_000_000;
const LOOK_UPS: u32 = 1_000_000;

pub(super) fn measure(place: &Place, entries: u32, figures: &mut Figures) -> anyhow::Result<()> {
    let out: Vec<u32> = (0..entries / OUT_OF_FORCE).map(|_| rand::random_range(0..entries)).collect();
    let name = |what: &str| format!("status list of {entries}, {what}");
    let (list, took) = timed(|| Ok(built(entries, &out)))?;
    figures.note(name("built"), took, "ms");

    let (now, uri, signer) = (Timestamp::now(), "https://bench/list", place.context.signer.current());
    let validity = Validity {
        issued_at: now,
        ttl: SignedDuration::from_mins(1),
        lifetime: SignedDuration::from_hours(6),
    };
    let (jwt, took) = timed(|| Ok(list.sign_jwt(uri, validity, signer.chain(), signer.as_ref())?))?;
    figures.note(name("compressed and signed as JWT"), took, "ms");
    let (cwt, took) = timed(|| Ok(list.sign_cwt(uri, validity, signer.chain(), signer.as_ref())?))?;
    figures.note(name("compressed and signed as CWT"), took, "ms");
    figures.note(name("as JWT"), jwt.len() as f64, "B");
    figures.note(name("as CWT"), cwt.len() as f64, "B");

    let signed = Signed { jwt, cwt };
    let publish =
        || place.context.holder_store.write(|conn| Ok(status_lists::publish(conn, NUMBER, &signed, now)?));
    let ((), took) = timed(|| publish().map_err(|stop| anyhow::anyhow!("{stop:?}")))?;
    figures.note(name("both forms stored"), took, "ms");

    let root = place.context.signer.root();
    let trust = Trust::Root(&root);
    let (read, took) = timed(|| Ok(StatusList::verify_jwt(&signed.jwt, uri, trust, now)?))?;
    figures.note(name("a JWT verified and unpacked"), took * 1e3, "µs");
    let (cwt, took) = timed(|| Ok(StatusList::verify_cwt(&signed.cwt, uri, trust, now)?))?;
    figures.note(name("a CWT verified and unpacked"), took * 1e3, "µs");
    for index in &out {
        ensure!(
            read.get(*index) == Some(Status::Invalid) && cwt.get(*index) == read.get(*index),
            "a list is wrong"
        );
    }
    let (found, took) = timed(|| Ok(looked_up(read.list(), entries)))?;
    ensure!(found > 0, "nobody was out of force");
    figures.note(name("looked up in once it is read"), took * 1e6 / f64::from(LOOK_UPS), "ns");
    Ok(())
}

fn built(entries: u32, out: &[u32]) -> StatusList {
    let mut list = StatusList::with_entries(entries);
    out.iter().for_each(|index| list.set(*index, Status::Invalid));
    list
}

/// How many of a fixed million places, far apart, are out of force.
fn looked_up(list: &StatusList, entries: u32) -> usize {
    let places = (0..LOOK_UPS).map(|number| number.wrapping_mul(2_654_435_761) % entries);
    places.filter(|place| list.get(*place) == Some(Status::Invalid)).count()
}

/// What was done, and the milliseconds that it took.
fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let began = Instant::now();
    let done = work()?;
    Ok((done, began.elapsed().as_secs_f64() * 1e3))
}
