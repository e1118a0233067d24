//! The only place that names tables: a file per noun, functions over a connection, rows turned into domain types.
//!
//! Both databases stand behind one connection type, chosen by the URL. A use case opens one transaction with
//! [`Store::write`] and does everything in it: reads, judges, writes.

pub mod backup;
mod columns;
mod connection;
pub mod consistency;
pub mod copying;
mod group_commit;
pub mod inspection;
mod migrations;
mod partitions;
pub mod patience;
pub mod rounds;
mod rows;
pub mod schema;
mod sql;
mod statistics;
pub mod tables;
mod transact;
mod trouble;

pub mod admins;
pub mod announcements;
pub mod approvals;
pub mod attempts;
pub mod audit;
pub mod balances;
pub mod caps;
pub mod certificates;
pub mod changes;
pub mod chargebacks;
pub mod charges;
pub mod codes;
pub mod cycles;
pub mod devices;
pub mod enrolments;
pub mod face_groups;
pub mod handles;
pub mod health;
pub mod holders;
pub mod idempotency;
pub mod jobs;
pub mod jws_headers;
pub mod ledger;
pub mod liability;
pub mod liveness_sessions;
pub mod log;
pub mod messages;
pub mod notices;
pub mod offers;
pub mod openings;
pub mod orders;
pub mod outbox;
pub mod pack_alerts;
pub mod packs;
pub mod past_uses;
pub mod payments;
pub mod promotions;
pub mod redemptions;
pub mod refunds;
pub mod register;
pub mod relying_parties;
pub mod replay;
pub mod revocations;
pub mod settlements;
pub mod sponsorships;
pub mod standing_numbers;
pub mod statements;
pub mod status_lists;
pub mod throttles;
pub mod usage;

pub use connection::{Conn, Pooler, Settings};
pub use migrations::Step;
pub use transact::Store;
pub use trouble::exactly_one;
