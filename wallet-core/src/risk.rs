//! How far a device is to be trusted, from what it says of itself, and from what its maker says of its key.
//!
//! What an app says may be false: whoever controls the phone controls the app. Signals catch the careless, and step up what is asked
//! of the rest; they are no evidence. Each finding has a weight, none is negative, and the sum decides: more findings
//! never lower the outcome.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::attestation::{Level, Verdict};

/// A text of 1 to 64 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Short(String);

/// The text is empty, too long, or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 64 characters")]
pub struct NotShort;

#[cfg(feature = "openapi")]
text_schema!(
    Short,
    r"^[^\x00-\x1f\x7f-\x9f]{1,64}$",
    "1 to 64 characters, none of them a control character."
);

impl TryFrom<String> for Short {
    type Error = NotShort;

    fn try_from(text: String) -> Result<Short, NotShort> {
        let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Short(text)) } else { Err(NotShort) }
    }
}

impl From<Short> for String {
    fn from(short: Short) -> String {
        short.0
    }
}

/// The kind of system that a wallet runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Os {
    Android,
    Ios,
    /// A browser.
    Web,
}

/// What a device is connected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Network {
    Wifi,
    Cellular,
    Wired,
    Vpn,
    Unknown,
}

/// What a wallet says of its device; whatever it does not know it leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceSignals {
    /// The system.
    pub os: Os,
    /// Its version, as "14" or "17.2.1".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<Short>,
    /// The make and model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Short>,
    /// The wallet's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<Short>,
    /// What it is connected by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// A language tag (BCP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Short>,
    /// A name of the IANA time zone database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Short>,
    /// The app sees signs of root or of a jailbreak.
    #[serde(default)]
    pub rooted: bool,
    /// The app sees signs of an emulator.
    #[serde(default)]
    pub emulator: bool,
    /// A debugger is attached.
    #[serde(default)]
    pub debugged: bool,
    /// The app sees signs of a framework that changes its code as it runs.
    #[serde(default)]
    pub hooked: bool,
}

/// Something that speaks against a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    Emulator,
    Hooked,
    Rooted,
    Debugged,
    AttestationFailed,
    OsOld,
    Vpn,
    NothingSaid,
    SoftwareKey,
}

/// Every finding: its word in the API, and how much it weighs. An emulator or a changed app is enough to refuse; a rooted phone may be an
/// honest person's, so that it is asked for more; what is common and weak counts only together with something else. An attestation that does not
/// hold is enough for that, and adds up with a rooted phone, which can have no other, to no refusal.
pub const RULES: [(Finding, &str, u32); 9] = [
    (Finding::Emulator, "emulator", 100),
    (Finding::Hooked, "hooked", 100),
    (Finding::Rooted, "rooted", 50),
    (Finding::Debugged, "debugged", 50),
    (Finding::AttestationFailed, "attestation-failed", 40),
    (Finding::OsOld, "os-old", 20),
    (Finding::Vpn, "vpn", 20),
    (Finding::NothingSaid, "nothing-said", 20),
    (Finding::SoftwareKey, "software-key", 20),
];

/// From this weight on more is asked of the person.
pub const STEP_UP: u32 = 40;
/// From this weight on the device is refused.
pub const BLOCK: u32 = 100;
/// The oldest major versions that still got security patches in 2026, less a margin of some years.
const OLDEST: [(Os, u32); 2] = [(Os::Android, 10), (Os::Ios, 14)];

/// What is to be done about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing.
    Clear,
    /// The stronger liveness mode.
    StepUp,
    /// Nothing is issued to it.
    Block,
}

impl Outcome {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Clear => "clear",
            Outcome::StepUp => "step_up",
            Outcome::Block => "block",
        }
    }
}

/// An outcome and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// What to do.
    pub outcome: Outcome,
    /// The words of the findings, the heaviest first.
    pub reasons: Vec<&'static str>,
}

/// Weighs findings.
pub fn assess(findings: &BTreeSet<Finding>) -> Assessment {
    let found = || RULES.iter().filter(|(finding, ..)| findings.contains(finding));
    let weight: u32 = found().map(|(.., weight)| weight).sum();
    let outcome = match weight {
        BLOCK.. => Outcome::Block,
        STEP_UP.. => Outcome::StepUp,
        _ => Outcome::Clear,
    };
    Assessment { outcome, reasons: found().map(|(_, word, _)| *word).collect() }
}

/// What speaks against a device. That a key was attested lowers nothing, and that none was is held against nobody.
pub fn findings(signals: Option<&DeviceSignals>, key: Option<&Verdict>) -> BTreeSet<Finding> {
    let of_key = match key {
        Some(Verdict::Failed { .. }) => Some(Finding::AttestationFailed),
        Some(Verdict::Attested { level: Level::Software, .. }) => Some(Finding::SoftwareKey),
        Some(Verdict::Attested { .. } | Verdict::NotChecked) | None => None,
    };
    signals
        .map_or_else(|| BTreeSet::from([Finding::NothingSaid]), of_signals)
        .into_iter()
        .chain(of_key)
        .collect()
}

fn of_signals(said: &DeviceSignals) -> BTreeSet<Finding> {
    let os_is_old = said
        .os_version
        .as_ref()
        .and_then(major)
        .is_some_and(|version| OLDEST.iter().any(|(os, oldest)| *os == said.os && version < *oldest));
    let all = [
        (said.emulator, Finding::Emulator),
        (said.hooked, Finding::Hooked),
        (said.rooted, Finding::Rooted),
        (said.debugged, Finding::Debugged),
        (os_is_old, Finding::OsOld),
        (said.network == Some(Network::Vpn), Finding::Vpn),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, finding)| finding).collect()
}

fn major(version: &Short) -> Option<u32> {
    version.0.split('.').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said() -> DeviceSignals {
        serde_json::from_str(r#"{"os":"android","os_version":"14","network":"wifi"}"#).unwrap()
    }

    fn outcome(signals: &DeviceSignals) -> Outcome {
        assess(&findings(Some(signals), None)).outcome
    }

    #[test]
    fn every_finding_has_one_rule_and_they_are_sorted_by_weight() {
        let ruled: BTreeSet<Finding> = RULES.iter().map(|(finding, ..)| *finding).collect();
        assert_eq!(ruled.len(), RULES.len());
        assert!(RULES.is_sorted_by(|(.., a), (.., b)| a >= b));
        let words: BTreeSet<&str> = RULES.iter().map(|(_, word, _)| *word).collect();
        assert_eq!(words.len(), RULES.len());
    }

    #[test]
    fn what_is_said_decides() {
        assert_eq!(outcome(&said()), Outcome::Clear);
        assert_eq!(outcome(&DeviceSignals { rooted: true, ..said() }), Outcome::StepUp);
        assert_eq!(outcome(&DeviceSignals { emulator: true, ..said() }), Outcome::Block);
        assert_eq!(outcome(&DeviceSignals { rooted: true, debugged: true, ..said() }), Outcome::Block);
        let old = DeviceSignals { os_version: Some(Short("9.1".into())), ..said() };
        assert_eq!(outcome(&old), Outcome::Clear);
        assert_eq!(outcome(&DeviceSignals { os: Os::Web, ..old.clone() }), Outcome::Clear);
        assert_eq!(outcome(&DeviceSignals { network: Some(Network::Vpn), ..old }), Outcome::StepUp);
        assert_eq!(assess(&findings(None, None)).reasons, ["nothing-said"]);
    }

    #[test]
    fn what_the_maker_says_of_the_key_is_weighed_too() {
        let outcome =
            |signals: &DeviceSignals, key: &Verdict| assess(&findings(Some(signals), Some(key))).outcome;
        let attested = |level| Verdict::Attested { level, os_version: None, os_patch_level: None };
        let failed = Verdict::Failed { level: None, reasons: BTreeSet::new() };
        assert_eq!(outcome(&said(), &attested(Level::StrongBox)), Outcome::Clear);
        assert_eq!(outcome(&said(), &attested(Level::Software)), Outcome::Clear);
        assert_eq!(outcome(&said(), &Verdict::NotChecked), Outcome::Clear);
        assert_eq!(outcome(&said(), &failed), Outcome::StepUp);
        assert_eq!(outcome(&DeviceSignals { rooted: true, ..said() }, &failed), Outcome::StepUp);
        assert_eq!(
            outcome(&DeviceSignals { rooted: true, ..said() }, &attested(Level::StrongBox)),
            Outcome::StepUp
        );
        let both = assess(&findings(None, Some(&attested(Level::Software))));
        assert_eq!((both.outcome, both.reasons), (Outcome::StepUp, vec!["nothing-said", "software-key"]));
    }

    #[test]
    fn texts_are_bounded_and_unknown_words_refused() {
        let read = |json: &str| serde_json::from_str::<DeviceSignals>(json).is_ok();
        assert!(read(r#"{"os":"ios","model":"Phone 9"}"#));
        for json in [
            r#"{"os":"ios","model":""}"#.to_owned(),
            format!(r#"{{"os":"ios","model":"{}"}}"#, "x".repeat(65)),
            r#"{"os":"ios","model":"a\u0007"}"#.to_owned(),
            r#"{"os":"beos"}"#.to_owned(),
            r#"{"os":"ios","imei":"1"}"#.to_owned(),
            r#"{}"#.to_owned(),
        ] {
            assert!(!read(&json), "{json}");
        }
    }

    fn some_findings() -> impl Strategy<Value = BTreeSet<Finding>> {
        let all: Vec<Finding> = RULES.iter().map(|(finding, ..)| *finding).collect();
        let most = all.len();
        proptest::sample::subsequence(all, 0..=most).prop_map(|found| found.into_iter().collect())
    }

    proptest! {
        #[test]
        fn more_findings_never_lower_the_outcome(a in some_findings(), b in some_findings()) {
            let both = a.union(&b).copied().collect();
            prop_assert!(assess(&both).outcome >= assess(&a).outcome.max(assess(&b).outcome));
            prop_assert_eq!(assess(&both).reasons.len(), both.len());
        }

        #[test]
        fn one_more_bad_sign_said_never_lowers_the_outcome(bits in 0_u8..16, added in 0_u8..4) {
            let with = |bits: u8| {
                let [rooted, emulator, debugged, hooked] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                DeviceSignals { rooted, emulator, debugged, hooked, ..said() }
            };
            prop_assert!(outcome(&with(bits | 1 << added)) >= outcome(&with(bits)));
        }
    }
}
