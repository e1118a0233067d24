//! Pure rules of money: inputs and `now` in, decisions and postings out. No clock, no database.

pub mod posting;
pub mod price;
