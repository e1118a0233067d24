//! The outside world: time, keys, models, registers. [`clock::Clock`], [`signer::Signer`] and [`source::AuthoritativeSource`] are
//! ports with more than one adapter to come.

pub mod clock;
pub mod keys;
pub mod models;
pub mod signer;
pub mod source;
pub mod vault;
