//! Who works here: people with passkeys, and scripts with tokens that end. What each may do stands in `roles.rs`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, PasskeyId};
use wallet_core::jws::base64url;
use wallet_core::refusal::Refusal;

use super::admin_actions::{self, Asked, Decided, Kind};
use super::amounts::invalid;
use super::{Context, later, random};
use crate::edge::clock::Clock;
use crate::roles::{Role, Roles};
use crate::stop::Flow;
use crate::store::admins::{Admin, ProvenBy};
use crate::store::{Conn, Store, admins, audit, passkeys};

/// From an invitation to the passkey: whoever is invited is on the phone, or in the room.
const INVITED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Characters of a name.
const MAX_NAME: usize = 80;
/// Who wants to be alone responsible for who works here must not be the only one left who can.
const LAST: &str = "others: somebody with a passkey and the role `operator` must remain";

/// A new script, with the token that is shown once.
pub struct NewAdmin {
    /// Who.
    pub id: AdminId,
    /// The bearer token.
    pub token: String,
}

/// Adds a script. Only the command line calls this: whoever can run it on the machine is trusted with it.
/// It needs no models and no keys, so it takes only what it uses.
pub fn add(
    store: &Store,
    clock: &dyn Clock,
    name: &str,
    roles: &Roles,
    lasts: SignedDuration,
) -> Flow<NewAdmin> {
    let now = clock.now();
    let id = AdminId::new(now, &mut rand::rng());
    let token = format!("ea_{}", base64url(&random::<32>()));
    store.write(|conn| {
        let (hash, until) = (sha256(token.as_bytes()), later(now, lasts));
        admins::insert(conn, id, name, roles, &ProvenBy::Token(&hash, until), now)?;
        audit::append(conn, "cli", "admin.add", id, "done", now)?;
        Ok(())
    })?;
    Ok(NewAdmin { id, token })
}

/// Invites somebody: the secret that is shown once.
fn invite(conn: &mut Conn, name: &str, roles: &Roles, now: Timestamp) -> Flow<(AdminId, String)> {
    let id = AdminId::new(now, &mut rand::rng());
    let secret = format!("ai_{}", base64url(&random::<32>()));
    let (hash, until) = (sha256(secret.as_bytes()), later(now, INVITED_FOR));
    admins::insert(conn, id, name, roles, &ProvenBy::Invitation(&hash, until), now)?;
    Ok((id, secret))
}

/// Invites the first person, with all roles; only the command line calls this. What was offered so before, and not taken up, ends.
///
/// # Errors
/// When somebody with a passkey is there already: they invite the next.
pub fn bootstrap(store: &Store, clock: &dyn Clock, name: &str) -> Flow<String> {
    let now = clock.now();
    checked_name(name)?;
    store.write(|conn| {
        if !admins::with_passkeys(conn)?.is_empty() {
            return Err(invalid(
                "bootstrap",
                "nobody with a passkey yet: an admin who has one invites others",
            )
            .into());
        }
        admins::end_invited(conn, now)?;
        let (id, secret) = invite(conn, name, &Role::ALL.into(), now)?;
        audit::append(conn, "cli", "admin.bootstrap", id, "done", now)?;
        Ok(secret)
    })
}

/// Ends an admin from the machine itself, when nobody else can: every passkey is lost, or one is in wrong hands.
pub fn end_at_once(store: &Store, clock: &dyn Clock, id: AdminId) -> Flow<()> {
    let now = clock.now();
    store.write(|conn| {
        found(conn, id)?;
        admins::end(conn, id, now)?;
        Ok(audit::append(conn, "cli", "admin.end", id, "done", now)?)
    })
}

/// Where somebody who is invited makes their passkey. The secret stands behind `#`, so no server and no log ever sees it there.
pub fn invitation_link(address: &str, secret: &str) -> String {
    format!("{address}/console/#/invitation/{secret}")
}

/// An invitation, shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminInvitation)]
pub struct Invitation {
    admin: AdminId,
    /// For whom it is meant, by a safe way.
    link: String,
    expires_at: Timestamp,
}

/// An admin as others see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Admin)]
pub struct Shown {
    id: AdminId,
    name: String,
    roles: Roles,
    created_at: Timestamp,
    passkeys: Vec<ShownPasskey>,
    /// Until when a script's token is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_at: Option<Timestamp>,
    /// Until when they may take up their invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_until: Option<Timestamp>,
}

/// A passkey, as far as others need it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passkey)]
struct ShownPasskey {
    id: PasskeyId,
    name: String,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

/// All who are not ended, the oldest first.
pub fn list(ctx: &Context) -> Flow<Vec<Shown>> {
    ctx.rp_store.read(|conn| {
        let mut all = Vec::new();
        for admin in admins::active(conn)? {
            let own = passkeys::of_admin(conn, admin.id)?.into_iter();
            let passkeys = own.map(|passkey| ShownPasskey {
                id: passkey.id,
                name: passkey.name,
                created_at: passkey.created_at,
                last_used_at: passkey.last_used_at,
            });
            let Admin { id, name, roles, created_at, token_expires_at, invitation_expires_at, .. } = admin;
            let (passkeys, invited_until) = (passkeys.collect(), invitation_expires_at);
            all.push(Shown { id, name, roles, created_at, passkeys, token_expires_at, invited_until });
        }
        Ok(all)
    })
}

/// Whom to invite, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = NewAdmin)]
#[serde(deny_unknown_fields)]
pub struct New {
    /// Who it is, for other admins: 1 to 80 characters.
    name: String,
    roles: Roles,
    /// 1 to 200 characters.
    why: String,
}

/// Other roles, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoles {
    roles: Roles,
    /// 1 to 200 characters.
    why: String,
}

fn checked_name(name: &str) -> Result<(), Refusal> {
    let fits = name.trim() == name && (1..=MAX_NAME).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(invalid("name", format!("1 to {MAX_NAME} characters")))
    }
}

fn checked_roles(roles: &Roles) -> Result<(), Refusal> {
    if roles.is_empty() { Err(invalid("roles", "at least one")) } else { Ok(()) }
}

fn found(conn: &mut Conn, id: AdminId) -> Flow<Admin> {
    let found = admins::find(conn, id)?.filter(|admin| admin.ended_at.is_none());
    Ok(found.ok_or(Refusal::NotFound)?)
}

/// Somebody who can bring others in must be left when this one can't any more.
fn others_remain(conn: &mut Conn, but: AdminId) -> Flow<()> {
    let can = |admin: &Admin| admin.id != but && admin.roles.contains(&Role::Operator);
    let remain = admins::with_passkeys(conn)?.iter().any(can);
    if remain { Ok(()) } else { Err(invalid("id", LAST).into()) }
}

/// Asks for somebody to be invited. The very first admin has nobody beside them who could agree: while fewer than two operators have
/// passkeys it is done at once, and on record as done alone; whom they invited before, and who has not come, is not awaited any more.
pub fn ask_to_invite(ctx: &Context, admin: AdminId, new: &New) -> Flow<Decided> {
    checked_name(&new.name)?;
    checked_roles(&new.roles)?;
    let asked = Asked {
        kind: Kind::InviteAdmin,
        subject: new.name.clone(),
        parameters: json!({ "name": new.name, "roles": new.roles }),
        why: Some(&new.why),
        file: None,
    };
    let now = ctx.now();
    let alone = ctx.rp_store.write(|conn| {
        // Only who may invite could agree.
        let is_operator = |admin: &&Admin| admin.roles.contains(&Role::Operator);
        if admins::with_passkeys(conn)?.iter().filter(is_operator).count() >= 2 {
            return Ok(None);
        }
        admins::end_invited(conn, now)?;
        let action = admin_actions::done_alone(conn, admin, &asked, now)?;
        Ok(Some((action, invite(conn, &new.name, &new.roles, now)?)))
    })?;
    match alone {
        Some((action, invited)) => Ok(Decided::of(action).with(link(ctx, invited, now))),
        None => admin_actions::ask(ctx, admin, &asked).map(Decided::of),
    }
}

fn link(ctx: &Context, (admin, secret): (AdminId, String), now: Timestamp) -> Invitation {
    let link = invitation_link(ctx.passkeys.address(), &secret);
    Invitation { admin, link, expires_at: later(now, INVITED_FOR) }
}

/// What was asked for and agreed to: the invitation, which whoever agreed passes on.
pub(super) fn carry_out_invitation(
    ctx: &Context,
    conn: &mut Conn,
    parameters: &str,
    now: Timestamp,
) -> Flow<Invitation> {
    #[derive(Deserialize)]
    struct Parameters {
        name: String,
        roles: Roles,
    }
    let Parameters { name, roles } = serde_json::from_str(parameters)?;
    Ok(link(ctx, invite(conn, &name, &roles, now)?, now))
}

/// Asks for other roles of somebody.
pub fn ask_to_change_roles(ctx: &Context, admin: AdminId, id: AdminId, new: &NewRoles) -> Flow<Decided> {
    checked_roles(&new.roles)?;
    ctx.rp_store.read(|conn| may_have(conn, id, &new.roles))?;
    let asked = Asked {
        kind: Kind::ChangeRoles,
        subject: id.to_string(),
        parameters: json!({ "roles": new.roles }),
        why: Some(&new.why),
        file: None,
    };
    admin_actions::ask(ctx, admin, &asked).map(Decided::of)
}

fn may_have(conn: &mut Conn, id: AdminId, roles: &Roles) -> Flow<()> {
    found(conn, id)?;
    if roles.contains(&Role::Operator) { Ok(()) } else { others_remain(conn, id) }
}

/// What was asked for and agreed to; their next request is judged by the new roles.
pub(super) fn carry_out_roles(conn: &mut Conn, subject: &str, parameters: &str) -> Flow<()> {
    #[derive(Deserialize)]
    struct Parameters {
        roles: Roles,
    }
    let (id, Parameters { roles }) = (of(subject)?, serde_json::from_str(parameters)?);
    may_have(conn, id, &roles)?;
    Ok(admins::set_roles(conn, id, &roles)?)
}

/// Asks for an admin to be ended.
pub fn ask_to_end(ctx: &Context, admin: AdminId, id: AdminId, why: &str) -> Flow<Decided> {
    ctx.rp_store.read(|conn| {
        found(conn, id)?;
        others_remain(conn, id)
    })?;
    let asked = Asked {
        kind: Kind::EndAdmin,
        subject: id.to_string(),
        parameters: json!({}),
        why: Some(why),
        file: None,
    };
    admin_actions::ask(ctx, admin, &asked).map(Decided::of)
}

/// What was asked for and agreed to: passkeys, sessions and token are refused from the next request on, by every replica.
pub(super) fn carry_out_end(conn: &mut Conn, subject: &str, now: Timestamp) -> Flow<()> {
    let id = of(subject)?;
    found(conn, id)?;
    others_remain(conn, id)?;
    Ok(admins::end(conn, id, now)?)
}

fn of(subject: &str) -> Flow<AdminId> {
    Ok(subject.parse().map_err(anyhow::Error::from)?)
}
