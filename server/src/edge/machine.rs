//! The process and the machine, for /metrics: CPU, memory, files, the disk under the data folder, which build it is.

use std::path::{Path, PathBuf};

use prometheus::{IntGaugeVec, Opts, PullingGauge, Registry};

/// Makes them known to a registry. `database` is the kind, `data_dir` the folder whose disk is watched.
pub fn register(registry: &Registry, database: &str, data_dir: &Path) -> prometheus::Result<()> {
    let build = Opts::new("ecert_build_info", "Always 1; which build over which kind of database");
    let build = IntGaugeVec::new(build, &["version", "database"])?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION"), database]).set(1);
    registry.register(Box::new(build))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let disk = |name: &str, help: &str, blocks: fn(&rustix::fs::StatVfs) -> u64| {
        let folder: PathBuf = data_dir.to_owned();
        let read = move || rustix::fs::statvfs(&folder).map_or(f64::NAN, |disk| bytes(&disk, blocks(&disk)));
        PullingGauge::new(name, help, Box::new(read))
    };
    registry.register(Box::new(disk(
        "ecert_data_dir_available_bytes",
        "Room on the disk of the data folder",
        |disk| disk.f_bavail,
    )?))?;
    registry.register(Box::new(disk(
        "ecert_data_dir_size_bytes",
        "Size of the disk of the data folder",
        |disk| disk.f_blocks,
    )?))
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float, and no disk is measured to the byte")]
fn bytes(disk: &rustix::fs::StatVfs, blocks: u64) -> f64 {
    disk.f_frsize as f64 * blocks as f64
}
