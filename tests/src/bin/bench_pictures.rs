//! `cargo xtask bench pictures`.

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    ecert_tests::bench_pictures::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this bench reads /proc and runs on Linux only");
}
