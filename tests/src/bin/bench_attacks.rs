//! `cargo xtask bench attacks`

fn main() -> std::process::ExitCode {
    ecert_tests::ended(ecert_tests::attacks::run())
}
