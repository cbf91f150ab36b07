//! Checks signatures: ECDSA on P-256 with SHA-256, as KMS makes them. The private key
//! never leaves KMS.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

/// What was given is no P-256 public key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is no public key of P-256 (PEM: BEGIN PUBLIC KEY)")]
pub struct NoPublicKey;

/// A public key of P-256.
pub struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// From the DER of a SubjectPublicKeyInfo (RFC 5280), as KMS GetPublicKey answers it.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn from_der(der: &[u8]) -> Result<Self, NoPublicKey> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).map(Self).map_err(|_| NoPublicKey)
    }

    /// All public keys of a PEM file (RFC 7468), at least one.
    ///
    /// # Errors
    /// When it has none, or one of another kind.
    pub fn all_of_pem(pem: &[u8]) -> Result<Vec<Self>, NoPublicKey> {
        let sections = SubjectPublicKeyInfoDer::pem_slice_iter(pem);
        let keys: Result<Vec<_>, _> = sections
            .map(|der| der.map_err(|_| NoPublicKey).and_then(|der| Self::from_der(der.as_ref())))
            .collect();
        keys.and_then(|keys| if keys.is_empty() { Err(NoPublicKey) } else { Ok(keys) })
    }

    /// Whether `signature` (ASN.1 DER) was made over the SHA-256 of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}
