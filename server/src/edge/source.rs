//! The authoritative source: whoever may confirm that a name and a number belong together.

use wallet_core::document::DocumentNumber;
use wallet_core::ecert::AssuranceLevel;
use wallet_core::pairwise::keyed;

use crate::stop::Flow;
use crate::store::{Store, register};

/// What a source says of a name and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// They belong together; the certificate reaches this level.
    Confirmed(AssuranceLevel),
    /// The source does not know them: a person decides.
    NotFound,
}

/// A register that is asked during enrolment.
pub trait AuthoritativeSource: Send + Sync {
    /// How the source is named to the holder, before they agree.
    fn name(&self) -> &'static str;
    /// Asks.
    fn confirm(&self, name: &str, number: &DocumentNumber) -> Flow<Confirmation>;
}

/// A table of keyed hashes of name and number, filled by `ecert register`.
pub struct LocalRegister {
    store: Store,
    key: [u8; 32],
}

impl LocalRegister {
    /// The register in `store`.
    pub fn new(store: Store, key: [u8; 32]) -> Self {
        Self { store, key }
    }

    /// Adds a person; `false` when they stood there already.
    pub fn add(&self, name: &str, number: &DocumentNumber, now: jiff::Timestamp) -> Flow<bool> {
        let person = self.person(name, number);
        self.store.write(|conn| Ok(register::add(conn, &person, now)?))
    }

    fn person(&self, name: &str, number: &DocumentNumber) -> [u8; 32] {
        keyed(&self.key, &[name.as_bytes(), number.as_str().as_bytes()])
    }
}

impl AuthoritativeSource for LocalRegister {
    fn name(&self) -> &'static str {
        "local register"
    }

    fn confirm(&self, name: &str, number: &DocumentNumber) -> Flow<Confirmation> {
        let person = self.person(name, number);
        let found = self.store.read(|conn| Ok(register::contains(conn, &person)?))?;
        Ok(if found { Confirmation::Confirmed(AssuranceLevel::Ial2) } else { Confirmation::NotFound })
    }
}

/// No register is asked: the document alone vouches, at a lower level.
pub struct DocumentOnly;

impl AuthoritativeSource for DocumentOnly {
    fn name(&self) -> &'static str {
        "none (document only)"
    }

    fn confirm(&self, _name: &str, _number: &DocumentNumber) -> Flow<Confirmation> {
        Ok(Confirmation::Confirmed(AssuranceLevel::Ial1))
    }
}
