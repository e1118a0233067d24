//! `cargo xtask bench codes`

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    let done = actix_web::rt::System::new().block_on(ecert_tests::bench_codes::run());
    #[cfg(not(target_os = "linux"))]
    let done = ecert_tests::only_on_linux();
    ecert_tests::ended(done)
}
