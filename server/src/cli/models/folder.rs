//! What an operator's folder of pictures holds: comparisons (`pairs.csv`), presentations (`pad/`), cards (`cards.csv`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};
use serde::Serialize;
use wallet_core::document::Field;

const PAIRS_FORMAT: &str = "\
pairs.csv lists the comparisons, one a line below this heading. Paths are relative to the folder; `same` is 1 for two pictures \
of one person and 0 for two people; `group` may be left out:

  path_a,path_b,same,group
  anna/card.jpg,anna/phone.jpg,1,phones
  anna/card.jpg,berta/phone.jpg,0,phones";
const CARDS_FORMAT: &str = "\
cards.csv has a line for each field below this heading; a side that must not be accepted has one line with `refused`:

  path,field,expected
  cards/1-front.jpg,name,林知远
  cards/1-back.jpg,valid-until,long-term
  cards/2-front.jpg,refused,front";
/// What counts as a picture under `pad/`; what it really is, its bytes say.
const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// The field of a card that is faulty.
const REFUSED: &str = "refused";

/// The whole folder.
pub(super) struct Folder {
    pub(super) root: PathBuf,
    /// The pictures that are compared, relative, in order of their paths.
    pub(super) pictures: Vec<String>,
    pub(super) pairs: Vec<Pair>,
    pub(super) groups_from: GroupsFrom,
    pub(super) pad: Option<Presentations>,
    pub(super) cards: Option<Vec<Card>>,
}

/// Where the groups' names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GroupsFrom {
    /// The column `group`.
    Column,
    /// The first folder of both paths; `mixed` where they differ.
    FirstFolder,
}

/// A comparison.
pub(super) struct Pair {
    /// Places in [`Folder::pictures`].
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) same: bool,
    pub(super) group: String,
}

/// Live faces and attacks.
pub(super) struct Presentations {
    pub(super) live: Vec<PathBuf>,
    /// By species.
    pub(super) attacks: BTreeMap<String, Vec<PathBuf>>,
}

/// One side of an identity card.
pub(super) struct Card {
    pub(super) path: PathBuf,
    pub(super) side: Side,
    /// By field; `None` for a faulty card, which must be refused.
    pub(super) expected: Option<BTreeMap<&'static str, String>>,
}

/// A side of an identity card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Front,
    Back,
}

impl Side {
    const ALL: [Side; 2] = [Side::Front, Side::Back];

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Front => "front",
            Side::Back => "back",
        }
    }

    fn fields(self) -> &'static [Field] {
        use Field::{Address, Birth, Ethnicity, Issuer, Name, Number, Sex, ValidFrom, ValidUntil};
        match self {
            Side::Front => &[Name, Sex, Ethnicity, Birth, Address, Number],
            Side::Back => &[Issuer, ValidFrom, ValidUntil],
        }
    }
}

impl Folder {
    /// Reads the lists and finds the pictures, whose bytes are not looked at yet. Errors name the line, and the format.
    pub(super) fn open(root: &Path) -> anyhow::Result<Folder> {
        ensure!(root.is_dir(), "there is no folder {}", root.display());
        let list = root.join("pairs.csv");
        ensure!(list.is_file(), "there is no pairs.csv in {}\n\n{PAIRS_FORMAT}", root.display());
        let (lines, groups_from) = pairs(root, &list).map_err(|error| told(&error, PAIRS_FORMAT))?;
        let paths: BTreeSet<&String> = lines.iter().flat_map(|line| [&line.a, &line.b]).collect();
        let pictures: Vec<String> = paths.into_iter().cloned().collect();
        let place = |path: &String| pictures.binary_search(path).map_err(|_| anyhow!("{path} is in no list"));
        let pair = |line: &Line| {
            let (a, b) = (place(&line.a)?, place(&line.b)?);
            Ok(Pair { a, b, same: line.same, group: line.group.clone() })
        };
        let pairs = lines.iter().map(pair).collect::<anyhow::Result<_>>()?;
        let list = root.join("cards.csv");
        let cards = list.is_file().then(|| cards(root, &list).map_err(|error| told(&error, CARDS_FORMAT)));
        let pad = presentations(&root.join("pad"))?;
        Ok(Folder { root: root.to_owned(), pictures, pairs, groups_from, pad, cards: cards.transpose()? })
    }

    /// How many pictures there are to look at.
    pub(super) fn size(&self) -> usize {
        let attacks = |pad: &Presentations| pad.attacks.values().map(Vec::len).sum::<usize>();
        let pad = self.pad.as_ref().map_or(0, |pad| pad.live.len() + attacks(pad));
        self.pictures.len() + pad + self.cards.as_ref().map_or(0, Vec::len)
    }
}

fn told(error: &anyhow::Error, format: &str) -> anyhow::Error {
    anyhow!("{error:#}\n\n{format}")
}

/// A line of `pairs.csv`.
struct Line {
    a: String,
    b: String,
    same: bool,
    group: String,
}

fn pairs(root: &Path, list: &Path) -> anyhow::Result<(Vec<Line>, GroupsFrom)> {
    let table = Table::open(list)?;
    let [a, b, same] = ["path_a", "path_b", "same"].map(|name| table.column(name));
    let (a, b, same) = (a?, b?, same?);
    let group = table.column("group").ok();
    let from = if group.is_some() { GroupsFrom::Column } else { GroupsFrom::FirstFolder };
    let lines = table.lines(|record| {
        let (a, b) = (file(root, value(record, a)?)?, file(root, value(record, b)?)?);
        ensure!(a != b, "a picture is compared with itself");
        let same = match value(record, same)? {
            "1" => true,
            "0" => false,
            other => bail!("`same` is 1 or 0, not {other:?}"),
        };
        let group = match group {
            Some(column) => value(record, column)?.to_owned(),
            None => shared_folder(&a, &b),
        };
        Ok(Line { a, b, same, group })
    })?;
    Ok((lines, from))
}

fn shared_folder(a: &str, b: &str) -> String {
    let first = |path: &str| path.split_once('/').map_or(".", |(first, _)| first).to_owned();
    let (a, b) = (first(a), first(b));
    if a == b { a } else { "mixed".to_owned() }
}

fn cards(root: &Path, list: &Path) -> anyhow::Result<Vec<Card>> {
    let table = Table::open(list)?;
    let [path, field, expected] = ["path", "field", "expected"].map(|name| table.column(name));
    let (path, field, expected) = (path?, field?, expected?);
    let mut cards: BTreeMap<String, Card> = BTreeMap::new();
    table.lines(|record| {
        let name = file(root, value(record, path)?)?;
        let (field, expected) = (value(record, field)?, value(record, expected)?);
        let (side, field) = side_of(field, expected)?;
        let new = || Card { path: root.join(&name), side, expected: field.map(|_| BTreeMap::new()) };
        let card = cards.entry(name.clone()).or_insert_with(new);
        ensure!(card.side == side, "{name} is both a front and a back");
        match (field, &mut card.expected) {
            (Some(field), Some(fields)) => drop(fields.insert(field, expected.to_owned())),
            (None, None) => {}
            _ => bail!("{name} is both to be read and to be refused"),
        }
        Ok(())
    })?;
    Ok(cards.into_values().collect())
}

/// The side that a line is about, and its field unless the side is to be refused.
fn side_of(field: &str, expected: &str) -> anyhow::Result<(Side, Option<&'static str>)> {
    if field == REFUSED {
        let side = Side::ALL.into_iter().find(|side| side.name() == expected);
        return Ok((side.context("of a side that is to be refused, `expected` is `front` or `back`")?, None));
    }
    let has = |side: Side| side.fields().iter().map(|field| field.code()).find(|code| *code == field);
    let found = Side::ALL.into_iter().find_map(|side| has(side).map(|code| (side, Some(code))));
    found.with_context(|| {
        let all = Side::ALL.into_iter().flat_map(Side::fields).map(|field| field.code());
        format!("there is no field {field:?}, but {}, {REFUSED}", all.collect::<Vec<_>>().join(", "))
    })
}

/// A CSV file with a heading.
struct Table {
    name: String,
    heading: StringRecord,
    reader: csv::Reader<File>,
}

impl Table {
    fn open(path: &Path) -> anyhow::Result<Table> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_path(path);
        let mut reader = reader.with_context(|| format!("can't read {name}"))?;
        let heading = reader.headers().with_context(|| format!("can't read {name}"))?.clone();
        Ok(Table { name, heading, reader })
    }

    fn column(&self, name: &str) -> anyhow::Result<usize> {
        let column = self.heading.iter().position(|heading| heading == name);
        column.with_context(|| format!("the heading of {} has no `{name}`", self.name))
    }

    /// Every line; an error is told with the line's number.
    fn lines<T>(mut self, read: impl FnMut(&StringRecord) -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
        let (name, mut read) = (self.name, read);
        let mut lines = Vec::new();
        for record in self.reader.records() {
            let record = record.with_context(|| format!("can't read {name}"))?;
            let number = record.position().map_or(0, csv::Position::line);
            lines.push(read(&record).with_context(|| format!("{name}, line {number}"))?);
        }
        ensure!(!lines.is_empty(), "{name} has no lines below its heading");
        Ok(lines)
    }
}

fn value(record: &StringRecord, column: usize) -> anyhow::Result<&str> {
    record.get(column).filter(|value| !value.is_empty()).context("a value is missing")
}

/// A path relative to the folder, under which there is a file.
fn file(root: &Path, path: &str) -> anyhow::Result<String> {
    ensure!(root.join(path).is_file(), "there is no file {path} in the folder");
    Ok(path.to_owned())
}

/// `pad/live` and `pad/attack/SPECIES`; `None` where there is neither.
fn presentations(folder: &Path) -> anyhow::Result<Option<Presentations>> {
    let live = if folder.join("live").is_dir() { pictures(&folder.join("live"))? } else { Vec::new() };
    let mut attacks = BTreeMap::new();
    let attack = folder.join("attack");
    for entry in if attack.is_dir() { entries(&attack)? } else { Vec::new() } {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            attacks.insert(name, pictures(&entry)?);
        } else {
            ensure!(!is_picture(&entry), "pad/attack/{name} must be in a folder that names its species");
        }
    }
    attacks.retain(|_, pictures| !pictures.is_empty());
    let some = !live.is_empty() || !attacks.is_empty();
    Ok(some.then_some(Presentations { live, attacks }))
}

/// The pictures in a folder and below it, in order.
fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            found.extend(pictures(&entry)?);
        } else if is_picture(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("can't read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(unreadable)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>().with_context(unreadable)?;
    entries.sort();
    Ok(entries)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| PICTURES.contains(&extension.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn refused(files: &[(&str, &str)]) -> String {
        Folder::open(folder(files).path()).err().map(|error| format!("{error:#}")).unwrap()
    }

    #[test]
    fn groups_come_from_the_column_or_from_the_folders() {
        let pictures = [("x/1.jpg", ""), ("x/2.jpg", ""), ("y/1.jpg", "")];
        let of = |pairs: &str| {
            let root = folder(&[&pictures[..], &[("pairs.csv", pairs)]].concat());
            let read = Folder::open(root.path()).unwrap();
            let groups: Vec<String> = read.pairs.iter().map(|pair| pair.group.clone()).collect();
            (read.groups_from, groups.join(" "), read.pictures.len())
        };
        let plain = of("path_a,path_b,same\nx/1.jpg,x/2.jpg,1\r\n\ny/1.jpg, x/2.jpg ,0\n");
        assert_eq!(plain, (GroupsFrom::FirstFolder, "x mixed".to_owned(), 3));
        let named = of("\u{feff}group,same,path_b,path_a\n\"a, b\",1,x/1.jpg,x/2.jpg\n");
        assert_eq!(named, (GroupsFrom::Column, "a, b".to_owned(), 2));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_format() {
        let pairs = |text| refused(&[("1.jpg", ""), ("2.jpg", ""), ("pairs.csv", text)]);
        for (text, words) in [
            ("path_a,path_b\n1.jpg,2.jpg\n", "has no `same`"),
            ("path_a,path_b,same\n", "no lines"),
            ("path_a,path_b,same\n1.jpg,2.jpg,1\n1.jpg,3.jpg,0\n", "line 3: there is no file 3.jpg"),
            ("path_a,path_b,same\n1.jpg,2.jpg,yes\n", "line 2: `same` is 1 or 0"),
            ("path_a,path_b,same\n1.jpg,1.jpg,1\n", "line 2: a picture is compared with itself"),
            ("path_a,path_b,same\n1.jpg\n", "line 2: a value is missing"),
        ] {
            let said = pairs(text);
            assert!(said.contains(words) && said.contains("anna/card.jpg,anna/phone.jpg,1"), "{said}");
        }
    }

    #[test]
    fn attacks_are_named_by_their_folder() {
        let one = [("1.jpg", ""), ("2.jpg", ""), ("pairs.csv", "path_a,path_b,same\n1.jpg,2.jpg,1\n")];
        let with = |more: &[(&'static str, &'static str)]| folder(&[&one[..], more].concat());
        let root =
            with(&[("pad/live/a.JPG", ""), ("pad/attack/print/x/1.png", ""), ("pad/live/notes.txt", "")]);
        let read = Folder::open(root.path()).unwrap();
        let pad = read.pad.as_ref().unwrap();
        assert_eq!((pad.live.len(), pad.attacks["print"].len(), read.size()), (1, 1, 4));
        assert!(Folder::open(with(&[("pad/attack/print/notes.txt", "")]).path()).unwrap().pad.is_none());
        let loose = [&one[..], &[("pad/attack/1.png", "")]].concat();
        assert!(refused(&loose).contains("names its species"));
    }

    #[test]
    fn cards_have_one_side_and_are_read_or_refused() {
        let with = |cards: &'static str| {
            let pairs = ("pairs.csv", "path_a,path_b,same\n1.jpg,2.jpg,1\n");
            vec![("1.jpg", ""), ("2.jpg", ""), pairs, ("cards.csv", cards)]
        };
        let good = with("path,field,expected\n1.jpg,name,林知远\n1.jpg,sex,male\n2.jpg,refused,back\n");
        let read = Folder::open(folder(&good).path()).unwrap().cards.unwrap();
        assert_eq!((read[0].side, read[0].expected.as_ref().unwrap().len()), (Side::Front, 2));
        assert_eq!((read[1].side, &read[1].expected), (Side::Back, &None));
        for (cards, words) in [
            (
                "path,field,expected\n1.jpg,name,林\n1.jpg,issuer,局\n",
                "line 3: 1.jpg is both a front and a back",
            ),
            (
                "path,field,expected\n1.jpg,name,林\n1.jpg,refused,front\n",
                "both to be read and to be refused",
            ),
            ("path,field,expected\n1.jpg,nom,林\n", "there is no field \"nom\", but name, sex"),
            ("path,field,expected\n1.jpg,refused,side\n", "`front` or `back`"),
        ] {
            assert!(refused(&with(cards)).contains(words), "{words}");
        }
    }
}
