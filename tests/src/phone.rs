//! A phone and its maker: Android Key Attestations put together by hand, right or wrong. It shares no code with the reader;
//! `wallet-core`'s tests include this file as well.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SignatureAlgorithm,
};

/// The app that the phone says the key is of.
pub const PACKAGE: &str = "com.example.ecert";
/// SHA-256 of the certificate that signed the app.
pub const SIGNED_BY: [u8; 32] = [0xa5; 32];
/// Where a certificate describes its key.
pub const DESCRIPTION: [u64; 10] = [1, 3, 6, 1, 4, 1, 11_129, 2, 1, 17];

/// A DER element (X.690 §8.1) whose tag is one byte.
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], length(content).as_slice(), content].concat()
}

fn length(content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    match content.len() {
        0..0x80 => vec![low],
        0x80..0x100 => vec![0x81, low],
        _ => vec![0x82, high, low],
    }
}

/// An element under an explicit context tag.
pub fn tagged(number: u32, content: &[u8]) -> Vec<u8> {
    let [.., low] = number.to_be_bytes();
    let high = (number >> 7).to_be_bytes()[3];
    let tag = match number {
        0..31 => vec![0xa0 | low],
        31..128 => vec![0xbf, low],
        _ => vec![0xbf, 0x80 | high, low & 0x7f],
    };
    [tag, length(content), content.to_vec()].concat()
}

/// An INTEGER.
pub fn integer(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let digits = &bytes[from..];
    let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
    der(2, &[sign, digits].concat())
}

/// An ENUMERATED.
pub fn enumerated(value: u8) -> Vec<u8> {
    der(10, &[value])
}

/// A SET OF INTEGER.
pub fn set(values: &[u64]) -> Vec<u8> {
    der(0x31, &values.iter().flat_map(|value| integer(*value)).collect::<Vec<_>>())
}

/// `RootOfTrust`: whether the boot loader is locked, and what was started (0 is the phone's own system).
pub fn root_of_trust(is_locked: u8, state: u8) -> Vec<u8> {
    let members = [der(4, &[0xb0; 32]), der(1, &[is_locked]), enumerated(state), der(4, &[0xb1; 32])];
    der(0x30, &members.concat())
}

/// `AttestationApplicationId`.
pub fn application(package: &str, digest: &[u8]) -> Vec<u8> {
    let info = der(0x30, &[der(4, package.as_bytes()), integer(7)].concat());
    der(4, &der(0x30, &[der(0x31, &info), der(0x31, &der(4, digest))].concat()))
}

/// What a phone says of a key; tests change it.
#[derive(Clone)]
pub struct Said {
    /// The version of the description.
    pub version: u64,
    /// Who describes: 0 the system, 1 the trusted environment, 2 the chip.
    pub described_by: u8,
    /// Who holds the key.
    pub held_by: u8,
    /// What it was made for.
    pub challenge: Vec<u8>,
    /// What the system enforces: tags with their values.
    pub software: Vec<(u32, Vec<u8>)>,
    /// What the hardware enforces.
    pub hardware: Vec<(u32, Vec<u8>)>,
}

impl Said {
    /// A key as a wallet makes it, on a phone that is as it was sold.
    pub fn good(challenge: &[u8]) -> Said {
        Said {
            version: 300,
            described_by: 1,
            held_by: 1,
            challenge: challenge.to_vec(),
            software: vec![(701, integer(1_800_000_000_000)), (709, application(PACKAGE, &SIGNED_BY))],
            hardware: vec![
                (1, set(&[2])),
                (2, integer(3)),
                (3, integer(256)),
                (5, set(&[4])),
                (10, integer(1)),
                (503, der(5, &[])),
                (702, integer(0)),
                (704, root_of_trust(0xff, 0)),
                (705, integer(140_000)),
                (706, integer(202_610)),
                (718, integer(20_261_005)),
            ],
        }
    }

    /// The extension's value.
    pub fn to_der(&self) -> Vec<u8> {
        let list = |members: &[(u32, Vec<u8>)]| {
            der(0x30, &members.iter().flat_map(|(tag, value)| tagged(*tag, value)).collect::<Vec<_>>())
        };
        let members = [
            integer(self.version),
            enumerated(self.described_by),
            integer(self.version),
            enumerated(self.held_by),
            der(4, &self.challenge),
            der(4, &[]),
            list(&self.software),
            list(&self.hardware),
        ];
        der(0x30, &members.concat())
    }

    /// The same with another value of a member of the hardware's list.
    pub fn set(&mut self, tag: u32, value: Vec<u8>) {
        self.hardware
            .iter_mut()
            .filter(|(found, _)| *found == tag)
            .for_each(|(_, old)| value.clone_into(old));
    }

    /// The same without it.
    pub fn leave_out(&mut self, tag: u32) {
        self.hardware.retain(|(found, _)| *found != tag);
    }
}

/// A certificate to be made.
pub struct Link {
    /// What it says.
    pub parameters: CertificateParams,
    /// Its key.
    pub key: KeyPair,
}

impl Link {
    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.parameters, &self.key)
    }
}

/// A public key that is somebody else's.
struct Shown(Vec<u8>);

impl PublicKeyData for Shown {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn parameters(name: &str, is_ca: bool) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2048, 1, 1);
    parameters.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
    parameters.key_usages =
        vec![if is_ca { KeyUsagePurpose::KeyCertSign } else { KeyUsagePurpose::DigitalSignature }];
    parameters
}

fn link(name: &str, algorithm: &'static SignatureAlgorithm) -> anyhow::Result<Link> {
    Ok(Link { parameters: parameters(name, true), key: KeyPair::generate_for(algorithm)? })
}

/// A phone that vouches for one key.
pub struct Phone {
    /// The maker's root, on P-384.
    pub root: Link,
    /// What the root signed for many phones.
    pub batch: Link,
    /// What stands in the phone.
    pub inside: Link,
    /// The certificate of the key.
    pub leaf: CertificateParams,
    /// What it says of the key.
    pub said: Said,
    /// The key's point.
    pub key: Vec<u8>,
}

impl Phone {
    /// As it was sold; it vouches for the key whose point (SEC 1, 65 bytes) this is.
    ///
    /// # Errors
    /// When a key can't be made.
    pub fn new(point: &[u8], challenge: &[u8]) -> anyhow::Result<Phone> {
        Ok(Phone {
            root: link("Maker's root", &rcgen::PKCS_ECDSA_P384_SHA384)?,
            batch: link("A batch", &rcgen::PKCS_ECDSA_P256_SHA256)?,
            inside: link("A phone", &rcgen::PKCS_ECDSA_P256_SHA256)?,
            leaf: parameters("Android Keystore Key", false),
            said: Said::good(challenge),
            key: point.to_vec(),
        })
    }

    /// The root in PEM, for whoever trusts it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn root_pem(&self) -> anyhow::Result<String> {
        Ok(self.root.parameters.self_signed(&self.root.key)?.pem())
    }

    /// From the key up to the root.
    ///
    /// # Errors
    /// When one can't be made.
    pub fn chain(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let description = CustomExtension::from_oid_content(&DESCRIPTION, self.said.to_der());
        let mut leaf = self.leaf.clone();
        leaf.custom_extensions.push(description);
        self.chain_with(&leaf)
    }

    /// The same with a certificate that says exactly this.
    ///
    /// # Errors
    /// When one can't be made.
    pub fn chain_with(&self, leaf: &CertificateParams) -> anyhow::Result<Vec<Vec<u8>>> {
        let leaf = leaf.signed_by(&Shown(self.key.clone()), &self.inside.issuer())?;
        let inside = self.inside.parameters.signed_by(&self.inside.key, &self.batch.issuer())?;
        let batch = self.batch.parameters.signed_by(&self.batch.key, &self.root.issuer())?;
        let root = self.root.parameters.self_signed(&self.root.key)?;
        Ok([leaf.der(), inside.der(), batch.der(), root.der()].map(|der| der.to_vec()).into())
    }

    /// A key of this phone that is described, and signs another one as if it were a phone: the known forgery.
    ///
    /// # Errors
    /// When a certificate can't be made.
    pub fn forged_below(&self, is_ca: bool) -> anyhow::Result<Vec<Vec<u8>>> {
        let own = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut middle = parameters("Android Keystore Key", is_ca);
        middle.custom_extensions =
            vec![CustomExtension::from_oid_content(&DESCRIPTION, Said::good(b"another").to_der())];
        let mut leaf = self.leaf.clone();
        leaf.custom_extensions = vec![CustomExtension::from_oid_content(&DESCRIPTION, self.said.to_der())];
        let leaf = leaf.signed_by(&Shown(self.key.clone()), &Issuer::from_params(&middle, &own))?;
        let middle = middle.signed_by(&own, &self.inside.issuer())?;
        let rest = self.chain()?.into_iter().skip(1);
        Ok([leaf.der().to_vec(), middle.der().to_vec()].into_iter().chain(rest).collect())
    }
}
