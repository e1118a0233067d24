//! Pictures of faces, looked at for a relying party: two compared, one described. Nothing of them is kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::face::attributes::Appearance;
use wallet_core::face::{Comparison, FaceBox, Quality, Template, Unusable, quality};
use wallet_core::onnx::{Engine, Located, ModelError};
use wallet_core::picture::Picture;
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::idempotency::Idempotency;
use super::uses::{self, Call, Outcome, Verdict};
use super::{Context, pictures};
use crate::billing::price::Service;
use crate::edge::metrics::Stage;
use crate::edge::models::Lane;
use crate::stop::Flow;

/// A face as it was found in a picture.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Face {
    /// In pixels of the upright picture.
    #[serde(rename = "box")]
    face_box: FaceBox,
    quality: Quality,
}

impl Face {
    fn of(located: &Located) -> Face {
        Face { face_box: located.face_box, quality: located.quality }
    }
}

/// Two faces compared.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Compared {
    /// Whether the score reaches the threshold.
    same: bool,
    comparison_score: f32,
    threshold: f32,
    /// The embedders that gave the score.
    models: Vec<String>,
    /// In the order of the pictures.
    faces: [Face; 2],
}

/// `faces:compare`: whether two pictures show one person. Passed when they do, failed when not; either way it is answered.
pub fn compare(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    pictures: [Vec<u8>; 2],
) -> Flow<Outcome<Compared>> {
    let call = Call { rp, service: Service::FaceCompare, idempotency };
    let work = || {
        let (faces, Comparison { score, threshold, models }) = on_worker(ctx, move |engine| {
            let [first, second] = pictures;
            let (first, second) = match (good_face(engine, &first)?, good_face(engine, &second)?) {
                (Ok(first), Ok(second)) => (first, second),
                (Err(refusal), _) | (_, Err(refusal)) => return Ok(Err(refusal)),
            };
            let comparison = engine.compare_faces(&first.aligned, &second.aligned)?;
            Ok(Ok(([Face::of(&first), Face::of(&second)], comparison)))
        })?;
        let same = score >= threshold;
        let answer = Compared { same, comparison_score: score, threshold, models, faces };
        Ok(Verdict { passed: same, reason: (!same).then_some("face-mismatch"), answer })
    };
    uses::metered(ctx, call, work, |_, _| Ok(()))
}

/// A face described.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = FaceDescription)]
pub struct Description {
    face: Face,
    #[serde(flatten)]
    appearance: Appearance,
    /// What is often asked for and no model here tells.
    not_measured: Vec<String>,
}

/// There is no well-kept, permissively licensed model of these in a package registry.
const NOT_MEASURED: [&str; 2] = ["glasses", "mask"];

/// `faces:attributes`: what can be told of the face in a picture, whatever its quality.
pub fn describe(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    picture: Vec<u8>,
) -> Flow<Outcome<Description>> {
    let call = Call { rp, service: Service::FaceAttributes, idempotency };
    let work = || {
        let (face, appearance) = on_worker(ctx, move |engine| {
            let (picture, located) = match locate(engine, &picture)? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let appearance = engine.appearance(&picture, &located.points)?;
            let appearance = appearance.ok_or_else(|| Refusal::from(Unusable::NoFace));
            Ok(appearance.map(|appearance| (Face::of(&located), appearance)))
        })?;
        let not_measured = NOT_MEASURED.map(str::to_owned).to_vec();
        Ok(Verdict::passed(Description { face, appearance, not_measured }))
    };
    uses::metered(ctx, call, work, |_, _| Ok(()))
}

type Looked<T> = Result<Result<T, Refusal>, ModelError>;

/// Runs on a model worker; what the pictures can't give is refused, what the models can't is a malfunction.
pub(super) fn on_worker<T: Send + 'static>(
    ctx: &Context,
    look: impl FnOnce(&mut Engine) -> Looked<T> + Send + 'static,
) -> Flow<T> {
    Ok(ctx.metrics.stage(Stage::UseModels, || ctx.models.run(Lane::Use, look))???)
}

/// The template of the one face of an encoded picture, by every embedder.
pub(super) fn template_of(engine: &mut Engine, picture: &[u8]) -> Looked<(Face, Template)> {
    let face = match good_face(engine, picture)? {
        Ok(face) => face,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let template = engine.embed_all(&face.aligned)?;
    Ok(Ok((Face::of(&face), template)))
}

/// The one face of an encoded picture, if it passes the quality gates.
fn good_face(engine: &mut Engine, picture: &[u8]) -> Looked<Located> {
    let face = match locate(engine, picture)? {
        Ok((_, face)) => face,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let gate = quality::gate(&face.quality, &quality::Limits::DEFAULT);
    Ok(gate.map(|()| face).map_err(Refusal::from))
}

fn locate(engine: &mut Engine, picture: &[u8]) -> Looked<(Picture, Located)> {
    let picture = match pictures::decode(picture) {
        Ok(picture) => picture,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let located = engine.locate(&picture)?;
    Ok(located.map(|located| (picture, located)).map_err(Refusal::from))
}
