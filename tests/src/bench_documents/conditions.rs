//! What must be noticed beside the text: glare, and a card that is shown on a screen. And machine-readable zones.

use ab_glyph::FontRef;
use anyhow::{Context as _, Result};
use jiff::civil::date;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::document::id_card::FieldRead;
use wallet_core::document::mrz;
use wallet_core::picture::Picture;

use super::{Bench, bar};
use crate::figures::Goal;
use crate::specimen::scene::{Desk, Scene};
use crate::specimen::{self, page, people};

/// Cards with glare, on screens and as they are; zones of each format.
const EACH: u32 = 40;
const OCR_B: &str = "/usr/share/fonts/opentype/ocr-b/OCRB.otf";

/// What came of the fronts.
#[derive(Default)]
struct Seen {
    false_alarms: u32,
    suspected: u32,
    hidden: u32,
    told: u32,
    wrong: u32,
}

/// A front as it is, on a screen, and under a lamp.
fn scenes(seq: u32) -> [Scene; 3] {
    let mut rng = StdRng::seed_from_u64(u64::from(seq) + 77);
    let mut angle = || rng.random_range(-8.0..8.0);
    let plain = Scene {
        desk: if seq.is_multiple_of(2) { Desk::Wood } else { Desk::Dark },
        turn: angle(),
        pitch: angle(),
        yaw: angle(),
        blur: 0.5,
        noise: 2.0,
        ..Scene::plain(u64::from(seq) + 9000)
    };
    let lamp = ([rng.random_range(0.1..0.6), rng.random_range(0.15..0.9)], rng.random_range(0.10..0.25));
    let screen = Some(rng.random_range(600..1800));
    [plain, Scene { screen, noise: 0.0, ..plain }, Scene { glare: Some(lamp), ..plain }]
}

impl Bench {
    /// Fronts under a lamp, on a screen, and neither.
    pub(super) fn conditions(&mut self) -> Result<()> {
        let bar = bar("conditions", 3 * EACH)?;
        let mut seen = Seen::default();
        for seq in 0..EACH {
            for (kind, scene) in scenes(seq).into_iter().enumerate() {
                self.condition(seq, kind, scene, &mut seen)?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let share = |part: u32| f64::from(part) / f64::from(EACH);
        let figures = &mut self.figures;
        figures.note("screen: drawn screens suspected", share(seen.suspected), "share");
        figures.hold(
            "screen: cards that are none, suspected",
            share(seen.false_alarms),
            "share",
            Goal::AtMost(0.05),
        );
        figures.note("glare: fronts with a field hidden by a lamp", f64::from(seen.hidden), "cards");
        figures.note("glare: of these, told to be glare", f64::from(seen.told), "cards");
        figures.hold("glare and screen: fields wrong", f64::from(seen.wrong), "fields", Goal::AtMost(0.0));
        Ok(())
    }

    /// One front: 0 as it is, 1 on a screen, 2 under a lamp.
    fn condition(&mut self, seq: u32, kind: usize, scene: Scene, seen: &mut Seen) -> Result<()> {
        let who = people::person(seq + 5000);
        let jpeg = {
            let font = self.faces.first().context("there is no font")?.font()?;
            scene.photograph(&who.print_front(&self.portrait, &font), specimen::cover_of_card)?.jpeg
        };
        let side = self.engine.read_front_fields(&Picture::decode(&jpeg)?)?;
        match kind {
            0 => seen.false_alarms += u32::from(side.condition.screen_suspected),
            1 => seen.suspected += u32::from(side.condition.screen_suspected),
            _ => {}
        }
        let text = |read: &FieldRead<String>| read.as_ref().ok().map(|read| read.value.clone());
        if let Ok(fields) = &side.fields {
            let number = fields.number.as_ref().ok().map(|read| read.value.as_str().to_owned());
            let both = [
                (text(&fields.name), &who.name),
                (text(&fields.address), &who.address),
                (number, &who.number),
            ];
            for (read, printed) in both {
                if read.as_ref().is_some_and(|read| read != printed) {
                    seen.wrong += 1;
                    eprintln!(
                        "condition {kind}, {seq}: {printed} was read as {read:?}, {:?}",
                        side.condition
                    );
                }
            }
        }
        if let Err(problem) = side.fields.and_then(|fields| fields.whole()) {
            self.keep(&format!("condition-{kind}-{seq:03}"), &jpeg)?;
            if kind == 2 {
                seen.hidden += 1;
                seen.told += u32::from(side.condition.explains(problem).code() == "glare");
            }
        }
        Ok(())
    }

    /// Passports and cards with a zone, turned, tilted, noisy, JPEG 60.
    pub(super) fn zones(&mut self) -> Result<()> {
        let bytes = std::fs::read(OCR_B).with_context(|| format!("can't read {OCR_B}"))?;
        let ocr_b = FontRef::try_from_slice(&bytes).context("OCR-B is not a font")?;
        let today = date(2026, 11, 22);
        for (name, lines) in [("TD3", page::passport as fn(u32) -> Vec<String>), ("TD1", page::card)] {
            let bar = bar(name, EACH)?;
            let (mut right, mut wrong, mut seconds) = (0, 0, 0.0);
            for seq in 0..EACH {
                let mut rng = StdRng::seed_from_u64(u64::from(seq) + 31);
                let mut angle = |most: f32| rng.random_range(-most..most);
                let scene = Scene {
                    turn: angle(15.0),
                    pitch: angle(15.0),
                    yaw: angle(15.0),
                    blur: 0.7,
                    noise: 4.0,
                    quality: 60,
                    ..Scene::plain(u64::from(seq) + 400)
                };
                let lines = lines(seq);
                let jpeg = {
                    let font = self.faces.first().context("there is no font")?.font()?;
                    let print = page::print(&lines, &self.portrait, &font, &ocr_b);
                    scene.photograph(&print, |_, _| 1.0)?.jpeg
                };
                let (read, time) =
                    self.timed(|engine| Ok(engine.read_mrz(&Picture::decode(&jpeg)?, today)?))?;
                seconds += time.as_secs_f64();
                match (read, mrz::parse(&lines, today)) {
                    (Ok(read), Ok(printed)) if read.mrz == printed => right += 1,
                    (Ok(_), _) => {
                        wrong += 1;
                        self.keep(&format!("{name}-{seq:03}"), &jpeg)?;
                    }
                    (Err(problem), _) => {
                        eprintln!("{name} {seq}: {problem:?} in {lines:?}");
                        self.keep(&format!("{name}-{seq:03}"), &jpeg)?;
                    }
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            self.figures.note(
                format!("zones {name}: read in full, rightly"),
                f64::from(right) / f64::from(EACH),
                "share",
            );
            self.figures.hold(format!("zones {name}: wrong"), f64::from(wrong), "zones", Goal::AtMost(0.0));
            self.figures.note(format!("zones {name}: a page"), seconds / f64::from(EACH), "CPU-s");
        }
        Ok(())
    }
}
