//! What the end-to-end stories, the demo and the benches share: typed clients, a drawn card, sample photographs, and a
//! service in this process with a clock that is wound by hand.

pub mod app;
pub mod clients;
pub mod samples;
pub mod specimen;
