//! Erasures: destroying what is held of a holder, and what they were told of it.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{CertificateId, HolderId};
use wallet_core::pairwise::Eid;

use super::columns::{parse, time};
use super::devices::EndedWhy;
use super::enrolments::{State, StateRow};
use super::schema::{
    blocks, certificates, devices, enrolments, erasures, handles, holders, notices, numeric_codes,
    over_askings, past_uses, withdrawals,
};
use super::{Conn, exactly_one};

/// What a holder was told of their erasure.
#[derive(Debug)]
pub struct Erasure {
    /// Who it was.
    pub holder: HolderId,
    /// What they were given, signed.
    pub receipt: String,
    /// When.
    pub at: Timestamp,
}

/// Notes one, for the device that asked.
pub fn insert(conn: &mut Conn, erasure: &Erasure, device_jkt: &str) -> QueryResult<()> {
    let row = (
        erasures::holder_id.eq(erasure.holder.to_string()),
        erasures::device_jkt.eq(device_jkt),
        erasures::receipt.eq(&erasure.receipt),
        erasures::erased_at.eq(erasure.at.as_microsecond()),
    );
    diesel::insert_into(erasures::table).values(row).execute(conn).map(drop)
}

/// The last one that this device asked for.
pub fn of_device(conn: &mut Conn, device_jkt: &str) -> QueryResult<Option<Erasure>> {
    let found = erasures::table
        .filter(erasures::device_jkt.eq(device_jkt))
        .order(erasures::erased_at.desc())
        .select((erasures::holder_id, erasures::receipt, erasures::erased_at));
    let Some((holder, receipt, at)) = found.first::<(String, String, i64)>(conn).optional()? else {
        return Ok(None);
    };
    Ok(Some(Erasure { holder: parse(&holder)?, receipt, at: time(at)? }))
}

/// Forgets which device asked for erasures before `end`, and the devices that were ended by them.
pub fn forget_devices(conn: &mut Conn, end: Timestamp) -> QueryResult<usize> {
    let asked = erasures::table
        .filter(erasures::device_jkt.is_not_null())
        .filter(erasures::erased_at.lt(end.as_microsecond()));
    diesel::update(asked).set(erasures::device_jkt.eq(None::<String>)).execute(conn)?;
    let ended = devices::table
        .filter(devices::ended_why.eq(EndedWhy::Erased.as_str()))
        .filter(devices::ended_at.lt(end.as_microsecond()));
    diesel::delete(ended).execute(conn)
}

/// Destroys the data key of a holder, and puts `nobody` in the place of the hash that they were known by: who enrols with the same
/// document is then somebody else to us.
pub fn destroy_key(conn: &mut Conn, holder: HolderId, nobody: &Eid, now: Timestamp) -> QueryResult<()> {
    let row = holders::table.find(holder.to_string()).filter(holders::erased_at.is_null());
    let values = (
        holders::eid.eq(nobody.as_bytes().as_slice()),
        holders::kek.eq(None::<String>),
        holders::wrapped_key.eq(None::<Vec<u8>>),
        holders::erased_at.eq(now.as_microsecond()),
        holders::has_blocks.eq(0),
    );
    exactly_one(diesel::update(row).set(values).execute(conn)?)
}

/// Empties what is sealed of these certificates, and takes away what shows them and what was noted of their uses. Which codes were used up
/// stays for its two days, and so does the name by which an offline code is told to be of a certificate that has ended.
pub fn empty_certificates(conn: &mut Conn, ids: &[CertificateId]) -> QueryResult<()> {
    use certificates as c;
    let ids: Vec<String> = ids.iter().map(CertificateId::to_string).collect();
    let values = (
        c::sealed_attributes.eq([].as_slice()),
        c::sealed_template.eq([].as_slice()),
        c::sealed_portrait.eq(None::<Vec<u8>>),
        c::note.eq(None::<String>),
    );
    diesel::update(c::table.filter(c::id.eq_any(&ids))).set(values).execute(conn)?;
    let keyed = handles::table.filter(handles::certificate_id.eq_any(&ids));
    diesel::delete(keyed.filter(handles::public_key.is_not_null())).execute(conn)?;
    let live = numeric_codes::table.filter(numeric_codes::certificate_id.eq_any(&ids));
    diesel::delete(live.filter(numeric_codes::spent.eq(0))).execute(conn)?;
    diesel::delete(past_uses::table.filter(past_uses::certificate_id.eq_any(&ids))).execute(conn)?;
    diesel::delete(over_askings::table.filter(over_askings::certificate_id.eq_any(&ids))).execute(conn)?;
    let issued = enrolments::table.filter(enrolments::certificate_id.eq_any(&ids));
    diesel::update(issued).set(enrolments::sealed_answer.eq(None::<Vec<u8>>)).execute(conn).map(drop)
}

/// Takes away what a holder said of relying parties. What these were not told yet stays until they are ([`forget_told`]).
pub fn forget_consents(conn: &mut Conn, holder: HolderId) -> QueryResult<()> {
    let holder = holder.to_string();
    diesel::delete(blocks::table.filter(blocks::holder_id.eq(&holder))).execute(conn)?;
    let theirs = withdrawals::table.filter(withdrawals::holder_id.eq(&holder));
    diesel::delete(theirs.filter(withdrawals::told_at.is_not_null())).execute(conn).map(drop)
}

/// Takes away the withdrawals of erased holders that relying parties were told of meanwhile.
pub fn forget_told(conn: &mut Conn) -> QueryResult<usize> {
    let told = withdrawals::table
        .inner_join(holders::table.on(holders::id.eq(withdrawals::holder_id)))
        .filter(holders::erased_at.is_not_null())
        .filter(withdrawals::told_at.is_not_null())
        .select(withdrawals::id);
    let told: Vec<String> = told.load(conn)?;
    diesel::delete(withdrawals::table.filter(withdrawals::id.eq_any(told))).execute(conn)
}

/// Takes away what a holder was told.
pub fn forget_notices(conn: &mut Conn, holder: HolderId) -> QueryResult<usize> {
    diesel::delete(notices::table.filter(notices::holder_id.eq(holder.to_string()))).execute(conn)
}

/// Ends all devices of a holder: their tokens, what they said of themselves, and the enrolments that they had not finished.
pub fn end_devices(conn: &mut Conn, holder: HolderId, now: Timestamp) -> QueryResult<()> {
    use devices as d;
    let theirs = d::table.filter(d::holder_id.eq(holder.to_string()));
    let jkts = theirs.select(d::jkt).load::<String>(conn)?;
    let unfinished = enrolments::table
        .filter(enrolments::device_jkt.eq_any(&jkts))
        .filter(enrolments::state.eq_any(["started", "document_read", "challenged", "referred"]));
    let refused = State::Refused { reason: "erased".to_owned() };
    diesel::update(unfinished).set(StateRow::from(&refused)).execute(conn)?;
    let values = (
        d::holder_id.eq(None::<String>),
        d::sealed_signals.eq(None::<Vec<u8>>),
        d::risk.eq(None::<String>),
        d::next_token_hash.eq(None::<Vec<u8>>),
        d::next_token_expires_at.eq(None::<i64>),
        d::ended_at.eq(now.as_microsecond()),
        d::ended_why.eq(EndedWhy::Erased.as_str()),
    );
    diesel::update(d::table.filter(d::jkt.eq_any(&jkts))).set(values).execute(conn).map(drop)
}
