//! `ecert documents`: what the document engine makes of a photograph. Nothing is stored.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use wallet_core::document::id_card::{BackFields, FieldRead, FrontFields};
use wallet_core::document::mrz::grid::MrzReading;
use wallet_core::document::mrz::{Birth, MrzSex};
use wallet_core::document::{DocumentProblem, Sex, Validity};
use wallet_core::onnx::{Condition, Engine, Models, SideReading};
use wallet_core::picture::Picture;

use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum DocumentsAction {
    /// Read sides of identity cards and pages with a machine-readable zone, and print their fields; personal data, so mind where to
    #[command(after_help = "\
Example:
  ecert documents read front.jpg back.jpg
  ecert documents read --kind passport page.jpg --json | jq '.[].fields'

Every field is printed with the reader's confidence in its most doubtful character, or with why it was not read. The exit code is 1
when a file was not read in full.")]
    Read {
        /// Photographs: JPEG, PNG or WebP
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What they show
        #[arg(long, value_enum, default_value_t = Kind::Any)]
        kind: Kind,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Tried in this order: front or back of an identity card, machine-readable zone
    Any,
    /// A Chinese identity card, either side
    IdCard,
    /// A passport or card with a machine-readable zone
    Passport,
}

/// What a file shows.
#[derive(Serialize)]
struct Reading {
    file: String,
    /// `id-card-front`, `id-card-back`, or the format of the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'static str>,
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
    /// Why nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

impl Reading {
    fn is_whole(&self) -> bool {
        self.problem.is_none() && self.fields.iter().all(|field| field.problem.is_none())
    }
}

/// Whether every file was read in full.
pub(super) fn run(config: &Config, action: DocumentsAction) -> anyhow::Result<bool> {
    let DocumentsAction::Read { files, kind, json } = action;
    let models =
        Models::load(&config.model_dir()?).context("the models can't be used; run `cargo xtask setup`")?;
    let mut engine = models.engine()?;
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let read = files.iter().map(|file| read(&mut engine, file, kind, today));
    let readings: Vec<Reading> = read.collect::<anyhow::Result<_>>()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&readings)?);
    } else {
        readings.iter().for_each(print);
    }
    Ok(readings.iter().all(Reading::is_whole))
}

fn read(engine: &mut Engine, file: &Path, kind: Kind, today: Date) -> anyhow::Result<Reading> {
    let name = file.display().to_string();
    let bytes = fs::read(file).with_context(|| format!("can't read {name}"))?;
    let picture = Picture::decode(&bytes).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    let mut problem = "mrz-not-found";
    if kind != Kind::Passport {
        let front = engine.read_front_fields(&picture)?;
        match &front.fields {
            Ok(fields) => return Ok(side(name, "id-card-front", front_fields(fields), &front)),
            Err(DocumentProblem::SidesSwapped) => {
                let back = engine.read_back_fields(&picture)?;
                let fields = back.fields.as_ref().map_or_else(|_| Vec::new(), back_fields);
                return Ok(side(name, "id-card-back", fields, &back));
            }
            Err(other) => problem = other.code(),
        }
    }
    if kind != Kind::IdCard {
        match engine.read_mrz(&picture, today)? {
            Ok(reading) => return Ok(zone(name, &reading)),
            // What is neither says why it is no card.
            Err(other) if kind == Kind::Passport || other.field().is_some() => problem = other.code(),
            Err(_) => {}
        }
    }
    Ok(Reading { file: name, document: None, fields: Vec::new(), condition: None, problem: Some(problem) })
}

fn side<T>(file: String, document: &'static str, fields: Vec<Field>, side: &SideReading<T>) -> Reading {
    let problem = side.fields.as_ref().err().map(|problem| problem.code());
    Reading { file, document: Some(document), fields, condition: Some(side.condition), problem }
}

fn field<T>(name: &'static str, read: &FieldRead<T>, text: impl Fn(&T) -> String) -> Field {
    match read {
        Ok(read) => {
            Field { name, value: Some(text(&read.value)), confidence: Some(read.confidence), problem: None }
        }
        Err(problem) => Field { name, value: None, confidence: None, problem: Some(problem.code()) },
    }
}

fn front_fields(front: &FrontFields) -> Vec<Field> {
    let sex = |sex: &Sex| match sex {
        Sex::Male => "male".to_owned(),
        Sex::Female => "female".to_owned(),
    };
    vec![
        field("name", &front.name, String::clone),
        field("sex", &front.sex, sex),
        field("ethnicity", &front.ethnicity, String::clone),
        field("birth", &front.birth, ToString::to_string),
        field("address", &front.address, String::clone),
        field("number", &front.number, |number| number.as_str().to_owned()),
    ]
}

fn back_fields(back: &BackFields) -> Vec<Field> {
    let until = |until: &Validity| match until {
        Validity::LongTerm => "long-term".to_owned(),
        Validity::Until(day) => day.to_string(),
    };
    vec![
        field("issuer", &back.issuer, String::clone),
        field("valid_from", &back.valid_from, ToString::to_string),
        field("valid_until", &back.valid_until, until),
    ]
}

fn zone(file: String, reading: &MrzReading) -> Reading {
    let mrz = &reading.mrz;
    let (free, checked) = (reading.unchecked_confidence, reading.checked_confidence);
    let sex = match mrz.sex {
        MrzSex::Male => "male",
        MrzSex::Female => "female",
        MrzSex::Unspecified => "unspecified",
    };
    let fields = [
        ("document_code", mrz.document_code.clone(), free),
        ("issuing_state", mrz.issuing_state.clone(), free),
        ("surname", mrz.surname.clone(), free),
        ("given_names", mrz.given_names.clone(), free),
        ("number", mrz.number.clone(), checked),
        ("nationality", mrz.nationality.clone(), free),
        ("birth", born(&mrz.birth), checked),
        ("sex", sex.to_owned(), free),
        ("expires", mrz.expires.to_string(), checked),
        ("optional", mrz.optional.clone(), checked),
    ];
    let fields = fields.map(|(name, value, confidence)| Field {
        name,
        value: Some(value),
        confidence: Some(confidence),
        problem: None,
    });
    let document = match mrz.format {
        wallet_core::document::mrz::Format::Td1 => "td1",
        wallet_core::document::mrz::Format::Td2 => "td2",
        wallet_core::document::mrz::Format::Td3 => "td3",
    };
    Reading { file, document: Some(document), fields: fields.into(), condition: None, problem: None }
}

/// `1974-08-12`, `1974-08` or `1974`: what is known of it.
fn born(birth: &Birth) -> String {
    let part = |part: Option<i8>| part.map_or_else(String::new, |part| format!("-{part:02}"));
    format!("{}{}{}", birth.year, part(birth.month), part(birth.day))
}

fn print(reading: &Reading) {
    println!("{}: {}", reading.file, reading.document.or(reading.problem).unwrap_or("nothing was read"));
    for field in &reading.fields {
        match (&field.value, field.confidence, field.problem) {
            (Some(value), Some(confidence), _) => {
                println!("  {:<14} {value}   ({confidence:.2})", field.name);
            }
            (_, _, problem) => println!("  {:<14} – {}", field.name, problem.unwrap_or_default()),
        }
    }
    if let Some(condition) = reading.condition {
        let suspected = if condition.screen_suspected { ", perhaps from a screen" } else { "" };
        println!(
            "  glare {:.1} %, sharpness {:.3}, screen {:.1}{suspected}",
            condition.glare * 100.0,
            condition.sharpness,
            condition.screen
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_of_a_birth_is_printed() {
        let birth = |month, day| born(&Birth { year: 1974, month, day });
        assert_eq!(birth(Some(8), Some(2)), "1974-08-02");
        assert_eq!((birth(Some(8), None), birth(None, None)), ("1974-08".to_owned(), "1974".to_owned()));
    }

    #[test]
    fn a_field_that_was_not_read_makes_a_file_incomplete() {
        let read = |field: FieldRead<String>| Reading {
            file: "a.jpg".to_owned(),
            document: Some("id-card-back"),
            fields: vec![super::field("issuer", &field, String::clone)],
            condition: None,
            problem: None,
        };
        use wallet_core::document::id_card::Read;
        assert!(read(Ok(Read { value: "局".to_owned(), confidence: 0.9 })).is_whole());
        assert!(!read(Err(DocumentProblem::Blurred)).is_whole());
    }
}
