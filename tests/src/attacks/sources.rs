//! The pictures that people and attacks are made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use image::RgbImage;
use wallet_core::face::Template;
use wallet_core::face::challenge::{Action, Ask};
use wallet_core::onnx::Engine;
use wallet_core::picture::Picture;

use crate::motion::Face;
use crate::motion::capture::{Moment, genuine};
use crate::samples::{Samples, decode};

/// A person's picture, and what they are compared with.
pub(super) struct Person {
    pub(super) kind: &'static str,
    pub(super) face: Face,
    pub(super) template: Template,
    /// Whether the face looks ahead, so that what a challenge asks for can be made from it.
    pub(super) is_at_rest: bool,
}

/// Pictures that one person was really asked to turn and nod for.
pub(super) struct Sequence {
    pub(super) rest: Person,
    moves: Vec<(Action, RgbImage)>,
}

pub(super) struct Sources {
    /// People of good will.
    pub(super) live: Vec<Person>,
    pub(super) sequences: Vec<Sequence>,
    /// One picture of each person, for attacks to be made of.
    pub(super) victims: Vec<Person>,
    /// Real pictures of attacks, by kind.
    pub(super) attacks: Vec<(String, Person)>,
}

type Moves = &'static [(Action, &'static str)];

/// People who were asked to turn and to nod: folder, at rest, and what else they did. Found by looking at the pictures.
const SEQUENCES: [(&str, &str, Moves); 3] = [
    (
        "td_05b89f74",
        "frame_f01.jpg",
        &[
            (Action::TurnLeft, "frame_f03.jpg"),
            (Action::TurnRight, "frame_f05.jpg"),
            (Action::Nod, "frame_f11.jpg"),
        ],
    ),
    (
        "td_ad2533b8",
        "frame_f03.jpg",
        &[(Action::TurnLeft, "frame_f05.jpg"), (Action::TurnRight, "frame_f07.jpg")],
    ),
    (
        "td_d5131267",
        "frame_f01.jpg",
        &[(Action::TurnLeft, "frame_f03.jpg"), (Action::TurnRight, "frame_f05.jpg")],
    ),
];
/// Degrees up to which a face looks ahead.
const AHEAD: f32 = 25.0;
/// Sample frames that look ahead, eyes open and mouth closed, by their places.
const AT_REST: [usize; 5] = [0, 1, 2, 3, 9];

/// Where the evaluation pictures lie beside a checkout.
pub(super) fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/faces");
    folder.is_dir().then_some(folder)
}

impl Sources {
    pub(super) fn open(engine: &mut Engine, data: Option<&Path>) -> Result<Sources> {
        let samples = Samples::open()?;
        let sample = |engine: &mut Engine, index| person(engine, "sample frames", samples.franck(index)?);
        let live = AT_REST.into_iter().map(|index| sample(engine, index)).collect::<Result<_>>()?;
        let victims =
            vec![sample(engine, AT_REST[0])?, person(engine, "sample frames", samples.astronaut())?];
        let mut sources = Sources { live, sequences: Vec::new(), victims, attacks: Vec::new() };
        if let Some(data) = data {
            sources.add(engine, data)?;
        }
        Ok(sources)
    }

    fn add(&mut self, engine: &mut Engine, data: &Path) -> Result<()> {
        let mut known = Vec::new();
        for file in pictures(&data.join("pad/live"))? {
            // A picture whose face can't be found is no capture: the app would not take it.
            let Ok(live) = person(engine, kind_of(&file), &fs::read(&file)?) else { continue };
            let who = who(&file);
            if live.is_at_rest && !known.contains(&who) {
                known.push(who);
                self.victims.push(person(engine, "victim", &fs::read(&file)?)?);
            }
            self.live.push(live);
        }
        for folder in folders(&data.join("pad/attack"))? {
            let kind = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            for file in pictures(&folder)? {
                if let Ok(attack) = person(engine, "attack", &fs::read(&file)?) {
                    self.attacks.push((format!("real {kind}, held still"), attack));
                }
            }
        }
        for (folder, rest, moves) in SEQUENCES {
            let folder = data.join("td_real").join(folder);
            if folder.is_dir() {
                self.sequences.push(Sequence::open(engine, &folder, rest, moves)?);
            }
        }
        Ok(())
    }
}

impl Sequence {
    fn open(engine: &mut Engine, folder: &Path, rest: &str, moves: &[(Action, &str)]) -> Result<Sequence> {
        let read = |name: &str| {
            fs::read(folder.join(name)).with_context(|| format!("cannot read {name} in {}", folder.display()))
        };
        let moves = moves.iter().map(|(action, name)| Ok((*action, decode(&read(name)?)?)));
        Ok(Sequence { rest: person(engine, "sequence", &read(rest)?)?, moves: moves.collect::<Result<_>>()? })
    }

    /// The person: what they were really asked to do is real, the rest is made.
    pub(super) fn actor(&self) -> impl FnMut(Moment) -> RgbImage + '_ {
        let mut made = genuine(&self.rest.face);
        move |moment| {
            let asked = moment.step.map(|step| step.ask);
            let real = self.moves.iter().find(|(action, _)| asked == Some(Ask::Act(*action)));
            real.map_or_else(|| made(moment), |(_, image)| image.clone())
        }
    }
}

/// Finds the face in a picture.
pub(super) fn person(engine: &mut Engine, kind: &'static str, bytes: &[u8]) -> Result<Person> {
    let face = Face::find(engine, decode(bytes)?)?;
    let (width, height) = face.image.dimensions();
    let picture = Picture::from_rgb(width, height, face.image.as_raw().clone());
    let picture = picture.ok_or_else(|| anyhow!("a picture without pixels"))?;
    let seen = engine.observe(&picture)?.map_err(|unusable| anyhow!("{}", unusable.code()))?;
    let is_at_rest = seen.quality.yaw.abs() <= AHEAD && seen.quality.pitch.abs() <= AHEAD;
    Ok(Person { kind, face, template: engine.embed_all(&seen.aligned)?, is_at_rest })
}

fn kind_of(file: &Path) -> &'static str {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.starts_with("nuaa") { "web camera" } else { "phone selfies" }
}

/// Who is in a picture, by the part of its name that says so.
fn who(file: &Path) -> String {
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('_').take(3).collect::<Vec<_>>().join("_")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_picture = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "jpg" || kind == "png");
    let files: Vec<PathBuf> = entries(folder)?.into_iter().filter(is_picture).collect();
    ensure!(!files.is_empty(), "there are no pictures in {}", folder.display());
    Ok(files)
}
