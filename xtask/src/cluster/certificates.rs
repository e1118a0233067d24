//! A certificate authority for one cluster, and the certificate that PostgreSQL and PgBouncer show.
//!
//! Made by `openssl`, which comes with Debian's PostgreSQL. Real installations have an authority of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::plan::{HOST, tls};

/// No cluster on a loopback should live longer.
const DAYS: &str = "365";

/// Makes the authority and the certificate in the folder of the cluster, where they are missing.
///
/// # Errors
/// When openssl fails; the message says what it said.
pub(super) fn make(folder: &Path) -> Result<()> {
    if tls(folder, "server.pem").exists() {
        return Ok(());
    }
    let key =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS];
    let mut authority = Command::new("openssl");
    authority.args(key).args(["-subj", "/CN=E-Cert cluster"]);
    authority.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
    authority.arg("-keyout").arg(tls(folder, "ca.key")).arg("-out").arg(tls(folder, "ca.pem"));
    run(&mut authority)?;
    let mut server = Command::new("openssl");
    server.args(key).arg("-CA").arg(tls(folder, "ca.pem")).arg("-CAkey").arg(tls(folder, "ca.key"));
    server.args(["-subj", &format!("/CN={HOST}")]);
    server.args(["-addext", &format!("subjectAltName=IP:{HOST},DNS:localhost")]);
    server.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    server.arg("-keyout").arg(tls(folder, "server.key")).arg("-out").arg(tls(folder, "server.pem"));
    run(&mut server)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context("cannot start openssl")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl could not make the certificates:\n{}", said.trim_end());
    Ok(())
}
