//! Making a certificate.

use super::format::Claims;
use crate::cose::{self, X5CHAIN, x5chain};
use crate::es256::{Es256Signer, SigningFailed};

/// Signs `claims`. `chain` is DER, the signer's certificate first, then the issuing CA's.
pub fn sign(
    claims: &Claims,
    chain: &[Vec<u8>],
    signer: &(impl Es256Signer + ?Sized),
) -> Result<Vec<u8>, SigningFailed> {
    // The chain is in the protected header, so that nobody can swap in another certificate of the same key.
    cose::sign(vec![(X5CHAIN, x5chain(chain))], &claims.to_value(), &[], signer)
}
