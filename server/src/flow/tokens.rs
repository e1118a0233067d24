//! Signed tokens, kept short. The protected header of a receipt or result carries the chain, 2 KiB that are the same in all of
//! them until the signer changes; it is stored once, and each stored token names it: `hash.payload.signature`.

use std::sync::Arc;

use wallet_core::es256::sha256;
use wallet_core::jws::base64url;

use super::Context;
use crate::stop::Flow;
use crate::store::jws_headers;

/// What is stored of a token.
pub(super) fn shorten(ctx: &Context, token: &str) -> Flow<String> {
    let (header, rest) = token.split_once('.').ok_or_else(|| anyhow::anyhow!("not a compact JWS"))?;
    let id = base64url(&sha256(header.as_bytes()));
    if !ctx.caches.jws_headers.contains_key(&id) {
        ctx.rp_store.write(|conn| Ok(jws_headers::put(conn, &id, header)?))?;
        ctx.caches.jws_headers.insert(id.clone(), Arc::from(header));
    }
    Ok(format!("{id}.{rest}"))
}

/// The token that was stored.
pub(super) fn expand(ctx: &Context, stored: &str) -> Flow<String> {
    let id = stored.split('.').next().unwrap_or_default();
    let header = match ctx.caches.jws_headers.get(id) {
        Some(header) => header,
        None => {
            let found = ctx.rp_store.read(|conn| Ok(jws_headers::find(conn, id)?))?;
            let header = found.ok_or_else(|| anyhow::anyhow!("the header of a stored token is missing"))?;
            let header: Arc<str> = header.into();
            ctx.caches.jws_headers.insert(id.to_owned(), Arc::clone(&header));
            header
        }
    };
    let whole = expand_with(stored, |_| Some(&header));
    Ok(whole.ok_or_else(|| anyhow::anyhow!("not a stored token"))?)
}

/// The same, with headers that somebody else looks up by their hash.
pub(super) fn expand_with<'a>(stored: &str, header: impl FnOnce(&str) -> Option<&'a str>) -> Option<String> {
    let (id, rest) = stored.split_once('.')?;
    Some(format!("{}.{rest}", header(id)?))
}
