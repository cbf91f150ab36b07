//! The two forms of a login: with its values, unprintable; and masked, harmless.

use jiff::civil::Date;
use uuid::Uuid;

use crate::token::{KeyId, PerField, Plaintext, Token};

/// A valid event with its values. Cannot be printed; masking consumes it.
pub struct LoginEvent {
    /// The values of the masked fields.
    pub(super) values: PerField<Plaintext>,
    /// Where it is not masked.
    pub(super) user_id: Option<String>,
    pub(super) device_type: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) app_version: i32,
    pub(super) create_date: Date,
}

/// A value, masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedField {
    /// The reversible token.
    pub token: Token,
    /// The stable handle.
    pub hash: Uuid,
    /// The hash by which a running sweep orders values; differs from `hash` only while
    /// hash keys change.
    pub order: Uuid,
    /// The hash key of that order: what an earlier rotation ordered by tells nothing of a
    /// later watermark.
    pub order_key: KeyId,
}

impl MaskedField {
    /// The data key that the token names.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.token.key_id()
    }
}

/// A row of `user_logins`: no value of a masked field is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedLogin {
    /// The masked fields.
    pub masked: PerField<MaskedField>,
    /// As sent, at most 128 characters; nothing where it is masked.
    pub user_id: Option<String>,
    /// As sent, at most 32 characters.
    pub device_type: Option<String>,
    /// As sent, at most 32 characters.
    pub locale: Option<String>,
    /// Encoded by [`super::AppVersionEncoding`].
    pub app_version: i32,
    /// The UTC day of the login.
    pub create_date: Date,
}
