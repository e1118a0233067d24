//! Passkeys (W3C WebAuthn Level 2): what is asked of an authenticator, and whether its answer holds. The states between the two are texts
//! that a caller keeps, so that one replica may ask and another hear the answer.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::{Host, Url};
use webauthn_rs::prelude::{
    AuthenticationResult, CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey,
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Uuid,
    WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// How long an authenticator has to answer: what the library, after §5.4 of the standard, takes for enough.
pub const CEREMONY: Duration = Duration::from_secs(300);
/// How the service calls itself where a passkey is made.
const NAME: &str = "E-Cert";

/// Who asks for passkeys: the service under its address.
pub struct Passkeys {
    /// Nobody where the address has no name that a passkey could be made for.
    relying_party: Option<Webauthn>,
    address: String,
    origin: String,
}

/// What an authenticator is asked: for the browser, and for whoever hears the answer.
pub struct Asked {
    /// `publicKey`, with bytes in base64url, as `PublicKeyCredential.parse…OptionsFromJSON` reads it.
    pub options: Value,
    /// What the answer is held against.
    pub state: String,
}

/// A passkey that was made or shown.
#[derive(Debug)]
pub struct Shown {
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// Its public half, to be kept.
    pub credential: String,
    /// How often it has signed; 0 where it does not count.
    pub sign_count: u32,
}

/// Why an answer does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// No passkey can be asked for here.
    Unavailable,
    /// It is not what a browser sends.
    Malformed,
    /// It is another challenge, another site, another key, an unverified person or a bad signature.
    Refused,
    /// The authenticator has counted back: somebody may have a copy (§6.1.1).
    CountedBack,
}

impl From<WebauthnError> for Wrong {
    fn from(error: WebauthnError) -> Wrong {
        tracing::debug!(%error, "a passkey is not taken");
        match error {
            WebauthnError::CredentialPossibleCompromise => Wrong::CountedBack,
            _ => Wrong::Refused,
        }
    }
}

impl Passkeys {
    /// For the service under this address. A passkey is bound to a name (§5.1.2), so an IP address has none; but who reaches a service on
    /// this machine by its address also does by `localhost`, and is sent there.
    pub fn of(public_url: &str) -> anyhow::Result<Passkeys> {
        let mut url = Url::parse(public_url).context("the public address is no URL")?;
        let is_here = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            _ => false,
        };
        if is_here {
            url.set_host(Some("localhost")).context("the public address takes no other host")?;
        }
        let relying_party = match url.domain() {
            Some(name) => {
                let builder = WebauthnBuilder::new(name, &url)?.rp_name(NAME).timeout(CEREMONY);
                Some(builder.build()?)
            }
            None => None,
        };
        let address = url.as_str().trim_end_matches('/').to_owned();
        Ok(Passkeys { relying_party, address, origin: url.origin().ascii_serialization() })
    }

    /// The address by which a browser has to come.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Scheme, host and port of it: what a browser says of our own pages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether passkeys can be asked for.
    pub fn are_available(&self) -> bool {
        self.relying_party.is_some()
    }

    fn relying_party(&self) -> Result<&Webauthn, Wrong> {
        self.relying_party.as_ref().ok_or(Wrong::Unavailable)
    }

    /// Asks for a new passkey: one that the authenticator finds by itself, and that sees who is there.
    pub fn ask_new(&self, user: [u8; 16], name: &str) -> Result<Asked, Wrong> {
        let asked =
            self.relying_party()?.start_passkey_registration(Uuid::from_bytes(user), name, name, None);
        let (options, state) = asked?;
        let mut asked = Asked { options: written(&options)?, state: text(&state)? };
        if let Some(selection) = asked.options.pointer_mut("/publicKey/authenticatorSelection") {
            // The library leaves it open; whoever signs in types no name, so the authenticator has to know the key (§5.4.4).
            selection["residentKey"] = json!("required");
            selection["requireResidentKey"] = json!(true);
        }
        Ok(asked)
    }

    /// Takes a new passkey.
    pub fn take_new(&self, credential: &Value, state: &str) -> Result<Shown, Wrong> {
        let credential: RegisterPublicKeyCredential = read(credential)?;
        let state: PasskeyRegistration = kept(state)?;
        let is_resident = credential.extensions.cred_props.as_ref().and_then(|props| props.rk);
        if is_resident == Some(false) {
            return Err(Wrong::Refused);
        }
        let passkey = self.relying_party()?.finish_passkey_registration(&credential, &state)?;
        shown(&passkey, None)
    }

    /// Asks for any passkey of ours.
    pub fn ask_any(&self) -> Result<Asked, Wrong> {
        let (options, state) = self.relying_party()?.start_discoverable_authentication()?;
        let mut options = written(&options)?;
        if let Some(members) = options.as_object_mut() {
            // The page says whether it asks in a field's suggestions or by a button.
            members.remove("mediation");
        }
        Ok(Asked { options, state: text(&state)? })
    }

    /// What a passkey that is shown calls itself, and whose it says that it is.
    pub fn named(&self, credential: &Value) -> Result<(Vec<u8>, [u8; 16]), Wrong> {
        let credential: PublicKeyCredential = read(credential)?;
        let (user, id) = self.relying_party()?.identify_discoverable_authentication(&credential)?;
        Ok((id.to_vec(), user.into_bytes()))
    }

    /// Whether it is the passkey that is kept, and was shown for this.
    pub fn take_any(&self, credential: &Value, state: &str, known: &str) -> Result<Shown, Wrong> {
        let credential: PublicKeyCredential = read(credential)?;
        let (state, passkey): (DiscoverableAuthentication, Passkey) = (kept(state)?, kept(known)?);
        let keys = [DiscoverableKey::from(&passkey)];
        let result = self.relying_party()?.finish_discoverable_authentication(&credential, state, &keys)?;
        shown(&passkey, Some(&result))
    }

    /// What a passkey that is shown calls itself.
    pub fn id_of(&self, credential: &Value) -> Result<Vec<u8>, Wrong> {
        let credential: PublicKeyCredential = read(credential)?;
        Ok(credential.get_credential_id().to_vec())
    }

    /// Asks for one of these passkeys.
    pub fn ask_one_of(&self, known: &[&str]) -> Result<Asked, Wrong> {
        let keys: Vec<Passkey> = known.iter().map(|known| kept(known)).collect::<Result<_, _>>()?;
        let (options, state) = self.relying_party()?.start_passkey_authentication(&keys)?;
        Ok(Asked { options: written(&options)?, state: text(&state)? })
    }

    /// Whether it is this one, and was shown for that.
    pub fn take_one_of(&self, credential: &Value, state: &str, known: &str) -> Result<Shown, Wrong> {
        let credential: PublicKeyCredential = read(credential)?;
        let (state, passkey): (PasskeyAuthentication, Passkey) = (kept(state)?, kept(known)?);
        let result = self.relying_party()?.finish_passkey_authentication(&credential, &state)?;
        // The state has what the passkey had counted when it was asked for; another ceremony may have been faster.
        let counted = count(&passkey)?;
        if counted > 0 && result.counter() <= counted {
            return Err(Wrong::CountedBack);
        }
        shown(&passkey, Some(&result))
    }
}

fn shown(passkey: &Passkey, result: Option<&AuthenticationResult>) -> Result<Shown, Wrong> {
    let mut passkey = passkey.clone();
    if let Some(result) = result {
        // `None`: it is another key than the one that was asked for.
        passkey.update_credential(result).ok_or(Wrong::Refused)?;
    }
    let id: &CredentialID = passkey.cred_id();
    Ok(Shown { credential_id: id.to_vec(), credential: text(&passkey)?, sign_count: count(&passkey)? })
}

/// What a passkey has counted. The library shows it in what it keeps and nowhere else.
fn count(passkey: &Passkey) -> Result<u32, Wrong> {
    let kept = serde_json::to_value(passkey).map_err(|_| Wrong::Malformed)?;
    let count = kept.pointer("/cred/counter").and_then(Value::as_u64).ok_or(Wrong::Malformed)?;
    u32::try_from(count).map_err(|_| Wrong::Malformed)
}

fn read<T: DeserializeOwned>(credential: &Value) -> Result<T, Wrong> {
    T::deserialize(credential).map_err(|_| Wrong::Malformed)
}

fn kept<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|_| Wrong::Malformed)
}

fn text(value: &impl Serialize) -> Result<String, Wrong> {
    serde_json::to_string(value).map_err(|_| Wrong::Malformed)
}

fn written(value: &impl Serialize) -> Result<Value, Wrong> {
    serde_json::to_value(value).map_err(|_| Wrong::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_have_passkeys_an_address_can_not_and_this_machine_has_a_name() {
        let cases = [
            ("https://id.example.com", true, "https://id.example.com"),
            ("https://id.example.com:8443/", true, "https://id.example.com:8443"),
            ("http://localhost:8080", true, "http://localhost:8080"),
            ("http://127.0.0.1:8080", true, "http://localhost:8080"),
            ("http://[::1]:8080", true, "http://localhost:8080"),
            ("https://203.0.113.7", false, "https://203.0.113.7"),
            ("http://0.0.0.0:8080", false, "http://0.0.0.0:8080"),
        ];
        for (public_url, available, origin) in cases {
            let passkeys = Passkeys::of(public_url).unwrap();
            assert_eq!((passkeys.are_available(), passkeys.origin()), (available, origin), "{public_url}");
            assert_eq!(passkeys.ask_any().is_ok(), available);
        }
    }

    #[test]
    fn what_is_asked_for_verifies_a_person_and_is_found_without_a_name() {
        let asked = Passkeys::of("https://id.example.com").unwrap().ask_new([7; 16], "Lin").unwrap();
        let selection = &asked.options["publicKey"]["authenticatorSelection"];
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(asked.options["publicKey"]["rp"]["id"], "id.example.com");
        let any = Passkeys::of("https://id.example.com").unwrap().ask_any().unwrap();
        assert_eq!(
            (&any.options["publicKey"]["userVerification"], &any.options["mediation"]),
            (&json!("required"), &Value::Null)
        );
    }
}
