//! `cargo xtask bench billing`

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    let done = ecert_tests::bench_billing::run();
    #[cfg(not(target_os = "linux"))]
    let done = ecert_tests::only_on_linux();
    ecert_tests::ended(done)
}
