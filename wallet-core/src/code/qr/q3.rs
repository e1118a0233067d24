//! Q3, offline: carries the E-cert itself, so that a device that holds the issuer's certificates can check it without a network.
//!
//! The E-cert's `x5chain` is nine tenths of its bytes and the same in all of an issuer's. It is left out: eight bytes name the protected
//! header that it stands in, and whoever checks puts it back ([`Issuers`]). The signature covers it still.
//!
//! A Q3 is signed by the device key that the E-cert names, so whoever sees two of them knows that they are one person's: an E-cert
//! that is shown can be recognised whatever signs beside it. That is what going without the network costs; online there are Q1 and Q2.

use std::fmt;

use ciborium::Value;
use coset::{CoseSign1, ProtectedHeader, TaggedCborSerializable as _};
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::Showing;
use super::envelope::{bytes, seal, showing_of, showing_values};
use crate::attributes::{Share, Source};
use crate::code::CodeMalformed;
use crate::cose::{CoseRefused, UnverifiedSign1};
use crate::ecert::{CertRefused, Disclosure, UnverifiedCert, VerifiedCert, verify};
use crate::es256::{BadSignature, Es256Signer, SigningFailed, sha256};
use crate::jws::{base64url, from_base64url};

pub(super) const CONTEXT: &[u8] = b"ecert-q3";
/// More attributes than there are.
const MAX_DISCLOSURES: usize = 32;

/// An E-cert without what all E-certs of its issuer share.
#[derive(Clone, PartialEq, Eq)]
pub struct BareCert {
    /// The first 8 bytes of the SHA-256 of the protected header that was taken out.
    header: [u8; 8],
    claims: Vec<u8>,
    signature: [u8; 64],
}

/// The first eight bytes of a SHA-256.
fn short_hash(bytes: &[u8]) -> [u8; 8] {
    let mut short = [0; 8];
    short.iter_mut().zip(sha256(bytes)).for_each(|(place, byte)| *place = byte);
    short
}

/// Protected header, claims and signature of an E-cert.
type Parts = (Vec<u8>, Vec<u8>, [u8; 64]);

fn form(why: &'static str) -> CertRefused {
    CoseRefused::Form(why).into()
}

fn parts(ecert: &[u8]) -> Result<Parts, CertRefused> {
    UnverifiedCert::from_bytes(ecert)?;
    let signed = CoseSign1::from_tagged_slice(ecert).map_err(|_| form("not a tagged COSE_Sign1"))?;
    let header = signed.protected.original_data.ok_or(form("no protected header"))?;
    let claims = signed.payload.ok_or(form("no payload"))?;
    let signature = signed.signature.try_into().map_err(|_| form("the signature has another length"))?;
    Ok((header, claims, signature))
}

impl BareCert {
    /// Takes the header out of an E-cert.
    pub fn of(ecert: &[u8]) -> Result<BareCert, CertRefused> {
        let (header, claims, signature) = parts(ecert)?;
        Ok(BareCert { header: short_hash(&header), claims, signature })
    }

    /// The certificate's serial (`cti`), as far as it can be read.
    fn serial(&self) -> Option<[u8; 16]> {
        const CTI: u8 = 7;
        let claims: Value = ciborium::from_reader(self.claims.as_slice()).ok()?;
        let (_, serial) = claims.as_map()?.iter().find(|(key, _)| *key == Value::from(CTI))?;
        bytes(serial).ok()
    }
}

/// The protected headers of the E-certs of issuers whose root is trusted: what a device that checks offline keeps.
#[derive(Default)]
pub struct Issuers {
    root: Vec<u8>,
    headers: Vec<([u8; 8], Vec<u8>)>,
}

impl Issuers {
    /// Those under a root (DER).
    pub fn under(root: &[u8]) -> Issuers {
        Issuers { root: root.to_vec(), headers: Vec::new() }
    }

    /// Takes in the header of an E-cert that verifies at `now`: any one of each signing certificate will do.
    pub fn learn(&mut self, ecert: &[u8], now: Timestamp) -> Result<(), CertRefused> {
        verify::verify(UnverifiedCert::from_bytes(ecert)?, &self.root, now)?;
        let (header, ..) = parts(ecert)?;
        let hash = short_hash(&header);
        if !self.headers.iter().any(|(known, _)| *known == hash) {
            self.headers.push((hash, header));
        }
        Ok(())
    }

    fn verify(&self, bare: &BareCert, now: Timestamp) -> Result<VerifiedCert, Q3Refused> {
        let header = self.headers.iter().find(|(hash, _)| *hash == bare.header);
        let (_, header) = header.ok_or(Q3Refused::UnknownIssuer)?;
        let whole = CoseSign1 {
            protected: ProtectedHeader::from_cbor_bstr(Value::Bytes(header.clone()))
                .map_err(|_| form("no protected header"))?,
            payload: Some(bare.claims.clone()),
            signature: bare.signature.to_vec(),
            ..CoseSign1::default()
        };
        let whole = whole.to_tagged_vec().map_err(|_| form("can't be put together"))?;
        Ok(verify::verify(UnverifiedCert::from_bytes(&whole)?, &self.root, now)?)
    }
}

/// What a Q3 says.
#[derive(Clone, PartialEq, Eq)]
pub struct Q3 {
    /// The E-cert.
    pub certificate: BareCert,
    /// When it was made, until when, once, and what it may share.
    pub showing: Showing,
    /// The attributes that are given along.
    pub disclosures: Vec<Disclosure>,
}

impl fmt::Debug for Q3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Q3(…)")
    }
}

/// Why an offline code was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Q3Refused {
    /// It is of another form.
    #[error("the code is not one for offline use")]
    AnotherForm,
    /// The issuer's signing certificate is not known here.
    #[error("the issuer of the E-cert is not known")]
    UnknownIssuer,
    /// The E-cert is not believed.
    #[error(transparent)]
    Certificate(#[from] CertRefused),
    /// The device key of the E-cert did not sign it.
    #[error("the code is not signed by the E-cert's device")]
    Signature,
    /// It is too old, or not valid yet.
    #[error("the code has expired")]
    NotCurrent,
    /// An attribute is given that the issuer did not sign, or that is not to be shared.
    #[error("the code gives an attribute that it may not")]
    Disclosure,
}

/// An offline code that was checked. Whether the certificate was revoked is a question to the status list, whether the code was shown
/// before one to whoever keeps the [`Showing::jti`]s of the last minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedQ3 {
    /// The E-cert.
    pub certificate: VerifiedCert,
    /// Of the code.
    pub showing: Showing,
    /// The attributes that were given along, each under the issuer's signature.
    pub disclosures: Vec<Disclosure>,
}

impl Q3 {
    /// A code made at `now`, that gives those of `disclosures` which `share` allows. An attribute that the issuer signs no digest of
    /// (`over_18` is worked out by the server) can't be given offline, and a picture fits in no code.
    pub fn new(
        certificate: BareCert,
        disclosures: &[Disclosure],
        share: Share,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Q3 {
        let allowed = |disclosure: &&Disclosure| {
            share.attributes().contains(&disclosure.name) && disclosure.name.source() != Source::Picture
        };
        let disclosures = disclosures.iter().filter(allowed).cloned().collect();
        Q3 { certificate, showing: Showing::new(share, now, rng), disclosures }
    }

    /// Signs with the device key that the E-cert names. The answer is the text of the QR.
    pub fn sign(&self, device: &(impl Es256Signer + ?Sized)) -> Result<String, SigningFailed> {
        let payload = self.payload().map_err(|CodeMalformed| {
            SigningFailed("a disclosure's salt is not base64url of 16 bytes".to_owned())
        })?;
        seal(CONTEXT, payload, device)
    }

    pub(super) fn serial(&self) -> Option<[u8; 16]> {
        self.certificate.serial()
    }

    fn payload(&self) -> Result<Vec<Value>, CodeMalformed> {
        let BareCert { header, claims, signature } = &self.certificate;
        let certificate = [header.as_slice(), claims, signature].map(|part| Value::Bytes(part.to_vec()));
        let disclosure = |disclosure: &Disclosure| {
            let salt: [u8; 16] = from_base64url(&disclosure.salt)
                .ok()
                .and_then(|salt| salt.try_into().ok())
                .ok_or(CodeMalformed)?;
            let name = disclosure.name.as_str().into();
            Ok(Value::Array(vec![name, disclosure.value.as_str().into(), Value::Bytes(salt.to_vec())]))
        };
        let mut members = vec![Value::Array(certificate.into())];
        members.extend(showing_values(&self.showing));
        members.push(Value::Array(self.disclosures.iter().map(disclosure).collect::<Result<_, _>>()?));
        Ok(members)
    }

    pub(super) fn read(
        certificate: &Value,
        showing: &[Value; 4],
        disclosures: &Value,
    ) -> Result<Q3, CodeMalformed> {
        let Some([header, claims, signature]) = certificate.as_array().map(Vec::as_slice) else {
            return Err(CodeMalformed);
        };
        let claims = claims.as_bytes().ok_or(CodeMalformed)?.clone();
        let certificate = BareCert { header: bytes(header)?, claims, signature: bytes(signature)? };
        let disclosures = disclosures.as_array().ok_or(CodeMalformed)?;
        if disclosures.len() > MAX_DISCLOSURES {
            return Err(CodeMalformed);
        }
        let disclosures = disclosures.iter().map(disclosure_of).collect::<Result<_, _>>()?;
        Ok(Q3 { certificate, showing: showing_of(showing)?, disclosures })
    }

    pub(super) fn verify_offline(
        self,
        signed: &UnverifiedSign1,
        issuers: &Issuers,
        now: Timestamp,
    ) -> Result<VerifiedQ3, Q3Refused> {
        let certificate = issuers.verify(&self.certificate, now)?;
        signed.verify(CONTEXT, &certificate.claims().device).map_err(|BadSignature| Q3Refused::Signature)?;
        if !self.showing.is_current(now) {
            return Err(Q3Refused::NotCurrent);
        }
        let may = |disclosure: &Disclosure| {
            self.showing.share.attributes().contains(&disclosure.name) && certificate.vouches_for(disclosure)
        };
        if !self.disclosures.iter().all(may) {
            return Err(Q3Refused::Disclosure);
        }
        Ok(VerifiedQ3 { certificate, showing: self.showing, disclosures: self.disclosures })
    }
}

fn disclosure_of(value: &Value) -> Result<Disclosure, CodeMalformed> {
    let Some([name, text, salt]) = value.as_array().map(Vec::as_slice) else { return Err(CodeMalformed) };
    let name = name.as_text().and_then(|name| name.parse().ok()).ok_or(CodeMalformed)?;
    let value = text.as_text().ok_or(CodeMalformed)?.to_owned();
    Ok(Disclosure { name, value, salt: base64url(&bytes::<16>(salt)?) })
}
