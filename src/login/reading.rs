//! How bodies are read: what the flags say of it, and which fields are
//! masked, in one value.

use super::{AppVersionEncoding, Envelopes};
use crate::token::Fields;

/// What a parser must know beside the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How `app_version` becomes an integer.
    pub app_version: AppVersionEncoding,
    /// Which envelopes are opened.
    pub envelopes: Envelopes,
    /// Whose values are taken as plaintexts. A masker knows them.
    pub masked: Fields,
}

impl Default for Reading {
    fn default() -> Self {
        let (app_version, envelopes) = Default::default();
        Self { app_version, envelopes, masked: Fields::always() }
    }
}
