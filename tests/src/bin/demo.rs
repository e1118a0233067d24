//! `cargo xtask demo`: the whole main job in a terminal. Every line is checked, and a wrong one ends it non-zero.

use std::process::ExitCode;

use ecert_tests::demo;

#[tokio::main]
async fn main() -> ExitCode {
    match demo::walk().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo can't go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}
