//! What a look at the services found, beside the loading: [`super::lookup`] makes it.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::token::KeyId;

/// What was seen last.
#[derive(Clone, Default)]
pub(super) struct Survey {
    /// The version of the schema.
    pub schema_version: Option<i32>,
    /// When each data key was made. It does not change, and so it stays known.
    pub made_at: HashMap<KeyId, Timestamp>,
    /// Messages in the quarantine.
    pub quarantined: Option<u64>,
    /// Messages in the dead-letter queue.
    pub dead_letters: Option<u64>,
}
