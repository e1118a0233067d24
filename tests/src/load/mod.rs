//! Load: a population of any size in the database, and many relying parties that redeem its codes at once.
//!
//! Reading order: [`identities`] (who they are, derived from a number each), [`population`] (putting them into an
//! installation), [`days`] (what they spent on a day that is over), [`driver`] (redeeming as a good relying party must), [`report`] (what came of it), [`cpu`].
//! The service must be built with the feature `bench-without-face`, since nobody here has a face.

pub mod cpu;
pub mod days;
pub mod driver;
pub mod identities;
pub mod population;
pub mod report;
mod rows;
mod sending;
mod stock;

pub use days::Day;
pub use driver::{Load, Mix, Until};
pub use identities::Identities;
pub use population::{Installation, Population};
pub use report::{Acknowledged, GivenUp, Latencies, Outcome, Report};
pub use sending::Patience;
