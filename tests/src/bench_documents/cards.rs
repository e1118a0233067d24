//! Identity cards: both sides of invented people's, in several fonts, photographed worse and worse.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wallet_core::document::id_card::{BackFields, FieldRead, FrontFields};
use wallet_core::document::{DocumentProblem, Sex, Validity};
use wallet_core::picture::Picture;

use super::{Bench, bar, has};
use crate::figures::Goal;
use crate::specimen::scene::{Desk, Scene};
use crate::specimen::{self, Specimen, people};

/// At least this share of the fields of all cards is read exactly so.
const RIGHT_GOAL: f64 = 0.98;
/// At most this much CPU time for both sides of a card, in the mean of every class.
const SECONDS_GOAL: f64 = 1.5;

/// What is done to a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Plain,
    Turned,
    Tilted,
    Blurred,
    Noisy,
    Jpeg60,
    Everything,
    UpsideDown,
}

const CLASSES: [(Class, &str); 8] = [
    (Class::Plain, "plain"),
    (Class::Turned, "turned by up to 20°"),
    (Class::Tilted, "tilted by up to 20°"),
    (Class::Blurred, "blurred, σ 1 to 2 px"),
    (Class::Noisy, "noisy, σ 6 to 12"),
    (Class::Jpeg60, "JPEG 60"),
    (Class::Everything, "all of it, JPEG 60"),
    (Class::UpsideDown, "upside down, tilted, JPEG 60"),
];

impl Class {
    /// A photograph of this class; every seed gives another.
    fn scene(self, seed: u64) -> Scene {
        let mut rng = StdRng::seed_from_u64(seed);
        let desks = [Desk::Dark, Desk::Wood, Desk::Paper, Desk::Cloth];
        let desk = desks.get(rng.random_range(0..desks.len())).copied().unwrap_or(Desk::Dark);
        let share = rng.random_range(0.60..0.80);
        let shade = rng.random_range(0.0..0.3);
        let plain = Scene { desk, share, shade, ..Scene::plain(seed) };
        let mut angle = |most: f32| rng.random_range(-most..most);
        let tilted = Scene { pitch: angle(20.0), yaw: angle(20.0), ..plain };
        match self {
            Class::Plain => plain,
            Class::Turned => Scene { turn: angle(20.0), ..plain },
            Class::Tilted => tilted,
            Class::Blurred => Scene { blur: 1.5 + angle(0.5), ..plain },
            Class::Noisy => Scene { noise: 9.0 + angle(3.0), ..plain },
            Class::Jpeg60 => Scene { quality: 60, ..plain },
            Class::Everything => Scene {
                turn: angle(20.0),
                blur: 0.9 + angle(0.3),
                noise: 5.0 + angle(2.0),
                quality: 60,
                ..tilted
            },
            Class::UpsideDown => Scene { turn: 180.0 + angle(20.0), quality: 60, ..tilted },
        }
    }
}

/// How fields were read.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    right: u32,
    refused: u32,
    wrong: u32,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.right += other.right;
        self.refused += other.refused;
        self.wrong += other.wrong;
    }

    fn share(self) -> f64 {
        f64::from(self.right) / f64::from(self.right + self.refused + self.wrong)
    }
}

/// A field: what is printed, and what was read or why not.
type Field = (&'static str, String, Result<String, DocumentProblem>);

impl Bench {
    pub(super) fn cards(&mut self) -> Result<()> {
        let bar = bar("cards", self.arguments.cards)?;
        let mut classes: BTreeMap<Class, (Tally, Duration, u32)> = BTreeMap::new();
        let (mut fields, mut faces) = (BTreeMap::<_, Tally>::new(), BTreeMap::<_, Tally>::new());
        let mut sum = Tally::default();
        for (seq, (class, _)) in (0..self.arguments.cards).zip(CLASSES.into_iter().cycle()) {
            let (face, read, time) = self.card(seq, class)?;
            let entry = classes.entry(class).or_default();
            (entry.1, entry.2) = (entry.1 + time, entry.2 + 1);
            for (name, printed, read) in read {
                let tally = match read {
                    Ok(read) if read == printed => Tally { right: 1, ..Tally::default() },
                    Ok(_) => Tally { wrong: 1, ..Tally::default() },
                    Err(_) => Tally { refused: 1, ..Tally::default() },
                };
                for total in
                    [&mut entry.0, fields.entry(name).or_default(), faces.entry(face).or_default(), &mut sum]
                {
                    total.add(tally);
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.report(&classes, &fields, &faces, sum);
        Ok(())
    }

    /// One card, both sides: the font's name, its fields, and what reading it took.
    fn card(&mut self, seq: u32, class: Class) -> Result<(&'static str, Vec<Field>, Duration)> {
        let (name, who, front, back) = {
            let at = (seq + seq / 8) as usize % self.faces.len();
            let Some(face) = self.faces.get(at) else { anyhow::bail!("there is no font") };
            let font = face.font()?;
            // Not every font has every rare character.
            let who = (0..).map(|more| people::person(seq + more * 1000)).find(|who| has(&font, &who.name));
            let who = who.unwrap_or_else(|| people::person(seq));
            let seed = u64::from(seq) * 2;
            let rounded = specimen::cover_of_card;
            let front = class.scene(seed).photograph(&who.print_front(&self.portrait, &font), rounded)?;
            let back = class.scene(seed + 1).photograph(&who.print_back(&font), rounded)?;
            (face.name, who, front, back)
        };
        let ((face, rear), time) = self.timed(|engine| {
            let (front, back) = (Picture::decode(&front.jpeg)?, Picture::decode(&back.jpeg)?);
            Ok((engine.read_front_fields(&front)?, engine.read_back_fields(&back)?))
        })?;
        let mut fields = front_fields(&who, &face.fields);
        fields.extend(back_fields(&who, &rear.fields));
        for (field, printed, read) in &fields {
            if read.as_ref() != Ok(printed) {
                self.keep(&format!("{seq:03}-front"), &front.jpeg)?;
                self.keep(&format!("{seq:03}-back"), &back.jpeg)?;
                // Of invented people: nobody's data.
                eprintln!("card {seq}, {class:?}, {name}: {field} {printed} was read as {read:?}");
            }
        }
        Ok((name, fields, time))
    }

    fn report(
        &mut self,
        classes: &BTreeMap<Class, (Tally, Duration, u32)>,
        fields: &BTreeMap<&'static str, Tally>,
        faces: &BTreeMap<&'static str, Tally>,
        sum: Tally,
    ) {
        for (class, name) in CLASSES {
            let Some((tally, time, cards)) = classes.get(&class) else { continue };
            self.tally(&format!("cards, {name}"), *tally);
            let seconds = time.as_secs_f64() / f64::from(*cards);
            self.figures.hold(
                format!("cards, {name}: both sides"),
                seconds,
                "CPU-s",
                Goal::AtMost(SECONDS_GOAL),
            );
        }
        for (name, tally) in fields.iter().chain(faces) {
            self.tally(&format!("cards, {name}"), *tally);
        }
        let (time, cards) =
            classes.values().fold((Duration::ZERO, 0), |(t, n), (_, time, cards)| (t + *time, n + cards));
        self.figures.note("cards: how many", f64::from(cards), "cards");
        self.figures.hold("cards: fields exactly right", sum.share(), "share", Goal::AtLeast(RIGHT_GOAL));
        self.figures.note("cards: fields refused", f64::from(sum.refused), "fields");
        self.figures.hold("cards: fields wrong", f64::from(sum.wrong), "fields", Goal::AtMost(0.0));
        let seconds = time.as_secs_f64() / f64::from(cards);
        self.figures.hold("cards: both sides, mean", seconds, "CPU-s", Goal::AtMost(SECONDS_GOAL));
    }

    fn tally(&mut self, name: &str, tally: Tally) {
        self.figures.note(format!("{name}: right"), tally.share(), "share");
        self.figures.note(format!("{name}: refused"), f64::from(tally.refused), "fields");
        self.figures.note(format!("{name}: wrong"), f64::from(tally.wrong), "fields");
    }
}

/// A field of a side that may not have been read at all.
fn field<S, T>(
    side: &Result<S, DocumentProblem>,
    of: impl Fn(&S) -> &FieldRead<T>,
    text: impl Fn(&T) -> String,
) -> Result<String, DocumentProblem> {
    match side {
        Ok(side) => of(side).as_ref().map(|read| text(&read.value)).map_err(|problem| *problem),
        Err(problem) => Err(*problem),
    }
}

fn front_fields(who: &Specimen, read: &Result<FrontFields, DocumentProblem>) -> Vec<Field> {
    let sex = |sex: &Sex| match sex {
        Sex::Male => "男".to_owned(),
        Sex::Female => "女".to_owned(),
    };
    vec![
        ("name", who.name.clone(), field(read, |f| &f.name, String::clone)),
        ("sex", who.sex.printed().to_owned(), field(read, |f| &f.sex, sex)),
        ("ethnicity", who.ethnicity.clone(), field(read, |f| &f.ethnicity, String::clone)),
        ("birth", iso(who.birth), field(read, |f| &f.birth, ToString::to_string)),
        ("address", who.address.clone(), field(read, |f| &f.address, String::clone)),
        ("number", who.number.clone(), field(read, |f| &f.number, |number| number.as_str().to_owned())),
    ]
}

fn back_fields(who: &Specimen, read: &Result<BackFields, DocumentProblem>) -> Vec<Field> {
    let until = |until: &Validity| match until {
        Validity::LongTerm => "长期".to_owned(),
        Validity::Until(day) => day.to_string(),
    };
    let printed = who.valid_until.map_or_else(|| "长期".to_owned(), iso);
    vec![
        ("issuer", who.issuer.clone(), field(read, |f| &f.issuer, String::clone)),
        ("valid from", iso(who.valid_from), field(read, |f| &f.valid_from, ToString::to_string)),
        ("valid until", printed, field(read, |f| &f.valid_until, until)),
    ]
}

fn iso((year, month, day): specimen::Date) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}
