//! Enrolments and the consent each began with.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::face::challenge::Asked;
use wallet_core::ids::{CertificateId, ConsentId, EnrolmentId, HolderId, SponsorshipId};

use super::columns::{array, damaged, parse, present, time};
use super::data_keys::{self, KeyRow, WrappedKey};
use super::redemptions::{liveness, mode_of};
use super::schema::{certificates, consents, enrolments, holders};
use super::{Conn, exactly_one};

/// How the person shows who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With their document.
    Document,
    /// With its number, and the face that was enrolled with it.
    Recovery,
}

impl Kind {
    fn word(self) -> Option<&'static str> {
        match self {
            Kind::Document => None,
            Kind::Recovery => Some("recovery"),
        }
    }
}

/// One enrolment.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Which.
    pub id: EnrolmentId,
    /// By which way.
    pub kind: Kind,
    /// The device that it belongs to.
    pub device_jkt: String,
    /// How far it is.
    pub state: State,
    /// Documents and captures submitted so far, good or not.
    pub tries: i64,
    /// After this it is over.
    pub expires_at: Timestamp,
    /// Who vouches for the person.
    pub sponsorship: Option<SponsorshipId>,
}

impl Enrolment {
    /// Whether its time ran out before it ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let is_over =
            matches!(self.state, State::Approved { .. } | State::Referred { .. } | State::Refused { .. });
        now >= self.expires_at && !is_over
    }
}

/// How far an enrolment is; each state carries its own data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Consent was given.
    Started,
    /// The document was read, and is for the holder to confirm.
    DocumentRead {
        /// What was read, sealed.
        sealed_document: Vec<u8>,
    },
    /// Confirmed; a live face is awaited.
    Challenged {
        /// What was read, or in a recovery whom the number is of, sealed.
        sealed_document: Vec<u8>,
        /// What the capture must show, and until when.
        challenge: Asked,
    },
    /// A certificate was issued.
    Approved {
        /// Which.
        certificate: CertificateId,
    },
    /// Set aside for a person to decide.
    Referred {
        /// What was read, sealed.
        sealed_document: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// Over, without a certificate.
    Refused {
        /// Why.
        reason: String,
    },
}

impl State {
    /// The name on the wire and in the column.
    pub fn name(&self) -> &'static str {
        match self {
            State::Started => "started",
            State::DocumentRead { .. } => "document_read",
            State::Challenged { .. } => "challenged",
            State::Approved { .. } => "approved",
            State::Referred { .. } => "referred",
            State::Refused { .. } => "refused",
        }
    }
}

#[derive(Queryable, AsChangeset, Insertable)]
#[diesel(table_name = enrolments, treat_none_as_null = true)]
pub(super) struct StateRow {
    state: String,
    sealed_document: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    deadline: Option<i64>,
    reason: Option<String>,
    certificate_id: Option<String>,
    liveness: Option<String>,
}

impl From<&State> for StateRow {
    fn from(state: &State) -> Self {
        let empty = StateRow {
            state: state.name().to_owned(),
            sealed_document: None,
            nonce: None,
            deadline: None,
            reason: None,
            certificate_id: None,
            liveness: None,
        };
        match state.clone() {
            State::Started => empty,
            State::DocumentRead { sealed_document } => {
                StateRow { sealed_document: Some(sealed_document), ..empty }
            }
            State::Challenged { sealed_document, challenge } => StateRow {
                sealed_document: Some(sealed_document),
                nonce: Some(challenge.nonce.into()),
                deadline: Some(challenge.deadline.as_microsecond()),
                liveness: liveness(challenge.mode).map(str::to_owned),
                ..empty
            },
            State::Approved { certificate } => {
                StateRow { certificate_id: Some(certificate.to_string()), ..empty }
            }
            State::Referred { sealed_document, reason } => {
                StateRow { sealed_document: Some(sealed_document), reason: Some(reason), ..empty }
            }
            State::Refused { reason } => StateRow { reason: Some(reason), ..empty },
        }
    }
}

impl TryFrom<StateRow> for State {
    type Error = diesel::result::Error;

    fn try_from(row: StateRow) -> QueryResult<State> {
        let document = |sealed| present(sealed, "enrolments.sealed_document");
        let reason = |reason| present(reason, "enrolments.reason");
        Ok(match row.state.as_str() {
            "started" => State::Started,
            "document_read" => State::DocumentRead { sealed_document: document(row.sealed_document)? },
            "challenged" => State::Challenged {
                sealed_document: document(row.sealed_document)?,
                challenge: Asked {
                    mode: mode_of(row.liveness)?,
                    nonce: array(&present(row.nonce, "enrolments.nonce")?)?,
                    deadline: time(present(row.deadline, "enrolments.deadline")?)?,
                },
            },
            "approved" => {
                let certificate = present(row.certificate_id, "enrolments.certificate_id")?;
                State::Approved { certificate: parse(&certificate)? }
            }
            "referred" => State::Referred {
                sealed_document: document(row.sealed_document)?,
                reason: reason(row.reason)?,
            },
            "refused" => State::Refused { reason: reason(row.reason)? },
            _ => return Err(damaged(&"enrolments.state")),
        })
    }
}

/// Adds an enrolment.
pub fn insert(conn: &mut Conn, enrolment: &Enrolment, now: Timestamp) -> QueryResult<()> {
    let row = (
        enrolments::id.eq(enrolment.id.to_string()),
        enrolments::device_jkt.eq(&enrolment.device_jkt),
        enrolments::kind.eq(enrolment.kind.word()),
        StateRow::from(&enrolment.state),
        enrolments::tries.eq(enrolment.tries),
        enrolments::created_at.eq(now.as_microsecond()),
        enrolments::expires_at.eq(enrolment.expires_at.as_microsecond()),
        enrolments::sponsorship_id.eq(enrolment.sponsorship.map(|id| id.to_string())),
    );
    diesel::insert_into(enrolments::table).values(row).execute(conn).map(drop)
}

/// Adds the consent that an enrolment begins with.
pub fn insert_consent(
    conn: &mut Conn,
    id: ConsentId,
    enrolment: EnrolmentId,
    text_version: &str,
    receipt: &str,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        consents::id.eq(id.to_string()),
        consents::enrolment_id.eq(enrolment.to_string()),
        consents::text_version.eq(text_version),
        consents::receipt.eq(receipt),
        consents::agreed_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(consents::table).values(row).execute(conn).map(drop)
}

/// An enrolment of this device, by either way.
pub fn find(conn: &mut Conn, id: EnrolmentId, device_jkt: &str) -> QueryResult<Option<Enrolment>> {
    use enrolments as e;
    let columns = (
        (e::state, e::sealed_document, e::nonce, e::deadline, e::reason, e::certificate_id, e::liveness),
        e::tries,
        e::expires_at,
        (e::kind, e::sponsorship_id),
    );
    let found = e::table.find(id.to_string()).filter(e::device_jkt.eq(device_jkt)).select(columns);
    type Row = (StateRow, i64, i64, (Option<String>, Option<String>));
    let Some((state, tries, expires_at, (kind, sponsorship))) = found.first::<Row>(conn).optional()? else {
        return Ok(None);
    };
    let kinds = [Kind::Document, Kind::Recovery];
    let kind = kinds.into_iter().find(|known| known.word() == kind.as_deref());
    Ok(Some(Enrolment {
        id,
        kind: present(kind, "enrolments.kind")?,
        device_jkt: device_jkt.to_owned(),
        state: state.try_into()?,
        tries,
        expires_at: time(expires_at)?,
        sponsorship: sponsorship.map(|id| parse(&id)).transpose()?,
    }))
}

/// Keeps the answer of an approved enrolment for whoever has to ask again.
pub fn keep_answer(conn: &mut Conn, id: EnrolmentId, sealed: &[u8], until: Timestamp) -> QueryResult<()> {
    let values = (enrolments::sealed_answer.eq(sealed), enrolments::answer_until.eq(until.as_microsecond()));
    exactly_one(diesel::update(enrolments::table.find(id.to_string())).set(values).execute(conn)?)
}

/// The answer of an approved enrolment.
#[derive(Debug)]
pub struct KeptAnswer {
    /// Whom it was issued to.
    pub holder: HolderId,
    /// Their data key.
    pub key: Option<WrappedKey>,
    /// The answer, sealed.
    pub sealed: Vec<u8>,
}

/// The answer of an approved enrolment, if it is still to be had.
pub fn kept_answer(conn: &mut Conn, id: EnrolmentId, now: Timestamp) -> QueryResult<Option<KeptAnswer>> {
    let kept = enrolments::table
        .inner_join(certificates::table.on(enrolments::certificate_id.eq(certificates::id.nullable())))
        .inner_join(holders::table.on(holders::id.eq(certificates::holder_id)))
        .filter(enrolments::id.eq(id.to_string()))
        .filter(enrolments::answer_until.gt(now.as_microsecond()))
        .select((enrolments::sealed_answer, holders::id, (holders::kek, holders::wrapped_key)));
    let Some((Some(sealed), holder, key)) =
        kept.first::<(Option<Vec<u8>>, String, KeyRow)>(conn).optional()?
    else {
        return Ok(None);
    };
    Ok(Some(KeptAnswer { holder: parse(&holder)?, key: data_keys::from_row(key)?, sealed }))
}

/// Erases answers that are past their time.
pub fn erase_answers(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let past = enrolments::table
        .filter(enrolments::sealed_answer.is_not_null())
        .filter(enrolments::answer_until.le(now.as_microsecond()));
    diesel::update(past).set(enrolments::sealed_answer.eq(None::<Vec<u8>>)).execute(conn)
}

/// Counts a try, good or not.
pub fn count_try(conn: &mut Conn, id: EnrolmentId) -> QueryResult<()> {
    let row = diesel::update(enrolments::table.find(id.to_string()));
    exactly_one(row.set(enrolments::tries.eq(enrolments::tries + 1)).execute(conn)?)
}

/// Gives a try back that was not used.
pub fn give_back_try(conn: &mut Conn, id: EnrolmentId) -> QueryResult<()> {
    let row = diesel::update(enrolments::table.find(id.to_string()));
    exactly_one(row.set(enrolments::tries.eq(enrolments::tries - 1)).execute(conn)?)
}

/// Ends enrolments that were not finished in time, and erases what was read for them.
pub fn abandon_expired(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let expired = enrolments::table
        .filter(enrolments::expires_at.lt(now.as_microsecond()))
        .filter(enrolments::state.eq_any(["started", "document_read", "challenged"]));
    let refused = State::Refused { reason: "abandoned".to_owned() };
    diesel::update(expired).set(StateRow::from(&refused)).execute(conn)
}

/// Moves on, if the enrolment is still exactly as it was read; otherwise answers the state that it is in.
pub fn advance(conn: &mut Conn, from: &Enrolment, to: &State) -> QueryResult<Result<(), State>> {
    let current = find(conn, from.id, &from.device_jkt)?;
    let current = present(current, "enrolments.id")?.state;
    if current != from.state {
        return Ok(Err(current));
    }
    let row = enrolments::table.find(from.id.to_string()).filter(enrolments::state.eq(current.name()));
    exactly_one(diesel::update(row).set(StateRow::from(to)).execute(conn)?).map(Ok)
}
