//! `cargo xtask bench serving`

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(ecert_tests::bench_serving::run()));
    #[cfg(not(target_os = "linux"))]
    let done = ecert_tests::only_on_linux();
    ecert_tests::ended(done)
}
