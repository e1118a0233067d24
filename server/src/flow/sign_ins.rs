//! An admin signs in with a passkey: any that the authenticator has for us, so no name is asked and none is told.

use serde_json::Value;
use wallet_core::ids::CeremonyId;
use wallet_core::refusal::Refusal;

use super::Context;
use super::admin_sessions::{self, Opened};
use super::ceremonies::{self as asking, Begun};
use crate::stop::Flow;
use crate::store::ceremonies::Kind;
use crate::store::{admins, audit, ceremonies, passkeys};

/// Asks for a passkey.
pub fn begin(ctx: &Context) -> Flow<Begun> {
    let now = ctx.now();
    let asked = ctx.passkeys.ask_any().map_err(asking::refusal)?;
    asking::limit_strangers(ctx, now)?;
    asking::begin(ctx, Kind::SignIn, None, asked, now)
}

/// Hears the answer, and begins a session; the one that the browser had before ends. What was asked is used up in any case, and that a
/// known passkey was shown wrongly is on record.
pub fn finish(ctx: &Context, id: CeremonyId, credential: &Value, before: Option<&str>) -> Flow<Opened> {
    let now = ctx.now();
    let (credential_id, user) = ctx.passkeys.named(credential).map_err(asking::refusal)?;
    let heard = ctx.rp_store.write(|conn| {
        let Some(ceremony) = ceremonies::take(conn, id, Kind::SignIn, now)? else {
            return Ok(Err(Refusal::NotFound));
        };
        let unknown = Refusal::Unauthenticated { why: "this passkey is not known here" };
        let known = passkeys::by_credential(conn, &credential_id)?;
        let Some(known) = known.filter(|known| known.admin.to_bytes() == user) else {
            return Ok(Err(unknown));
        };
        let Some(admin) = admins::find(conn, known.admin)?.filter(|admin| admin.ended_at.is_none()) else {
            return Ok(Err(unknown));
        };
        let given = match ctx.passkeys.take_any(credential, &ceremony.state, &known.credential) {
            Ok(given) => given,
            Err(wrong) => {
                audit::append(conn, admin.id, "admin.sign_in", known.id, asking::outcome(wrong), now)?;
                return Ok(Err(asking::refusal(wrong)));
            }
        };
        passkeys::used(conn, &known, &given.credential, given.sign_count, now)?;
        audit::append(conn, admin.id, "admin.sign_in", known.id, "done", now)?;
        Ok(Ok(admin_sessions::open(conn, &admin, before, now)?))
    })?;
    Ok(heard?)
}
