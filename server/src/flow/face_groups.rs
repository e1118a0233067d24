//! Face groups: faces that a relying party puts together to be searched in. Off unless it has bought `face.search`. What is kept of a
//! face is its template, sealed; a search proposes by an index and decides by exact comparison.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::es256::sha256;
use wallet_core::face::protection::{SALT_BYTES, Stored};
use wallet_core::face::{Template, Tier};
use wallet_core::ids::{FaceGroupId, GroupFaceId};
use wallet_core::refusal::Refusal;
use zeroize::Zeroizing;

use super::callers::RelyingParty;
use super::charging::gate;
use super::idempotency::Idempotency;
use super::uses::{self, Call, Outcome, Verdict};
use super::{Context, faces};
use crate::billing::price::Service;
use crate::edge::face_index::FaceIndex;
use crate::stop::Flow;
use crate::store::audit;
use crate::store::face_groups::{self as groups, FaceGroup, GroupFace};

/// Groups of one relying party, and faces of one group: bounds of what one of them can make us keep.
const MAX_GROUPS: i64 = 100;
const MAX_FACES: i64 = 1_000_000;
/// Faces read at once when an index is brought up to date.
const BATCH: i64 = 10_000;
/// An index is put on the disk again after so many changes, and when a tenth of it has changed.
const KEEP_AFTER: i64 = 1_000;
/// Candidates that are compared exactly, for each match that is asked for.
pub const CANDIDATES: usize = 8;

const SERVICE: Service = Service::FaceSearch;

/// A group as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = FaceGroup)]
pub struct Group {
    id: FaceGroupId,
    name: String,
    faces: i64,
}

impl From<FaceGroup> for Group {
    fn from(FaceGroup { id, name, faces, .. }: FaceGroup) -> Self {
        Group { id, name, faces }
    }
}

/// Makes an empty group.
pub fn create(ctx: &Context, rp: &RelyingParty, name: String) -> Flow<Group> {
    gate(ctx, rp, SERVICE, None)?;
    let now = ctx.now();
    let group = FaceGroup {
        id: FaceGroupId::new(now, &mut rand::rng()),
        rp: rp.id,
        name,
        model: ctx.models.main_model().to_owned(),
        revision: 0,
        faces: 0,
    };
    ctx.rp_store.write(|conn| {
        if groups::count(conn, rp.id)? >= MAX_GROUPS {
            return Err(Refusal::FaceGroupFull.into());
        }
        groups::insert(conn, &group, now)?;
        Ok(audit::append(conn, rp.id, "face_group.create", group.id, "done", now)?)
    })?;
    Ok(group.into())
}

/// A group of the relying party.
pub fn show(ctx: &Context, rp: &RelyingParty, id: FaceGroupId) -> Flow<Group> {
    Ok(find(ctx, rp, id)?.into())
}

/// Erases a group with all its faces. Asked for by who no longer pays, too.
pub fn erase(ctx: &Context, rp: &RelyingParty, id: FaceGroupId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let group = groups::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?;
        groups::erase(conn, &group)?;
        Ok(audit::append(conn, rp.id, "face_group.erase", id, "done", now)?)
    })?;
    Ok(ctx.face_indexes.forget(id)?)
}

/// Drops the files of groups that another replica erased.
pub fn forget_erased(ctx: &Context) -> Flow<()> {
    for group in ctx.face_indexes.kept()? {
        if !ctx.rp_store.read(|conn| Ok(groups::exists(conn, group)?))? {
            ctx.face_indexes.forget(group)?;
        }
    }
    Ok(())
}

/// A face that was put into a group.
#[derive(Serialize, ToSchema)]
#[schema(as = FaceAdded)]
pub struct Added {
    id: GroupFaceId,
    label: String,
    #[serde(flatten)]
    face: faces::Face,
}

/// Puts the face of a picture into a group. The picture is not kept.
pub fn add_face(
    ctx: &Context,
    rp: &RelyingParty,
    group: FaceGroupId,
    label: String,
    picture: Vec<u8>,
) -> Flow<Added> {
    gate(ctx, rp, SERVICE, None)?;
    find(ctx, rp, group)?;
    let (face, template) = faces::on_worker(ctx, move |engine| faces::template_of(engine, &picture))?;
    let now = ctx.now();
    let id = GroupFaceId::new(now, &mut rand::rng());
    let stored = Stored::protect(&template, &ctx.secrets.template, salt_of(group));
    let sealed = ctx.vault.seal(&template_context(id), &stored.to_bytes())?;
    ctx.rp_store.write(|conn| {
        let group = current(ctx, groups::find(conn, group, rp.id)?)?;
        if group.faces >= MAX_FACES {
            return Err(Refusal::FaceGroupFull.into());
        }
        groups::add(conn, &group, id, &label, &sealed, now)?;
        Ok(audit::append(conn, rp.id, "face_group.add_face", id, "done", now)?)
    })?;
    Ok(Added { id, label, face })
}

/// Erases a face from a group.
pub fn remove_face(ctx: &Context, rp: &RelyingParty, group: FaceGroupId, id: GroupFaceId) -> Flow<()> {
    let now = ctx.now();
    ctx.rp_store.write(|conn| {
        let group = groups::find(conn, group, rp.id)?.ok_or(Refusal::NotFound)?;
        if !groups::remove(conn, &group, id, now)? {
            return Err(Refusal::NotFound.into());
        }
        Ok(audit::append(conn, rp.id, "face_group.remove_face", id, "done", now)?)
    })
}

/// What a search found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The best first; none when nobody in the group reaches the threshold.
    matches: Vec<Match>,
    threshold: f32,
    model: String,
    /// How many faces were searched: the more, the likelier somebody looks alike.
    faces: i64,
    face: faces::Face,
}

/// A face of the group that looks like the one searched for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Match {
    face: GroupFaceId,
    label: String,
    comparison_score: f32,
}

/// Searches a group for the face of a picture. Passed when somebody reaches the threshold; it is charged either way.
pub fn search(
    ctx: &Context,
    rp: &RelyingParty,
    id: FaceGroupId,
    idempotency: &Idempotency,
    picture: Vec<u8>,
    most: usize,
) -> Flow<Outcome<Found>> {
    let call = Call { rp, service: SERVICE, idempotency };
    let work = || {
        let group = find(ctx, rp, id)?;
        let (face, probe) = faces::on_worker(ctx, move |engine| faces::template_of(engine, &picture))?;
        let threshold = ctx.models.thresholds().search;
        let matches = nearest(ctx, &group, &probe, most, threshold)?;
        let passed = !matches.is_empty();
        let model = group.model;
        let answer = Found { matches, threshold, model, faces: group.faces, face };
        Ok(Verdict { passed, reason: (!passed).then_some("nobody-found"), answer })
    };
    uses::metered(ctx, call, work, |_, _| Ok(()))
}

/// The faces of a group that reach the threshold, compared exactly, best first.
fn nearest(
    ctx: &Context,
    group: &FaceGroup,
    probe: &Template,
    most: usize,
    threshold: f32,
) -> Flow<Vec<Match>> {
    // Turned as those in the group are: under one salt templates can be compared as they are stored.
    let probe = Stored::protect(probe, &ctx.secrets.template, salt_of(group.id));
    let probe = probe.vectors();
    let vector = probe.get(Tier::Main).ok_or_else(|| anyhow::anyhow!("a face without its main vector"))?;
    let index = ctx.face_indexes.of(&ctx.vault, group.id, vector.values().len());
    if index.read().revision() < group.revision {
        let mut index = index.write();
        let before = index.revision();
        let removed = catch_up(ctx, group, &mut index)?;
        let changes = index.revision() - before;
        if changes >= KEEP_AFTER && changes.saturating_mul(10) >= group.faces {
            ctx.face_indexes.keep(&ctx.vault, group.id, &index)?;
        } else if removed {
            ctx.face_indexes.drop_file(group.id)?;
        }
    }
    let numbers = index.read().nearest(vector, most.saturating_mul(CANDIDATES))?;
    let numbers: Vec<i64> = numbers.into_iter().filter_map(|number| i64::try_from(number).ok()).collect();
    let candidates = ctx.rp_store.read(|conn| Ok(groups::by_numbers(conn, group, &numbers)?))?;
    let mut matches = Vec::new();
    for face in candidates {
        let Some(stored) = stored(ctx, &face)? else { continue };
        let score = ctx.models.scale().score(stored.vectors(), probe);
        let comparison_score = score.ok_or_else(|| anyhow::anyhow!("templates of different models"))?;
        if comparison_score >= threshold {
            matches.push(Match { face: face.id, label: face.label, comparison_score });
        }
    }
    matches.sort_by(|a, b| b.comparison_score.total_cmp(&a.comparison_score));
    matches.truncate(most);
    Ok(matches)
}

/// Takes over what was changed since the index last looked; whether anything was removed.
fn catch_up(ctx: &Context, group: &FaceGroup, index: &mut FaceIndex) -> Flow<bool> {
    let mut removed = false;
    loop {
        let known = index.revision();
        let changed = ctx.rp_store.read(|conn| Ok(groups::changed_after(conn, group, known, BATCH)?))?;
        for face in &changed {
            let number =
                u64::try_from(face.number).map_err(|_| anyhow::anyhow!("a face's number is negative"))?;
            removed |= face.sealed_template.is_none();
            let stored = stored(ctx, face)?;
            let vector = stored.as_ref().and_then(|stored| stored.vectors().get(Tier::Main));
            index.change(number, vector, face.revision)?;
        }
        if i64::try_from(changed.len()).is_ok_and(|count| count < BATCH) {
            return Ok(removed);
        }
    }
}

fn stored(ctx: &Context, face: &GroupFace) -> Flow<Option<Stored>> {
    let Some(sealed) = &face.sealed_template else { return Ok(None) };
    let opened = Zeroizing::new(ctx.vault.open(&template_context(face.id), sealed)?);
    Ok(Some(Stored::from_bytes(&opened)?))
}

/// The salt of a group's templates: one for all of them, so that one probe can be compared with each, and none for two groups.
fn salt_of(group: FaceGroupId) -> [u8; SALT_BYTES] {
    let digest = sha256(format!("face-group {group}").as_bytes());
    std::array::from_fn(|i| digest.get(i).copied().unwrap_or_default())
}

fn find(ctx: &Context, rp: &RelyingParty, id: FaceGroupId) -> Flow<FaceGroup> {
    ctx.rp_store.read(|conn| current(ctx, groups::find(conn, id, rp.id)?))
}

/// A group whose templates are of the embedder that is loaded; those of another can't be compared with it.
fn current(ctx: &Context, group: Option<FaceGroup>) -> Flow<FaceGroup> {
    let group = group.ok_or(Refusal::NotFound)?;
    if group.model == ctx.models.main_model() { Ok(group) } else { Err(Refusal::FaceGroupOutdated.into()) }
}

/// What a sealed template is bound to.
pub(super) fn template_context(id: GroupFaceId) -> String {
    format!("group_faces.template {id}")
}
