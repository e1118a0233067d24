//! Copies of a database in a file, and back. The keys are not in it: they are backed up apart, or the copy would be worth as
//! much to a thief as to us.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Conn, Store, rows};

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Backup {
    /// Where.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, which also stands in `FILE.sha256`, as `sha256sum --check` reads it.
    pub sha256: String,
}

impl Store {
    /// Writes a copy of the database as it is at one moment, while it serves, and looks whether the copy is whole.
    ///
    /// # Errors
    /// When the file is there already, PostgreSQL's programs are missing, or the copy is damaged; no file is left then.
    pub fn back_up(&self, file: &Path) -> anyhow::Result<Backup> {
        ensure!(!file.exists(), "{} is there already", file.display());
        let part = beside(file, "part");
        let outcome = make_private(&part).and_then(|()| match self.settings().sqlite_file() {
            Some(_) => self.vacuum_into(&part),
            None => dump(&self.settings().url, &part),
        });
        let outcome = outcome.and_then(|()| publish(&part, file));
        if outcome.is_err() {
            // What went wrong before comes first.
            let _ = fs::remove_file(&part);
        }
        outcome
    }

    fn vacuum_into(&self, part: &Path) -> anyhow::Result<()> {
        self.own_connection(|conn| {
            let Conn::Sqlite(sqlite) = conn else { bail!("not a SQLite database") };
            let place = part.to_str().context("the file's name is not UTF-8")?;
            diesel::sql_query("VACUUM INTO ?")
                .bind::<Text, _>(place)
                .execute(sqlite)
                .context("can't copy")?;
            Ok(())
        })?;
        ensure_whole(part)
    }

    /// Puts a backup in the place of this database, which must be empty.
    ///
    /// # Errors
    /// When the database is not empty, or the backup is damaged or of the other kind; nothing is changed then.
    pub fn restore(&self, file: &Path) -> anyhow::Result<()> {
        ensure!(self.settings().sqlite_file().is_none(), "a SQLite database is restored without opening it");
        ensure_kind(file, b"PGDMP", "PostgreSQL")?;
        ensure_checksum(file)?;
        let tables = "SELECT COUNT(*) AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p')";
        let tables = self.own_connection(|conn| Ok(rows::number(conn, tables)?))?;
        ensure!(tables == 0, "the database is not empty: it has {tables} tables. Make a new one (createdb)");
        let (url, password) = apart(&self.settings().url);
        let mut restore = Command::new("pg_restore");
        restore.args([
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--dbname",
        ]);
        run(restore.arg(url).arg(file), password)
    }
}

/// Puts a backup where a SQLite database shall be and none is.
///
/// # Errors
/// When there is one, or the backup is damaged or of the other kind; nothing is changed then.
pub fn restore_sqlite(file: &Path, target: &Path) -> anyhow::Result<()> {
    for place in [target.to_owned(), beside(target, "-wal")] {
        ensure!(!place.exists(), "{} is there already; move it away first", place.display());
    }
    ensure_kind(file, b"SQLite format 3\0", "SQLite")?;
    ensure_checksum(file)?;
    let part = beside(target, "part");
    let outcome = make_private(&part).and_then(|()| {
        fs::copy(file, &part).with_context(|| format!("can't copy {}", file.display()))?;
        ensure_whole(&part)?;
        File::open(&part)?.sync_all()?;
        fs::rename(&part, target)?;
        sync_folder(target)
    });
    if outcome.is_err() {
        // What went wrong before comes first.
        let _ = fs::remove_file(&part);
    }
    outcome
}

/// The same name with something behind it.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    if !suffix.starts_with('-') {
        name.push(".");
    }
    name.push(suffix);
    PathBuf::from(name)
}

/// An empty file that only we may read: a backup holds what the database holds.
fn make_private(file: &Path) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).with_context(|| format!("can't write {}", file.display())).map(drop)
}

fn publish(part: &Path, file: &Path) -> anyhow::Result<Backup> {
    let (sha256, bytes) = sha256(part)?;
    File::open(part)?.sync_all()?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sum = beside(file, "sha256");
    make_private(&sum)?;
    let mut written = OpenOptions::new().write(true).open(&sum)?;
    writeln!(written, "{sha256}  {name}")?;
    written.sync_all()?;
    fs::rename(part, file)?;
    sync_folder(file)?;
    Ok(Backup { file: file.to_owned(), bytes, sha256 })
}

/// A renamed file survives a power cut once its folder is on the disk.
fn sync_folder(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

fn sha256(file: &Path) -> anyhow::Result<(String, u64)> {
    let mut reader = File::open(file).with_context(|| format!("can't read {}", file.display()))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += part.len() as u64;
    }
    Ok((base16ct::lower::encode_string(&hash.finalize()), bytes))
}

/// Compares with `FILE.sha256`, where that was kept.
fn ensure_checksum(file: &Path) -> anyhow::Result<()> {
    let Ok(kept) = fs::read_to_string(beside(file, "sha256")) else { return Ok(()) };
    let (found, _) = sha256(file)?;
    ensure!(
        kept.split_whitespace().next() == Some(found.as_str()),
        "{} is not what was backed up: its sha256 is {found}",
        file.display()
    );
    Ok(())
}

fn ensure_kind(file: &Path, magic: &[u8], kind: &str) -> anyhow::Result<()> {
    let mut begin = vec![0; magic.len()];
    let read = File::open(file).and_then(|mut opened| opened.read_exact(&mut begin));
    read.with_context(|| format!("can't read {}", file.display()))?;
    ensure!(
        begin == magic,
        "{} is not a backup of {kind}; to change from one database to the other, restore it where it came from and \
         use `ecert db copy`",
        file.display()
    );
    Ok(())
}

/// `PRAGMA integrity_check` of a file.
fn ensure_whole(file: &Path) -> anyhow::Result<()> {
    let place = file.to_str().context("the file's name is not UTF-8")?;
    let mut sqlite = SqliteConnection::establish(place).context("the copy does not open")?;
    // The copy is checked as it is, and no file is left beside it.
    sqlite.batch_execute("PRAGMA query_only = ON")?;
    let damages = integrity(&mut sqlite)?;
    ensure!(damages.is_empty(), "{} is damaged: {}", file.display(), damages.join("; "));
    Ok(())
}

/// What SQLite finds wrong with itself.
pub(super) fn integrity(sqlite: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Said {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    let said: Vec<Said> = diesel::sql_query("PRAGMA integrity_check").load(sqlite)?;
    Ok(said.into_iter().map(|said| said.integrity_check).filter(|said| said != "ok").collect())
}

/// `pg_dump` in its own compressed format, read back by `pg_restore --list`.
fn dump(url: &str, part: &Path) -> anyhow::Result<()> {
    let (url, password) = apart(url);
    let mut dump = Command::new("pg_dump");
    dump.args(["--format=custom", "--no-password", "--file"]).arg(part).arg("--dbname").arg(url);
    run(&mut dump, password)?;
    run(Command::new("pg_restore").arg("--list").arg(part).stdout(Stdio::null()), None)
}

fn run(command: &mut Command, password: Option<String>) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    if let Some(password) = password {
        // Other users can read a process's command line, and not its environment.
        command.env("PGPASSWORD", password);
    }
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| {
        format!("`{name}` can't be started: install PostgreSQL's client programs (Debian: postgresql-client)")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", said.trim());
    Ok(())
}

/// A URL without its password, and the password.
fn apart(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (user, mut password) = match user.and_then(|user| user.split_once(':')) {
        Some((user, password)) => (Some(user), Some(decoded(password))),
        None => (user, None),
    };
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mut kept = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.strip_prefix("password=") {
            Some(value) => password = Some(decoded(value)),
            None => kept.push(parameter),
        }
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let kept = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    (format!("{scheme}://{user}{host}{path}{kept}"), password)
}

/// Percent-encoding undone, as libpq does it in URLs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_every_place_of_a_url() {
        let parts = |url: &str| apart(url);
        let with = |url: &str, password: &str| (url.to_owned(), Some(password.to_owned()));
        assert_eq!(
            parts("postgres://u:p%40x@h:1/db?sslmode=require"),
            with("postgres://u@h:1/db?sslmode=require", "p@x")
        );
        assert_eq!(parts("postgres://u@h/db?password=a%25&x=y"), with("postgres://u@h/db?x=y", "a%"));
        assert_eq!(parts("postgres:///db?host=/run"), ("postgres:///db?host=/run".to_owned(), None));
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn names_beside_a_file() {
        assert_eq!(beside(Path::new("a/b.db"), "part"), Path::new("a/b.db.part"));
        assert_eq!(beside(Path::new("a/b.db"), "-wal"), Path::new("a/b.db-wal"));
    }
}
