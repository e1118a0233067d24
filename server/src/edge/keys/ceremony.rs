//! What is done with keys: made, certified, replaced, taken back, taken out. Each act is one change of the store.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wallet_core::chain;
use wallet_core::x509_lint::{self, Role};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::certificates::{self, Above, Wanted, certify};
use super::pass_phrase::SecretSource;
use super::sealed_file::{self, Key, Lock, SealedFile};
use super::store::{Contents, Retirement, RetirementReason, StoredKey};
use super::{KeyInfo, Keys};
use crate::edge::signer::{KeyPlace as _, KeyReference, PrivateKey, SealedKeys};

const ROOT_CONTEXT: &str = "ecert root key 1";
/// E-certs last a year, and none outlives its signer: a signer is renewed thirty days before it could not vouch for a whole one.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours((365 + 30) * 24);
/// A replica that was cut off may sign with the old key for so long after the new one began.
const SPENT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Where the root's private key comes from.
pub enum RootSource {
    /// It is in the store.
    Store,
    /// It was taken out to a file.
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What opens it.
        pass_phrase: SecretSource,
    },
}

/// The content of the file that a root was taken out to.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct RootFile {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

struct Root {
    key: Arc<dyn PrivateKey>,
    kid: String,
    certificate: Vec<u8>,
}

impl Root {
    fn above(&self) -> Above<'_> {
        Above { key: self.key.as_ref(), certificate: &self.certificate }
    }
}

/// What upkeep did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// The signer that was made, since the one before it comes to its end.
    pub renewed: Option<String>,
    /// Keys whose private halves were destroyed, since others sign in their place.
    pub spent: Vec<String>,
}

impl Keys {
    /// Everything that a first start needs.
    pub(super) fn first(&self, now: Timestamp) -> anyhow::Result<Contents> {
        let mut contents = Contents::empty(now);
        // In the sealed file also where there is a token: from there it can be taken out.
        let reference = SealedKeys.make("")?;
        let key = SealedKeys.open(&reference)?;
        let wanted =
            Wanted { role: Role::Root, name: "E-Cert Root".to_owned(), from: now, crl: None, above: None };
        let certificate = certify(key.as_ref(), &wanted)?;
        contents.keys.push(StoredKey::new(Role::Root, certificate, None, reference, now)?);
        let root = self.root(&contents, &RootSource::Store)?;
        self.add_issuing(&mut contents, &root, now, now)?;
        self.add_signer(&mut contents, now, now)?;
        Ok(contents)
    }

    /// Makes a signer that signs from `at`.
    pub fn rotate_signer(&self, at: Timestamp, now: Timestamp) -> anyhow::Result<KeyInfo> {
        ensure!(at >= now, "a key can't begin in the past");
        self.store.change(|contents| {
            let kid = self.add_signer(contents, at, now)?;
            self.info(contents, &kid, now)
        })
    }

    /// Makes an issuing CA and a signer under it, which sign from `at`.
    pub fn rotate_issuing(
        &self,
        root: &RootSource,
        at: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<Vec<KeyInfo>> {
        ensure!(at >= now, "a key can't begin in the past");
        self.store.change(|contents| {
            let root = self.root(contents, root)?;
            let issuing = self.add_issuing(contents, &root, at, now)?;
            let signer = self.add_signer(contents, at, now)?;
            Ok(vec![self.info(contents, &issuing, now)?, self.info(contents, &signer, now)?])
        })
    }

    /// Takes a key back: it signs no more, is published no more, and stands in its CA's list. With an issuing CA go its signers.
    pub fn retire(
        &self,
        kid: &str,
        reason: RetirementReason,
        root: &RootSource,
        now: Timestamp,
    ) -> anyhow::Result<Vec<KeyInfo>> {
        self.store.change(|contents| {
            let key = chosen(contents, kid)?.clone();
            ensure!(key.role != Role::Root, "the root can't be taken back: whoever holds it believes it");
            ensure!(key.retired.is_none(), "{} was taken back before", key.kid);
            let goes = |other: &StoredKey| other.kid == key.kid || other.above == key.kid;
            let stays = contents.of(Role::Signer).any(|signer| {
                !goes(signer) && signer.is_good(now) && signer.private.is_some() && signer.active_from <= now
            });
            ensure!(stays, "no other signer could sign: run `ecert keys rotate {}` first", key.role.as_str());
            let mut gone = Vec::new();
            for other in contents.keys.iter_mut().filter(|other| goes(other) && other.retired.is_none()) {
                other.retired = Some(Retirement { at: now, reason });
                self.destroy(other);
                gone.push(other.kid.clone());
            }
            if key.role == Role::Issuing {
                let root = self.root(contents, root)?;
                self.sign_root_crl(contents, &root, now)?;
            }
            gone.iter().map(|kid| self.info(contents, kid, now)).collect()
        })
    }

    /// Takes the root's private key out of the installation into a file under a pass phrase.
    pub fn take_out_root(
        &self,
        file: &Path,
        pass_phrase: &SecretSource,
        now: Timestamp,
    ) -> anyhow::Result<KeyInfo> {
        ensure!(!file.exists(), "{} is there already", file.display());
        self.store.change(|contents| {
            let root = contents.root()?.clone();
            let Some(KeyReference::Sealed(der)) = &root.private else {
                bail!("the root's private key is not in this installation")
            };
            // While it is at hand: the list that stands until it is needed again.
            let at_hand = self.root(contents, &RootSource::Store)?;
            self.sign_root_crl(contents, &at_hand, now)?;
            let content = RootFile { certificate: root.certificate.clone(), key: der.clone() };
            let lock = Lock::PassPhrase(pass_phrase.get_new()?);
            let sealed =
                Key::fresh(&lock)?.seal(ROOT_CONTEXT, &Zeroizing::new(serde_json::to_vec(&content)?))?;
            sealed_file::write_new(file, &sealed)?;
            // Only once it was read back from where it was written does it go here.
            ensure!(open_root_file(file, &lock)?.key == *der, "the file does not hold what was written");
            let root = contents.keys.iter_mut().find(|key| key.kid == root.kid).context("the root")?;
            root.private = None;
            let kid = root.kid.clone();
            self.info(contents, &kid, now)
        })
    }

    /// Renews the signer when it is due and `may_renew`, and destroys private halves that are not needed any more. The store is
    /// left alone when there is nothing to do.
    pub fn keep_up(&self, may_renew: bool, now: Timestamp) -> anyhow::Result<Upkeep> {
        let contents = self.store.read()?;
        if !(may_renew && self.is_renewal_due(&contents, now)?) && spent(&contents, now).is_empty() {
            return Ok(Upkeep::default());
        }
        self.store.change(|contents| {
            let mut done = Upkeep::default();
            // Somebody else may have been here meanwhile.
            if may_renew && self.is_renewal_due(contents, now)? {
                done.renewed = Some(self.add_signer(contents, now, now)?);
            }
            done.spent = spent(contents, now);
            for key in contents.keys.iter_mut().filter(|key| done.spent.contains(&key.kid)) {
                self.destroy(key);
            }
            Ok(done)
        })
    }

    /// Whether the last signer comes to its end, and its CA is here and would outlive it by enough to make a new one worth it.
    fn is_renewal_due(&self, contents: &Contents, now: Timestamp) -> anyhow::Result<bool> {
        let last = contents.of(Role::Signer).filter(|key| key.is_good(now)).max_by_key(|key| key.active_from);
        let Some(issuing) = contents.active(Role::Issuing, now).filter(|key| key.private.is_some()) else {
            return Ok(false);
        };
        let Some(last) = last else { return Ok(true) };
        let ends = chain::expiry(&last.certificate)?;
        let worth = chain::expiry(&issuing.certificate)? > ends.saturating_add(SPENT_AFTER)?;
        Ok(ends < now.saturating_add(RENEW_BEFORE)? && worth)
    }

    fn add_issuing(
        &self,
        contents: &mut Contents,
        root: &Root,
        at: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        let name = match contents.of(Role::Issuing).count() {
            0 => "E-Cert Issuing CA".to_owned(),
            before => format!("E-Cert Issuing CA {}", before + 1),
        };
        let kid = self.add(contents, Role::Issuing, name, (&root.kid, root.above()), at, now)?;
        self.sign_root_crl(contents, root, now)?;
        Ok(kid)
    }

    fn add_signer(&self, contents: &mut Contents, at: Timestamp, now: Timestamp) -> anyhow::Result<String> {
        let issuing = contents.active(Role::Issuing, at).context("there is no issuing CA in force")?.clone();
        let reference = issuing.private.as_ref().context("the issuing CA's private key is not here")?;
        let key = self.places.open(reference)?;
        let above = Above { key: key.as_ref(), certificate: &issuing.certificate };
        self.add(contents, Role::Signer, "E-Cert Signer".to_owned(), (&issuing.kid, above), at, now)
    }

    fn add(
        &self,
        contents: &mut Contents,
        role: Role,
        name: String,
        (above_kid, above): (&str, Above<'_>),
        at: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        let label = format!("ecert {} {}", role.as_str(), now.strftime("%Y-%m-%d"));
        let reference = self.places.make(&label)?;
        let made = self.places.open(&reference).and_then(|key| {
            // Valid from now on: verifiers may learn of it before it signs.
            let wanted = Wanted { role, name, from: now, crl: self.crl_uri(above_kid), above: Some(above) };
            let certificate = certify(key.as_ref(), &wanted)?;
            StoredKey::new(role, certificate, Some(above_kid), reference.clone(), at)
        });
        if made.is_err() {
            // A key without a certificate is of no use, and a token has little room.
            let _ = self.places.destroy(&reference);
        }
        let made = made?;
        let kid = made.kid.clone();
        contents.keys.push(made);
        Ok(kid)
    }

    fn root(&self, contents: &Contents, source: &RootSource) -> anyhow::Result<Root> {
        let root = contents.root()?;
        let key = match (source, &root.private) {
            (RootSource::Store, Some(reference)) => self.places.open(reference)?,
            (RootSource::Store, None) => {
                bail!("the root was taken out of this installation: name its file with --root")
            }
            (RootSource::File { path, pass_phrase }, _) => {
                let file = open_root_file(path, &Lock::PassPhrase(pass_phrase.get()?))?;
                ensure!(file.certificate == root.certificate, "{} holds another root", path.display());
                SealedKeys.open(&KeyReference::Sealed(file.key.clone()))?
            }
        };
        ensure!(key.public_key() == x509_lint::public_key(&root.certificate)?, "the key is not the root's");
        Ok(Root { key, kid: root.kid.clone(), certificate: root.certificate.clone() })
    }

    fn sign_root_crl(&self, contents: &mut Contents, root: &Root, now: Timestamp) -> anyhow::Result<()> {
        let retired: Vec<&StoredKey> =
            contents.of(Role::Issuing).filter(|key| key.retired.is_some()).collect();
        contents.root_crl = Some(certificates::crl(&root.above(), Role::Root, &retired, now)?);
        Ok(())
    }

    /// Destroys the private half. That a token is away is no reason to keep on believing in a key: then it stays on record, and
    /// the upkeep tries again.
    fn destroy(&self, key: &mut StoredKey) {
        let Some(reference) = &key.private else { return };
        match self.places.destroy(reference) {
            Ok(()) => key.private = None,
            Err(error) => {
                tracing::warn!(
                    kid = key.kid,
                    error = format!("{error:#}"),
                    "a private key was not destroyed"
                );
            }
        }
    }

    fn info(&self, contents: &Contents, kid: &str, now: Timestamp) -> anyhow::Result<KeyInfo> {
        KeyInfo::of(contents, contents.find(kid).context("the key was just made")?, now)
    }
}

/// The one key whose name begins with these letters.
fn chosen<'a>(contents: &'a Contents, kid: &str) -> anyhow::Result<&'a StoredKey> {
    ensure!(kid.len() >= 6, "give at least six characters of the key's name; `ecert keys list` has them");
    let mut found = contents.keys.iter().filter(|key| key.kid.starts_with(kid));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => bail!("there is no key `{kid}`; `ecert keys list` has them all"),
        _ => bail!("`{kid}` is the beginning of several keys' names"),
    }
}

/// Keys whose private halves nobody needs: taken back, or signers after which another began to sign a day ago. An issuing CA that
/// was followed by another keeps its own, for its list.
fn spent(contents: &Contents, now: Timestamp) -> Vec<String> {
    let followed = contents
        .active(Role::Signer, now)
        .filter(|active| active.active_from.saturating_add(SPENT_AFTER).is_ok_and(|over| over <= now));
    let is_spent = |key: &&StoredKey| {
        let was_followed = key.role == Role::Signer
            && followed.is_some_and(|active| key.kid != active.kid && key.active_from < active.active_from);
        key.private.is_some() && (key.retired.is_some() || was_followed)
    };
    contents.keys.iter().filter(is_spent).map(|key| key.kid.clone()).collect()
}

fn open_root_file(path: &Path, lock: &Lock) -> anyhow::Result<RootFile> {
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let file = SealedFile::parse(bytes)?;
    let key = Key::derive(lock, file.kdf.clone()).with_context(|| path.display().to_string())?;
    let opened =
        key.open(ROOT_CONTEXT, &file).with_context(|| format!("{} does not open", path.display()))?;
    serde_json::from_slice(&opened).map_err(|_| anyhow::anyhow!("{} has another form", path.display()))
}
