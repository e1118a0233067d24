//! Sessions of admins. A random value in a cookie, of which only the hash is kept; it changes at each sign-in and whenever a passkey is shown
//! again (OWASP ASVS 5.0, 7.2.4). A session that is not used ends after a quarter of an hour, and any after eight hours, within what NIST
//! SP 800-63B-4 asks of AAL3 (§2.3.3: fifteen minutes, twelve hours) and ASVS 7.3.1 and 7.3.2 of everybody.

use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::ids::{AdminId, AdminSessionId, CeremonyId};
use wallet_core::jws::base64url;
use wallet_core::refusal::Refusal;

use super::ceremonies::{self as asking, Begun};
use super::{Context, later, random};
use crate::edge::passkeys::Wrong;
use crate::roles::{Act, Proof, Roles, allowed, permit};
use crate::stop::Flow;
use crate::store::admin_sessions::{self, Session};
use crate::store::admins::Admin;
use crate::store::ceremonies::Kind;
use crate::store::{Conn, admins, audit, ceremonies, passkeys};

/// Without a request.
const IDLE: SignedDuration = SignedDuration::from_mins(15);
/// Altogether.
const LASTS: SignedDuration = SignedDuration::from_hours(8);
/// That a passkey counts as shown just now.
const STEPPED_UP: SignedDuration = SignedDuration::from_mins(5);
/// How old the note of the last request may be: so a click is not a write each time, and a session may idle out this much early.
const NOTED: SignedDuration = SignedDuration::from_mins(1);

/// An admin at a browser, proven by its cookie.
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Whose.
    pub admin: Admin,
    secret_hash: [u8; 32],
    csrf_token: String,
}

/// A session as the browser sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminSession)]
pub struct Shown {
    admin: Who,
    /// What the roles allow, or allow to ask a second person for: for who decides what to offer. It is judged at each request.
    may: Vec<Act>,
    /// To be sent as `X-CSRF-Token` with whatever is no GET. It changes with the cookie.
    csrf_token: String,
    /// When it ends unless something is asked before.
    idle_ends_at: Timestamp,
    /// When it ends.
    ends_at: Timestamp,
    /// Until when acts are taken that want a passkey shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    stepped_up_until: Option<Timestamp>,
}

/// Who it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedInAdmin)]
pub struct Who {
    id: AdminId,
    name: String,
    roles: Roles,
}

/// A session that was begun, or goes on under another cookie.
pub struct Opened {
    /// What the cookie says; nobody else is told.
    pub cookie: String,
    /// What the page is told.
    pub shown: Shown,
}

/// A value for a cookie.
struct Secret(String);

impl Secret {
    fn fresh() -> Secret {
        Secret(base64url(&random::<32>()))
    }

    fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// Derived from what only the cookie has, so that nobody can say it who can't read our pages (a synchronizer token that needs no storing).
fn csrf_token(cookie: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
    base64url(hmac::sign(&key, b"ecert admin csrf").as_ref())
}

fn shown(session: &Session, admin: &Admin, csrf_token: String, now: Timestamp) -> Shown {
    Shown {
        admin: Who { id: admin.id, name: admin.name.clone(), roles: admin.roles.clone() },
        may: allowed(&admin.roles),
        csrf_token,
        idle_ends_at: later(session.seen_at, IDLE).min(session.ends_at),
        ends_at: session.ends_at,
        stepped_up_until: session.stepped_up_until.filter(|until| now < *until),
    }
}

/// Begins a session in the transaction of what proves who it is; one that the browser had before ends.
pub(super) fn open(conn: &mut Conn, admin: &Admin, before: Option<&str>, now: Timestamp) -> Flow<Opened> {
    if let Some(before) = before {
        admin_sessions::end(conn, &sha256(before.as_bytes()))?;
    }
    let secret = Secret::fresh();
    let session = Session {
        id: AdminSessionId::new(now, &mut rand::rng()),
        admin: admin.id,
        seen_at: now,
        ends_at: later(now, LASTS),
        stepped_up_until: None,
    };
    admin_sessions::insert(conn, &session, &secret.hash())?;
    let shown = shown(&session, admin, csrf_token(&secret.0), now);
    Ok(Opened { cookie: secret.0, shown })
}

fn nobody() -> Refusal {
    Refusal::Unauthenticated { why: "there is no session, or it has ended; sign in" }
}

/// Who has this cookie. `csrf` is what the page says for a request that changes something; nothing is asked for one that only reads.
pub fn by_cookie(ctx: &Context, cookie: &str, csrf: Option<Option<&str>>) -> Flow<SignedIn> {
    let (now, secret_hash) = (ctx.now(), sha256(cookie.as_bytes()));
    let found = ctx.rp_store.read(|conn| {
        let Some(session) = admin_sessions::by_secret(conn, &secret_hash)? else { return Ok(None) };
        Ok(admins::find(conn, session.admin)?.map(|admin| (session, admin)))
    })?;
    let (mut session, admin) = found.ok_or_else(nobody)?;
    if now >= session.ends_at || now >= later(session.seen_at, IDLE) || admin.ended_at.is_some() {
        return Err(nobody().into());
    }
    let csrf_token = csrf_token(cookie);
    if let Some(said) = csrf {
        let is_ours: bool = said.unwrap_or_default().as_bytes().ct_eq(csrf_token.as_bytes()).into();
        if !is_ours {
            return Err(Refusal::CrossSite.into());
        }
    }
    if now >= later(session.seen_at, NOTED) {
        ctx.rp_store.write_guarded(|conn| Ok(admin_sessions::seen(conn, session.id, now)?))?;
        session.seen_at = now;
    }
    Ok(SignedIn { session, admin, secret_hash, csrf_token })
}

/// The admin of a session, if they may do this.
pub fn permitted(ctx: &Context, signed_in: &SignedIn, act: Act) -> Flow<AdminId> {
    let stepped_up = signed_in.session.stepped_up_until.is_some_and(|until| ctx.now() < until);
    permit(&signed_in.admin.roles, Proof::Session { stepped_up }, act)?;
    Ok(signed_in.admin.id)
}

/// The admin of a bearer token, if they may do this by one.
pub fn permitted_by_token(ctx: &Context, token: &str, act: Act) -> Flow<AdminId> {
    let (hash, now) = (sha256(token.as_bytes()), ctx.now());
    let found = ctx.rp_store.read(|conn| Ok(admins::by_token(conn, &hash, now)?))?;
    let admin = found.ok_or(Refusal::Unauthenticated { why: "the admin token is not valid" })?;
    permit(&admin.roles, Proof::Token, act)?;
    Ok(admin.id)
}

/// What the page asks when it is opened.
pub fn show(ctx: &Context, signed_in: SignedIn) -> Flow<Shown> {
    Ok(shown(&signed_in.session, &signed_in.admin, signed_in.csrf_token, ctx.now()))
}

/// Ends the session.
pub fn end(ctx: &Context, signed_in: &SignedIn) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        admin_sessions::end(conn, &signed_in.secret_hash)?;
        let (admin, session) = (signed_in.admin.id, signed_in.session.id);
        Ok(audit::append(conn, admin, "admin.sign_out", session, "done", now)?)
    })
}

/// Asks for one of the admin's own passkeys.
pub fn begin_step_up(ctx: &Context, signed_in: &SignedIn) -> Flow<Begun> {
    let own = ctx.rp_store.read(|conn| Ok(passkeys::of_admin(conn, signed_in.admin.id)?))?;
    let own: Vec<&str> = own.iter().map(|passkey| passkey.credential.as_str()).collect();
    let asked = ctx.passkeys.ask_one_of(&own).map_err(asking::refusal)?;
    asking::begin(ctx, Kind::StepUp, Some(signed_in.session.id.to_string()), asked, ctx.now())
}

/// Hears the answer: for five minutes the session may do more, under another cookie.
pub fn finish_step_up(
    ctx: &Context,
    signed_in: &SignedIn,
    id: CeremonyId,
    credential: &Value,
) -> Flow<Opened> {
    let (now, admin) = (ctx.now(), &signed_in.admin);
    let credential_id = ctx.passkeys.id_of(credential).map_err(asking::refusal)?;
    let (secret, of) = (Secret::fresh(), signed_in.session.id.to_string());
    let session =
        Session { seen_at: now, stepped_up_until: Some(later(now, STEPPED_UP)), ..signed_in.session.clone() };
    let heard = ctx.rp_store.write(|conn| {
        let ceremony = ceremonies::take(conn, id, Kind::StepUp, now)?;
        let Some(ceremony) = ceremony.filter(|ceremony| ceremony.subject.as_deref() == Some(&of)) else {
            return Ok(Err(Refusal::NotFound));
        };
        let known = passkeys::by_credential(conn, &credential_id)?.filter(|known| known.admin == admin.id);
        let taken = known.ok_or(Wrong::Refused).and_then(|known| {
            let given = ctx.passkeys.take_one_of(credential, &ceremony.state, &known.credential)?;
            Ok((known, given))
        });
        let (known, given) = match taken {
            Ok(taken) => taken,
            Err(wrong) => {
                audit::append(conn, admin.id, "admin.step_up", session.id, asking::outcome(wrong), now)?;
                return Ok(Err(asking::refusal(wrong)));
            }
        };
        passkeys::used(conn, &known, &given.credential, given.sign_count, now)?;
        admin_sessions::step_up(conn, &session, &signed_in.secret_hash, &secret.hash())?;
        audit::append(conn, admin.id, "admin.step_up", session.id, "done", now)?;
        Ok(Ok(()))
    })?;
    heard?;
    let shown = shown(&session, admin, csrf_token(&secret.0), now);
    Ok(Opened { cookie: secret.0, shown })
}
