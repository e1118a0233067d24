//! What the end-to-end stories, the demo and the benches share: typed clients, a drawn card, sample photographs, and a
//! service in this process with a clock that is wound by hand.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing member of a JSON value is null, and this crate only tests"
)]

pub mod app;
pub mod attacks;
#[cfg(target_os = "linux")]
pub mod bench_db;
#[cfg(target_os = "linux")]
pub mod bench_documents;
#[cfg(target_os = "linux")]
pub mod bench_pictures;
#[cfg(target_os = "linux")]
pub mod bench_search;
#[cfg(target_os = "linux")]
pub mod bench_serving;
pub mod clients;
pub mod demo;
pub mod faults;
#[cfg(target_os = "linux")]
mod figures;
pub mod load;
pub mod motion;
pub mod odd_pictures;
#[cfg(unix)]
pub mod postgres;
pub mod samples;
pub mod service;
pub mod specimen;
