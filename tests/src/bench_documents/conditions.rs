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

impl Bench {
    /// Fronts under a lamp, on a screen, and neither.
    pub(super) fn conditions(&mut self) -> Result<()> {
        let bar = bar("conditions", 3 * EACH)?;
        let (mut suspected, mut false_alarms, mut hidden, mut told, mut wrong) = (0, 0, 0, 0, 0);
        for seq in 0..EACH {
            let mut rng = StdRng::seed_from_u64(u64::from(seq) + 77);
            let angle = |rng: &mut StdRng| rng.random_range(-8.0..8.0);
            let plain = Scene {
                desk: if seq % 2 == 0 { Desk::Wood } else { Desk::Dark },
                turn: angle(&mut rng),
                pitch: angle(&mut rng),
                yaw: angle(&mut rng),
                blur: 0.5,
                noise: 2.0,
                ..Scene::plain(u64::from(seq) + 9000)
            };
            let lamp =
                ([rng.random_range(0.1..0.6), rng.random_range(0.15..0.9)], rng.random_range(0.10..0.25));
            let scenes = [
                plain,
                Scene { screen: Some(rng.random_range(600..1800)), noise: 0.0, ..plain },
                Scene { glare: Some(lamp), ..plain },
            ];
            for (kind, scene) in scenes.into_iter().enumerate() {
                let (who, jpeg) = {
                    let font = self.faces.first().context("there is no font")?.font()?;
                    let who = people::person(seq + 5000);
                    let print = who.print_front(&self.portrait, &font);
                    (who, scene.photograph(&print, specimen::cover_of_card)?.jpeg)
                };
                let side = self.engine.read_front_fields(&Picture::decode(&jpeg)?)?;
                match kind {
                    0 => false_alarms += u32::from(side.condition.screen_suspected),
                    1 => suspected += u32::from(side.condition.screen_suspected),
                    _ => {}
                }
                let text = |read: &FieldRead<String>| read.as_ref().ok().map(|read| read.value.clone());
                if let Ok(fields) = &side.fields {
                    let number = fields.number.as_ref().ok().map(|read| read.value.as_str().to_owned());
                    for (read, printed) in [
                        (text(&fields.name), &who.name),
                        (text(&fields.address), &who.address),
                        (number, &who.number),
                    ] {
                        if read.as_ref().is_some_and(|read| read != printed) {
                            wrong += 1;
                            eprintln!(
                                "condition {kind}, {seq}: {printed} was read as {read:?}, {:?}",
                                side.condition
                            );
                            self.keep(&format!("condition-{kind}-{seq:03}"), &jpeg)?;
                        }
                    }
                }
                let problem = side.fields.clone().and_then(|fields| fields.whole()).err();
                if let Some(problem) = problem.filter(|_| kind == 2) {
                    hidden += 1;
                    told += u32::from(side.condition.explains(problem).code() == "glare");
                }
                if problem.is_some() {
                    self.keep(&format!("condition-{kind}-{seq:03}"), &jpeg)?;
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let share = |part: u32| f64::from(part) / f64::from(EACH);
        self.figures.note("screen: drawn screens suspected", share(suspected), "share");
        self.figures.hold(
            "screen: cards that are none, suspected",
            share(false_alarms),
            "share",
            Goal::AtMost(0.05),
        );
        self.figures.note("glare: fronts with a field hidden by a lamp", f64::from(hidden), "cards");
        self.figures.note("glare: of these, told to be glare", f64::from(told), "cards");
        self.figures.hold("glare and screen: fields wrong", f64::from(wrong), "fields", Goal::AtMost(0.0));
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
