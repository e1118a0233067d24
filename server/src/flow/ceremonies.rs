//! What making, showing and showing again a passkey have in common: something is asked, remembered for five minutes, and answered once.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use wallet_core::ids::CeremonyId;
use wallet_core::refusal::Refusal;

use super::amounts::invalid;
use super::limits::limit;
use super::{Context, later};
use crate::edge::passkeys::{Asked, CEREMONY, Wrong};
use crate::stop::Flow;
use crate::store::ceremonies::{self, Ceremony, Kind};

/// Of strangers, over all replicas: seconds, and how many ceremonies may begin in them. Each is a row for five minutes, and a wrong answer to
/// one may be a line of the audit trail.
const OF_STRANGERS: (i64, i64) = (60, 300);

/// What a browser gives to `navigator.credentials`, and where the answer goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PasskeyCeremony)]
pub struct Begun {
    id: CeremonyId,
    /// `publicKey` (W3C WebAuthn §5.4, §5.5), bytes in base64url.
    #[schema(value_type = Object)]
    options: Value,
}

/// Counts what anybody may begin.
pub(super) fn limit_strangers(ctx: &Context, now: Timestamp) -> Flow<()> {
    limit(ctx, "passkey-ceremonies", OF_STRANGERS, now)
}

/// Remembers what was asked.
pub(super) fn begin(
    ctx: &Context,
    kind: Kind,
    subject: Option<String>,
    asked: Asked,
    now: Timestamp,
) -> Flow<Begun> {
    let id = CeremonyId::new(now, &mut rand::rng());
    let ceremony = Ceremony { subject, state: asked.state };
    let until = later(now, SignedDuration::try_from(CEREMONY).unwrap_or(SignedDuration::ZERO));
    ctx.rp_store.write_guarded(|conn| Ok(ceremonies::insert(conn, id, kind, &ceremony, until)?))?;
    Ok(Begun { id, options: asked.options })
}

/// What whoever showed a passkey is told.
pub(super) fn refusal(wrong: Wrong) -> Refusal {
    match wrong {
        Wrong::Unavailable => Refusal::PasskeysUnavailable,
        Wrong::Malformed => invalid("credential", "what the browser's `PublicKeyCredential.toJSON()` gives"),
        Wrong::Refused => Refusal::Unauthenticated { why: "the passkey is not taken; sign in again" },
        Wrong::CountedBack => Refusal::Unauthenticated {
            why: "this passkey was used elsewhere since: it may have been copied; have it ended",
        },
    }
}

/// The word of the audit trail.
pub(super) fn outcome(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::CountedBack => "counted-back",
        Wrong::Unavailable | Wrong::Malformed | Wrong::Refused => "refused",
    }
}
