//! An invited admin makes a passkey, and is signed in by it. The invitation is good once.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, CeremonyId, PasskeyId};
use wallet_core::refusal::Refusal;

use super::Context;
use super::admin_sessions::{self, Opened};
use super::amounts::invalid;
use super::ceremonies::{self as asking, Begun};
use crate::stop::Flow;
use crate::store::ceremonies::Kind;
use crate::store::passkeys::Passkey;
use crate::store::{admins, audit, ceremonies, passkeys};

/// Characters of what a passkey is called.
const MAX_NAME: usize = 40;

/// A passkey that was made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PasskeyMade)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// What the browser's `PublicKeyCredential.toJSON()` gives.
    #[schema(value_type = Object)]
    pub credential: Value,
    /// What it is called, 1 to 40 characters: `passkey` without it.
    #[serde(default = "unnamed")]
    pub name: String,
}

fn unnamed() -> String {
    "passkey".to_owned()
}

/// Asks for a new passkey of whoever has an invitation. One that is unknown, used or too old is one and the same 404.
pub fn begin(ctx: &Context, invitation: &str) -> Flow<Begun> {
    let (now, hash) = (ctx.now(), sha256(invitation.as_bytes()));
    let admin = ctx.rp_store.read(|conn| Ok(admins::by_invitation(conn, &hash, now)?))?;
    let admin = admin.ok_or(Refusal::NotFound)?;
    let asked = ctx.passkeys.ask_new(admin.id.to_bytes(), &admin.name).map_err(asking::refusal)?;
    asking::limit_strangers(ctx, now)?;
    asking::begin(ctx, Kind::Registration, Some(admin.id.to_string()), asked, now)
}

/// Takes the new passkey, uses the invitation up and begins a session.
pub fn finish(ctx: &Context, id: CeremonyId, made: &Made) -> Flow<Opened> {
    let (now, name) = (ctx.now(), made.name.trim());
    if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(invalid("name", format!("1 to {MAX_NAME} characters")).into());
    }
    let heard = ctx.rp_store.write(|conn| {
        let Some(ceremony) = ceremonies::take(conn, id, Kind::Registration, now)? else {
            return Ok(Err(Refusal::NotFound));
        };
        let subject: AdminId = ceremony.subject.unwrap_or_default().parse().map_err(anyhow::Error::from)?;
        let invited = admins::find(conn, subject)?
            .filter(|admin| admin.invitation_expires_at.is_some_and(|until| now < until));
        let Some(admin) = invited else { return Ok(Err(Refusal::NotFound)) };
        let given = match ctx.passkeys.take_new(&made.credential, &ceremony.state) {
            Ok(given) => given,
            Err(wrong) => {
                audit::append(conn, admin.id, "admin.register", "-", asking::outcome(wrong), now)?;
                return Ok(Err(asking::refusal(wrong)));
            }
        };
        let passkey = Passkey {
            id: PasskeyId::new(now, &mut rand::rng()),
            admin: admin.id,
            name: name.to_owned(),
            credential_id: given.credential_id,
            credential: given.credential,
            sign_count: given.sign_count,
            created_at: now,
            last_used_at: None,
        };
        if !admins::take_up(conn, admin.id)? {
            return Ok(Err(Refusal::NotFound));
        }
        if passkeys::by_credential(conn, &passkey.credential_id)?.is_some() {
            return Err(invalid("credential", "a passkey that is new here").into());
        }
        passkeys::insert(conn, &passkey)?;
        audit::append(conn, admin.id, "admin.register", passkey.id, "done", now)?;
        Ok(Ok(admin_sessions::open(conn, &admin, None, now)?))
    })?;
    Ok(heard?)
}
