use proptest::prelude::*;

use super::super::{Scale, Space};
use super::*;

const KEY: ProtectionKey = ProtectionKey([7; 32]);

fn vector(width: usize) -> impl Strategy<Value = Vec<f32>> {
    let numbers = prop::collection::vec(-1.0_f32..=1.0, width);
    numbers.prop_filter("not all zero", |numbers| numbers.iter().any(|v| v.abs() > 0.1))
}

/// Of a face as both embedders might describe it.
fn template() -> impl Strategy<Value = Template> {
    (vector(192), vector(128)).prop_map(|(quick, main)| {
        let embedding = |model, raw: &[f32]| Embedding::normalise(Space([model; 4]), raw).unwrap();
        let mut template = Template::of(Tier::Main, embedding(1, &main));
        template.put(Tier::Quick, embedding(2, &quick));
        template
    })
}

fn turned(stored: &Stored, tier: Tier) -> &Embedding {
    let Kind::Protected { turned, .. } = &stored.0 else { panic!("plain") };
    turned.get(tier).unwrap()
}

fn near(a: &Embedding, b: &Embedding) -> f32 {
    cosine(a, b).unwrap()
}

proptest! {
    #[test]
    fn cosines_are_kept(a in template(), b in template(), salt: [u8; SALT_BYTES]) {
        let protected = Stored::protect(&a, &KEY, salt).unlock(&KEY);
        for tier in Tier::ALL {
            let (plain, kept) = (a.cosine(tier, b.get(tier).unwrap()), protected.cosine(tier, b.get(tier).unwrap()));
            prop_assert!((plain.unwrap() - kept.unwrap()).abs() < 1e-5, "{plain:?} {kept:?}");
        }
        let score = |reference: Option<f32>| reference.unwrap();
        let (plain, kept) = (Scale::DEFAULT.score(&a, &b), Scale::DEFAULT.score(&protected, &b));
        prop_assert!((score(plain) - score(kept)).abs() < 1e-4);
    }

    /// As far apart as strangers: of random directions in 128 dimensions one in 10⁹ is nearer than 6 / √128 = 0.53.
    #[test]
    fn another_salt_or_key_makes_strangers(a in template(), salts: [[u8; SALT_BYTES]; 2], other: [u8; 32]) {
        prop_assume!(salts[0] != salts[1] && other != KEY.0);
        let first = Stored::protect(&a, &KEY, salts[0]);
        let strangers = [Stored::protect(&a, &KEY, salts[1]), Stored::protect(&a, &ProtectionKey(other), salts[0])];
        for tier in Tier::ALL {
            let mine = turned(&first, tier);
            for stranger in &strangers {
                prop_assert!(near(mine, turned(stranger, tier)).abs() < 0.53);
            }
            prop_assert!(near(mine, a.get(tier).unwrap()).abs() < 0.53, "the raw one is nowhere near");
        }
    }

    #[test]
    fn a_new_salt_keeps_scores_and_needs_no_capture(a in template(), b in template(), salts: [[u8; SALT_BYTES]; 2]) {
        prop_assume!(salts[0] != salts[1]);
        let first = Stored::protect(&a, &KEY, salts[0]);
        let renewed = first.rekey(&KEY, salts[1]);
        prop_assert!(first.to_bytes() != renewed.to_bytes());
        for tier in Tier::ALL {
            let score = |stored: &Stored| stored.clone().unlock(&KEY).cosine(tier, b.get(tier).unwrap()).unwrap();
            prop_assert!((score(&first) - score(&renewed)).abs() < 1e-5);
        }
    }

    #[test]
    fn bytes_are_read_back_and_damage_is_noticed(a in template(), salt: [u8; SALT_BYTES], cut in 0_usize..1500) {
        let stored = Stored::protect(&a, &KEY, salt);
        let bytes = stored.to_bytes();
        let again = Stored::from_bytes(&bytes).unwrap();
        prop_assert!(again.is_protected() && again.to_bytes() == bytes);
        if cut < bytes.len() {
            prop_assert!(Stored::from_bytes(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn anything_may_be_read(bytes: Vec<u8>) {
        let _ = Stored::from_bytes(&bytes);
        let _ = Stored::from_bytes(&[[VERSION_3].as_slice(), &bytes].concat());
    }
}

/// How near templates of one face under many salts are to each other: the mean square of random directions is 1 / dimensions.
#[test]
fn salts_spread_as_random_directions_do() {
    for (width, dimensions) in [(128_usize, 128.0), (192, 192.0), (512, 512.0)] {
        let raw: Vec<f32> = (0..width).map(|i| if i < 3 { 1.0 } else { 0.0 }).collect();
        let template = Template::of(Tier::Main, Embedding::normalise(Space::UNKNOWN, &raw).unwrap());
        let salted: Vec<Stored> =
            (0..200_u8).map(|salt| Stored::protect(&template, &KEY, [salt; SALT_BYTES])).collect();
        let pairs = salted.iter().enumerate().flat_map(|(i, a)| salted[i + 1..].iter().map(move |b| (a, b)));
        let squares: Vec<f32> =
            pairs.map(|(a, b)| near(turned(a, Tier::Main), turned(b, Tier::Main)).powi(2)).collect();
        let mean = squares.iter().sum::<f32>() / squares.len() as f32;
        assert!((mean * dimensions - 1.0).abs() < 0.1, "{width}: {mean}");
        let values = salted.iter().flat_map(|stored| turned(stored, Tier::Main).values());
        let widest = values.fold(0.0_f32, |most, v| most.max(v.abs()));
        assert!(widest < 0.6, "three large numbers are spread over all: {widest}");
    }
}

#[test]
fn templates_from_before_there_was_protection_are_read_and_protected_by_a_new_salt() {
    let raw: Vec<f32> = (0..128).map(|i| i as f32 - 60.0).collect();
    let embedding = Embedding::normalise(Space::UNKNOWN, &raw).unwrap();
    // The first byte of the first number is a 3, as if it were a version.
    let mut version_1: Vec<u8> = embedding.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    version_1[0] = VERSION_3;
    let stored = Stored::from_bytes(&version_1).unwrap();
    assert!(!stored.is_protected());
    let probe = embedding.clone();
    let plain = stored.clone().unlock(&KEY).cosine(Tier::Main, &probe).unwrap();
    let renewed = stored.rekey(&KEY, [1; SALT_BYTES]);
    assert!(
        renewed.is_protected()
            && (renewed.unlock(&KEY).cosine(Tier::Main, &probe).unwrap() - plain).abs() < 1e-5
    );
    let version_2 = Template::of(Tier::Main, embedding).to_bytes();
    assert!(!Stored::from_bytes(&version_2).unwrap().is_protected());
}

#[test]
fn nothing_is_shown() {
    let stored = Stored::from_bytes(
        &Template::of(Tier::Main, Embedding::normalise(Space::UNKNOWN, &[1.0; 128]).unwrap()).to_bytes(),
    );
    let unlocked = stored.unwrap().unlock(&KEY);
    assert_eq!(
        format!("{unlocked:?}"),
        "Unlocked { stored: Stored(redacted), key: ProtectionKey(redacted) }"
    );
}
