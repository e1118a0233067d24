//! Keys in a PKCS#11 token (an HSM, SoftHSM2 in tests). They are made in it and never leave it.
//!
//! Sessions are pooled: each is used by one thread at a time, and the login is shared by all of a process (PKCS#11 2.40
//! §5.6). When a session fails, all are dropped, the token is looked for anew by its label, and what was asked is tried
//! once more; only then is it a failure, and the library is begun anew.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
pub use cryptoki::types::AuthPin;
use p256::ecdsa::Signature;
use parking_lot::{Condvar, Mutex};
use rand::Rng as _;
use wallet_core::es256::{Es256Signer, PublicKey, SigningFailed, sha256};

use super::signer::{KeyPlace, KeyReference, PrivateKey};

/// `secp256r1` (RFC 5480 §2.1.1.1), DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// Sessions at once. Tokens have few, and each works on one signature; whoever comes later waits.
const MOST_SESSIONS: usize = 16;
const ID_BYTES: usize = 16;
/// A library is begun anew no more often than this, should its token stay away.
const ANEW: Duration = Duration::from_secs(1);

/// Where the token is.
#[derive(Clone)]
pub struct TokenSettings {
    /// The vendor's library.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// The user's PIN.
    pub pin: AuthPin,
}

/// A token that keys are kept in.
pub struct Token {
    settings: TokenSettings,
    sessions: Mutex<Sessions>,
    freed: Condvar,
    pin_refused: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    idle: Vec<Used>,
    /// Idle and in use.
    open: usize,
    /// Raised when sessions are dropped: one of an earlier age is not used again.
    age: u64,
    begun_anew: Option<Instant>,
}

/// A session, and what it found.
struct Used {
    session: Session,
    handles: HashMap<Vec<u8>, ObjectHandle>,
    age: u64,
}

impl Token {
    /// A token, looked for when it is first needed.
    pub fn new(settings: TokenSettings) -> Self {
        Self {
            settings,
            sessions: Mutex::default(),
            freed: Condvar::new(),
            pin_refused: AtomicBool::new(false),
        }
    }

    /// Whether it is there and lets us in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ensure_ready(&self) -> anyhow::Result<()> {
        self.with_session(|used| used.session.get_session_info().map(drop)).with_context(|| self.place())
    }

    fn place(&self) -> String {
        format!("the PKCS#11 token `{}` of {}", self.settings.label, self.settings.module.display())
    }

    /// Works in a session; once more in a fresh one when that fails. When that fails as well, the library is begun anew for
    /// whoever comes next: some find a token that was away only then.
    fn with_session<T>(&self, work: impl Fn(&mut Used) -> Result<T, Error>) -> Result<T, TokenTrouble> {
        if let Ok(done) = self.with_one(&work) {
            return Ok(done);
        }
        self.drop_idle();
        let second = self.with_one(&work);
        if matches!(second, Err(TokenTrouble::Pkcs11(_) | TokenTrouble::Absent)) {
            self.drop_idle();
            self.begin_library_anew();
        }
        second
    }

    fn begin_library_anew(&self) {
        let mut sessions = self.sessions.lock();
        let is_early = sessions.begun_anew.is_some_and(|at| at.elapsed() < ANEW);
        // While the lock is held and no session is open, nobody is inside the library on behalf of this token.
        if sessions.open == 0 && !is_early {
            sessions.begun_anew = Some(Instant::now());
            end_library(&self.settings.module);
        }
    }

    fn with_one<T>(&self, work: &impl Fn(&mut Used) -> Result<T, Error>) -> Result<T, TokenTrouble> {
        let mut used = self.take()?;
        let done = work(&mut used);
        let mut sessions = self.sessions.lock();
        if done.is_ok() && used.age == sessions.age {
            sessions.idle.push(used);
            drop(sessions);
        } else {
            sessions.open -= 1;
            drop(sessions);
            // Closing it asks the token.
            drop(used);
        }
        self.freed.notify_one();
        Ok(done?)
    }

    fn take(&self) -> Result<Used, TokenTrouble> {
        let mut sessions = self.sessions.lock();
        loop {
            if let Some(used) = sessions.idle.pop() {
                return Ok(used);
            }
            if sessions.open < MOST_SESSIONS {
                break;
            }
            self.freed.wait(&mut sessions);
        }
        sessions.open += 1;
        let age = sessions.age;
        drop(sessions);
        let opened = self.open_session();
        if opened.is_err() {
            self.sessions.lock().open -= 1;
            self.freed.notify_one();
        }
        Ok(Used { session: opened?, handles: HashMap::new(), age })
    }

    fn drop_idle(&self) {
        let idle = {
            let mut sessions = self.sessions.lock();
            sessions.age += 1;
            sessions.open -= sessions.idle.len();
            std::mem::take(&mut sessions.idle)
        };
        drop(idle);
        self.freed.notify_all();
    }

    fn open_session(&self) -> Result<Session, TokenTrouble> {
        if self.pin_refused.load(Ordering::Relaxed) {
            return Err(TokenTrouble::Pin);
        }
        let library = library(&self.settings.module)?;
        let slot = self.slot(&library)?;
        let session = library.open_rw_session(slot)?;
        match session.login(UserType::User, Some(&self.settings.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLocked, _)) => {
                self.pin_refused.store(true, Ordering::Relaxed);
                Err(TokenTrouble::Pin)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn slot(&self, library: &Pkcs11) -> Result<Slot, TokenTrouble> {
        for slot in library.get_slots_with_token()? {
            if library.get_token_info(slot)?.label().trim_end() == self.settings.label {
                return Ok(slot);
            }
        }
        Err(TokenTrouble::Absent)
    }

    fn sign(&self, id: &[u8], message: &[u8]) -> Result<[u8; 64], TokenTrouble> {
        let hash = sha256(message);
        let raw = self.with_session(|used| {
            let key = used.handle(id)?;
            // The hash first: not every token has ECDSA with SHA-256 in one (SoftHSM2 2.6 has not).
            used.session.sign(&Mechanism::Ecdsa, key, &hash)
        })?;
        let signature = Signature::from_slice(&raw).map_err(|_| TokenTrouble::Signature)?;
        // A token may give the high one of the two values of s; verifiers may want the low one.
        Ok(signature.normalize_s().to_bytes().into())
    }
}

impl Used {
    fn handle(&mut self, id: &[u8]) -> Result<ObjectHandle, Error> {
        if let Some(handle) = self.handles.get(id) {
            return Ok(*handle);
        }
        let private = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
        let found = self.session.find_objects(&private)?;
        let handle = *found
            .first()
            .ok_or(Error::Pkcs11(RvError::KeyHandleInvalid, cryptoki::context::Function::FindObjects))?;
        self.handles.insert(id.to_vec(), handle);
        Ok(handle)
    }
}

/// Why a token did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenTrouble {
    /// It was refused once. A token locks itself after a few wrong ones, so that it is not tried again.
    #[error(
        "the PIN was refused; correct it and start again, since a token locks itself after a few wrong ones"
    )]
    Pin,
    /// No token of that label.
    #[error("there is no token of this label; is it plugged in, and the label right?")]
    Absent,
    /// What it gave is no signature.
    #[error("the token gave something that is no signature")]
    Signature,
    /// What the library says.
    #[error(transparent)]
    Pkcs11(#[from] Error),
}

/// The libraries of this process: each is initialised once.
static LIBRARIES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// The library of a module.
fn library(module: &Path) -> Result<Pkcs11, Error> {
    let mut libraries = LIBRARIES.lock();
    if let Some((_, library)) = libraries.iter().find(|(path, _)| path == module) {
        return Ok(library.clone());
    }
    let library = Pkcs11::new(module)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error),
    }
    libraries.push((module.to_owned(), library.clone()));
    Ok(library)
}

/// Ends the library of a module; whoever asks for it next begins it anew.
fn end_library(module: &Path) {
    let mut libraries = LIBRARIES.lock();
    let Some(place) = libraries.iter().position(|(path, _)| path == module) else { return };
    let (_, library) = libraries.swap_remove(place);
    if let Err(error) = library.finalize() {
        tracing::warn!(%error, "a PKCS#11 library did not end well");
    }
}

impl KeyPlace for Arc<Token> {
    fn make(&self, label: &str) -> anyhow::Result<KeyReference> {
        self.as_ref().make(label)
    }

    fn open(&self, reference: &KeyReference) -> anyhow::Result<Arc<dyn PrivateKey>> {
        let KeyReference::Token { id, point } = reference else {
            anyhow::bail!("the key is in the sealed file")
        };
        let public_key = PublicKey::from_sec1(point).context("the key's public half is damaged")?;
        Ok(Arc::new(KeyInToken { token: Arc::clone(self), id: id.clone(), public_key }))
    }

    fn destroy(&self, reference: &KeyReference) -> anyhow::Result<()> {
        self.as_ref().destroy(reference)
    }
}

impl Token {
    /// Makes a key that can't be read out.
    pub(super) fn make(&self, label: &str) -> anyhow::Result<KeyReference> {
        let mut id = vec![0; ID_BYTES];
        rand::rng().fill_bytes(&mut id);
        let named = [Attribute::Token(true), Attribute::Id(id.clone()), Attribute::Label(label.into())];
        let public = [
            &named[..],
            &[Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(P256.to_vec())],
        ]
        .concat();
        let private = [
            &named[..],
            &[
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
            ],
        ]
        .concat();
        let made = self.with_session(|used| {
            let (public, _) = used.session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
            used.session.get_attributes(public, &[AttributeType::EcPoint])
        });
        let attributes = made.with_context(|| self.place())?;
        let point = attributes.iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => Some(point.as_slice()),
            _ => None,
        });
        let point = point.context("the token does not tell the public half of a key")?;
        // An OCTET STRING around the point (PKCS#11 2.40 §2.3.3); some tokens leave it out.
        let point = point.strip_prefix(&[0x04, 0x41]).unwrap_or(point);
        let public_key = PublicKey::from_sec1(point).context("the token's key is not of P-256")?;
        Ok(KeyReference::Token { id, point: public_key.to_sec1() })
    }

    fn destroy(&self, reference: &KeyReference) -> anyhow::Result<()> {
        let KeyReference::Token { id, .. } = reference else {
            anyhow::bail!("the key is in the sealed file")
        };
        let destroyed = self.with_session(|used| {
            let halves = used.session.find_objects(&[Attribute::Id(id.clone())])?;
            halves.into_iter().try_for_each(|half| used.session.destroy_object(half))
        });
        // Handles of it that other sessions remember must not be used again.
        self.drop_idle();
        destroyed.with_context(|| self.place())
    }
}

struct KeyInToken {
    token: Arc<Token>,
    id: Vec<u8>,
    public_key: PublicKey,
}

impl Es256Signer for KeyInToken {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signed = self.token.sign(&self.id, message);
        signed.map_err(|trouble| SigningFailed(format!("{}: {trouble}", self.token.place())))
    }
}

impl PrivateKey for KeyInToken {
    fn public_key(&self) -> PublicKey {
        self.public_key.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests;
