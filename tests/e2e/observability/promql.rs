//! As much of Prometheus' two formats as the stories need: what /metrics says, and which series an expression reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Context as _;

/// What a service says of itself.
pub(super) struct Scrape(Vec<Sample>);

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads the text format. Values of labels hold neither commas nor braces here but in route patterns.
    pub(super) fn parse(text: &str) -> anyhow::Result<Scrape> {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        samples.map(sample).collect::<anyhow::Result<_>>().map(Scrape)
    }

    /// The value of the first series with this name and at least these labels.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let matches = |sample: &&Sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|v| v == value);
            sample.name == name && labels.iter().all(has)
        };
        self.0.iter().find(matches).map(|sample| sample.value)
    }

    /// Whether there is a series that a selector could read.
    pub(super) fn has(&self, selector: &Selector) -> bool {
        // Made by Prometheus itself when it scrapes.
        let of_the_scrape = |label: &String| label == "job" || label == "instance";
        let fits = |sample: &Sample| {
            let known = |label: &String| of_the_scrape(label) || sample.labels.contains_key(label);
            sample.name == selector.name && selector.labels.iter().all(known)
        };
        selector.name == "up" || self.0.iter().any(fits)
    }
}

fn sample(line: &str) -> anyhow::Result<Sample> {
    let (series, value) = line.rsplit_once(' ').context("a line without a value")?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').context("labels without an end")?;
    let pair = |pair: &str| {
        let (key, value) = pair.split_once("=\"").context("a label without a value")?;
        Ok((key.to_owned(), value.trim_end_matches('"').to_owned()))
    };
    let labels = labels.split("\",").filter(|pair| !pair.is_empty()).map(pair);
    let labels = labels.collect::<anyhow::Result<_>>()?;
    Ok(Sample { name: name.to_owned(), labels, value: value.parse()? })
}

/// A metric that an expression reads, with the labels that it filters by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector {
    name: String,
    labels: BTreeSet<String>,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.labels)
    }
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The series that an expression reads.
pub(super) fn selectors(expression: &str) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = after(&rest[1..], '"');
        } else if first == '[' {
            rest = after(rest, ']');
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind.trim_start();
            // `sum by (…) (…)`: an aggregation, like `sum(…)`.
            let is_aggregation = ["by", "without"].contains(&first_word(rest));
            if GROUPING.contains(&word) {
                rest = after(rest, ')');
            } else if rest.starts_with('{') {
                let (labels, behind) = matchers(&rest[1..]);
                found.push(Selector { name: word.to_owned(), labels });
                rest = behind;
            } else if !is_aggregation && !rest.starts_with('(') && !WORDS.contains(&word) {
                found.push(Selector { name: word.to_owned(), labels: BTreeSet::new() });
            }
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// The labels of `a="…", b=~"…"}`, and what comes behind the brace.
fn matchers(mut rest: &str) -> (BTreeSet<String>, &str) {
    let mut labels = BTreeSet::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let Some(equals) = rest.find(['=', '!']).filter(|_| !rest.starts_with('}')) else {
            return (labels, after(rest, '}'));
        };
        labels.insert(rest[..equals].trim().to_owned());
        rest = after(after(rest, '"'), '"');
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

#[test]
fn expressions_are_read_as_prometheus_reads_them() {
    let read = |expression| selectors(expression).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        read(r#"histogram_quantile(0.95, sum by (le, x) (rate(a_bucket{e=~"/v1/.*", m!="{}"}[5m]))) > 2.5"#),
        [r#"a_bucket {"e", "m"}"#]
    );
    assert_eq!(read("time() - max by (task) (a) > 3 * b + 60 and c"), ["a {}", "b {}", "c {}"]);
}
