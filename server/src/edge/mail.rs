//! Mail: a port, and its adapter for SMTP.

use std::net::IpAddr;

use anyhow::{Context as _, bail, ensure};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::{Error, SmtpTransport};
use lettre::{Address, Transport as _};
use url::{Host, Url};

use crate::delivery::letter::Letter;
use crate::delivery::schedule::{Outcome, PATIENCE};

/// Letters of an address (RFC 5321 §4.5.3.1, a path without its brackets).
const MOST_LETTERS: usize = 254;

/// Answers that say that this address will never take a mail (RFC 5321 §4.2.3). Any other no may be about us, and pass.
const NOBODY_THERE: [&str; 3] = ["550", "551", "553"];

/// Sends mails.
pub trait Mailer: Send + Sync {
    /// Sends one; what came of it, and that in a word. The same `id` is the same mail.
    fn send(&self, to: &str, id: &str, letter: &Letter) -> (Outcome, String);
}

/// An address in the form that is kept: ASCII, its domain in small letters; `None` for what is none.
pub fn address(text: &str) -> Option<String> {
    let address: Address = text.parse().ok()?;
    let (user, domain) = (address.user(), address.domain().to_ascii_lowercase());
    let fits =
        text.is_ascii() && text.len() <= MOST_LETTERS && !domain.starts_with('[') && domain.contains('.');
    fits.then(|| format!("{user}@{domain}"))
}

/// A mail server that is spoken to by SMTP.
pub struct Smtp {
    transport: SmtpTransport,
    from: Mailbox,
}

impl Smtp {
    /// The server at `smtps://USER:PASSWORD@HOST:PORT`, or at `smtp://…?tls=required` (STARTTLS). Without TLS only on this machine.
    ///
    /// # Errors
    /// When the address is none, or would send passwords and addresses in the clear.
    pub fn new(server: &str, from: &str) -> anyhow::Result<Smtp> {
        // Not lettre's words, nor the address: a password is in it.
        let url =
            Url::parse(server).ok().context("--smtp is no address like smtps://USER:PASSWORD@HOST:465")?;
        let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let is_sealed = url.scheme() == "smtps" || tls.as_deref() == Some("required");
        let is_here = match url.host() {
            Some(Host::Domain(name)) => {
                name.parse::<IpAddr>().map_or(name == "localhost", |ip| ip.is_loopback())
            }
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        ensure!(
            is_sealed || is_here,
            "--smtp: use smtps://, or smtp://…?tls=required; without TLS only a server on this machine is spoken to"
        );
        let Ok(builder) = SmtpTransport::from_url(server) else {
            bail!("--smtp is no address like smtps://USER:PASSWORD@HOST:465")
        };
        let from = from.parse().context("--smtp-from is no mail address")?;
        Ok(Smtp { transport: builder.timeout(Some(PATIENCE)).build(), from })
    }

    fn message(&self, to: &str, id: &str, letter: &Letter) -> anyhow::Result<Message> {
        let to = Mailbox::new(None, to.parse()?);
        let builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: nobody's absence is to be told to us.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN);
        Ok(builder.body(letter.text.clone())?)
    }
}

impl Mailer for Smtp {
    fn send(&self, to: &str, id: &str, letter: &Letter) -> (Outcome, String) {
        let Ok(message) = self.message(to, id, letter) else {
            return (Outcome::Refused, "address-unfit".to_owned());
        };
        match self.transport.send(&message) {
            Ok(response) => (Outcome::Taken, response.code().to_string()),
            Err(error) => refused(&error),
        }
    }
}

/// Not the server's own words: they may name the address.
fn refused(error: &Error) -> (Outcome, String) {
    match error.status().map(|code| code.to_string()) {
        Some(code) if NOBODY_THERE.contains(&code.as_str()) => (Outcome::Refused, code),
        Some(code) => (Outcome::Failed, code),
        None if error.is_timeout() => (Outcome::Failed, "timeout".to_owned()),
        None if error.is_tls() => (Outcome::Failed, "tls".to_owned()),
        None => (Outcome::Failed, "connection-failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form_and_what_is_none_is_refused() {
        assert_eq!(address("Ops@Shop.EXAMPLE").as_deref(), Some("Ops@shop.example"));
        let long = format!("{}@shop.example", "x".repeat(300));
        for wrong in [
            "",
            "ops",
            "ops@",
            "@shop.example",
            "ops@shop",
            "ops@shop.example\r\nBcc: x@y.example",
            "a b@shop.example",
            "Ops <ops@shop.example>",
            "ops@[127.0.0.1]",
            "ops@shop.example, x@y.example",
            "店@shop.example",
            &long,
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn passwords_do_not_leave_this_machine_in_the_clear() {
        let open = |server| Smtp::new(server, "E-Cert <noreply@ecert.example>").is_ok();
        for sealed in
            ["smtps://u:p@mail.example", "smtp://u:p@mail.example:587?tls=required", "smtp://127.0.0.1:25"]
        {
            assert!(open(sealed), "{sealed}");
        }
        for wrong in [
            "mail.example",
            "smtp://mail.example",
            "smtp://u:p@mail.example?tls=opportunistic",
            "http://mail.example",
            "smtp://",
            "",
        ] {
            assert!(!open(wrong), "{wrong}");
        }
        let Err(error) = Smtp::new("smtp://u:geheim@mail.example", "noreply@ecert.example") else { panic!() };
        assert!(!format!("{error:#}").contains("geheim"));
        assert!(Smtp::new("smtps://mail.example", "nobody").is_err());
    }
}
