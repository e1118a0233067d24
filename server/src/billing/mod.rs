//! Pure rules of money: inputs and `now` in, decisions and postings out. No clock, no database.

pub mod account;
pub mod alerts;
pub mod arrears;
pub mod caps;
pub mod cycles;
pub mod liability;
pub mod merkle;
pub mod orders;
pub mod packs;
pub mod payments;
pub mod periods;
pub mod posting;
pub mod price;
pub mod promotions;
pub mod replay;
pub mod statement;
