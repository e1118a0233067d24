//! Posting to webhooks: to addresses that anybody reaches, by TLS, within seconds, without following anything.
//!
//! Invariant: a connection goes to an address that was checked in the same step that gave it to the connection. A name that leads
//! somewhere else the next time (DNS rebinding) is checked the next time.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use url::Url;

use crate::delivery::address::is_public;
use crate::delivery::schedule::{Outcome, PATIENCE};

/// Addresses of one name that are tried; ureq's own bound.
const MOST_ADDRESSES: usize = 16;
/// Bytes of an answer that are read, so that the connection can be used again; what is in them is of no interest.
const MOST_READ: u64 = 4096;
/// Bytes of the headers of an answer.
const MOST_HEADERS: usize = 16 * 1024;
/// Letters of an address.
const MOST_LETTERS: usize = 500;
/// How long a name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Who knows the addresses of names: a port, so that a test can be a hostile name server.
pub trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a host (a name, or an address as text) at a port.
    ///
    /// # Errors
    /// When there are none, or not in time.
    fn look_up(&self, host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>> {
        let (sender, receiver) = sync_channel(1);
        let place = (host.to_owned(), port);
        // The system's call can't be given up, so it is waited for elsewhere.
        std::thread::Builder::new().name("look-up".to_owned()).spawn(move || {
            let found = (place.0.as_str(), place.1).to_socket_addrs();
            // Nobody waits any more when it took too long.
            let _ = sender.send(found.map(Iterator::collect));
        })?;
        receiver.recv_timeout(within).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Why an address is none to post to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its form.
    #[error("an https:// address of at most 500 letters, without a password or a fragment")]
    Form,
    /// The name has no address.
    #[error("an address whose name leads somewhere")]
    NoName,
    /// It leads to where not everybody gets.
    #[error("an address on the public internet")]
    NotPublic,
}

/// Who looks names up, and lets nothing pass that is not public.
#[derive(Debug, Clone)]
struct Guard {
    names: Arc<dyn Names>,
    private_targets: bool,
}

impl Guard {
    fn addresses(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, Unfit> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = self.names.look_up(host, port, within).map_err(|_| Unfit::NoName)?;
        if found.is_empty() {
            return Err(Unfit::NoName);
        }
        // One that is not public makes all of them doubtful.
        let fit = self.private_targets || found.iter().all(|found| is_public(found.ip()));
        if fit { Ok(found) } else { Err(Unfit::NotPublic) }
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let found = self.addresses(host, port, LOOK_UP.min(*timeout.after));
        let mut addresses = self.empty();
        for address in found.map_err(|unfit| ureq::Error::Other(unfit.into()))?.iter().take(MOST_ADDRESSES) {
            addresses.push(*address);
        }
        Ok(addresses)
    }
}

/// What a post is sent with.
#[derive(Debug, Clone)]
pub struct Headers {
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`, seconds since 1970.
    pub timestamp: i64,
    /// `webhook-signature`
    pub signature: String,
}

/// Posts to webhooks.
#[derive(Debug)]
pub struct Webhooks {
    agent: ureq::Agent,
    guard: Guard,
}

impl Webhooks {
    /// Asks `names`. `private_targets`: addresses that only we reach are posted to as well, and without TLS; for tests, and closed networks.
    /// `roots`: a file (PEM) with those who are believed when they certify a receiver, in place of Mozilla's list.
    ///
    /// # Errors
    /// When the file can't be read, or has no certificate in it.
    pub fn new(
        names: Arc<dyn Names>,
        private_targets: bool,
        roots: Option<&Path>,
    ) -> anyhow::Result<Webhooks> {
        let guard = Guard { names, private_targets };
        let roots = roots.map(roots_in).transpose()?.unwrap_or(RootCerts::WebPki);
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .https_only(!private_targets)
            .max_response_header_size(MOST_HEADERS)
            // A proxy would look the name up again, and connect where it likes.
            .proxy(None)
            .user_agent(concat!("ecert/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), guard.clone());
        Ok(Webhooks { agent, guard })
    }

    /// The address, in one form, if it is one that may be posted to now.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, address: &str) -> Result<String, Unfit> {
        let url = Url::parse(address).map_err(|_| Unfit::Form)?;
        let is_open = url.scheme() == "http" && self.guard.private_targets;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let fits = (url.scheme() == "https" || is_open) && plain && url.as_str().len() <= MOST_LETTERS;
        let (host, port) = (url.host_str(), url.port_or_known_default().filter(|port| *port > 0));
        let (Some(host), Some(port), true) = (host, port, fits) else { return Err(Unfit::Form) };
        self.guard.addresses(host, port, LOOK_UP)?;
        Ok(url.into())
    }

    /// Posts; what came of it, and that in a word: the status, or why there is none.
    pub fn post(&self, address: &str, headers: &Headers, body: &str) -> (Outcome, String) {
        let request = self
            .agent
            .post(address)
            .content_type("application/json")
            .header("webhook-id", &headers.id)
            .header("webhook-timestamp", headers.timestamp.to_string())
            .header("webhook-signature", &headers.signature);
        match request.send(body) {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                // Read for the sake of the connection; more than this is not, and then it is closed.
                let _ = answer.body_mut().with_config().limit(MOST_READ).read_to_vec();
                (outcome(status), status.to_string())
            }
            Err(error) => (Outcome::Failed, word(&error).to_owned()),
        }
    }
}

fn outcome(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        _ => Outcome::Failed,
    }
}

/// Not the error's own words: they may tell of our network.
fn word(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::TlsRequired => "tls",
        ureq::Error::Other(unfit) => match unfit.downcast_ref::<Unfit>() {
            Some(Unfit::NotPublic) => "address-refused",
            _ => "name-unknown",
        },
        ureq::Error::HostNotFound => "name-unknown",
        // rustls tells of a bad certificate as of a broken connection.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => "tls",
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => "timeout",
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "connection-failed",
        _ => "answer-broken",
    }
}

fn roots_in(file: &Path) -> anyhow::Result<RootCerts> {
    let what = || format!("the roots of webhooks in {}", file.display());
    let pem = std::fs::read(file).with_context(|| format!("can't read {}", what()))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.with_context(what)? {
            roots.push(certificate);
        }
    }
    ensure!(!roots.is_empty(), "{} have no certificate (PEM)", what());
    Ok(RootCerts::from(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the same of every name.
    #[derive(Debug)]
    struct Says(Vec<&'static str>);

    impl Names for Says {
        fn look_up(&self, host: &str, port: u16, _: Duration) -> io::Result<Vec<SocketAddr>> {
            let address = host.parse().map(|address| SocketAddr::new(address, port));
            let said = || self.0.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port));
            Ok(address.map_or_else(|_| said().collect(), |address| vec![address]))
        }
    }

    fn check(says: &[&'static str], private: bool, address: &str) -> Result<String, Unfit> {
        Webhooks::new(Arc::new(Says(says.to_vec())), private, None).unwrap().check(address)
    }

    #[test]
    fn only_public_https_addresses_are_taken() {
        let public = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"];
        for (given, kept) in [
            ("https://shop.example/hooks?a=1", "https://shop.example/hooks?a=1"),
            ("https://shop.example", "https://shop.example/"),
            ("HTTPS://SHOP.example:8443/x", "https://shop.example:8443/x"),
            ("https://商店.example/", "https://xn--7dv52n.example/"),
            ("https://93.184.215.14/", "https://93.184.215.14/"),
        ] {
            let taken = check(&public, false, given);
            assert!(
                taken == Ok(kept.to_owned()) || given.contains('商') && taken.is_ok(),
                "{given}: {taken:?}"
            );
        }
        let long = format!("https://shop.example/{}", "x".repeat(500));
        for wrong in [
            "",
            "shop.example",
            "http://shop.example/",
            "ftp://shop.example/",
            "https://",
            "https://u@shop.example/",
            "https://u:p@shop.example/",
            "https://shop.example/#x",
            "https://shop.example:0/",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(check(&public, false, wrong), Err(Unfit::Form), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_however_it_is_written() {
        for inside in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest",
            "https://10.1.2.3:8443/",
            "https://[fd00::1]/",
        ] {
            assert_eq!(check(&["93.184.215.14"], false, inside), Err(Unfit::NotPublic), "{inside}");
            assert!(check(&[], true, inside).is_ok(), "{inside}");
        }
        assert_eq!(check(&["10.0.0.1"], false, "https://shop.example/"), Err(Unfit::NotPublic));
        assert_eq!(
            check(&["93.184.215.14", "10.0.0.1"], false, "https://shop.example/"),
            Err(Unfit::NotPublic)
        );
        assert_eq!(check(&[], false, "https://shop.example/"), Err(Unfit::NoName));
    }
}
