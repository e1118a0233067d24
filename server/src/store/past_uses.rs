//! A holder's record: which redemptions used a code of theirs, and who asked for more than they may.
//!
//! A use is in `spent_codes`, which each redemption writes anyhow, and moves to `past_uses` when its code is forgotten: so the record
//! costs a redemption nothing.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use jiff::Timestamp;
use wallet_core::attributes::Attribute;
use wallet_core::ids::{CertificateId, HolderId, RedemptionId, RelyingPartyId};

use super::Conn;
use super::columns::{join, parse, split, time};
use super::schema::{certificates, over_askings, past_uses, spent_codes};

/// A use of a code of one of the holder's certificates.
pub type Use = (RelyingPartyId, RedemptionId);

fn parsed(rows: Vec<(String, String)>) -> QueryResult<Vec<Use>> {
    rows.into_iter().map(|(rp, id)| Ok((parse(&rp)?, parse(&id)?))).collect()
}

/// All certificates of a holder, in force or not.
pub fn certificates_of(conn: &mut Conn, holder: HolderId) -> QueryResult<Vec<CertificateId>> {
    let found = certificates::table.filter(certificates::holder_id.eq(holder.to_string()));
    let ids = found.select(certificates::id).load::<String>(conn)?;
    ids.iter().map(|id| parse(id)).collect()
}

/// The newest uses of these certificates that are older than `before`, newest first.
pub fn newest(
    conn: &mut Conn,
    of: &[CertificateId],
    before: Option<RedemptionId>,
    limit: usize,
) -> QueryResult<Vec<Use>> {
    let of: Vec<String> = of.iter().map(CertificateId::to_string).collect();
    let before = before.map_or_else(|| "red_~".to_owned(), |id| id.to_string());
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let recent = spent_codes::table
        .filter(spent_codes::certificate_id.eq_any(&of))
        .filter(spent_codes::redemption_id.lt(&before))
        .order(spent_codes::redemption_id.desc())
        .limit(most)
        .select((spent_codes::rp_id, spent_codes::redemption_id))
        .load(conn)?;
    let older = past_uses::table
        .filter(past_uses::certificate_id.eq_any(&of))
        .filter(past_uses::redemption_id.lt(&before))
        .order(past_uses::redemption_id.desc())
        .limit(most)
        .select((past_uses::rp_id, past_uses::redemption_id))
        .load(conn)?;
    let mut uses = parsed(recent)?;
    uses.extend(parsed(older)?);
    uses.sort_by(|(_, one), (_, other)| other.cmp(one));
    uses.truncate(limit);
    Ok(uses)
}

/// Certificates that are looked up in one statement: so few that PostgreSQL goes by their keys. With thousands it reads all that was used lately, of everybody.
const AT_ONCE: usize = 256;

/// For each of these certificates that is in force at `now`: every use since then, or one row without a use.
pub fn since_of_each(
    conn: &mut Conn,
    of: &[CertificateId],
    since: Timestamp,
    now: Timestamp,
) -> QueryResult<Vec<(CertificateId, Option<Use>)>> {
    use super::schema::certificates as c;
    let recent = spent_codes::spent_at.ge(since.as_microsecond());
    let mut found = Vec::with_capacity(of.len());
    for some in of.chunks(AT_ONCE) {
        let rows = c::table
            .left_join(spent_codes::table.on(spent_codes::certificate_id.eq(c::id).and(recent)))
            .filter(c::id.eq_any(some.iter().map(CertificateId::to_string)))
            .filter(c::state.eq("active"))
            .filter(c::expires_at.gt(now.as_microsecond()))
            .select((c::id, (spent_codes::rp_id, spent_codes::redemption_id).nullable()));
        for (certificate, used) in rows.load::<(String, Option<(String, String)>)>(conn)? {
            let used = used.map(|(rp, id)| QueryResult::Ok((parse(&rp)?, parse(&id)?))).transpose()?;
            found.push((parse(&certificate)?, used));
        }
    }
    Ok(found)
}

/// The use of one of these certificates in a redemption.
pub fn find(conn: &mut Conn, of: &[CertificateId], redemption: RedemptionId) -> QueryResult<Option<Use>> {
    let (of, id): (Vec<String>, _) =
        (of.iter().map(CertificateId::to_string).collect(), redemption.to_string());
    let recent = spent_codes::table
        .filter(spent_codes::certificate_id.eq_any(&of))
        .filter(spent_codes::redemption_id.eq(&id))
        .select((spent_codes::rp_id, spent_codes::redemption_id))
        .load(conn)?;
    let older = past_uses::table
        .filter(past_uses::certificate_id.eq_any(&of))
        .filter(past_uses::redemption_id.eq(&id))
        .select((past_uses::rp_id, past_uses::redemption_id))
        .load(conn)?;
    Ok(parsed([recent, older].concat())?.pop())
}

/// The newest uses of these certificates by a relying party.
pub fn by_relying_party(
    conn: &mut Conn,
    of: &[CertificateId],
    rp: RelyingPartyId,
    limit: i64,
) -> QueryResult<Vec<RedemptionId>> {
    let (of, rp): (Vec<String>, _) = (of.iter().map(CertificateId::to_string).collect(), rp.to_string());
    let recent = spent_codes::table
        .filter(spent_codes::certificate_id.eq_any(&of))
        .filter(spent_codes::rp_id.eq(&rp))
        .order(spent_codes::redemption_id.desc())
        .limit(limit)
        .select(spent_codes::redemption_id)
        .load::<String>(conn)?;
    let older = past_uses::table
        .filter(past_uses::certificate_id.eq_any(&of))
        .filter(past_uses::rp_id.eq(&rp))
        .order(past_uses::redemption_id.desc())
        .limit(limit)
        .select(past_uses::redemption_id)
        .load::<String>(conn)?;
    [recent, older].concat().iter().map(|id| parse(id)).collect()
}

/// Keeps of the codes used up before `time` that they were: they are about to be forgotten. Not those of holders who were erased: nobody
/// is left to see them.
pub fn keep(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    diesel::sql_query(match conn {
        Conn::Postgres(_) => {
            "INSERT INTO past_uses (certificate_id, redemption_id, rp_id) \
             SELECT certificate_id, redemption_id, rp_id FROM spent_codes s WHERE spent_at < $1 AND NOT EXISTS \
               (SELECT 1 FROM certificates c JOIN holders h ON h.id = c.holder_id \
                WHERE c.id = s.certificate_id AND h.erased_at IS NOT NULL) ON CONFLICT DO NOTHING"
        }
        Conn::Sqlite(_) => {
            "INSERT INTO past_uses (certificate_id, redemption_id, rp_id) \
             SELECT certificate_id, redemption_id, rp_id FROM spent_codes s WHERE spent_at < ? AND NOT EXISTS \
               (SELECT 1 FROM certificates c JOIN holders h ON h.id = c.holder_id \
                WHERE c.id = s.certificate_id AND h.erased_at IS NOT NULL) ON CONFLICT DO NOTHING"
        }
    })
    .bind::<BigInt, _>(time.as_microsecond())
    .execute(conn)
}

/// A request for more than its relying party registered.
#[derive(Debug, Clone)]
pub struct OverAsking {
    /// Whose code was shown.
    pub certificate: CertificateId,
    /// Which: the same code shown again is told once.
    pub code_id: Vec<u8>,
    /// By whom.
    pub rp: RelyingPartyId,
    /// The purpose, in the relying party's words.
    pub purpose: String,
    /// What was asked for; nothing where all of the purpose was.
    pub asked: BTreeSet<Attribute>,
    /// The word of the refusal.
    pub refusal: String,
    /// When.
    pub at: Timestamp,
}

/// Notes one.
pub fn note_over_asking(conn: &mut Conn, noted: &OverAsking) -> QueryResult<()> {
    let key = (noted.certificate.to_string(), noted.code_id.as_slice(), noted.rp.to_string());
    let known = over_askings::table.find(key);
    if diesel::dsl::select(diesel::dsl::exists(known)).get_result(conn)? {
        return Ok(());
    }
    let row = (
        over_askings::certificate_id.eq(noted.certificate.to_string()),
        over_askings::code_id.eq(&noted.code_id),
        over_askings::rp_id.eq(noted.rp.to_string()),
        over_askings::purpose.eq(&noted.purpose),
        over_askings::asked.eq(join(noted.asked.iter().map(|asked| asked.as_str()))),
        over_askings::refusal.eq(&noted.refusal),
        over_askings::at.eq(noted.at.as_microsecond()),
    );
    diesel::insert_into(over_askings::table).values(row).execute(conn).map(drop)
}

/// The newest of them about these certificates, newest first.
pub fn over_askings(conn: &mut Conn, of: &[CertificateId], limit: i64) -> QueryResult<Vec<OverAsking>> {
    use over_askings as o;
    type Row = (String, Vec<u8>, String, String, String, String, i64);
    let found = o::table
        .filter(o::certificate_id.eq_any(of.iter().map(CertificateId::to_string)))
        .order(o::at.desc())
        .limit(limit)
        .select((o::certificate_id, o::code_id, o::rp_id, o::purpose, o::asked, o::refusal, o::at));
    let noted = |(certificate, code_id, rp, purpose, asked, refusal, at): Row| {
        Ok(OverAsking {
            certificate: parse(&certificate)?,
            code_id,
            rp: parse(&rp)?,
            purpose,
            asked: split(&asked)?,
            refusal,
            at: time(at)?,
        })
    };
    found.load::<Row>(conn)?.into_iter().map(noted).collect()
}
