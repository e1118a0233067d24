//! Pictures of faces, looked at for a relying party: two compared, one described. Nothing of them is kept.

use serde::{Deserialize, Serialize};
use wallet_core::face::attributes::Appearance;
use wallet_core::face::{FaceBox, Quality, Template, Unusable, matching, quality};
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
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// Whether the score reaches the threshold.
    same: bool,
    comparison_score: f32,
    threshold: f32,
    model: String,
    /// In the order of the pictures.
    faces: [Face; 2],
}

/// `faces:compare`: whether two pictures show one person. Passed when they do, failed when not; either way it is answered.
pub fn compare(
    ctx: &Context,
    rp: &RelyingParty,
    idempotency: &Idempotency,
    pictures: [Vec<u8>; 2],
) -> Flow<Outcome<Comparison>> {
    let call = Call { rp, service: Service::FaceCompare, idempotency };
    let work = || {
        let [(first, a), (second, b)] = on_worker(ctx, move |engine| {
            let [first, second] = pictures;
            let first = template_of(engine, &first)?;
            Ok(match (first, template_of(engine, &second)?) {
                (Ok(first), Ok(second)) => Ok([first, second]),
                (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
            })
        })?;
        let comparison_score = matching::cosine(&a, &b);
        let threshold = ctx.models.thresholds().comparison;
        let same = comparison_score >= threshold;
        let model = ctx.models.model_id().to_owned();
        let answer = Comparison { same, comparison_score, threshold, model, faces: [first, second] };
        Ok(Verdict { passed: same, reason: (!same).then_some("face-mismatch"), answer })
    };
    uses::metered(ctx, call, work, |_, _| Ok(()))
}

/// A face described.
#[derive(Debug, Serialize, Deserialize)]
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
            let appearance = engine.appearance(&picture, &located.face_box)?;
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

/// The one face of an encoded picture that passes the quality gates, with its template.
pub(super) fn template_of(engine: &mut Engine, picture: &[u8]) -> Looked<(Face, Template)> {
    let located = match locate(engine, picture)? {
        Ok((_, located)) => located,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(unusable) = quality::gate(&located.quality, &quality::Limits::DEFAULT) {
        return Ok(Err(unusable.into()));
    }
    let template = engine.embed(&located.aligned)?;
    Ok(Ok((Face::of(&located), template)))
}

fn locate(engine: &mut Engine, picture: &[u8]) -> Looked<(Picture, Located)> {
    let picture = match pictures::decode(picture) {
        Ok(picture) => picture,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let located = engine.locate(&picture)?;
    Ok(located.map(|located| (picture, located)).map_err(Refusal::from))
}
