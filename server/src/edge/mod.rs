//! The outside world: time, keys, models, registers, whom we tell. [`clock::Clock`], [`signer::KeyPlace`],
//! [`payments::PaymentGateway`], [`mail::Mailer`], [`webhooks::Names`] and [`source::AuthoritativeSource`] are ports.

pub mod attestation;
pub mod clock;
pub mod data_keys;
pub mod face_index;
pub mod keyring;
pub mod keys;
pub mod listeners;
pub mod machine;
pub mod mail;
pub mod metrics;
pub mod model_load;
pub mod models;
pub mod otlp;
pub mod passkeys;
pub mod payments;
pub mod pkcs11;
pub mod print;
pub mod signer;
pub mod source;
pub mod traces;
pub mod vault;
pub mod webhooks;
