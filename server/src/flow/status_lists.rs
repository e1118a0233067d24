//! Publishing which certificates were ended.

use jiff::{SignedDuration, Timestamp};
use wallet_core::refusal::Refusal;
use wallet_core::status_list::{CAPACITY, Status, StatusList, Validity};

use super::{Context, random};
use crate::stop::Flow;
use crate::store::certificates::Standing;
pub use crate::store::status_lists::Published;
use crate::store::status_lists::Signed;
use crate::store::{Conn, certificates, outbox, status_lists};

/// How long a verifier may keep a list before it asks again.
pub const TTL: SignedDuration = SignedDuration::from_secs(60);
/// A list is signed anew every hour; one that is older than this was held back by somebody.
const LIFETIME: SignedDuration = SignedDuration::from_hours(6);
/// The list that the first certificates get their places in.
pub const FIRST: i64 = 1;
/// The next list opens when one is half full: until then a random place is free every second time, and this many
/// misses in a row are never seen.
const PLACE_TRIES: usize = 64;

/// Where a list is published.
pub fn uri(ctx: &Context, number: i64) -> String {
    format!("{}/v1/status-lists/{number}", ctx.public_url)
}

/// A free place, drawn at random so that neighbours in the list are strangers.
pub(super) fn free_place(conn: &mut Conn, now: Timestamp) -> Flow<(i64, u32)> {
    let list = match certificates::newest_status_list(conn)? {
        None => FIRST,
        Some((list, taken)) if taken < i64::from(CAPACITY / 2) => list,
        Some((list, _)) => {
            outbox::append(conn, outbox::REPUBLISH_STATUS_LIST, &(list + 1).to_string(), now)?;
            list + 1
        }
    };
    for _ in 0..PLACE_TRIES {
        let index = u32::from_be_bytes(random()) % CAPACITY;
        if !certificates::status_is_taken(conn, list, index)? {
            return Ok((list, index));
        }
    }
    Err(anyhow::anyhow!("no free place was found in status list {list}").into())
}

/// Signs every list anew, so that none that is in use expires.
pub fn publish_all(ctx: &Context) -> Flow<()> {
    let numbers = ctx.holder_store.read(|conn| Ok(status_lists::numbers(conn)?))?;
    numbers.into_iter().try_for_each(|number| publish(ctx, number))
}

/// Whether anything waits in the outbox.
pub fn any_waits(ctx: &Context) -> Flow<bool> {
    ctx.holder_store.read(|conn| Ok(outbox::any_waits(conn, outbox::REPUBLISH_STATUS_LIST)?))
}

/// Publishes the lists that wait in the outbox.
pub fn publish_waiting(ctx: &Context) -> Flow<()> {
    let waiting = ctx.holder_store.read(|conn| Ok(outbox::waiting(conn, outbox::REPUBLISH_STATUS_LIST)?))?;
    for subject in waiting {
        let number = subject.parse().map_err(|_| anyhow::anyhow!("outbox: `{subject}` is no list"))?;
        publish(ctx, number)?;
    }
    Ok(())
}

/// Signs and publishes a list as it is now, in both forms; whatever asked for that until now is done with it.
pub fn publish(ctx: &Context, number: i64) -> Flow<()> {
    let now = ctx.now();
    ctx.holder_store.write(|conn| {
        outbox::done(conn, outbox::REPUBLISH_STATUS_LIST, &number.to_string(), now)?;
        let mut list = StatusList::default();
        for (index, standing) in certificates::out_of_force_in_list(conn, number)? {
            list.set(index, status(standing));
        }
        let (uri, signer) = (uri(ctx, number), ctx.signer.as_ref());
        let validity = Validity { issued_at: now, ttl: TTL, lifetime: LIFETIME };
        let jwt = list.sign_jwt(&uri, validity, signer.chain(), signer)?;
        let cwt = list.sign_cwt(&uri, validity, signer.chain(), signer)?;
        Ok(status_lists::publish(conn, number, &Signed { jwt, cwt }, now)?)
    })
}

fn status(standing: Standing) -> Status {
    match standing {
        Standing::Active => Status::Valid,
        Standing::Suspended => Status::Suspended,
        Standing::Revoked | Standing::Superseded => Status::Invalid,
    }
}

/// The form of a signed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For those who speak JSON.
    Jwt,
    /// For those who read certificates.
    Cwt,
}

/// The signed list.
pub fn token(ctx: &Context, number: i64, form: Form) -> Flow<Published<Vec<u8>>> {
    let found = ctx.holder_store.read(|conn| {
        Ok(match form {
            Form::Jwt => status_lists::jwt(conn, number)?.map(|found| Published {
                version: found.version,
                published_at: found.published_at,
                token: found.token.into_bytes(),
            }),
            Form::Cwt => status_lists::cwt(conn, number)?,
        })
    })?;
    Ok(found.ok_or(Refusal::NotFound)?)
}

/// Where every list is published (Token Status List, "Status List Aggregation").
pub fn all(ctx: &Context) -> Flow<Vec<String>> {
    let numbers = ctx.holder_store.read(|conn| Ok(status_lists::numbers(conn)?))?;
    Ok(numbers.into_iter().map(|number| uri(ctx, number)).collect())
}
