use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate;

use super::*;
use crate::attributes::Attribute;
use crate::code::Code;
use crate::ecert::sign::sign;
use crate::ecert::{AssuranceLevel, Claims, Disclosure, StatusReference};
use crate::ids::RelyingPartyId;
use crate::jws::base64url;
use crate::money::{Amount, Currency, Micros};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn fresh() -> SigningKey {
    SigningKey::generate_from_rng(&mut rand::rng())
}

fn signed() -> (SigningKey, Q1, String) {
    let key = fresh();
    let code = Q1::new([7; 16], Share::Name, now(), &mut rand::rng());
    let text = code.sign(&key).unwrap();
    (key, code, text)
}

fn bound(purpose: &str, micros: i64) -> Bound {
    let rp = RelyingPartyId::first_at(now());
    Bound::to(rp, purpose, Some(Amount { currency: Currency::Cny, micros: Micros::new(micros) }))
}

fn parsed(text: &str) -> UnverifiedQr {
    match text.parse().unwrap() {
        Code::Qr(code) => *code,
        Code::Numeric(_) | Code::Standing(_) | Code::Test(_) => panic!("not a QR"),
    }
}

/// Bytes, characters and version.
fn size(text: &str) -> (usize, usize, i16) {
    let bytes = base45::decode(&text[PREFIX.len()..]).unwrap().len();
    (bytes, text.len(), Symbol::of(text).unwrap().version())
}

/// The default specimen's certificate, as the server issues it.
fn issued(
    device: &SigningKey,
    chain: &[Vec<u8>],
    signer: &impl crate::es256::Es256Signer,
) -> (Vec<u8>, Vec<Disclosure>) {
    let values = [
        (Attribute::Name, "林知远"),
        (Attribute::Sex, "男"),
        (Attribute::Ethnicity, "汉"),
        (Attribute::BirthDate, "1990-03-07"),
        (Attribute::Address, "样本省示例市测试区虚构路88号9栋1单元302室"),
        (Attribute::DocumentNumber, "990000199003070013"),
    ];
    let disclosure = |(name, value): (Attribute, &str)| Disclosure {
        name,
        value: value.to_owned(),
        salt: base64url(&rand::random::<[u8; 16]>()),
    };
    let disclosures: Vec<_> = values.into_iter().map(disclosure).collect();
    let claims = Claims {
        issuer: "https://id.example.com".into(),
        cti: rand::random(),
        issued_at: now(),
        expires_at: now() + SignedDuration::from_hours(24),
        device: device.into(),
        status: StatusReference { index: 70_000, uri: "https://id.example.com/v1/status-lists/1".into() },
        assurance: AssuranceLevel::Ial2,
        digests: disclosures.iter().map(|disclosure| (disclosure.name, disclosure.digest())).collect(),
    };
    (sign(&claims, chain, signer).unwrap(), disclosures)
}

#[test]
fn a_q1_reads_back_fits_version_7_and_needs_the_right_key() {
    let (key, code, text) = signed();
    assert_eq!(parsed(&text).verify(&(&key).into()), Ok(Qr::Q1(code)));
    assert_eq!(size(&text), (113, 174, 7));
    assert_eq!(parsed(&text).verify(&(&fresh()).into()), Err(BadSignature));
}

#[test]
fn a_q2_fits_version_9_whatever_it_is_bound_to() {
    let key = fresh();
    let code = Q2::new([7; 16], Share::Name, bound("check", 182_000), now(), &mut rand::rng());
    let text = code.sign(&key).unwrap();
    assert_eq!(size(&text), (149, 228, 9));
    assert_eq!(parsed(&text).verify(&(&key).into()), Ok(Qr::Q2(code)));
    let longest = bound(&"购".repeat(80), i64::MAX);
    let longest = Q2::new([7; 16], Share::Name, longest, now(), &mut rand::rng()).sign(&key).unwrap();
    assert_eq!(size(&longest), (153, 234, 9));
}

#[test]
fn a_q2_is_good_for_what_it_is_bound_to_and_nothing_else() {
    let code = Qr::Q2(Q2::new([7; 16], Share::Name, bound("check", 5), now(), &mut rand::rng()));
    assert!(code.is_good_for(&bound("check", 5)));
    assert!(!code.is_good_for(&bound("check", 6)) && !code.is_good_for(&bound("cheque", 5)));
    assert!(!code.is_good_for(&Bound { amount: None, ..bound("check", 5) }));
    let other = RelyingPartyId::new(now(), &mut rand::rng());
    assert!(!code.is_good_for(&Bound { audience: other, ..bound("check", 5) }));
    assert!(Qr::Q1(signed().1).is_good_for(&bound("check", 5)));
}

#[test]
fn a_q3_is_checked_without_a_server_and_gives_what_is_shared() {
    let (chain, device) = (crate::chain::tests::TestChain::new(), fresh());
    let (ecert, disclosures) = issued(&device, &chain.certificates, &chain.signer);
    let mut issuers = Issuers::under(&chain.root);
    let bare = BareCert::of(&ecert).unwrap();
    let text =
        |share| Q3::new(bare.clone(), &disclosures, share, now(), &mut rand::rng()).sign(&device).unwrap();
    let name = text(Share::Name);
    assert_eq!(parsed(&name).verify_offline(&issuers, now()), Err(Q3Refused::UnknownIssuer));
    issuers.learn(&ecert, now()).unwrap();
    let verified = parsed(&name).verify_offline(&issuers, now()).unwrap();
    assert_eq!(verified.disclosures, [disclosures[0].clone()]);
    assert_eq!(parsed(&text(Share::Full)).verify_offline(&issuers, now()).unwrap().disclosures, disclosures);
    // Measured: 656 B, version 21; 689 B, version 22; 926 B, version 25. A claim more in the E-cert may cost a version.
    for (share, most) in [(Share::Over18, 22), (Share::Name, 23), (Share::Full, 26)] {
        let (bytes, _, version) = size(&text(share));
        assert!(version <= most, "{share:?}: {bytes} B, version {version}");
    }
    let late = now() + SignedDuration::from_secs(91);
    assert_eq!(parsed(&name).verify_offline(&issuers, late), Err(Q3Refused::NotCurrent));
    assert_eq!(parsed(&signed().2).verify_offline(&issuers, now()), Err(Q3Refused::AnotherForm));
    let other = crate::chain::tests::TestChain::new();
    assert!(Issuers::under(&other.root).learn(&ecert, now()).is_err());
}

#[test]
fn a_q3_by_another_device_or_with_an_attribute_of_its_own_is_refused() {
    let (chain, device) = (crate::chain::tests::TestChain::new(), fresh());
    let (ecert, disclosures) = issued(&device, &chain.certificates, &chain.signer);
    let mut issuers = Issuers::under(&chain.root);
    issuers.learn(&ecert, now()).unwrap();
    let bare = BareCert::of(&ecert).unwrap();
    let code = Q3::new(bare, &disclosures, Share::Name, now(), &mut rand::rng());
    let verdict = |code: &Q3, key: &SigningKey| {
        parsed(&code.sign(key).unwrap()).verify_offline(&issuers, now()).map(drop)
    };
    assert_eq!(verdict(&code, &fresh()), Err(Q3Refused::Signature));
    let mut lying = code.clone();
    lying.disclosures[0].value = "别人".to_owned();
    assert_eq!(verdict(&lying, &device), Err(Q3Refused::Disclosure));
    let mut generous = code.clone();
    generous.disclosures = disclosures;
    assert_eq!(verdict(&generous, &device), Err(Q3Refused::Disclosure), "more than is to be shared");
    let mut changed = code;
    changed.certificate = BareCert::of(&issued(&fresh(), &chain.certificates, &fresh()).0).unwrap();
    assert_eq!(verdict(&changed, &device), Err(Q3Refused::Certificate(crate::ecert::CertRefused::Signature)));
}

#[test]
fn every_flipped_character_is_malformed_or_unsigned() {
    let key = fresh();
    let (chain, (_, _, q1)) = (crate::chain::tests::TestChain::new(), signed());
    let q2 = Q2::new([7; 16], Share::Name, bound("check", 5), now(), &mut rand::rng()).sign(&key).unwrap();
    let (ecert, disclosures) = issued(&key, &chain.certificates, &chain.signer);
    let q3 = Q3::new(BareCert::of(&ecert).unwrap(), &disclosures, Share::Name, now(), &mut rand::rng());
    for text in [q1, q2, q3.sign(&key).unwrap()] {
        for place in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            if let Ok(Code::Qr(code)) = String::from_utf8(changed).unwrap().parse::<Code>() {
                assert!(code.verify(&(&key).into()).is_err(), "place {place}");
            }
        }
    }
}

#[test]
fn a_signature_of_one_form_is_none_of_another() {
    let (key, code, _) = signed();
    let as_q2 = envelope::seal(q2::CONTEXT, code.payload(), &key).unwrap();
    assert_eq!(parsed(&as_q2).verify(&(&key).into()), Err(BadSignature));
}

#[test]
fn is_current_for_its_minute_and_the_skew() {
    let showing = Showing::new(Share::Name, now(), &mut rand::rng());
    let at = |seconds| showing.issued_at.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    let current: Vec<bool> = [-31, -30, 0, 60, 90, 91].map(|s| showing.is_current(at(s))).into();
    assert_eq!(current, [false, true, true, true, true, false]);
    let long = Showing { expires_at: at(61), ..showing.clone() };
    assert!(!long.is_current(at(0)), "a phone can't stretch a code's life");
}
