//! What the end-to-end stories, the demo and the benches share: typed clients, a drawn card, sample photographs, and a
//! service in this process with a clock that is wound by hand.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing member of a JSON value is null, and this crate only tests"
)]

pub mod app;
pub mod attacks;
pub mod authenticator;
#[cfg(target_os = "linux")]
pub mod bench_billing;
#[cfg(target_os = "linux")]
pub mod bench_codes;
#[cfg(target_os = "linux")]
pub mod bench_db;
#[cfg(target_os = "linux")]
pub mod bench_documents;
#[cfg(target_os = "linux")]
pub mod bench_log;
#[cfg(target_os = "linux")]
pub mod bench_pictures;
#[cfg(target_os = "linux")]
pub mod bench_search;
#[cfg(target_os = "linux")]
pub mod bench_serving;
pub mod clients;
pub mod craft;
pub mod demo;
pub mod faults;
#[cfg(target_os = "linux")]
mod figures;
pub mod load;
pub mod motion;
pub mod odd_pictures;
pub mod phone;
#[cfg(unix)]
pub mod postgres;
pub mod receiver;
pub mod samples;
pub mod service;
pub mod specimen;
pub mod timing;
pub mod token;

/// How a bench's program ends: an error is told on the error stream.
pub fn ended(done: anyhow::Result<()>) -> std::process::ExitCode {
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The end of a bench that can't be run here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn only_on_linux() -> anyhow::Result<()> {
    Err(anyhow::anyhow!("CPU time is read from /proc, which only Linux has"))
}
