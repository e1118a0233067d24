//! Publishing which certificates were ended.

use wallet_core::receipt::x5c;
use wallet_core::refusal::Refusal;
use wallet_core::status_list::{CAPACITY, Status, StatusList};

use super::{Context, random};
use crate::stop::Flow;
use crate::store::{Conn, certificates, outbox, status_lists};

/// How long a verifier may keep a list before it asks again.
const TTL_SECONDS: i64 = 60;
/// The list that new certificates get their place in. A second one opens when this is half full.
pub const CURRENT: i64 = 1;
/// A random place is free with probability above one half while the list is at most half full; 64 misses are never seen.
const PLACE_TRIES: usize = 64;

/// Where a list is published.
pub fn uri(ctx: &Context, number: i64) -> String {
    format!("{}/v1/status-lists/{number}", ctx.public_url)
}

/// A free place, drawn at random so that neighbours in the list are strangers.
pub fn free_place(conn: &mut Conn) -> Flow<(i64, u32)> {
    for _ in 0..PLACE_TRIES {
        let index = u32::from_be_bytes(random()) % CAPACITY;
        if !certificates::status_is_taken(conn, CURRENT, index)? {
            return Ok((CURRENT, index));
        }
    }
    Err(anyhow::anyhow!("status list {CURRENT} is full").into())
}

/// Publishes the lists that wait in the outbox.
pub fn publish_waiting(ctx: &Context) -> Flow<()> {
    let waiting = ctx.store.read(|conn| Ok(outbox::waiting(conn, outbox::REPUBLISH_STATUS_LIST)?))?;
    for subject in waiting {
        let number = subject.parse().map_err(|_| anyhow::anyhow!("outbox: `{subject}` is no list"))?;
        publish(ctx, number)?;
    }
    Ok(())
}

/// Signs and publishes a list as it is now; whatever asked for that until now is done with it.
pub fn publish(ctx: &Context, number: i64) -> Flow<()> {
    let now = ctx.now();
    ctx.store.write(|conn| {
        outbox::done(conn, outbox::REPUBLISH_STATUS_LIST, &number.to_string(), now)?;
        let mut list = StatusList::default();
        for index in certificates::ended_in_list(conn, number)? {
            list.set(index, Status::Invalid);
        }
        let header = x5c(ctx.signer.chain());
        let token = list.sign(&uri(ctx, number), TTL_SECONDS, now, header, ctx.signer.as_ref())?;
        Ok(status_lists::publish(conn, number, &token, now)?)
    })
}

/// The signed list.
pub fn token(ctx: &Context, number: i64) -> Flow<String> {
    let token = ctx.store.read(|conn| Ok(status_lists::token(conn, number)?))?;
    Ok(token.ok_or(Refusal::NotFound)?)
}
