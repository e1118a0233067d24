//! The binary `ecert`.

fn main() -> std::process::ExitCode {
    ecert_server::cli::run()
}
