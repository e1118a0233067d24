//! End-to-end stories over HTTP: real models, real photographs, a real database, a clock wound by hand.

mod bad_input;
mod callers;
mod embedding;
mod enrolment;
mod redemption;
mod revocation;
mod service;
mod third_party;
