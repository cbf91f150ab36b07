//! One record of the log: its parts, its hash, and the shape in which it is exported.
//!
//! Invariant: [`Record::signed_bytes`] is what the database hashed
//! (sql/functions/audit.sql, `audit.append`), byte for byte.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto::Digest;

const LABEL: &str = "loginetl/audit/v1";

/// A record, exactly as the database keeps it, with its signature beside it.
///
/// Serialised, it is one line of an export: hashes in hex, the signature
/// (ASN.1 DER) in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number; the first is 1.
    pub seq: i64,
    /// When, in UTC with microseconds: `2026-01-31T23:59:59.000000Z`.
    pub at: String,
    /// The transaction that wrote it.
    pub xid: String,
    /// The login that wrote it (`session_user`).
    pub db_user: String,
    /// Its address and netmask, unless it came over a Unix socket.
    pub client: Option<String>,
    /// What the connection called itself.
    pub application_name: String,
    /// What kind of record, as it stands there; see [`RecordKind`](super::RecordKind).
    pub kind: String,
    /// A JSON object, as text.
    #[serde(rename = "record")]
    pub details: String,
    /// The hash of the record before it; 32 zero bytes for the first.
    #[serde(with = "hex_text")]
    pub prev_hash: Vec<u8>,
    /// SHA-256 of [`Record::signed_bytes`].
    #[serde(with = "hex_text")]
    pub hash: Vec<u8>,
    /// The KMS key that signed it, as KMS named it.
    pub key_arn: Option<String>,
    /// The signature of the hash: ECDSA on P-256, ASN.1 DER.
    #[serde(with = "base64_text", default)]
    pub signature: Option<Vec<u8>>,
    /// When the signature was stored.
    pub signed_at: Option<String>,
}

impl Record {
    /// What the hash is made of: ten parts, each `0x00` for null, else `0x01 ‖ length as
    /// u32 BE ‖ bytes`.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let seq = self.seq.to_string();
        let parts = [
            Some(LABEL.as_bytes()),
            Some(seq.as_bytes()),
            Some(self.at.as_bytes()),
            Some(self.xid.as_bytes()),
            Some(self.db_user.as_bytes()),
            self.client.as_deref().map(str::as_bytes),
            Some(self.application_name.as_bytes()),
            Some(self.kind.as_bytes()),
            Some(self.details.as_bytes()),
            Some(self.prev_hash.as_slice()),
        ];
        let mut bytes = Vec::with_capacity(256 + self.details.len());
        for part in parts {
            bytes.push(u8::from(part.is_some()));
            if let Some(part) = part {
                bytes.extend((part.len() as u32).to_be_bytes());
                bytes.extend(part);
            }
        }
        bytes
    }

    /// The hash that the parts have, whatever hash is stored.
    #[must_use]
    pub fn computed_hash(&self) -> [u8; 32] {
        let mut digest = Digest::default();
        digest.update(&self.signed_bytes());
        digest.current()
    }

    /// Number and hash, by which the log up to here is known.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.clone() }
    }
}

/// Number and hash of a record: whoever kept one notices when the log is cut or rewritten
/// before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The record's number; 0 before the first.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl Default for Head {
    /// Where every chain begins.
    fn default() -> Self {
        Self { seq: 0, hash: vec![0; 32] }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.hash))
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "SEQ:HASH, as unmask prints it: a number, a colon, 64 hex digits";
        let (seq, hash) = text.split_once(':').ok_or(SHAPE)?;
        let hash = hex::decode(hash).map_err(|_| SHAPE)?;
        match seq.parse() {
            Ok(seq) if seq > 0 && hash.len() == 32 => Ok(Self { seq, hash }),
            _ => Err(SHAPE),
        }
    }
}

mod hex_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(|_| D::Error::custom("no hex"))
    }
}

mod base64_text {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| BASE64_STANDARD.decode(text).map_err(|_| D::Error::custom("no base64")))
            .transpose()
    }
}
