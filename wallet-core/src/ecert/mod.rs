//! The E-cert: a CWT (RFC 8392) in a COSE_Sign1 (RFC 9052, ES256), bound to the holder's device key.
//!
//! Bytes become an [`UnverifiedCert`], and only [`verify`](verify::verify) makes a [`VerifiedCert`] of it.

pub mod format;
pub mod sign;
pub mod verify;

pub use format::{AssuranceLevel, Claims, Disclosure, StatusReference, UnverifiedCert};
pub use verify::{CertRefused, VerifiedCert};
