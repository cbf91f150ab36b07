//! How a record names many things: each of them up to a hundred, beyond that their digest
//! and count.

use serde::{Deserialize, Serialize};

use crate::crypto::Digest;

const NAMED: usize = 100;

/// Selectors or hashes, as a record carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    /// Each by name.
    Named(Vec<String>),
    /// Too many to name.
    Digest {
        /// How many.
        count: usize,
        /// SHA-256 over all of them in order, each followed by a line feed, in hex.
        sha256: String,
    },
}

impl Listed {
    /// Names up to a hundred.
    #[must_use]
    pub fn of(items: Vec<String>) -> Self {
        if items.len() <= NAMED {
            return Self::Named(items);
        }
        let mut digest = Digest::default();
        for item in &items {
            digest.update(item.as_bytes());
            digest.update(b"\n");
        }
        Self::Digest { count: items.len(), sha256: hex::encode(digest.current()) }
    }
}
