//! `cargo xtask bench attacks`

fn main() -> std::process::ExitCode {
    match ecert_tests::attacks::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
