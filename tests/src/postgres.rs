//! A PostgreSQL, and if need be a PgBouncer, of our own: started in a folder of its own, and gone at the end.
//!
//! `xtask` includes this file too, so it needs nothing but the standard library and anyhow.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};

/// Who may do everything in the databases.
const USER: &str = "ecert";
/// A server with an empty cluster takes a second to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs what follows, and ends it by the named signal when our end of its input closes, however we came to an end.
const SUPERVISOR: &str = r#"signal=$1; trash=$2; shift 2; "$@" </dev/null & child=$!; read -r _; kill -s "$signal" "$child"; wait "$child"; [ -z "$trash" ] || rm -rf "$trash""#;

/// A running PostgreSQL; it and all that it holds end with this value.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    account: Account,
    _server: Supervised,
}

/// A running PgBouncer in transaction mode.
pub struct PgBouncer {
    port: u16,
    _process: Supervised,
}

impl Cluster {
    /// Makes and starts one, with settings (`name=value`) of its own, and files that lie in its folder, where settings can
    /// name them.
    ///
    /// # Errors
    /// When PostgreSQL's programs are missing or it does not start; the message says why.
    pub fn start(settings: &[String], files: &[(&str, &str)]) -> Result<Cluster> {
        let (programs, account) = (programs()?, Account::find()?);
        let folder = account.make_folder()?;
        for (name, text) in files {
            let file = folder.join(name);
            fs::write(&file, text)?;
            account.give(&file, 0o600)?;
        }
        let data = folder.join("data");
        let made = account
            .command(&programs.join("initdb"), &folder)
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--username",
                USER,
                "--pgdata",
            ])
            .arg(&data)
            .output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
        let port = free_port()?;
        let mut server = account.command(Path::new("sh"), &folder);
        server.args(["-c", SUPERVISOR, "sh", "QUIT"]).arg(&folder).arg(programs.join("postgres"));
        server.arg("-D").arg(&data);
        let ours = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.display()),
            "max_connections=200".to_owned(),
            // What a crash of the machine loses here, nobody misses.
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
        ];
        for setting in ours.iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let log = folder.join("log");
        let server = Supervised::start(server, &log)?;
        let mut is_ready = account.command(&programs.join("pg_isready"), &folder);
        is_ready.args(["--quiet", "--host=127.0.0.1", "--dbname=postgres", "--port"]).arg(port.to_string());
        wait_for(&log, || is_ready.status().is_ok_and(|status| status.success()))?;
        Ok(Cluster { folder, port, account, _server: server })
    }

    /// Where it is, with a slash at its end for the name of a database.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a PgBouncer before it, with so many connections to each database.
    ///
    /// # Errors
    /// When PgBouncer is missing or does not start.
    pub fn bouncer(&self, connections: u32) -> Result<PgBouncer> {
        let program = find("pgbouncer", &[]).context("PgBouncer is missing (Debian: pgbouncer)")?;
        let port = free_port()?;
        let place = |name: &str| self.folder.join(name);
        let users = place("users.txt");
        fs::write(&users, format!("\"{USER}\" \"\"\n"))?;
        let settings = place("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = {connections}\nmax_client_conn = 200\n",
                self.port,
                users.display()
            ),
        )?;
        for file in [&users, &settings] {
            self.account.give(file, 0o600)?;
        }
        let mut bouncer = self.account.command(Path::new("sh"), &self.folder);
        bouncer.args(["-c", SUPERVISOR, "sh", "TERM", ""]).arg(program).arg("--quiet").arg(&settings);
        let log = place("pgbouncer.log");
        let process = Supervised::start(bouncer, &log)?;
        wait_for(&log, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(PgBouncer { port, _process: process })
    }
}

impl PgBouncer {
    /// Where it is, with a slash at its end for the name of a database.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/", self.port)
    }
}

/// A process that ends with this value, or with this process.
struct Supervised(Child);

impl Supervised {
    fn start(mut command: Command, log: &Path) -> Result<Supervised> {
        let log = File::create(log)?;
        // In a group of its own, so that Ctrl-C does not end the supervisor before what it watches.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        Ok(Supervised(command.spawn().context("can't start a shell")?))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // However it ended, it is over.
        let _ = self.0.wait();
    }
}

fn wait_for(log: &Path, mut is_ready: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !is_ready() {
        if began.elapsed() > PATIENCE {
            bail!("it did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// As whom a server runs: neither PostgreSQL nor PgBouncer runs as root, so there it is the user that Debian made.
#[derive(Clone, Copy)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// Finds it.
    ///
    /// # Errors
    /// When we are root and there is no such user.
    pub fn find() -> Result<Account> {
        let id = |arguments: &[&str]| -> Result<u32> {
            let output = Command::new("id").args(arguments).output()?;
            ensure!(output.status.success(), "there is no user `postgres`; install Debian's `postgresql`");
            Ok(String::from_utf8(output.stdout)?.trim().parse()?)
        };
        if id(&["-u"])? != 0 {
            return Ok(Account(None));
        }
        Ok(Account(Some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?))))
    }

    fn make_folder(self) -> Result<PathBuf> {
        let moment = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
        let folder = std::env::temp_dir().join(format!("ecert-postgres-{}-{moment}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        self.give(&folder, 0o700)?;
        Ok(folder)
    }

    /// Makes a file or folder its own, with these rights.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give(self, path: &Path, mode: u32) -> Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// A program that runs as this user, in a folder.
    pub fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command.current_dir(folder).stdin(Stdio::null()).env_remove("PGDATA");
        command
    }
}

/// The folder with PostgreSQL's programs: Debian keeps them out of the path, a folder for each version.
///
/// # Errors
/// When there is none.
pub fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    versions.reverse();
    let initdb = find("initdb", &versions).context("PostgreSQL is missing (Debian: postgresql)")?;
    Ok(initdb.parent().context("a program outside of any folder")?.to_owned())
}

/// A program, looked for in these folders and then in the path and where administrators' programs are.
fn find(program: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = first.iter().cloned().chain(std::env::split_paths(&path)).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|place| place.is_file())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
