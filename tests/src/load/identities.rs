//! Who holders and relying parties are: every key and secret follows from a number, so that ten million of them need no
//! memory, and a driver on another machine knows them too.

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::elliptic_curve::{BatchNormalize, PrimeField as _};
use p256::{FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wallet_core::es256::{PublicKey, sha256};
use wallet_core::ids::{ApiKeyId, RelyingPartyId};
use wallet_core::jws::base64url;
use wallet_core::pairwise::keyed;

use ecert_server::flow::callers::key_prefix;

/// Device keys whose points are brought to affine form together: one inversion for all of them.
const BATCH: usize = 128;

/// The same seed gives the same people.
#[derive(Debug, Clone)]
pub struct Identities {
    seed: [u8; 32],
    first_key: Scalar,
}

/// A relying party of the population.
#[derive(Debug, Clone)]
pub struct LoadedRelyingParty {
    /// Who.
    pub id: RelyingPartyId,
    /// The public half of its API key.
    pub key: ApiKeyId,
    /// SHA-256 of the secret half, as it is stored.
    pub secret_hash: [u8; 32],
    /// The bearer token.
    pub api_key: String,
}

impl Identities {
    /// The people of a seed.
    pub fn new(seed: u64) -> Identities {
        let seed = keyed(&[0; 32], &[b"ecert load", &seed.to_be_bytes()]);
        // Cut to 31 bytes it is below the order of the curve, and far from it.
        let mut bytes = keyed(&seed, &[b"device keys"]);
        bytes[0] = 0;
        bytes[31] |= 1;
        let first_key = Scalar::from_repr(FieldBytes::from(bytes));
        Identities { seed, first_key: Option::from(first_key).unwrap_or(Scalar::ONE) }
    }

    /// 32 bytes that belong to a holder or relying party alone.
    pub fn derive(&self, what: &str, number: u64) -> [u8; 32] {
        keyed(&self.seed, &[what.as_bytes(), &number.to_be_bytes()])
    }

    /// A generator for ids.
    pub(super) fn rng(&self, what: &str, number: u64) -> StdRng {
        StdRng::from_seed(self.derive(what, number))
    }

    /// One of a holder's handles.
    pub fn handle(&self, holder: u64, number: u64) -> [u8; 16] {
        let bytes = keyed(&self.seed, &[b"handle", &holder.to_be_bytes(), &number.to_be_bytes()]);
        let mut handle = [0; 16];
        handle.copy_from_slice(bytes.first_chunk::<16>().unwrap_or(&[0; 16]));
        handle
    }

    /// A holder's device key: the first one plus the holder's number. Whoever knows one knows all, which does for load.
    ///
    /// # Errors
    /// Never in practice: when the sum is zero.
    pub fn device(&self, holder: u64) -> anyhow::Result<SigningKey> {
        let scalar = NonZeroScalar::new(self.first_key + Scalar::from(holder)).into_option();
        Ok(SigningKey::from(scalar.context("a device key can't be zero")?))
    }

    /// The device keys of `count` holders from `first` on, by adding points: a hundred times faster than one by one.
    ///
    /// # Errors
    /// Never in practice: when a sum is the point at infinity.
    pub fn public_keys(&self, first: u64, count: usize) -> anyhow::Result<Vec<PublicKey>> {
        let mut point = ProjectivePoint::GENERATOR * (self.first_key + Scalar::from(first));
        let mut keys = Vec::with_capacity(count + BATCH);
        while keys.len() < count {
            let mut points = [ProjectivePoint::IDENTITY; BATCH];
            for place in &mut points {
                *place = point;
                point += ProjectivePoint::GENERATOR;
            }
            for affine in <ProjectivePoint as BatchNormalize<[_; BATCH]>>::batch_normalize(&points) {
                let sec1 = affine.to_sec1_point(false);
                keys.push(PublicKey::from_sec1(sec1.as_bytes()).map_err(|error| anyhow!("{error}"))?);
            }
        }
        keys.truncate(count);
        Ok(keys)
    }

    /// A relying party.
    pub fn relying_party(&self, number: u64) -> LoadedRelyingParty {
        let mut rng = self.rng("relying party", number);
        // Its ids have no time of birth, so that they follow from the number alone.
        let id = RelyingPartyId::new(Timestamp::UNIX_EPOCH, &mut rng);
        let key = ApiKeyId::new(Timestamp::UNIX_EPOCH, &mut rng);
        let secret = base64url(&self.derive("api key", number));
        let public = key.to_string();
        let public = public.strip_prefix("key_").unwrap_or(&public).to_owned();
        let api_key = format!("{}{public}_{secret}", key_prefix(false));
        LoadedRelyingParty { id, key, secret_hash: sha256(secret.as_bytes()), api_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_points_are_the_public_halves_of_the_device_keys() {
        let identities = Identities::new(7);
        let keys = identities.public_keys(1_000_000, BATCH + 3).unwrap();
        assert_eq!(keys.len(), BATCH + 3);
        for offset in [0, 1, BATCH - 1, BATCH, BATCH + 2] {
            let device = identities.device(1_000_000 + offset as u64).unwrap();
            assert_eq!(keys[offset], PublicKey::from(&device));
        }
        assert_ne!(keys[0], Identities::new(8).public_keys(1_000_000, 1).unwrap()[0]);
    }
}
