//! `cargo xtask bench documents`

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    let done = ecert_tests::bench_documents::run();
    #[cfg(not(target_os = "linux"))]
    let done: anyhow::Result<()> = Err(anyhow::anyhow!("CPU time is read from /proc, which only Linux has"));
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
