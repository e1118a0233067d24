//! What must give the same answer on the server and on a device.
//!
//! Invariant: no I/O, no clock, no randomness of its own, no async: `now` and `rng` are arguments. Only [`onnx`] reads
//! files, the model files. The order below is the reading order.

// First, for its macro.
#[cfg(feature = "openapi")]
#[macro_use]
mod schema;

// Words: what is named, counted, shared and refused.
pub mod attributes;
pub mod ids;
pub mod money;
pub mod pairwise;
pub mod refusal;
pub mod revocation;

// Proof: signatures and what is signed.
pub mod cbor;
pub mod chain;
pub mod cose;
pub mod dpop;
pub mod ecert;
pub mod erasure;
pub mod es256;
pub mod jws;
pub mod log;
pub mod receipt;
pub mod statement;
pub mod status_list;
pub mod x509_lint;

// The device.
pub mod attestation;
pub mod risk;

// Presentation.
pub mod code;
pub mod redemption;

// The person and the document.
pub mod capture;
pub mod document;
pub mod face;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "onnx")]
pub mod picture;
