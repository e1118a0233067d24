//! Ceremonies, each in the sealed file and, where the keys live there, in a PKCS#11 token.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use wallet_core::ids::HolderId;

use super::*;
use crate::edge::data_keys::{DataKey, Kms as _};
use crate::edge::pkcs11::tests::{in_a_process_with_a_token, token};

const PASS_PHRASE: &str = "correct horse battery staple";

struct Place {
    folder: tempfile::TempDir,
    in_token: bool,
    seal: Seal,
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pass_phrase(&self) -> SecretSource {
        let file = self.file("pass-phrase");
        std::fs::write(&file, PASS_PHRASE).unwrap();
        SecretSource {
            variable: "ECERT_UNSET",
            file: Some(file),
            flag: "--x",
            what: "the pass phrase".into(),
        }
    }

    fn open(&self, now: Timestamp) -> anyhow::Result<Keys> {
        let settings = StoreSettings {
            folder: self.file("keys"),
            key_file: self.file("key-file"),
            pass_phrase: self.pass_phrase(),
            seal: self.seal,
        };
        let places = KeyPlaces::new(self.in_token.then(token));
        Keys::open_or_create(settings, places, Some("https://id.test".into()), now)
    }
}

/// Tells a story with keys in the file under a key file, under a pass phrase, and in a token.
fn in_every_store(name: &str, story: impl Fn(&Place)) {
    let place = |in_token, seal| Place { folder: tempfile::tempdir().unwrap(), in_token, seal };
    if std::env::var_os("ECERT_TEST_PKCS11_TOKEN").is_some() {
        return story(&place(true, Seal::KeyFile));
    }
    story(&place(false, Seal::KeyFile));
    story(&place(false, Seal::PassPhrase));
    in_a_process_with_a_token(&format!("edge::keys::tests::{name}"));
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn states(keys: &Keys, now: Timestamp) -> Vec<(Role, KeyState, &'static str)> {
    keys.list(now).unwrap().into_iter().map(|key| (key.role, key.state, key.lives)).collect()
}

fn of(keys: &Keys, role: Role, now: Timestamp) -> Vec<KeyInfo> {
    keys.list(now).unwrap().into_iter().filter(|key| key.role == role).collect()
}

/// The chain of a signer holds.
fn holds(keys: &Keys, signer: &KeyInfo, now: Timestamp) -> bool {
    let list = keys.list(now).unwrap();
    let above = list.iter().find(|key| key.kid == signer.certified_by).unwrap();
    let chain = [signer.certificate.clone(), above.certificate.clone()];
    chain::verify(&chain, &keys.root_certificate().unwrap(), now).is_ok()
}

#[test]
fn the_second_start_finds_the_keys_of_the_first_and_the_chain_holds() {
    in_every_store("the_second_start_finds_the_keys_of_the_first_and_the_chain_holds", |place| {
        let first = place.open(now()).unwrap();
        let second = place.open(now() + days(1)).unwrap();
        assert_eq!(first.secrets().unwrap().eid, second.secrets().unwrap().eid);
        let lives = if place.in_token { "token" } else { "sealed file" };
        let expected = [
            (Role::Root, KeyState::Active, "sealed file"),
            (Role::Issuing, KeyState::Active, lives),
            (Role::Signer, KeyState::Active, lives),
        ];
        assert_eq!(states(&second, now()), expected);
        let signer = &of(&second, Role::Signer, now())[0];
        assert!(holds(&second, signer, now()));
        assert!(!holds(&second, signer, now() + days(4 * 365)));
        assert_eq!(signer.days_left, 3 * 365);
    });
}

#[test]
fn without_what_opens_it_nothing_opens_and_nothing_is_made_anew() {
    for seal in [Seal::KeyFile, Seal::PassPhrase] {
        let place = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal };
        let keys = place.open(now()).unwrap();
        let opener = place.file(if seal == Seal::KeyFile { "key-file" } else { "pass-phrase" });
        let wrong = |bytes: &[u8]| {
            std::fs::write(&opener, bytes).unwrap();
            let store = KeyStore::new(StoreSettings {
                folder: place.file("keys"),
                key_file: place.file("key-file"),
                pass_phrase: SecretSource {
                    variable: "ECERT_UNSET",
                    file: Some(place.file("pass-phrase")),
                    flag: "--x",
                    what: "it".into(),
                },
                seal,
            });
            store.read().map(drop).unwrap_err()
        };
        let refused = format!("{:#}", wrong(&[b'7'; 32]));
        assert!(refused.contains("does not open"), "{refused}");
        wrong(b"");
        std::fs::remove_file(&opener).unwrap();
        assert!(std::fs::read(place.file("keys/issuer.sealed")).unwrap().len() > 1000);
        drop(keys);
    }
}

#[test]
fn what_an_earlier_version_wrote_is_read_and_goes_on() {
    let place = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal: Seal::KeyFile };
    let made = place.open(now()).unwrap().store.read().unwrap();
    let sealed = |role| match made.of(role).next().unwrap().private.as_ref().unwrap() {
        KeyReference::Sealed(der) => der.clone(),
        KeyReference::Token { .. } => panic!("in no token"),
    };
    let certificate = |role| made.of(role).next().unwrap().certificate.clone();
    let first = serde_json::json!({
        "root_key": sealed(Role::Root), "root_der": certificate(Role::Root),
        "issuing_key": sealed(Role::Issuing), "issuing_der": certificate(Role::Issuing),
        "signer_key": sealed(Role::Signer), "signer_der": certificate(Role::Signer),
        "secret": made.secret.as_slice(),
    });
    let key: [u8; 32] = std::fs::read(place.file("key-file")).unwrap().try_into().unwrap();
    let bytes = crate::edge::vault::Vault::new(&key)
        .seal("ecert issuer keys 1", &serde_json::to_vec(&first).unwrap())
        .unwrap();
    std::fs::write(place.file("keys/issuer.sealed"), &bytes).unwrap();
    let keys = place.open(now()).unwrap();
    assert_eq!(keys.secrets().unwrap().vault, Secrets::derive(&made.secret).unwrap().vault);
    assert_eq!(std::fs::read(place.file("keys/issuer.sealed")).unwrap(), bytes, "untouched until it changes");
    let signer = keys.rotate_signer(now(), now()).unwrap();
    assert!(holds(&place.open(now()).unwrap(), &signer, now()));
    assert_eq!(of(&keys, Role::Signer, now())[0].state, KeyState::Verifying);
}

#[test]
fn a_signer_is_replaced_at_its_moment_and_the_old_one_goes_on_verifying() {
    in_every_store("a_signer_is_replaced_at_its_moment_and_the_old_one_goes_on_verifying", |place| {
        let keys = place.open(now()).unwrap();
        let at = now() + days(7);
        assert!(keys.rotate_signer(now() - days(1), now()).is_err());
        keys.rotate_signer(at, now()).unwrap();
        let states = |when| of(&keys, Role::Signer, when).iter().map(|key| key.state).collect::<Vec<_>>();
        assert_eq!(states(now()), [KeyState::Active, KeyState::Next]);
        assert_eq!(states(at), [KeyState::Verifying, KeyState::Active]);
        // A day later nobody signs with the old one any more, and its private half goes.
        assert_eq!(keys.keep_up(true, at + SignedDuration::from_hours(23)).unwrap(), Upkeep::default());
        let done = keys.keep_up(true, at + days(1)).unwrap();
        assert_eq!((done.renewed, done.spent.len()), (None, 1));
        let signers = of(&keys, Role::Signer, at);
        assert_eq!(signers[0].lives, "not here");
        assert!(signers.iter().all(|signer| holds(&keys, signer, at)));
    });
}

#[test]
fn a_signer_is_renewed_by_itself_before_it_could_not_vouch_for_a_year() {
    in_every_store("a_signer_is_renewed_by_itself_before_it_could_not_vouch_for_a_year", |place| {
        let keys = place.open(now()).unwrap();
        let due = now() + days(3 * 365 - 395) + SignedDuration::from_secs(1);
        assert_eq!(keys.keep_up(true, due - days(1)).unwrap(), Upkeep::default());
        assert_eq!(keys.keep_up(false, due).unwrap(), Upkeep::default(), "not allowed");
        let renewed = keys.keep_up(true, due).unwrap().renewed.unwrap();
        assert_eq!(keys.keep_up(true, due).unwrap(), Upkeep::default(), "once");
        let signers = of(&keys, Role::Signer, due);
        assert_eq!((signers[1].kid.as_str(), signers[1].state), (renewed.as_str(), KeyState::Active));
        assert_eq!(signers[1].days_left, 3 * 365);
        assert!(signers.iter().all(|signer| holds(&keys, signer, due)));
    });
}

#[test]
fn no_signer_outlives_its_ca_and_none_is_made_in_vain() {
    let place = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal: Seal::KeyFile };
    let keys = place.open(now()).unwrap();
    let late = now() + days(9 * 365);
    let signer = keys.rotate_signer(late, late).unwrap();
    assert_eq!(signer.days_left, 365);
    assert_eq!(keys.keep_up(true, late + days(2)).unwrap().renewed, None, "its CA would not outlive it");
}

#[test]
fn the_root_taken_out_is_needed_for_an_issuing_ca_and_for_nothing_else() {
    in_every_store("the_root_taken_out_is_needed_for_an_issuing_ca_and_for_nothing_else", |place| {
        let keys = place.open(now()).unwrap();
        let file = place.file("root.sealed");
        let moved = keys.take_out_root(&file, &place.pass_phrase(), now()).unwrap();
        assert_eq!((moved.role, moved.lives), (Role::Root, "not here"));
        assert!(keys.take_out_root(&place.file("again"), &place.pass_phrase(), now()).is_err());
        keys.rotate_signer(now(), now()).unwrap();
        let without = keys.rotate_issuing(&RootSource::Store, now(), now()).unwrap_err();
        assert!(without.to_string().contains("--root"), "{without}");
        let root = RootSource::File { path: file.clone(), pass_phrase: place.pass_phrase() };
        let made = keys.rotate_issuing(&root, now(), now()).unwrap();
        assert!(holds(&keys, &made[1], now()) && made[1].certified_by == made[0].kid);
        wrong_roots(place, &keys, &file);
    });
}

fn wrong_roots(place: &Place, keys: &Keys, file: &Path) {
    let before = keys.list(now()).unwrap().len();
    let elsewhere = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal: Seal::KeyFile };
    let other = elsewhere.open(now()).unwrap();
    let others = elsewhere.file("root.sealed");
    other.take_out_root(&others, &elsewhere.pass_phrase(), now()).unwrap();
    let foreign = RootSource::File { path: others, pass_phrase: elsewhere.pass_phrase() };
    let refused = keys.rotate_issuing(&foreign, now(), now()).unwrap_err();
    assert!(refused.to_string().contains("another root"), "{refused}");
    let words = place.file("wrong");
    std::fs::write(&words, "some other pass phrase").unwrap();
    let pass_phrase = SecretSource { file: Some(words), ..place.pass_phrase() };
    let locked = RootSource::File { path: file.to_owned(), pass_phrase };
    assert!(keys.rotate_issuing(&locked, now(), now()).is_err());
    assert_eq!(keys.list(now()).unwrap().len(), before, "nothing is half made");
}

#[test]
fn what_is_taken_back_signs_no_more_and_stands_in_the_list() {
    in_every_store("what_is_taken_back_signs_no_more_and_stands_in_the_list", |place| {
        let keys = place.open(now()).unwrap();
        let first = of(&keys, Role::Signer, now())[0].kid.clone();
        let compromised = RetirementReason::KeyCompromise;
        let retire = |kid: &str| keys.retire(kid, compromised, &RootSource::Store, now());
        assert!(retire(&first).unwrap_err().to_string().contains("rotate signer"));
        assert!(retire("zzzzzz").is_err() && retire(&first[..3]).is_err());
        keys.rotate_signer(now(), now()).unwrap();
        let gone = retire(&first[..8]).unwrap();
        assert_eq!((gone.len(), gone[0].state, gone[0].lives), (1, KeyState::Retired, "not here"));
        assert!(retire(&first).is_err(), "twice");
        let contents = keys.store.read().unwrap();
        let issuing = contents.active(Role::Issuing, now()).unwrap();
        assert_eq!(listed(&keys.crl(&contents, issuing, now()).unwrap().unwrap()), 1);
        // An issuing CA goes with all its signers.
        let ca = issuing.kid.clone();
        assert!(retire(&ca).is_err());
        keys.rotate_issuing(&RootSource::Store, now(), now()).unwrap();
        assert_eq!(retire(&ca).unwrap().len(), 2);
        assert_eq!(listed(keys.store.read().unwrap().root_crl.as_ref().unwrap()), 1);
        let root = of(&keys, Role::Root, now())[0].kid.clone();
        assert!(retire(&root).is_err());
    });
}

/// Certificates in a list.
fn listed(der: &[u8]) -> usize {
    use x509_parser::prelude::FromDer as _;
    let (_, list) = x509_parser::revocation_list::CertificateRevocationList::from_der(der).unwrap();
    list.iter_revoked_certificates().count()
}

#[test]
fn the_store_is_sealed_anew_and_what_opened_it_before_does_not() {
    let place = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal: Seal::KeyFile };
    let keys = place.open(now()).unwrap();
    keys.reseal(Seal::PassPhrase, &place.pass_phrase()).unwrap();
    std::fs::remove_file(place.file("key-file")).unwrap();
    let again = place.open(now()).unwrap();
    assert_eq!(again.secrets().unwrap().eid, keys.secrets().unwrap().eid);
    again.rotate_signer(now(), now()).unwrap();
    assert_eq!(of(&keys, Role::Signer, now()).len(), 2, "one that had it open follows");
}

#[test]
fn two_that_change_the_store_at_once_do_it_one_after_the_other() {
    in_every_store("two_that_change_the_store_at_once_do_it_one_after_the_other", |place| {
        let keys = place.open(now()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let keys = &keys;
                scope.spawn(move || keys.rotate_signer(now(), now()).unwrap());
            }
        });
        assert_eq!(of(&place.open(now()).unwrap(), Role::Signer, now()).len(), 5);
    });
}

#[test]
fn a_key_that_wraps_is_followed_at_its_moment_and_dropped_a_day_later() {
    in_every_store("a_key_that_wraps_is_followed_at_its_moment_and_dropped_a_day_later", |place| {
        let keys = place.open(now()).unwrap();
        let (holder, key) = (HolderId::first_at(now()), DataKey::fresh());
        let wrapped = keys.keks(now()).unwrap().wrap(holder, &key, now()).unwrap();
        let at = now() + days(1);
        let made = keys.rotate_kek(at, now()).unwrap();
        let keks = place.open(now()).unwrap().keks(at).unwrap();
        assert_eq!(
            keks.list().iter().map(|kek| kek.state).collect::<Vec<_>>(),
            [KekState::Unwrapping, KekState::Current]
        );
        assert_eq!(keks.current(now()).unwrap(), wrapped.kek, "not before its moment");
        assert_eq!(keks.wrap(holder, &keks.unwrap(holder, &wrapped).unwrap(), at).unwrap().kek, made.id);
        assert!(keys.drop_kek(&wrapped.kek, at + SignedDuration::from_hours(23)).is_err());
        assert!(
            keys.drop_kek(&made.id, at + days(2)).is_err() && keys.drop_kek("none", at + days(2)).is_err()
        );
        keys.drop_kek(&wrapped.kek, at + days(1)).unwrap();
        assert!(keys.keks(at).unwrap().unwrap(holder, &wrapped).is_err(), "gone for good");
    });
}

#[test]
fn a_store_from_before_there_were_keys_that_wrap_has_one_and_keeps_it() {
    let place = Place { folder: tempfile::tempdir().unwrap(), in_token: false, seal: Seal::KeyFile };
    let keys = place.open(now()).unwrap();
    let emptied = keys.store.change(|contents| {
        contents.keks.clear();
        Ok(())
    });
    emptied.unwrap();
    let holder = HolderId::first_at(now());
    let wrapped = keys.keks(now()).unwrap().wrap(holder, &DataKey::fresh(), now()).unwrap();
    assert_eq!(place.open(now()).unwrap().keks(now()).unwrap().current(now()).unwrap(), wrapped.kek);
    keys.rotate_kek(now(), now()).unwrap();
    let keks = place.open(now()).unwrap().keks(now()).unwrap();
    assert!(keks.unwrap(holder, &wrapped).is_ok() && keks.current(now()).unwrap() != wrapped.kek);
    // A program that knows nothing of them can't open the store, and so can't write it without them.
    let file = std::fs::read(place.file("keys/issuer.sealed")).unwrap();
    let file = sealed_file::SealedFile::parse(file).unwrap();
    let key: [u8; 32] = std::fs::read(place.file("key-file")).unwrap().try_into().unwrap();
    let lock = sealed_file::Lock::KeyFile(key.into());
    let key = sealed_file::Key::derive(&lock, file.kdf.clone()).unwrap();
    assert!(key.open("ecert issuer keys 1", &file).is_err());
}
