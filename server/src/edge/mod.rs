//! The outside world behind ports: time, keys, models, registers. Everything here can be replaced by a deployment.

pub mod clock;
pub mod keys;
pub mod models;
pub mod signer;
pub mod source;
pub mod vault;
