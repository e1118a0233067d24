//! An authenticator in software (W3C WebAuthn Level 2): one resident key, whose holder is always there and verified; no attestation. What it
//! gives is what a browser's `PublicKeyCredential.toJSON()` gives.

use anyhow::Context as _;
use ciborium::{Value as Cbor, cbor};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use serde_json::{Value, json};
use wallet_core::es256::sha256;
use wallet_core::jws::base64url;

use crate::clients::text;

/// Flags of authenticator data (§6.1): somebody is there, and it is the holder; a new key follows.
const PRESENT_AND_VERIFIED: u8 = 0b0000_0101;
const WITH_KEY: u8 = 0b0100_0000;

/// One authenticator, in a browser at `origin`.
#[derive(Clone)]
pub struct Authenticator {
    /// Whose pages the browser shows.
    pub origin: String,
    /// How often it has signed.
    pub sign_count: u32,
    /// Flags that it sets.
    pub flags: u8,
    key: SigningKey,
    id: [u8; 16],
    user: String,
}

impl Authenticator {
    /// A new one.
    pub fn new(origin: &str) -> Authenticator {
        Authenticator {
            origin: origin.to_owned(),
            sign_count: 0,
            flags: PRESENT_AND_VERIFIED,
            key: SigningKey::generate_from_rng(&mut rand::rng()),
            id: rand::random(),
            user: String::new(),
        }
    }

    /// The same without a look at its holder.
    pub fn without_verification(mut self) -> Authenticator {
        self.flags = 0b0000_0001;
        self
    }

    fn client_data(&self, what: &str, options: &Value) -> anyhow::Result<Vec<u8>> {
        let challenge = text(options, "/publicKey/challenge")?;
        Ok(json!({ "type": what, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes())
    }

    fn data(&mut self, rp_id: &str, flags: u8) -> Vec<u8> {
        self.sign_count += 1;
        let mut data = sha256(rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.sign_count.to_be_bytes());
        data
    }

    /// Makes a key, for `navigator.credentials.create` (§6.3.2).
    pub fn create(&mut self, options: &Value) -> anyhow::Result<Value> {
        self.user = text(options, "/publicKey/user/id")?;
        let mut data = self.data(&text(options, "/publicKey/rp/id")?, self.flags | WITH_KEY);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len())?.to_be_bytes());
        data.extend(self.id);
        let point = self.key.verifying_key().to_sec1_point(false);
        let [x, y] = [point.x(), point.y()].map(|part| part.map(|part| Cbor::Bytes(part.to_vec())));
        let (x, y) = (x.context("a point")?, y.context("a point")?);
        ciborium::into_writer(&cbor!({ 1 => 2, 3 => -7, -1 => 1, -2 => x, -3 => y })?, &mut data)?;
        let mut object = Vec::new();
        let data = Cbor::Bytes(data);
        ciborium::into_writer(
            &cbor!({ "fmt" => "none", "attStmt" => {}, "authData" => data })?,
            &mut object,
        )?;
        let response = json!({
            "clientDataJSON": base64url(&self.client_data("webauthn.create", options)?),
            "attestationObject": base64url(&object),
        });
        Ok(self.credential(&response))
    }

    /// Shows the key, for `navigator.credentials.get` (§6.3.3).
    pub fn get(&mut self, options: &Value) -> anyhow::Result<Value> {
        let data = self.data(&text(options, "/publicKey/rpId")?, self.flags);
        let client_data = self.client_data("webauthn.get", options)?;
        let signature: Signature = self.key.sign(&[data.as_slice(), &sha256(&client_data)].concat());
        let response = json!({
            "clientDataJSON": base64url(&client_data), "authenticatorData": base64url(&data),
            "signature": base64url(signature.to_der().as_bytes()), "userHandle": self.user,
        });
        Ok(self.credential(&response))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = base64url(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }
}
