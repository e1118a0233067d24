//! A PKCS#11 token for a story. SoftHSM2 reads where its tokens are from the environment of a process, so a story that wants one
//! runs once more in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Set in the process with a token: the folder that the token is in.
const CHILD: &str = "ECERT_TEST_PKCS11_FOLDER";
const PIN: &str = "1234";

/// A token that was made for this process.
pub struct TestToken {
    folder: PathBuf,
    module: PathBuf,
}

/// SoftHSM2's library, where Debian, Fedora and others put it.
fn module() -> Option<PathBuf> {
    let places = [
        "/usr/lib/softhsm",
        "/usr/lib/x86_64-linux-gnu/softhsm",
        "/usr/lib64/softhsm",
        "/usr/local/lib/softhsm",
    ];
    places.map(|place| Path::new(place).join("libsofthsm2.so")).into_iter().find(|path| path.exists())
}

impl TestToken {
    /// The token of this process, if it was started with one.
    pub fn of_this_process() -> Option<TestToken> {
        let folder = PathBuf::from(std::env::var_os(CHILD)?);
        Some(TestToken { folder, module: module()? })
    }

    /// Settings of a service whose keys are in the token.
    pub fn flags(&self) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let pin = text(self.folder.join("pin"));
        let module = text(self.module.clone());
        let flags = [
            "--signer",
            "pkcs11",
            "--pkcs11-token",
            "ecert",
            "--pkcs11-module",
            &module,
            "--pkcs11-pin-file",
            &pin,
        ];
        flags.map(str::to_owned).into()
    }

    /// Takes the token away, or brings it back.
    pub fn set_present(&self, present: bool) -> anyhow::Result<()> {
        let (here, away) = (self.folder.join("tokens"), self.folder.join("away"));
        let (from, to) = if present { (away, here) } else { (here, away) };
        Ok(std::fs::rename(from, to)?)
    }
}

/// Runs the test `name` of this binary once more in a process with a token. Where SoftHSM2 is not installed, it is said and left out.
pub fn once_more_with_a_token(name: &str) -> anyhow::Result<()> {
    if module().is_none() {
        eprintln!("SKIPPED on a PKCS#11 token: Debian's package softhsm2 is not installed");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens)?;
    let conf = folder.path().join("softhsm2.conf");
    std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))?;
    std::fs::write(folder.path().join("pin"), PIN)?;
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("SOFTHSM2_CONF", &conf).env(CHILD, folder.path());
        let output = command.output().with_context(|| program.display().to_string())?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "in a process with a token:\n{said}");
        Ok(said)
    };
    let label = ["--init-token", "--free", "--label", "ecert", "--pin", PIN, "--so-pin", PIN];
    run(Path::new("softhsm2-util"), &label)?;
    let said = run(&std::env::current_exe()?, &["--exact", name, "--nocapture", "--test-threads=1"])?;
    ensure!(said.contains("1 passed"), "no test is called {name}:\n{said}");
    Ok(())
}
