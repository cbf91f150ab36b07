//! KMS: wraps and unwraps data keys, and signs the audit log. Every call names its key,
//! and the key in the answer is checked.
//!
//! Invariant: a wrap that was moved to another key id, purpose or holder does not unwrap.

mod region;

use std::collections::HashMap;

use aws_config::{Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};

use crate::aws::{CallError, CallKind};
use crate::crypto::{SecretBytes, VerifyingKey};
use crate::token::{Holder, KeyId, Purpose};
pub(crate) use region::is_one_key;

/// What a wrap is bound to: the KMS encryption context (fixed).
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrapContext {
    /// What the data key is for.
    pub purpose: Purpose,
    /// Its number.
    pub key_id: KeyId,
    /// Who may unwrap it.
    pub holder: Holder,
}

impl WrapContext {
    fn to_map(self) -> HashMap<String, String> {
        let pairs = [
            ("app", "loginetl".to_owned()),
            ("purpose", self.purpose.name().to_owned()),
            ("key_id", self.key_id.to_string()),
            ("holder", self.holder.name().to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A wrapped data key and the KMS key that wrapped it.
pub(crate) struct Wrapped {
    /// The ARN in KMS's answer.
    pub kms_key_arn: String,
    /// The ciphertext.
    pub bytes: Vec<u8>,
}

/// A signature and the KMS key that made it.
pub(crate) struct Signed {
    /// The ARN in KMS's answer.
    pub key_arn: String,
    /// ECDSA on P-256, ASN.1 DER.
    pub signature: Vec<u8>,
}

/// A client of KMS.
#[derive(Clone)]
pub(crate) struct Kms {
    client: Client,
    /// The region that recorded keys are looked for in, where it is not left to their
    /// ARNs.
    region: Option<String>,
}

impl Kms {
    /// A client of the configured endpoint: in this region, or in that of the
    /// configuration.
    #[must_use]
    pub(crate) fn new(config: &SdkConfig, region: Option<String>) -> Self {
        let mut settings = Builder::from(config);
        if let Some(region) = region.clone() {
            settings = settings.region(Region::new(region));
        }
        Self { client: Client::from_conf(settings.build()), region }
    }

    /// Wraps a data key under `kms_key` (an alias, id or ARN).
    ///
    /// # Errors
    /// When KMS cannot be reached, or refuses.
    pub(crate) async fn wrap(
        &self,
        kms_key: &str,
        secret: &SecretBytes,
        context: WrapContext,
    ) -> Result<Wrapped, CallError> {
        const OPERATION: &str = "KMS Encrypt";
        let request =
            self.client.encrypt().key_id(kms_key).set_encryption_context(Some(context.to_map()));
        let answer = request
            .plaintext(Blob::new(secret.expose()))
            .send()
            .await
            .map_err(|e| CallError::of(OPERATION, &e))?;
        match (answer.key_id, answer.ciphertext_blob) {
            (Some(kms_key_arn), Some(blob)) => {
                Ok(Wrapped { kms_key_arn, bytes: blob.into_inner() })
            }
            _ => Err(CallError::new(OPERATION, CallKind::Refused)),
        }
    }

    /// Unwraps a data key with the KMS key that wrapped it.
    ///
    /// # Errors
    /// When KMS cannot be reached, refuses, or answers for another key; or when the key
    /// is none that can be used in the region that is set.
    pub(crate) async fn unwrap_key(
        &self,
        recorded: &str,
        wrapped: &[u8],
        context: WrapContext,
    ) -> Result<SecretBytes, CallError> {
        const OPERATION: &str = "KMS Decrypt";
        let arn = region::localise(OPERATION, recorded, self.region.as_deref())?;
        let request = self.client.decrypt().key_id(&*arn);
        let answer = request
            .set_encryption_context(Some(context.to_map()))
            .ciphertext_blob(Blob::new(wrapped))
            .send()
            .await
            .map_err(|e| CallError::of(OPERATION, &e))?;
        let secret = answer.plaintext.map(|blob| SecretBytes::new(blob.into_inner()));
        match (answer.key_id, secret) {
            (Some(key), Some(secret)) if key == *arn => Ok(secret),
            (Some(_), Some(_)) => Err(CallError::new(OPERATION, CallKind::Tampered)),
            _ => Err(CallError::new(OPERATION, CallKind::Refused)),
        }
    }

    /// Moves a wrap under another KMS key, inside KMS; the context stays.
    ///
    /// # Errors
    /// When KMS cannot be reached, or refuses.
    pub(crate) async fn rewrap(
        &self,
        recorded: &str,
        to: &str,
        wrapped: &[u8],
        context: WrapContext,
    ) -> Result<Wrapped, CallError> {
        const OPERATION: &str = "KMS ReEncrypt";
        let from = region::localise(OPERATION, recorded, self.region.as_deref())?;
        let request = self
            .client
            .re_encrypt()
            .source_key_id(&*from)
            .destination_key_id(to)
            .ciphertext_blob(Blob::new(wrapped));
        let request = request.set_source_encryption_context(Some(context.to_map()));
        let request = request.set_destination_encryption_context(Some(context.to_map()));
        let answer = request.send().await.map_err(|e| CallError::of(OPERATION, &e))?;
        match (answer.key_id, answer.ciphertext_blob) {
            (Some(kms_key_arn), Some(blob)) => {
                Ok(Wrapped { kms_key_arn, bytes: blob.into_inner() })
            }
            _ => Err(CallError::new(OPERATION, CallKind::Refused)),
        }
    }

    /// Signs a SHA-256 digest with a P-256 key.
    ///
    /// # Errors
    /// When KMS cannot be reached, or refuses.
    pub(crate) async fn sign(&self, kms_key: &str, digest: &[u8]) -> Result<Signed, CallError> {
        const OPERATION: &str = "KMS Sign";
        let request = self
            .client
            .sign()
            .key_id(kms_key)
            .message_type(MessageType::Digest)
            .message(Blob::new(digest));
        let request = request.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let answer = request.send().await.map_err(|e| CallError::of(OPERATION, &e))?;
        match (answer.key_id, answer.signature) {
            (Some(key_arn), Some(signature)) => {
                Ok(Signed { key_arn, signature: signature.into_inner() })
            }
            _ => Err(CallError::new(OPERATION, CallKind::Refused)),
        }
    }

    /// The public half of a signing key.
    ///
    /// # Errors
    /// When KMS cannot be reached, or refuses; [`CallKind::KeyKind`] when the key does
    /// not sign, or not on P-256.
    pub(crate) async fn public_key(&self, kms_key: &str) -> Result<VerifyingKey, CallError> {
        const OPERATION: &str = "KMS GetPublicKey";
        let request = self.client.get_public_key().key_id(kms_key);
        let answer = request.send().await.map_err(|e| CallError::of(OPERATION, &e))?;
        if let Some(usage) = answer.key_usage.filter(|usage| *usage != KeyUsageType::SignVerify) {
            return Err(CallError::of_kind(OPERATION, usage.as_str()));
        }
        if let Some(spec) = answer.key_spec.filter(|spec| *spec != KeySpec::EccNistP256) {
            return Err(CallError::of_kind(OPERATION, spec.as_str()));
        }
        let der = answer.public_key.ok_or(CallError::new(OPERATION, CallKind::Refused))?;
        // Whatever the answer says of the key, its bytes decide.
        VerifyingKey::from_der(der.as_ref())
            .map_err(|_| CallError::new(OPERATION, CallKind::KeyKind))
    }

    /// Whether a key that encrypts can be used at all: enabled, and made for that.
    ///
    /// # Errors
    /// When KMS cannot be reached or refuses; [`CallKind::KeyState`] or
    /// [`CallKind::KeyKind`] when the key is not usable.
    pub(crate) async fn check_usable(&self, kms_key: &str) -> Result<(), CallError> {
        const OPERATION: &str = "KMS DescribeKey";
        let request = self.client.describe_key().key_id(kms_key);
        let answer = request.send().await.map_err(|e| CallError::of(OPERATION, &e))?;
        let key = answer.key_metadata.ok_or(CallError::new(OPERATION, CallKind::Refused))?;
        if let Some(usage) = key.key_usage.filter(|usage| *usage != KeyUsageType::EncryptDecrypt) {
            return Err(CallError::of_kind(OPERATION, usage.as_str()));
        }
        if key.enabled { Ok(()) } else { Err(CallError::new(OPERATION, CallKind::KeyState)) }
    }
}
