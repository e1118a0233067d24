//! Key attestations. Their chains are made anew each time, since rcgen's keys on P-384 are random: what is held is the verdict.

mod chains;

use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::SigningKey;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::KeyPair;
use wallet_core::attestation::Reason::*;
use wallet_core::attestation::{Anchors, App, Expected, Level, Reason, Verdict, challenge, verify_android};
use wallet_core::es256::PublicKey;
use x509_parser::pem::parse_x509_pem;

use crate::issuer::{device, key, now, parts};
use crate::phone::{
    PACKAGE, Phone, SIGNED_BY, Said, application, der, enumerated, integer, root_of_trust, set,
};

const CHALLENGES: [u8; 32] = [0x77; 32];

fn challenge_of(at: Timestamp) -> [u8; challenge::LENGTH] {
    challenge::mint(&CHALLENGES, [3; 16], at).0
}

fn phone() -> Phone {
    let point = PublicKey::from(&device()).to_sec1();
    Phone::new(&point, &challenge_of(now())).unwrap()
}

fn judge_by(phone: &Phone, chain: &[Vec<u8>], device: &SigningKey, at: Timestamp) -> Verdict {
    let anchors = Anchors::from_pem(phone.root_pem().unwrap().as_bytes()).unwrap();
    judge_under(&anchors, chain, device, at)
}

fn judge_under(anchors: &Anchors, chain: &[Vec<u8>], device: &SigningKey, at: Timestamp) -> Verdict {
    let app = App { package: PACKAGE.to_owned(), signed_by: SIGNED_BY };
    let key = device.into();
    let expected = Expected { key: &key, challenge_key: &CHALLENGES, app: Some(&app), now: at };
    verify_android(chain, anchors, &expected)
}

fn judge(phone: &Phone, chain: &[Vec<u8>]) -> Verdict {
    judge_by(phone, chain, &device(), now())
}

fn reasons(verdict: Verdict) -> Vec<Reason> {
    match verdict {
        Verdict::Failed { reasons, .. } => reasons.into_iter().collect(),
        Verdict::Attested { .. } | Verdict::NotChecked => Vec::new(),
    }
}

#[test]
fn a_phone_as_it_was_sold_is_believed() {
    for (level, expected) in [(1, Level::TrustedEnvironment), (2, Level::StrongBox)] {
        let mut phone = phone();
        (phone.said.described_by, phone.said.held_by) = (level, level);
        let chain = phone.chain().unwrap();
        let attested =
            Verdict::Attested { level: expected, os_version: Some(140_000), os_patch_level: Some(202_610) };
        assert_eq!(judge(&phone, &chain), attested);
        // Without the root, which the verifier has.
        assert_eq!(judge(&phone, &chain[..3]), attested);
    }
    let mut mixed = phone();
    (mixed.said.described_by, mixed.said.held_by) = (1, 2);
    let verdict = judge(&mixed, &mixed.chain().unwrap());
    assert!(matches!(verdict, Verdict::Attested { level: Level::TrustedEnvironment, .. }), "{verdict:?}");
}

#[test]
fn a_key_in_the_system_is_no_more_than_that() {
    let mut phone = phone();
    (phone.said.described_by, phone.said.held_by) = (0, 0);
    phone.said.software.append(&mut phone.said.hardware);
    phone.said.software.retain(|(tag, _)| *tag != 704);
    let verdict = judge(&phone, &phone.chain().unwrap());
    assert!(matches!(verdict, Verdict::Attested { level: Level::Software, .. }), "{verdict:?}");
}

#[test]
fn what_older_and_newer_phones_say_is_understood() {
    let older = |said: &mut Said| {
        said.version = 1;
        said.leave_out(10);
        let members = [der(4, &[0xb0; 32]), der(1, &[0xff]), enumerated(0)];
        said.set(704, der(0x30, &members.concat()));
    };
    let newer = |said: &mut Said| {
        said.version = 900;
        said.hardware.push((999, der(4, &[1, 2, 3])));
    };
    let unsorted = |said: &mut Said| said.hardware.reverse();
    let verifies_too = |said: &mut Said| said.set(1, set(&[2, 3]));
    let changes: [fn(&mut Said); 4] = [older, newer, unsorted, verifies_too];
    for change in changes {
        let mut phone = phone();
        change(&mut phone.said);
        assert_eq!(reasons(judge(&phone, &phone.chain().unwrap())), []);
    }
}

#[test]
fn nothing_is_judged_where_no_root_is_trusted() {
    let (key, phone) = (PublicKey::from(&device()), phone());
    let expected = Expected { key: &key, challenge_key: &CHALLENGES, app: None, now: now() };
    let chain = phone.chain().unwrap();
    assert_eq!(verify_android(&chain, &Anchors::default(), &expected), Verdict::NotChecked);
    for bad in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Anchors::from_pem(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// What a phone may say that is not good enough: a name, what is changed, and the reasons.
type Change = (&'static str, fn(&mut Said), &'static [Reason]);

const SAID: &[Change] = &[
    ("for no challenge", |said| said.challenge = vec![], &[ChallengeUnknown]),
    ("for somebody's challenge", |said| said.challenge = vec![9; 40], &[ChallengeUnknown]),
    (
        "for an old challenge",
        |said| said.challenge = challenge_of(now() - SignedDuration::from_mins(11)).into(),
        &[ChallengeExpired],
    ),
    ("imported", |said| said.set(702, integer(2)), &[KeyImported]),
    ("of an unknown origin", |said| said.leave_out(702), &[KeyImported]),
    ("agrees on secrets", |said| said.set(1, set(&[6])), &[KeyPurpose]),
    ("signs and agrees on secrets", |said| said.set(1, set(&[2, 6])), &[KeyPurpose]),
    ("attests other keys", |said| said.set(1, set(&[7])), &[KeyPurpose]),
    ("is for nothing", |said| said.set(1, set(&[])), &[KeyPurpose]),
    ("does not say what for", |said| said.leave_out(1), &[KeyPurpose]),
    ("says RSA", |said| said.set(2, integer(1)), &[KeyAlgorithm]),
    ("says P-384", |said| said.set(10, integer(2)), &[KeyAlgorithm]),
    ("says 224 bits", |said| said.set(3, integer(224)), &[KeyAlgorithm]),
    ("says no algorithm", |said| said.leave_out(2), &[KeyAlgorithm]),
    ("another system", |said| said.set(704, root_of_trust(0xff, 1)), &[BootUnverified]),
    ("unverified", |said| said.set(704, root_of_trust(0, 2)), &[BootUnverified]),
    ("verification failed", |said| said.set(704, root_of_trust(0xff, 3)), &[BootUnverified]),
    ("unlocked", |said| said.set(704, root_of_trust(0, 0)), &[BootUnlocked]),
    ("says nothing of its start", |said| said.leave_out(704), &[BootUnverified]),
    ("its start is said by the system", |said| said.software.push((704, root_of_trust(0xff, 0))), &[]),
    (
        "only the system says how it started",
        |said| {
            said.leave_out(704);
            said.software.push((704, root_of_trust(0xff, 0)));
        },
        &[BootUnverified],
    ),
    (
        "only the system says that it was made here",
        |said| {
            said.leave_out(702);
            said.software.push((702, integer(0)));
        },
        &[KeyImported],
    ),
    ("another app", |said| said.software[1].1 = application("com.example.other", &SIGNED_BY), &[AppUnknown]),
    ("the app, signed by another", |said| said.software[1].1 = application(PACKAGE, &[1; 32]), &[AppUnknown]),
    ("no app", |said| said.software.truncate(1), &[AppUnknown]),
    (
        "an app that the hardware names",
        |said| {
            said.software.truncate(1);
            said.hardware.push((709, application(PACKAGE, &SIGNED_BY)));
        },
        &[AppUnknown],
    ),
    ("for all apps", |said| said.software.push((600, der(5, &[]))), &[AppUnknown]),
    (
        "unlocked, imported, another app",
        |said| {
            said.set(704, root_of_trust(0, 0));
            said.set(702, integer(1));
            said.software.truncate(1);
        },
        &[KeyImported, BootUnlocked, AppUnknown],
    ),
    ("version 0", |said| said.version = 0, &[DescriptionMalformed]),
    ("a level that there is not", |said| said.held_by = 3, &[DescriptionMalformed]),
    ("a member twice", |said| said.hardware.push((702, integer(0))), &[DescriptionMalformed]),
    ("a purpose twice", |said| said.set(1, set(&[2, 2])), &[DescriptionMalformed]),
    (
        "a thousand members",
        |said| said.hardware.extend((1000..1100).map(|tag| (tag, der(5, &[])))),
        &[DescriptionMalformed],
    ),
    ("a long challenge", |said| said.challenge = vec![0; 3000], &[ChallengeUnknown]),
    ("a text for a number", |said| said.set(702, der(4, &[0])), &[DescriptionMalformed]),
    (
        "a number with more behind it",
        |said| said.set(702, [integer(0), integer(0)].concat()),
        &[DescriptionMalformed],
    ),
    ("a negative number", |said| said.set(702, der(2, &[0xff])), &[DescriptionMalformed]),
    ("a padded number", |said| said.set(702, der(2, &[0, 0])), &[DescriptionMalformed]),
    ("neither true nor false", |said| said.set(704, root_of_trust(1, 0)), &[DescriptionMalformed]),
    ("an empty start", |said| said.set(704, der(0x30, &[])), &[DescriptionMalformed]),
    ("an app that is none", |said| said.software[1].1 = der(4, &[0x30, 1]), &[DescriptionMalformed]),
    (
        "an app of a hundred packages",
        |said| {
            let info = der(0x30, &[der(4, b"p"), integer(1)].concat());
            let infos = der(0x31, &info.repeat(100));
            said.software[1].1 = der(4, &der(0x30, &[infos, der(0x31, &[])].concat()));
        },
        &[DescriptionMalformed],
    ),
];

#[test]
fn what_a_phone_says_is_judged() {
    let wrong: Vec<String> = SAID
        .iter()
        .filter_map(|(name, change, expected)| {
            let mut phone = phone();
            change(&mut phone.said);
            let found = reasons(judge(&phone, &phone.chain().unwrap()));
            (found != *expected).then(|| format!("{name}: expected {expected:?}, got {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_key_than_the_wallet_shows_is_not_attested() {
    let phone = phone();
    let verdict = judge_by(&phone, &phone.chain().unwrap(), &key(0x45), now());
    assert_eq!(reasons(verdict), [KeyMismatch]);
}

#[test]
fn an_attested_key_can_not_attest_another() {
    let phone = phone();
    for is_ca in [false, true] {
        let forged = phone.forged_below(is_ca).unwrap();
        assert_eq!(reasons(judge(&phone, &forged)), [ChainExtended], "{is_ca}");
    }
}

#[test]
fn a_chain_that_is_no_phones_is_refused() {
    let cases = chains::cases();
    assert!(SAID.len() + cases.len() > 60);
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, phone, chain, expected)| {
            let found = reasons(judge(&phone, &chain));
            (found != [expected]).then(|| format!("{name}: expected {expected:?}, got {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_root_is_trusted_for_its_key_and_a_phone_for_no_longer_than_it_is_valid() {
    let mut phone = phone();
    phone.root.parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let chain = phone.chain().unwrap();
    assert_eq!(reasons(judge(&phone, &chain)), []);
    let late = "2049-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(reasons(judge_by(&phone, &chain, &device(), late)), [ChainNotCurrent]);
}

#[test]
fn no_byte_that_is_signed_can_be_changed() {
    let phone = phone();
    let good = phone.chain().unwrap();
    // All but its copy of the root, which proves nothing. What is signed is the first member, behind four bytes of head.
    for link in 0..3 {
        for place in (4..4 + parts(&good[link])[0].len()).step_by(2) {
            let mut chain = good.clone();
            chain[link][place] ^= 0x04;
            assert_ne!(reasons(judge(&phone, &chain)), [], "certificate {link}, byte {place}");
        }
    }
}

/// rcgen makes no RSA keys here: root and batch are openssl's, whose key for the root is gone; the batch's is `key(0x37)`.
#[test]
fn a_root_on_rsa_is_understood() {
    let mut phone = phone();
    phone.inside.key = KeyPair::try_from(key(0x37).to_pkcs8_der().unwrap().as_bytes()).unwrap();
    phone.inside.parameters.distinguished_name = phone.batch.parameters.distinguished_name.clone();
    let (_, batch) = parse_x509_pem(include_bytes!("attestations/rsa_batch.pem")).unwrap();
    let anchors = Anchors::from_pem(include_bytes!("attestations/rsa_root.pem")).unwrap();
    let mut chain = vec![phone.chain().unwrap()[0].clone(), batch.contents];
    assert_eq!(reasons(judge_under(&anchors, &chain, &device(), now())), []);
    *chain[1].last_mut().unwrap() ^= 1;
    assert_eq!(reasons(judge_under(&anchors, &chain, &device(), now())), [ChainUntrusted]);
}
