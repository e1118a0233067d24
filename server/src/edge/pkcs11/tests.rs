//! The port told in both places. SoftHSM2 reads where its tokens are from the environment of a process, so a test that wants
//! one runs once more in a process of its own, with a token of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::edge::signer::SealedKeys;

const CHILD: &str = "ECERT_TEST_PKCS11_TOKEN";
const PIN: &str = "1234";

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

pub(crate) fn token() -> Arc<Token> {
    let (module, label) = (module().unwrap(), std::env::var(CHILD).unwrap());
    Arc::new(Token::new(TokenSettings { module, label, pin: AuthPin::new(PIN.into()) }))
}

/// Tells `story` in the sealed file, and in a token where SoftHSM2 is installed. `name` is the test's own.
pub(crate) fn in_every_place(name: &str, story: impl Fn(&dyn KeyPlace)) {
    if std::env::var_os(CHILD).is_some() {
        return story(&token());
    }
    story(&SealedKeys);
    in_a_process_with_a_token(name);
}

/// Runs the test `name` once more where there is a token.
pub(crate) fn in_a_process_with_a_token(name: &str) {
    if module().is_none() {
        eprintln!("SKIPPED on a PKCS#11 token: Debian's package softhsm2 is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (conf, tokens) = (folder.path().join("softhsm2.conf"), folder.path().join("tokens"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .unwrap();
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("SOFTHSM2_CONF", &conf).env(CHILD, "ecert");
        let output = command.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "in a process with a token:\n{said}");
        said
    };
    let label = ["--init-token", "--free", "--label", "ecert", "--pin", PIN, "--so-pin", PIN];
    run(Path::new("softhsm2-util"), &label);
    let said = run(&std::env::current_exe().unwrap(), &["--exact", name, "--nocapture", "--test-threads=1"]);
    assert!(said.contains("1 passed"), "no test is called {name}:\n{said}");
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_login_that_is_lost_is_made_again() {
    if !is_child() {
        return in_a_process_with_a_token("edge::pkcs11::tests::a_login_that_is_lost_is_made_again");
    }
    let token = token();
    let key = token.open(&token.make("ecert test").unwrap()).unwrap();
    key.sign(b"before").unwrap();
    // As when the token was pulled out and put in again: what sessions there are have no login.
    token.with_session(|used| used.session.logout()).unwrap();
    key.sign(b"after").unwrap();
}

#[test]
fn a_token_that_is_away_or_locked_is_a_failure_in_words() {
    if !is_child() {
        return in_a_process_with_a_token(
            "edge::pkcs11::tests::a_token_that_is_away_or_locked_is_a_failure_in_words",
        );
    }
    let right = token().settings.clone();
    let absent = Arc::new(Token::new(TokenSettings { label: "another".to_owned(), ..right.clone() }));
    let failed = format!("{:#}", absent.ensure_ready().unwrap_err());
    assert!(failed.contains("no token of this label"), "{failed}");
    let locked = Arc::new(Token::new(TokenSettings { pin: AuthPin::new("9999".into()), ..right.clone() }));
    let refused = format!("{:#}", locked.make("ecert test").err().unwrap());
    assert!(refused.contains("the PIN was refused"), "{refused}");
    assert!(locked.pin_refused.load(Ordering::Relaxed), "it is not tried again");
    let module = PathBuf::from("no-such-library.so");
    assert!(Token::new(TokenSettings { module, ..right }).ensure_ready().is_err());
    // No place is kept by a failure.
    assert_eq!((absent.sessions.lock().open, locked.sessions.lock().open), (0, 0));
    token().ensure_ready().unwrap();
}
