//! Redemptions.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use jiff::Timestamp;
use wallet_core::attributes::{Attribute, Share};
use wallet_core::face::Mode;
use wallet_core::face::challenge::Asked;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId};

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
    /// How many captures could not be judged.
    pub unusable_attempts: i64,
    /// How it stands.
    pub state: State,
}

/// How a redemption stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A capture is awaited, until the deadline.
    Challenged,
    /// Judged: the answer as it was given, sealed.
    Judged {
        /// Passed, or failed.
        passed: bool,
        /// The whole answer, until it is erased.
        sealed_answer: Option<Vec<u8>>,
        /// When.
        closed_at: Timestamp,
    },
}

/// Adds a redemption in the state `Challenged`.
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
        r::deadline.eq(redemption.challenge.deadline.as_microsecond()),
        r::liveness.eq(liveness(redemption.challenge.mode)),
        r::state.eq("challenged"),
        r::unusable_attempts.eq(redemption.unusable_attempts),
        r::opened_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(r::table).values(row).execute(conn).map(drop)
}

/// The columns that a redemption is read from, beside its key.
pub(super) type Row =
    (String, String, String, String, Vec<u8>, i64, i64, String, Option<Vec<u8>>, Option<i64>, Option<String>);
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
);

/// A redemption of this relying party.
pub fn find(conn: &mut Conn, id: RedemptionId, rp: RelyingPartyId) -> QueryResult<Option<Redemption>> {
    use redemptions as r;
    let columns = (
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
    );
    let found = r::table.find((rp.to_string(), id.to_string())).select(columns);
    found.first::<Row>(conn).optional()?.map(|row| from_row(id, rp, row)).transpose()
}

pub(super) fn from_row(id: RedemptionId, rp: RelyingPartyId, row: Row) -> QueryResult<Redemption> {
    let (
        certificate,
        purpose,
        asked,
        share,
        nonce,
        deadline,
        unusable_attempts,
        state,
        answer,
        closed_at,
        mode,
    ) = row;
    let judged = |passed| -> QueryResult<State> {
        Ok(State::Judged {
            passed,
            sealed_answer: answer,
            closed_at: time(present(closed_at, "redemptions.closed_at")?)?,
        })
    };
    Ok(Redemption {
        id,
        rp,
        certificate: parse(&certificate)?,
        purpose,
        asked: split(&asked)?,
        share: parse(&share)?,
        challenge: Asked { mode: mode_of(mode)?, nonce: array(&nonce)?, deadline: time(deadline)? },
        unusable_attempts,
        state: match state.as_str() {
            "challenged" => State::Challenged,
            "passed" => judged(true)?,
            "failed" => judged(false)?,
            _ => return Err(damaged(&"redemptions.state")),
        },
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

/// Closes a challenged redemption with its answer; `false` when it was closed before.
pub fn close(
    conn: &mut Conn,
    redemption: &Redemption,
    passed: bool,
    sealed_answer: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    use redemptions as r;
    let row = r::table.find(key(redemption)).filter(r::state.eq("challenged"));
    let values = (
        r::state.eq(judged(passed)),
        r::sealed_answer.eq(sealed_answer),
        r::closed_at.eq(now.as_microsecond()),
    );
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
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

/// Counts a capture that could not be judged, in a redemption that is still as it was read.
pub fn count_unusable(conn: &mut Conn, redemption: &Redemption) -> QueryResult<()> {
    use redemptions as r;
    let row = r::table
        .find(key(redemption))
        .filter(r::state.eq("challenged"))
        .filter(r::unusable_attempts.eq(redemption.unusable_attempts));
    exactly_one(diesel::update(row).set(r::unusable_attempts.eq(r::unusable_attempts + 1)).execute(conn)?)
}
