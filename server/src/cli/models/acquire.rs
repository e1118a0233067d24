//! The product's own pipeline over pictures in files, each looked at once, on worker threads.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, anyhow};
use wallet_core::document::id_card::{Back, Front};
use wallet_core::document::{DocumentProblem, Sex, Validity};
use wallet_core::face::quality::{self, Limits};
use wallet_core::face::{Detection, Template, Unusable};
use wallet_core::onnx::engine::{CLOSE_SIDE, Located};
use wallet_core::onnx::{Engine, Models};
use wallet_core::picture::Picture;

use super::folder::{Card, Side};
use crate::progress::Progress;

/// The code of why there is nothing to judge: of a `PictureError`, an `Unusable` or a `DocumentProblem`.
pub(super) type Code = &'static str;

/// A face that was acquired.
pub(super) struct Face {
    pub(super) template: Template,
    /// The quality gate that a capture with this frame would have failed.
    pub(super) gate: Option<Unusable>,
}

/// A presentation that passive detection judged.
pub(super) struct Presentation {
    /// Probability of a live face, 0 to 1.
    pub(super) live: f32,
    /// As of a [`Face`].
    pub(super) gate: Option<Unusable>,
}

/// Engines, one a thread.
pub(super) struct Workers {
    engines: Vec<Engine>,
}

impl Workers {
    pub(super) fn start(models: &Models, workers: usize) -> anyhow::Result<Workers> {
        let engines = (0..workers.max(1)).map(|_| models.engine()).collect::<Result<_, _>>();
        Ok(Workers { engines: engines.context("the models can't be started")? })
    }

    /// Does `work` on every task; the results in the order of the tasks. Ends early when one is a malfunction.
    pub(super) fn run<T: Sync, R: Send>(
        &mut self,
        progress: &Progress,
        what: &str,
        tasks: &[T],
        work: impl Fn(&mut Engine, &T) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<Vec<R>> {
        let piece = progress.begin(what, Some(tasks.len() as u64));
        let next = AtomicUsize::new(0);
        let worker = |engine: &mut Engine| -> anyhow::Result<Vec<(usize, R)>> {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(index) else { return Ok(done) };
                let result = work(engine, task);
                if result.is_err() {
                    next.store(tasks.len(), Ordering::Relaxed);
                }
                done.push((index, result?));
                piece.step();
            }
        };
        let worker = &worker;
        let parts = thread::scope(|scope| {
            let threads = self.engines.iter_mut().map(|engine| scope.spawn(move || worker(engine)));
            let threads: Vec<_> = threads.collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|end| end.map_err(|_| anyhow!("a worker panicked"))?)
                .collect::<anyhow::Result<Vec<_>>>()
        })?;
        let mut results: Vec<(usize, R)> = parts.into_iter().flatten().collect();
        results.sort_by_key(|(index, _)| *index);
        piece.end(&format!("{} looked at", results.len()));
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

/// The template of the one face in a picture, by every embedder. Quality gates are looked at and not applied.
pub(super) fn face(engine: &mut Engine, path: &Path) -> anyhow::Result<Result<Face, Code>> {
    let found = match locate(engine, path)? {
        Ok(found) => found,
        Err(code) => return Ok(Err(code)),
    };
    Ok(Ok(Face { template: engine.embed_all(&found.face.aligned)?, gate: found.gate }))
}

/// What the product's detection finds of what is found at the full size.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Whether it finds the largest one; `None` where there is none.
    pub(super) largest_found: Option<bool>,
    pub(super) faces: usize,
    pub(super) lost: usize,
}

/// Looks at a picture at the full size, without enlarging it, and as the product does.
pub(super) fn look(engine: &mut Engine, path: &Path) -> anyhow::Result<Look> {
    let Ok(picture) = decode(path)? else { return Ok(Look::default()) };
    let side = usize::try_from(picture.width().max(picture.height()))?.min(CLOSE_SIDE);
    let (full, product) = (engine.detect_at(&picture, side)?, engine.detect(&picture)?);
    let is_found = |face: &Detection| product.iter().any(|p| p.face_box.overlap(&face.face_box) > 0.4);
    let largest = full.iter().max_by(|a, b| a.face_box.height.total_cmp(&b.face_box.height));
    Ok(Look {
        largest_found: largest.map(is_found),
        faces: full.len(),
        lost: full.iter().filter(|face| !is_found(face)).count(),
    })
}

/// What passive detection says of the one face in a picture.
pub(super) fn presentation(engine: &mut Engine, path: &Path) -> anyhow::Result<Result<Presentation, Code>> {
    let found = match locate(engine, path)? {
        Ok(found) => found,
        Err(code) => return Ok(Err(code)),
    };
    let live = engine.live(&found.picture, &found.face.face_box)?;
    Ok(Ok(Presentation { live, gate: found.gate }))
}

/// The fields of one side of a card, by their codes and as the API writes them.
pub(super) fn card(
    engine: &mut Engine,
    card: &Card,
) -> anyhow::Result<Result<Vec<(&'static str, String)>, Code>> {
    let picture = match decode(&card.path)? {
        Ok(picture) => picture,
        Err(code) => return Ok(Err(code)),
    };
    let fields = match card.side {
        Side::Front => engine.read_front(&picture)?.map(front_fields),
        Side::Back => engine.read_back(&picture)?.map(back_fields),
    };
    Ok(fields.map_err(DocumentProblem::code))
}

struct Found {
    picture: Picture,
    face: Located,
    gate: Option<Unusable>,
}

/// The one face, with the gate's word kept instead of obeyed.
fn locate(engine: &mut Engine, path: &Path) -> anyhow::Result<Result<Found, Code>> {
    let picture = match decode(path)? {
        Ok(picture) => picture,
        Err(code) => return Ok(Err(code)),
    };
    let face = match engine.locate(&picture)? {
        Ok(face) => face,
        Err(unusable) => return Ok(Err(unusable.code())),
    };
    let gate = quality::gate(&face.quality, &Limits::DEFAULT).err();
    Ok(Ok(Found { picture, face, gate }))
}

/// Upright, as from a caller; the outer error is a file that can't be read.
fn decode(path: &Path) -> anyhow::Result<Result<Picture, Code>> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(Picture::decode(&bytes).map_err(|error| error.code()))
}

fn front_fields(front: Front) -> Vec<(&'static str, String)> {
    let sex = match front.sex {
        Sex::Male => "male",
        Sex::Female => "female",
    };
    vec![
        ("name", front.name),
        ("sex", sex.to_owned()),
        ("ethnicity", front.ethnicity),
        ("birth", front.birth.to_string()),
        ("address", front.address),
        ("number", front.number.as_str().to_owned()),
    ]
}

fn back_fields(back: Back) -> Vec<(&'static str, String)> {
    let until = match back.valid_until {
        Validity::LongTerm => "long-term".to_owned(),
        Validity::Until(day) => day.to_string(),
    };
    vec![("issuer", back.issuer), ("valid-from", back.valid_from.to_string()), ("valid-until", until)]
}
