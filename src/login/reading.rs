//! How bodies are read: what the flags say of it, in one value.

use super::{AppVersionEncoding, Envelopes};

/// What a parser must know beside the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// How `app_version` becomes an integer.
    pub app_version: AppVersionEncoding,
    /// Which envelopes are opened.
    pub envelopes: Envelopes,
}
