//! End-to-end stories over HTTP: real models, real photographs, a real database, a clock wound by hand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy does not see the stories' helpers as tests"
)]

mod accuracy;
mod approvals;
mod apps;
mod at_rest;
mod attestation;
mod bad_input;
mod billing;
mod broken_models;
mod callers;
mod codes;
mod consents;
mod contacts;
mod cycles;
mod data_keys;
mod database;
mod database_commands;
mod database_parity;
mod devices;
mod disclosure;
mod documents;
mod embedding;
mod enrolment;
mod erasure;
mod export;
mod face_services;
mod hostile;
mod keys;
mod liability;
mod listening;
mod liveness;
mod month;
mod numeric_limits;
mod observability;
mod odd_pictures;
mod openapi;
mod orders;
mod passport;
mod payments;
mod peer;
mod prices;
mod receipts;
mod recovery;
mod redemption;
mod relying_parties;
mod replay;
mod replicas;
mod revocation;
mod revocation_by_many;
mod revocation_by_paper;
mod revocation_everywhere;
mod roles;
mod sandbox;
mod sandbox_clock;
mod sandbox_month;
mod service;
mod staff;
mod staff_actions;
mod standing_number;
mod statement_pdf;
mod status_lists;
mod suspension;
mod templates;
mod terminals;
mod third_party;
mod transparency_log;
mod webhooks;
mod webhooks_guarded;
