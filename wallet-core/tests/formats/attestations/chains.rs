//! Chains that no phone sends.

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose};
use wallet_core::attestation::Reason::{self, *};

use super::{challenge_of, phone};
use crate::issuer::{now, parts, unknown_extension};
use crate::phone::{DESCRIPTION, Phone, Said, der, integer};

/// Chains that are changed after, or in another way than, what they say.
pub(super) fn cases() -> Vec<(&'static str, Phone, Vec<Vec<u8>>, Reason)> {
    let made = |name, phone: Phone, reason| {
        let chain = phone.chain().unwrap();
        (name, phone, chain, reason)
    };
    let changed = |name, change: fn(&mut Phone), reason| {
        let mut phone = phone();
        change(&mut phone);
        made(name, phone, reason)
    };
    let sent = |name, change: fn(&mut Vec<Vec<u8>>), reason| {
        let (name, phone, mut chain, reason) = made(name, phone(), reason);
        change(&mut chain);
        (name, phone, chain, reason)
    };
    vec![
        sent("nothing", |chain| chain.clear(), ChainMalformed),
        sent("the root alone", |chain| drop(chain.drain(..3)), ChainMalformed),
        sent("no DER", |chain| chain[0] = vec![0x30, 0x80, 0, 0], ChainMalformed),
        sent("an empty certificate", |chain| chain[1] = vec![], ChainMalformed),
        sent("bytes behind a certificate", |chain| chain[0].push(0), ChainMalformed),
        sent("a certificate cut off", |chain| chain[0].truncate(400), ChainMalformed),
        sent("a huge certificate", |chain| chain[0] = vec![0x30; 5000], ChainMalformed),
        sent("a hundred certificates", |chain| *chain = vec![chain.clone(); 25].concat(), ChainMalformed),
        sent("a certificate twice", |chain| chain.insert(1, chain[1].clone()), ChainDuplicate),
        sent("the wrong way round", |chain| chain.reverse(), ChainUntrusted),
        sent("a link left out", |chain| drop(chain.remove(1)), ChainUntrusted),
        sent("only the key's own", |chain| chain.truncate(1), ChainUntrusted),
        sent("another maker's root", |chain| chain[3] = phone().chain().unwrap()[3].clone(), ChainUntrusted),
        sent("another maker's phone", |chain| *chain = phone().chain().unwrap(), ChainUntrusted),
        sent("another phone's key", |chain| chain[0] = phone().chain().unwrap()[0].clone(), ChainUntrusted),
        sent("a signature changed", |chain| *chain[0].last_mut().unwrap() ^= 1, ChainUntrusted),
        sent(
            "a byte that is signed changed",
            |chain| {
                let length = chain[0].len();
                let place = (0..length).find(|place| chain[0][*place..].starts_with(b"Keystore")).unwrap();
                chain[0][place] ^= 0x20;
            },
            ChainUntrusted,
        ),
        sent(
            "two names for the algorithm",
            |chain| chain[0] = outer_algorithm_changed(&chain[0]),
            ChainAlgorithm,
        ),
        changed(
            "not yet valid",
            |phone| phone.leaf.not_before = rcgen::date_time_ymd(2040, 1, 1),
            ChainNotCurrent,
        ),
        changed("expired", |phone| phone.leaf.not_after = rcgen::date_time_ymd(2026, 1, 1), ChainNotCurrent),
        changed(
            "an expired link",
            |phone| {
                phone.batch.parameters.not_after = rcgen::date_time_ymd(2026, 1, 1);
            },
            ChainNotCurrent,
        ),
        changed("a link that is no CA", |phone| phone.inside.parameters.is_ca = IsCa::ExplicitNoCa, ChainUse),
        changed("a link that does not say", |phone| phone.inside.parameters.is_ca = IsCa::NoCa, ChainUse),
        changed(
            "a link that signs data only",
            |phone| {
                phone.inside.parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            },
            ChainUse,
        ),
        changed(
            "a link with none below it",
            |phone| {
                phone.batch.parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            },
            ChainUse,
        ),
        changed(
            "the key's own is a CA",
            |phone| {
                phone.leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            },
            ChainUse,
        ),
        changed(
            "a critical extension of nobody",
            |phone| {
                phone.leaf.custom_extensions = vec![unknown_extension(true, 4)];
            },
            ChainExtension,
        ),
        changed(
            "a link that constrains names",
            |phone| {
                phone.inside.parameters.custom_extensions = vec![unknown_extension(true, 4)];
            },
            ChainExtension,
        ),
        changed(
            "a link that is described",
            |phone| {
                let said = phone.said.to_der();
                phone.inside.parameters.custom_extensions =
                    vec![CustomExtension::from_oid_content(&DESCRIPTION, said)];
            },
            ChainExtended,
        ),
        changed(
            "Ed25519",
            |phone| {
                phone.inside.key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            },
            ChainAlgorithm,
        ),
        changed(
            "described twice",
            |phone| {
                let said = phone.said.to_der();
                phone.leaf.custom_extensions = vec![CustomExtension::from_oid_content(&DESCRIPTION, said)];
            },
            ChainMalformed,
        ),
        not_described("not described", |_| {}),
        not_described("an empty description", |leaf| leaf.custom_extensions.push(extension(vec![]))),
        not_described("a description with bytes behind it", |leaf| {
            let said = Said::good(&challenge_of(now())).to_der();
            leaf.custom_extensions.push(extension([said, vec![0]].concat()));
        }),
        not_described("a description with a member more", |leaf| {
            let mut members = parts(&Said::good(&challenge_of(now())).to_der());
            members.push(integer(1));
            leaf.custom_extensions.push(extension(der(0x30, &members.concat())));
        }),
        not_described("a description that is too long", |leaf| {
            leaf.custom_extensions.push(extension(der(0x30, &[0; 3900])));
        }),
    ]
}

fn extension(said: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(&DESCRIPTION, said)
}

fn not_described(
    name: &'static str,
    change: fn(&mut CertificateParams),
) -> (&'static str, Phone, Vec<Vec<u8>>, Reason) {
    let phone = phone();
    let mut leaf = phone.leaf.clone();
    change(&mut leaf);
    let chain = phone.chain_with(&leaf).unwrap();
    let reason = if chain[0].len() > 4096 { ChainMalformed } else { DescriptionMalformed };
    (name, phone, chain, reason)
}

/// The same certificate, whose signature is now said to be ecdsa-with-SHA384.
fn outer_algorithm_changed(certificate: &[u8]) -> Vec<u8> {
    let mut members = parts(certificate);
    *members[1].last_mut().unwrap() = 3;
    der(0x30, &members.concat())
}
