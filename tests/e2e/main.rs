//! End-to-end stories over HTTP: real models, real photographs, a real database, a clock wound by hand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy does not see the stories' helpers as tests"
)]

mod accuracy;
mod bad_input;
mod broken_models;
mod callers;
mod database;
mod database_commands;
mod database_parity;
mod devices;
mod documents;
mod embedding;
mod enrolment;
mod face_services;
mod liveness;
mod observability;
mod odd_pictures;
mod recovery;
mod redemption;
mod replicas;
mod revocation;
mod service;
mod templates;
mod third_party;
