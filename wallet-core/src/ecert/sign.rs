//! Making a certificate.

use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};

use super::format::{Claims, X5CHAIN};
use crate::es256::{Es256Signer, SigningFailed};

/// Signs `claims`. `chain` is DER, the signer's certificate first, then the issuing CA's.
pub fn sign(
    claims: &Claims,
    chain: &[Vec<u8>],
    signer: &(impl Es256Signer + ?Sized),
) -> Result<Vec<u8>, SigningFailed> {
    let broken = |error: coset::CoseError| SigningFailed(error.to_string());
    let x5chain = Value::Array(chain.iter().cloned().map(Value::Bytes).collect());
    // In the protected header, so that nobody can swap in another certificate of the same key.
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).value(X5CHAIN, x5chain).build();
    CoseSign1Builder::new()
        .protected(protected)
        .payload(claims.to_cbor().map_err(broken)?)
        .try_create_signature(&[], |message| signer.sign(message).map(Vec::from))?
        .build()
        .to_tagged_vec()
        .map_err(broken)
}
