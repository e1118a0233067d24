//! What a phone says of a key: the extension 1.3.6.1.4.1.11129.2.1.17 of its certificate, versions 1 to 400 and, since they only add,
//! later ones (<https://source.android.com/docs/security/features/keystore/attestation#schema>).

use super::Level;
use super::der::{NotDer, Reader};

/// Bytes of a whole description. Those of phones have a few hundred.
const MAX_LENGTH: usize = 4096;
/// Members of one list. The schema has some fifty.
const MAX_MEMBERS: usize = 64;
/// Packages, and digests, of one app; apps with one user id share a key.
const MAX_PACKAGES: usize = 20;

/// `KM_PURPOSE_SIGN` and `KM_PURPOSE_VERIFY`.
const PURPOSES: [u64; 2] = [2, 3];
/// `KM_ALGORITHM_EC`.
pub(super) const ALGORITHM_EC: u64 = 3;
/// `P_256`.
pub(super) const CURVE_P256: u64 = 1;
/// `KM_ORIGIN_GENERATED`.
pub(super) const ORIGIN_GENERATED: u64 = 0;
/// `VERIFIED`.
const BOOT_VERIFIED: u64 = 0;

/// A key, described.
pub(super) struct Description<'a> {
    /// The weaker of what holds the key and what describes it.
    pub(super) level: Level,
    pub(super) challenge: &'a [u8],
    pub(super) software: Authorizations<'a>,
    pub(super) hardware: Authorizations<'a>,
}

/// What a key may be used for and by whom, as far as it is judged here.
#[derive(Default)]
pub(super) struct Authorizations<'a> {
    pub(super) purposes: Vec<u64>,
    pub(super) algorithm: Option<u64>,
    pub(super) key_size: Option<u64>,
    pub(super) curve: Option<u64>,
    pub(super) all_applications: bool,
    pub(super) origin: Option<u64>,
    pub(super) root_of_trust: Option<RootOfTrust>,
    pub(super) os_version: Option<u64>,
    pub(super) os_patch_level: Option<u64>,
    pub(super) application: Option<Application<'a>>,
}

/// What the phone was started with.
pub(super) struct RootOfTrust {
    pub(super) is_locked: bool,
    pub(super) is_verified: bool,
}

/// Whose key it is.
pub(super) struct Application<'a> {
    pub(super) packages: Vec<&'a [u8]>,
    pub(super) digests: Vec<&'a [u8]>,
}

impl<'a> Description<'a> {
    /// Reads the extension's value.
    pub(super) fn from_der(bytes: &'a [u8]) -> Result<Self, NotDer> {
        if bytes.len() > MAX_LENGTH {
            return Err(NotDer);
        }
        let mut outer = Reader::new(bytes);
        let mut members = outer.sequence()?;
        outer.end()?;
        if members.integer()? == 0 {
            return Err(NotDer);
        }
        let describes = level(members.enumerated()?)?;
        members.integer()?;
        let holds = level(members.enumerated()?)?;
        let challenge = members.octets()?;
        members.octets()?;
        let software = Authorizations::read(members.sequence()?)?;
        let hardware = Authorizations::read(members.sequence()?)?;
        members.end()?;
        Ok(Self { level: describes.min(holds), challenge, software, hardware })
    }

    /// What holds of the key, by whom it is enforced.
    pub(super) fn of_key(&self) -> &Authorizations<'a> {
        if self.level == Level::Software { &self.software } else { &self.hardware }
    }
}

fn level(word: u64) -> Result<Level, NotDer> {
    match word {
        0 => Ok(Level::Software),
        1 => Ok(Level::TrustedEnvironment),
        2 => Ok(Level::StrongBox),
        _ => Err(NotDer),
    }
}

impl<'a> Authorizations<'a> {
    /// Each member once; in any order, since phones are known that do not sort them and none means anything by it. Members that are
    /// not judged are passed over.
    fn read(mut members: Reader<'a>) -> Result<Self, NotDer> {
        let (mut read, mut seen) = (Self::default(), Vec::new());
        while !members.is_at_end() {
            let (tag, mut value) = members.tagged()?;
            if seen.contains(&tag) || seen.len() == MAX_MEMBERS {
                return Err(NotDer);
            }
            seen.push(tag);
            match tag {
                1 => read.purposes = purposes(value.set()?)?,
                2 => read.algorithm = Some(value.integer()?),
                3 => read.key_size = Some(value.integer()?),
                10 => read.curve = Some(value.integer()?),
                600 => read.all_applications = true,
                702 => read.origin = Some(value.integer()?),
                704 => read.root_of_trust = Some(RootOfTrust::read(value.sequence()?)?),
                705 => read.os_version = Some(value.integer()?),
                706 => read.os_patch_level = Some(value.integer()?),
                709 => read.application = Some(Application::read(value.octets()?)?),
                _ => continue,
            }
            if tag != 600 {
                value.end()?;
            }
        }
        Ok(read)
    }

    /// Whether the key signs, and does nothing beside: one that also agrees on secrets or attests others is none of a wallet's.
    pub(super) fn only_signs(&self) -> bool {
        self.purposes.contains(&PURPOSES[0]) && self.purposes.iter().all(|purpose| PURPOSES.contains(purpose))
    }
}

fn purposes(mut set: Reader<'_>) -> Result<Vec<u64>, NotDer> {
    let mut found = Vec::new();
    while !set.is_at_end() {
        let purpose = set.integer()?;
        if found.contains(&purpose) || found.len() == MAX_MEMBERS {
            return Err(NotDer);
        }
        found.push(purpose);
    }
    Ok(found)
}

impl RootOfTrust {
    fn read(mut members: Reader<'_>) -> Result<Self, NotDer> {
        members.octets()?;
        let is_locked = members.boolean()?;
        let is_verified = members.enumerated()? == BOOT_VERIFIED;
        // Since version 3.
        if !members.is_at_end() {
            members.octets()?;
        }
        members.end()?;
        Ok(Self { is_locked, is_verified })
    }
}

impl<'a> Application<'a> {
    /// DER within the octets.
    fn read(bytes: &'a [u8]) -> Result<Self, NotDer> {
        let mut outer = Reader::new(bytes);
        let mut members = outer.sequence()?;
        outer.end()?;
        let (mut infos, mut signatures) = (members.set()?, members.set()?);
        members.end()?;
        let (mut packages, mut digests) = (Vec::new(), Vec::new());
        while !infos.is_at_end() {
            let mut info = infos.sequence()?;
            packages.push(info.octets()?);
            info.integer()?;
            info.end()?;
        }
        while !signatures.is_at_end() {
            digests.push(signatures.octets()?);
        }
        if packages.len().max(digests.len()) > MAX_PACKAGES {
            return Err(NotDer);
        }
        Ok(Self { packages, digests })
    }
}
