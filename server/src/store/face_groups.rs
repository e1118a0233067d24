//! Groups of faces that relying parties search in. Each change of a group is a revision: whoever holds the group in memory is
//! brought up to date by the faces of younger revisions, which include those that were removed.

use diesel::prelude::*;
use jiff::Timestamp;
use wallet_core::ids::{FaceGroupId, GroupFaceId, RelyingPartyId};

use super::columns::parse;
use super::schema::{face_groups as groups, group_faces as faces};
use super::{Conn, exactly_one};

/// A group.
#[derive(Debug, Clone)]
pub struct FaceGroup {
    /// Which.
    pub id: FaceGroupId,
    /// Whose.
    pub rp: RelyingPartyId,
    /// What the relying party calls it.
    pub name: String,
    /// The embedder that its templates are of.
    pub model: String,
    /// How often it was changed.
    pub revision: i64,
    /// How many faces are in it.
    pub faces: i64,
}

/// A face of a group, or what is left of one that was removed.
#[derive(Debug, Clone)]
pub struct GroupFace {
    /// Which.
    pub id: GroupFaceId,
    /// Its key in an index: unique in the group, for ever.
    pub number: i64,
    /// What the relying party calls it.
    pub label: String,
    /// `None` when it was removed.
    pub sealed_template: Option<Vec<u8>>,
    /// The revision that added or removed it.
    pub revision: i64,
}

/// Adds an empty group.
pub fn insert(conn: &mut Conn, group: &FaceGroup, now: Timestamp) -> QueryResult<()> {
    let row = (
        groups::rp_id.eq(group.rp.to_string()),
        groups::id.eq(group.id.to_string()),
        groups::name.eq(&group.name),
        groups::model.eq(&group.model),
        groups::revision.eq(group.revision),
        groups::faces.eq(group.faces),
        groups::created_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(groups::table).values(row).execute(conn).map(drop)
}

/// How many groups a relying party has.
pub fn count(conn: &mut Conn, rp: RelyingPartyId) -> QueryResult<i64> {
    groups::table.filter(groups::rp_id.eq(rp.to_string())).count().get_result(conn)
}

/// Whether there is such a group, whosever it is.
pub fn exists(conn: &mut Conn, id: FaceGroupId) -> QueryResult<bool> {
    let group = groups::table.filter(groups::id.eq(id.to_string())).select(groups::id);
    diesel::dsl::select(diesel::dsl::exists(group)).get_result(conn)
}

/// A group of this relying party.
pub fn find(conn: &mut Conn, id: FaceGroupId, rp: RelyingPartyId) -> QueryResult<Option<FaceGroup>> {
    let columns = (groups::name, groups::model, groups::revision, groups::faces);
    let row = groups::table.find((rp.to_string(), id.to_string())).select(columns);
    let row: Option<(String, String, i64, i64)> = row.first(conn).optional()?;
    Ok(row.map(|(name, model, revision, faces)| FaceGroup { id, rp, name, model, revision, faces }))
}

/// Begins a change of a group: the revision that it will be. The group's row is ours until the transaction ends.
fn next_revision(conn: &mut Conn, group: &FaceGroup, faces: i64) -> QueryResult<i64> {
    let row = groups::table.find((group.rp.to_string(), group.id.to_string()));
    let values = (groups::revision.eq(groups::revision + 1), groups::faces.eq(groups::faces + faces));
    exactly_one(diesel::update(row.clone()).set(values).execute(conn)?)?;
    row.select(groups::revision).first(conn)
}

/// Adds a face; its number.
pub fn add(
    conn: &mut Conn,
    group: &FaceGroup,
    id: GroupFaceId,
    label: &str,
    sealed_template: &[u8],
    now: Timestamp,
) -> QueryResult<()> {
    let revision = next_revision(conn, group, 1)?;
    let row = (
        faces::rp_id.eq(group.rp.to_string()),
        faces::group_id.eq(group.id.to_string()),
        faces::number.eq(revision),
        faces::id.eq(id.to_string()),
        faces::label.eq(label),
        faces::sealed_template.eq(Some(sealed_template)),
        faces::revision.eq(revision),
        faces::changed_at.eq(now.as_microsecond()),
    );
    diesel::insert_into(faces::table).values(row).execute(conn).map(drop)
}

/// Erases a face's template and label; `false` when there is no such face.
pub fn remove(conn: &mut Conn, group: &FaceGroup, id: GroupFaceId, now: Timestamp) -> QueryResult<bool> {
    let face = faces::table
        .filter(faces::rp_id.eq(group.rp.to_string()))
        .filter(faces::group_id.eq(group.id.to_string()))
        .filter(faces::id.eq(id.to_string()))
        .filter(faces::sealed_template.is_not_null());
    if !diesel::dsl::select(diesel::dsl::exists(face.clone().select(faces::number))).get_result(conn)? {
        return Ok(false);
    }
    let revision = next_revision(conn, group, -1)?;
    let values = (
        faces::sealed_template.eq(None::<Vec<u8>>),
        faces::label.eq(""),
        faces::revision.eq(revision),
        faces::changed_at.eq(now.as_microsecond()),
    );
    // By the primary key's columns too, or PostgreSQL would not see that it is one row.
    let removed = diesel::update(face).set(values).execute(conn)?;
    exactly_one(removed)?;
    Ok(true)
}

/// Erases a group with all its faces.
pub fn erase(conn: &mut Conn, group: &FaceGroup) -> QueryResult<()> {
    let (rp, id) = (group.rp.to_string(), group.id.to_string());
    let its_faces = faces::table.filter(faces::rp_id.eq(&rp)).filter(faces::group_id.eq(&id));
    diesel::delete(its_faces).execute(conn)?;
    exactly_one(diesel::delete(groups::table.find((rp, id))).execute(conn)?)
}

type Row = (String, i64, String, Option<Vec<u8>>, i64);

fn from_row((id, number, label, sealed_template, revision): Row) -> QueryResult<GroupFace> {
    Ok(GroupFace { id: parse(&id)?, number, label, sealed_template, revision })
}

/// The next `most` faces changed after `revision`, in the order in which they were.
pub fn changed_after(
    conn: &mut Conn,
    group: &FaceGroup,
    revision: i64,
    most: i64,
) -> QueryResult<Vec<GroupFace>> {
    let rows: Vec<Row> = faces::table
        .filter(faces::rp_id.eq(group.rp.to_string()))
        .filter(faces::group_id.eq(group.id.to_string()))
        .filter(faces::revision.gt(revision))
        .order(faces::revision)
        .limit(most)
        .select((faces::id, faces::number, faces::label, faces::sealed_template, faces::revision))
        .load(conn)?;
    rows.into_iter().map(from_row).collect()
}

/// The faces with these numbers, as far as they are still there, in no particular order.
pub fn by_numbers(conn: &mut Conn, group: &FaceGroup, numbers: &[i64]) -> QueryResult<Vec<GroupFace>> {
    let rows: Vec<Row> = faces::table
        .filter(faces::rp_id.eq(group.rp.to_string()))
        .filter(faces::group_id.eq(group.id.to_string()))
        .filter(faces::number.eq_any(numbers.to_vec()))
        .filter(faces::sealed_template.is_not_null())
        .select((faces::id, faces::number, faces::label, faces::sealed_template, faces::revision))
        .load(conn)?;
    rows.into_iter().map(from_row).collect()
}

/// Drops what is left of faces removed before `time`.
pub fn forget_removed(conn: &mut Conn, time: Timestamp) -> QueryResult<usize> {
    let old = faces::table
        .filter(faces::sealed_template.is_null())
        .filter(faces::changed_at.lt(time.as_microsecond()));
    diesel::delete(old).execute(conn)
}
