//! X.509 chains.

mod crypto;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyUsagePurpose, NameConstraints, SanType,
};
use serde::{Deserialize, Serialize};
use wallet_core::chain::{self, ChainRefused as Refused};

use crate::issuer::{Chain, Link, Named, Plan, now, signed_anew, signed_by, unknown_extension};
use crate::{ACCEPTED, Case, case, judged, text};

/// A chain and the root that it is held against: base64 of DER.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub(crate) struct Input {
    pub(crate) chain: Vec<String>,
    pub(crate) root: String,
    now: Timestamp,
}

pub(crate) fn hold() {
    let about = "X.509 chains [signer, issuing CA] and the root they are held against, DER in base64.";
    judged("chains.json", about, cases(), |input| {
        let bytes = |text: &String| STANDARD.decode(text).unwrap();
        let chain: Vec<Vec<u8>> = input.chain.iter().map(bytes).collect();
        chain::verify(&chain, &bytes(&input.root), input.now).map(drop).map_err(text)
    })
}

fn input(chain: &[&[u8]], root: &[u8]) -> Input {
    let chain = chain.iter().map(|der| STANDARD.encode(der)).collect();
    Input { chain, root: STANDARD.encode(root), now: now() }
}

fn whole(chain: &Chain) -> Input {
    input(&[&chain.signer, &chain.issuing], &chain.root)
}

/// A chain of which the plan was changed.
fn planned(change: impl FnOnce(&mut Plan)) -> Input {
    let mut plan = Plan::good();
    change(&mut plan);
    whole(&plan.make())
}

/// A chain of which the signer's certificate was changed and signed anew by the issuing CA.
fn resigned(change: impl FnOnce(&mut Vec<Vec<u8>>, &mut Vec<u8>)) -> Input {
    let mut chain = Chain::good();
    chain.signer = signed_anew(&chain.signer, 0x22, change);
    whole(&chain)
}

pub(crate) fn cases() -> Vec<Case<Input>> {
    [
        lengths(),
        uses(),
        times(),
        extensions(),
        names(),
        crypto::algorithms(),
        crypto::signatures(),
        crypto::encodings(),
    ]
    .concat()
}

fn lengths() -> Vec<Case<Input>> {
    let (good, other) = (Chain::good(), Plan::impostor().make());
    let leaf_of_leaf = {
        let plan = Plan::good();
        let mut below = Plan::good().signer;
        below.key = Named::of(0x36);
        signed_by(&below, &plan.signer)
    };
    let mut deep = Plan::good();
    deep.root.parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    vec![
        case("good", whole(&good), ACCEPTED),
        case("no certificate", input(&[], &good.root), Refused::Malformed),
        case("signer alone", input(&[&good.signer], &good.root), Refused::Malformed),
        case(
            "root sent along",
            input(&[&good.signer, &good.issuing, &good.root], &good.root),
            Refused::TooLong,
        ),
        case("below a leaf", input(&[&leaf_of_leaf, &good.signer], &good.root), Refused::WrongUse),
        case(
            "below a leaf, three long",
            input(&[&leaf_of_leaf, &good.signer, &good.issuing], &good.root),
            Refused::TooLong,
        ),
        case("root allows no CA below it", whole(&deep.make()), Refused::TooLong),
        case("order swapped", input(&[&good.issuing, &good.signer], &good.root), Refused::WrongUse),
        case("signer twice", input(&[&good.signer, &good.signer], &good.root), Refused::Duplicate),
        case("root as the issuing CA", input(&[&good.signer, &good.root], &good.root), Refused::Duplicate),
        case(
            "issuing CA as the root",
            input(&[&good.signer, &good.issuing], &good.issuing),
            Refused::TooLong,
        ),
        case("another root", input(&[&good.signer, &good.issuing], &other.root), Refused::NotTrusted),
        case(
            "another issuing CA of the same name",
            input(&[&good.signer, &other.issuing], &good.root),
            Refused::NotTrusted,
        ),
        case(
            "another signer of the same name",
            input(&[&other.signer, &good.issuing], &good.root),
            Refused::NotTrusted,
        ),
        case("one key for two levels", planned(|plan| plan.signer.key = Named::of(0x22)), Refused::Duplicate),
    ]
}

fn uses() -> Vec<Case<Input>> {
    use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyAgreement, KeyCertSign};
    let signer =
        |usages: &[KeyUsagePurpose]| planned(|plan| plan.signer.parameters.key_usages = usages.to_vec());
    let issuing =
        |usages: &[KeyUsagePurpose]| planned(|plan| plan.issuing.parameters.key_usages = usages.to_vec());
    let extended = |usage| planned(|plan| plan.signer.parameters.extended_key_usages = vec![usage]);
    let no_ca =
        |link: fn(&mut Plan) -> &mut Link| planned(|plan| link(plan).parameters.is_ca = IsCa::ExplicitNoCa);
    let mut not_critical =
        CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x03, 0x01, 0x01, 0xff]);
    not_critical.set_criticality(false);
    vec![
        case("signer's key signs nothing", signer(&[KeyAgreement]), Refused::WrongUse),
        case("signer's key has no usage", signer(&[]), Refused::WrongUse),
        case(
            "signer's key signs certificates too",
            signer(&[DigitalSignature, KeyCertSign]),
            Refused::WrongUse,
        ),
        case("signer's key signs CRLs too", signer(&[DigitalSignature, CrlSign]), Refused::WrongUse),
        case("issuing key signs no certificates", issuing(&[DigitalSignature]), Refused::WrongUse),
        case("issuing CA is none", no_ca(|plan| &mut plan.issuing), Refused::WrongUse),
        case("root is no CA", no_ca(|plan| &mut plan.root), Refused::WrongUse),
        case(
            "issuing CA says so without insisting",
            planned(|plan| {
                plan.issuing.parameters.is_ca = IsCa::NoCa;
                plan.issuing.parameters.custom_extensions = vec![not_critical];
            }),
            Refused::WrongUse,
        ),
        case(
            "signer is a CA",
            planned(|plan| plan.signer.parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            Refused::WrongUse,
        ),
        case("signer is for OCSP", extended(ExtendedKeyUsagePurpose::OcspSigning), Refused::WrongUse),
        case("signer is for TLS", extended(ExtendedKeyUsagePurpose::ServerAuth), Refused::WrongUse),
        case("signer is for anything", extended(ExtendedKeyUsagePurpose::Any), ACCEPTED),
    ]
}

fn times() -> Vec<Case<Input>> {
    let ended = rcgen::date_time_ymd(2027, 1, 1);
    let to_come = rcgen::date_time_ymd(2028, 1, 1);
    let at = |second: &str| Input { now: second.parse().unwrap(), ..whole(&Chain::good()) };
    vec![
        case("signer ended", planned(|plan| plan.signer.parameters.not_after = ended), Refused::NotCurrent),
        case(
            "issuing CA ended",
            planned(|plan| plan.issuing.parameters.not_after = ended),
            Refused::NotCurrent,
        ),
        case("root ended", planned(|plan| plan.root.parameters.not_after = ended), Refused::NotCurrent),
        case(
            "signer not yet valid",
            planned(|plan| plan.signer.parameters.not_before = to_come),
            Refused::NotCurrent,
        ),
        case(
            "issuing CA not yet valid",
            planned(|plan| plan.issuing.parameters.not_before = to_come),
            Refused::NotCurrent,
        ),
        case("in its first second", at("2026-01-01T00:00:00Z"), ACCEPTED),
        case("a second too early", at("2025-12-31T23:59:59Z"), Refused::NotCurrent),
        case("in its last second", at("2036-01-01T00:00:00Z"), ACCEPTED),
        case("a second too late", at("2036-01-01T00:00:01Z"), Refused::NotCurrent),
    ]
}

fn extensions() -> Vec<Case<Input>> {
    let unknown = |link: fn(&mut Plan) -> &mut Link, critical| {
        planned(|plan| link(plan).parameters.custom_extensions = vec![unknown_extension(critical, 3)])
    };
    let mut critical_usage = CustomExtension::from_oid_content(
        &[2, 5, 29, 37],
        vec![0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x25, 0x00],
    );
    critical_usage.set_criticality(true);
    let twice = vec![unknown_extension(false, 3), unknown_extension(false, 3)];
    let broken = CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 0x05, 0x82]);
    vec![
        case(
            "unknown critical extension in the signer",
            unknown(|plan| &mut plan.signer, true),
            Refused::CriticalExtension,
        ),
        case(
            "unknown critical extension in the issuing CA",
            unknown(|plan| &mut plan.issuing, true),
            Refused::CriticalExtension,
        ),
        case(
            "unknown critical extension in the root",
            unknown(|plan| &mut plan.root, true),
            Refused::CriticalExtension,
        ),
        case("unknown extension", unknown(|plan| &mut plan.signer, false), ACCEPTED),
        case(
            "critical extended key usage",
            planned(|plan| plan.signer.parameters.custom_extensions = vec![critical_usage]),
            Refused::CriticalExtension,
        ),
        case(
            "an extension twice",
            planned(|plan| plan.signer.parameters.custom_extensions = twice),
            Refused::Malformed,
        ),
        case(
            "a broken extension",
            planned(|plan| plan.signer.parameters.custom_extensions = vec![broken]),
            Refused::Malformed,
        ),
        case(
            "a certificate of 3 KiB",
            planned(|plan| plan.signer.parameters.custom_extensions = vec![unknown_extension(false, 3000)]),
            Refused::Malformed,
        ),
    ]
}

fn tree(organization: &str) -> GeneralSubtree {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organization);
    GeneralSubtree::DirectoryName(name)
}

fn names() -> Vec<Case<Input>> {
    let constrained =
        |root: bool, permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>, san: Option<SanType>| {
            planned(|plan| {
                let ca = if root { &mut plan.root } else { &mut plan.issuing };
                ca.parameters.name_constraints =
                    Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded });
                plan.signer.parameters.subject_alt_names = san.into_iter().collect();
            })
        };
    let host = |name: &str| Some(SanType::DnsName(name.try_into().unwrap()));
    let dns = || vec![GeneralSubtree::DnsName("id.test".into())];
    let unnamed = planned(|plan| plan.signer.parameters.distinguished_name = DistinguishedName::new());
    let renamed = resigned(|tbs, _| tbs[3] = tbs[5].clone());
    vec![
        case(
            "name within what its CA may certify",
            constrained(false, vec![tree("E-Cert Test")], vec![], None),
            ACCEPTED,
        ),
        case(
            "name within, in other letters",
            constrained(false, vec![tree("e-cert  TEST")], vec![], None),
            ACCEPTED,
        ),
        case(
            "name outside what its CA may certify",
            constrained(false, vec![tree("Other")], vec![], None),
            Refused::Name,
        ),
        case(
            "name outside what the root may certify",
            constrained(true, vec![tree("Other")], vec![], None),
            Refused::Name,
        ),
        case(
            "name excluded by its CA",
            constrained(false, vec![], vec![tree("E-Cert Test")], None),
            Refused::Name,
        ),
        case(
            "name excluded, in other letters",
            constrained(false, vec![], vec![tree("E-CERT test")], None),
            Refused::Name,
        ),
        case(
            "name excluded by the root",
            constrained(true, vec![], vec![tree("E-Cert Test")], None),
            Refused::Name,
        ),
        case(
            "name excluded and permitted",
            constrained(false, vec![tree("E-Cert Test")], vec![tree("E-Cert Test")], None),
            Refused::Name,
        ),
        case("a constraint that has no name", constrained(false, dns(), vec![], None), ACCEPTED),
        case(
            "a constraint that is not judged here",
            constrained(false, dns(), vec![], host("id.test")),
            Refused::Name,
        ),
        case(
            "an exclusion that is not judged here",
            constrained(false, vec![], dns(), host("other.test")),
            Refused::Name,
        ),
        case(
            "a host name without a constraint",
            constrained(false, vec![tree("E-Cert Test")], vec![], host("id.test")),
            ACCEPTED,
        ),
        case(
            "signer constrains names",
            planned(|plan| {
                plan.signer.parameters.custom_extensions = vec![CustomExtension::from_oid_content(
                    &[2, 5, 29, 30],
                    vec![0x30, 0x0c, 0xa0, 0x0a, 0x30, 0x08, 0x82, 0x06, b'a', b'.', b't', b'e', b's', b't'],
                )];
            }),
            Refused::WrongUse,
        ),
        case("signer without a name", unnamed, Refused::Malformed),
        case("signer that names another issuer", renamed, Refused::NotTrusted),
    ]
}
