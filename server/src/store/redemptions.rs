//! Redemptions.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use jiff::Timestamp;
use wallet_core::attributes::{Attribute, Share};
use wallet_core::face::Mode;
use wallet_core::face::challenge::Asked;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId, TerminalId};
use wallet_core::redemption::{ANSWER_WITHIN, Cancellation, Device, MAX_CAPTURES, State};

use super::columns::{array, damaged, join, parse, present, split, time};
use super::schema::redemptions;
use super::{Conn, exactly_one};

/// One use of a code by one relying party.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// Which.
    pub id: RedemptionId,
    /// By whom.
    pub rp: RelyingPartyId,
    /// By which of its terminals; `None` where an API key opened it.
    pub terminal: Option<TerminalId>,
    /// Of which certificate.
    pub certificate: CertificateId,
    /// Under which registered purpose.
    pub purpose: String,
    /// What the relying party asked for.
    pub asked: BTreeSet<Attribute>,
    /// What the code allows.
    pub share: Share,
    /// What the capture must show, and until when.
    pub challenge: Asked,
    /// How it stands.
    pub state: State,
    /// The answer, once it was judged.
    pub judged: Option<Judged>,
}

/// What is left of a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The whole answer as it was given, sealed, until it is erased.
    pub sealed_answer: Option<Vec<u8>>,
    /// When.
    pub at: Timestamp,
}

const AWAITING: &str = "awaiting_holder";
const HOLDER: &str = "holder";
const CANCELLED: [(Cancellation, &str); 4] = [
    (Cancellation::ByRelyingParty, "cancelled"),
    (Cancellation::Refused, "refused"),
    (Cancellation::Reported, "reported"),
    (Cancellation::NumberMismatch, "number_mismatch"),
];

/// The word for a state that is not judged; nothing for most of them, which are challenged on the relying party's device.
fn phase(state: State) -> Option<&'static str> {
    match state {
        State::AwaitingHolder { .. } => Some(AWAITING),
        State::Challenged { on: Device::Holder, .. } => Some(HOLDER),
        State::Challenged { on: Device::RelyingParty, .. } | State::Passed | State::Failed => None,
        State::Cancelled(why) => CANCELLED.iter().find(|(known, _)| *known == why).map(|(_, word)| *word),
    }
}

/// While the holder is asked, the column `deadline` has the moment of asking.
fn deadline_column(redemption: &Redemption) -> i64 {
    match redemption.state {
        State::AwaitingHolder { deadline } => {
            deadline.saturating_sub(ANSWER_WITHIN).unwrap_or(Timestamp::MIN).as_microsecond()
        }
        _ => redemption.challenge.deadline.as_microsecond(),
    }
}

/// Adds an open redemption.
pub fn insert(conn: &mut Conn, redemption: &Redemption, now: Timestamp) -> QueryResult<()> {
    use redemptions as r;
    let row = (
        r::id.eq(redemption.id.to_string()),
        r::rp_id.eq(redemption.rp.to_string()),
        r::certificate_id.eq(redemption.certificate.to_string()),
        r::purpose.eq(&redemption.purpose),
        r::asked.eq(join(redemption.asked.iter().map(|attribute| attribute.as_str()))),
        r::share.eq(redemption.share.as_str()),
        r::nonce.eq(redemption.challenge.nonce.as_slice()),
        r::deadline.eq(deadline_column(redemption)),
        r::liveness.eq(liveness(redemption.challenge.mode)),
        r::state.eq("challenged"),
        r::phase.eq(phase(redemption.state)),
        r::unusable_attempts.eq(0),
        r::opened_at.eq(now.as_microsecond()),
        r::terminal_id.eq(redemption.terminal.map(|terminal| terminal.to_string())),
    );
    diesel::insert_into(r::table).values(row).execute(conn).map(drop)
}

/// The columns that a redemption is read from, beside its key.
pub(super) type Row = (
    String,
    String,
    String,
    String,
    Vec<u8>,
    i64,
    i64,
    String,
    Option<Vec<u8>>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
);
pub(super) type SqlRow = (
    Text,
    Text,
    Text,
    Text,
    Binary,
    BigInt,
    BigInt,
    Text,
    Nullable<Binary>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
);

macro_rules! columns {
    () => {{
        use redemptions as r;
        (
            r::certificate_id,
            r::purpose,
            r::asked,
            r::share,
            r::nonce,
            r::deadline,
            r::unusable_attempts,
            r::state,
            r::sealed_answer,
            r::closed_at,
            r::liveness,
            r::phase,
            r::terminal_id,
        )
    }};
}

/// A redemption of this relying party.
pub fn find(conn: &mut Conn, id: RedemptionId, rp: RelyingPartyId) -> QueryResult<Option<Redemption>> {
    let found = redemptions::table.find((rp.to_string(), id.to_string())).select(columns!());
    found.first::<Row>(conn).optional()?.map(|row| from_row(id, rp, row)).transpose()
}

/// Those of these redemptions that there are, in any order.
pub fn find_all(conn: &mut Conn, ids: &[(RelyingPartyId, RedemptionId)]) -> QueryResult<Vec<Redemption>> {
    use redemptions as r;
    // By relying party too, as the key begins with it; a pair that nobody asked for can't come of this, since no id is there twice.
    let found = r::table
        .filter(r::rp_id.eq_any(ids.iter().map(|(rp, _)| rp.to_string())))
        .filter(r::id.eq_any(ids.iter().map(|(_, id)| id.to_string())))
        .select(((r::rp_id, r::id), columns!()));
    let rows = found.load::<((String, String), Row)>(conn)?.into_iter();
    rows.map(|((rp, id), row)| from_row(parse(&id)?, parse(&rp)?, row)).collect()
}

pub(super) fn from_row(id: RedemptionId, rp: RelyingPartyId, row: Row) -> QueryResult<Redemption> {
    let (
        certificate,
        purpose,
        asked,
        share,
        nonce,
        deadline,
        unusable,
        state,
        answer,
        closed_at,
        mode,
        phase,
        terminal,
    ) = row;
    let deadline = time(deadline)?;
    let unusable = u32::try_from(unusable).map_err(|error| damaged(&error))?;
    let state = match state.as_str() {
        "challenged" => in_phase(phase.as_deref(), deadline, unusable)?,
        "passed" => State::Passed,
        "failed" => State::Failed,
        _ => return Err(damaged(&"redemptions.state")),
    };
    let judged = match state {
        State::Passed | State::Failed => {
            Some(Judged { sealed_answer: answer, at: time(present(closed_at, "redemptions.closed_at")?)? })
        }
        _ => None,
    };
    Ok(Redemption {
        id,
        rp,
        terminal: terminal.map(|terminal| parse(&terminal)).transpose()?,
        certificate: parse(&certificate)?,
        purpose,
        asked: split(&asked)?,
        share: parse(&share)?,
        challenge: Asked { mode: mode_of(mode)?, nonce: array(&nonce)?, deadline },
        state,
        judged,
    })
}

/// The state of a redemption that is not judged.
fn in_phase(phase: Option<&str>, deadline: Timestamp, unusable: u32) -> QueryResult<State> {
    let challenged = |on| State::Challenged { on, deadline, unusable };
    Ok(match phase {
        None => challenged(Device::RelyingParty),
        Some(HOLDER) => challenged(Device::Holder),
        Some(AWAITING) => State::AwaitingHolder {
            deadline: deadline.saturating_add(ANSWER_WITHIN).unwrap_or(Timestamp::MAX),
        },
        Some(word) => {
            let known = CANCELLED.iter().find(|(_, known)| *known == word);
            State::Cancelled(known.ok_or_else(|| damaged(&"redemptions.phase"))?.0)
        }
    })
}

/// The word for a mode; nothing for the silent one, which is most of them.
pub(super) fn liveness(mode: Mode) -> Option<&'static str> {
    (mode != Mode::Silent).then(|| mode.code())
}

/// The mode behind such a word.
pub(super) fn mode_of(liveness: Option<String>) -> QueryResult<Mode> {
    liveness.map_or(Ok(Mode::Silent), |word| parse(&word))
}

/// The word for a redemption that passed, or failed.
pub(super) fn judged(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// Closes a challenged redemption with its answer; `false` when it was closed before, or has had all its captures.
pub fn close(
    conn: &mut Conn,
    redemption: &Redemption,
    passed: bool,
    sealed_answer: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    use redemptions as r;
    let row = r::table
        .find(key(redemption))
        .filter(r::state.eq("challenged"))
        .filter(r::phase.is_null().or(r::phase.eq(HOLDER)))
        .filter(r::unusable_attempts.lt(i64::from(MAX_CAPTURES)));
    let values = (
        r::state.eq(judged(passed)),
        r::sealed_answer.eq(sealed_answer),
        r::closed_at.eq(now.as_microsecond()),
    );
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// Puts an open redemption from the state in which it was read into `next`, which is no judgement, with what its capture must show then.
/// Exactly one row, or somebody was faster.
pub fn advance(conn: &mut Conn, redemption: &Redemption, next: State, challenge: &Asked) -> QueryResult<()> {
    use redemptions as r;
    let row = r::table.find(key(redemption)).filter(r::state.eq("challenged"));
    let next = Redemption { state: next, challenge: *challenge, ..redemption.clone() };
    let unusable = match next.state {
        State::Challenged { unusable, .. } => i64::from(unusable),
        _ => unusable(redemption.state),
    };
    let values = (
        r::phase.eq(phase(next.state)),
        r::nonce.eq(challenge.nonce.as_slice()),
        r::deadline.eq(deadline_column(&next)),
        r::unusable_attempts.eq(unusable),
    );
    let same = row.filter(r::unusable_attempts.eq(self::unusable(redemption.state)));
    exactly_one(match phase(redemption.state) {
        None => diesel::update(same.filter(r::phase.is_null())).set(values).execute(conn)?,
        Some(phase) => diesel::update(same.filter(r::phase.eq(phase))).set(values).execute(conn)?,
    })
}

/// Captures so far that could not be judged.
fn unusable(state: State) -> i64 {
    match state {
        State::Challenged { unusable, .. } => unusable.into(),
        _ => 0,
    }
}

/// Erases the answers of redemptions that were opened from `opened_from` on and closed before `closed_before`; that they were
/// judged, and how, stays.
pub fn erase_answers(
    conn: &mut Conn,
    opened_from: Timestamp,
    closed_before: Timestamp,
) -> QueryResult<usize> {
    use redemptions as r;
    let closed_before = closed_before.as_microsecond();
    let old = r::table
        .filter(r::opened_at.ge(opened_from.as_microsecond()))
        .filter(r::opened_at.lt(closed_before))
        .filter(r::closed_at.lt(closed_before))
        .filter(r::sealed_answer.is_not_null());
    diesel::update(old).set(r::sealed_answer.eq(None::<Vec<u8>>)).execute(conn)
}

fn key(redemption: &Redemption) -> (String, String) {
    (redemption.rp.to_string(), redemption.id.to_string())
}
