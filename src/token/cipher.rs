//! The token: `ip1.7.`, `dev1.7.` or `usr1.7.`, then base64url of `SIV ‖ C`.
//! Deterministic per key, one spelling only.
//!
//! `0x01 ‖ key id ‖ SIV ‖ C` is a Google Tink AES-SIV ciphertext with TINK prefix, so
//! that any Tink library opens a token, given the field's key and the associated data.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::plaintext::{BLOCK, blocks};
use super::{DataKey, Field, KeyId, Plaintext, TokenError};
use crate::crypto::{SIV_LEN, Siv, length_prefixed};

const MAX_BLOCKS: usize = 33;
/// `SIV ‖ C`, and what the decoder wants beyond it.
type Room = [u8; SIV_LEN + MAX_BLOCKS * BLOCK + 3];
const EMPTY: Room = [0; SIV_LEN + MAX_BLOCKS * BLOCK + 3];

/// A well-formed token. Harmless: it may be printed and stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    field: Field,
    key_id: KeyId,
    text: String,
}

impl Token {
    /// Parses the one spelling of a token.
    ///
    /// # Errors
    /// When `text` is not exactly what [`FieldCipher::seal`] prints.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let field = Field::ALL
            .into_iter()
            .find(|f| text.starts_with(f.prefix()))
            .ok_or(TokenError::Prefix)?;
        let (key_id, encoded) =
            text[field.prefix().len()..].split_once('.').ok_or(TokenError::KeyId)?;
        let key_id = key_id.parse()?;
        let mut room: Room = EMPTY;
        let body = decode(encoded, &mut room)?;
        let ciphertext_len = body.len().checked_sub(SIV_LEN).ok_or(TokenError::Encoding)?;
        if !ciphertext_len.is_multiple_of(BLOCK)
            || !blocks(field).contains(&(ciphertext_len / BLOCK))
        {
            return Err(TokenError::Encoding);
        }
        Ok(Self { field, key_id, text: text.to_owned() })
    }

    /// The field it masks.
    #[must_use]
    pub fn field(&self) -> Field {
        self.field
    }

    /// The data key it names.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Its text, as the table holds it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its text, alone.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// `SIV ‖ C`.
    fn body<'a>(&self, room: &'a mut Room) -> Result<&'a [u8], TokenError> {
        decode(self.text.rsplit('.').next().unwrap_or_default(), room)
    }
}

fn decode<'a>(encoded: &str, room: &'a mut Room) -> Result<&'a [u8], TokenError> {
    let len =
        BASE64_URL_SAFE_NO_PAD.decode_slice(encoded, room).map_err(|_| TokenError::Encoding)?;
    Ok(&room[..len])
}

/// The text of a token. The encoder writes into it: `encode_string` goes through a buffer
/// of its own.
fn spell(prefix: &str, body: &[u8]) -> String {
    let encoded_len = (body.len() * 4).div_ceil(3);
    let mut text = Vec::with_capacity(prefix.len() + encoded_len);
    text.extend_from_slice(prefix.as_bytes());
    text.resize(prefix.len() + encoded_len, 0);
    let encoded = BASE64_URL_SAFE_NO_PAD.encode_slice(body, &mut text[prefix.len()..]);
    debug_assert_eq!(encoded, Ok(encoded_len));
    #[expect(clippy::expect_used, reason = "base64 is ASCII")]
    String::from_utf8(text).expect("base64 is ASCII")
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Makes and opens the tokens of one field under one data key. Keyed once, reused for
/// every value.
pub struct FieldCipher {
    field: Field,
    key_id: KeyId,
    prefix: String,
    siv: Siv,
    associated_data: Vec<u8>,
}

impl FieldCipher {
    /// Derives the field's key from a data key of purpose `mask`.
    #[must_use]
    pub fn new(data_key: &DataKey, field: Field, key_id: KeyId) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "HKDF was asked for exactly the 64 bytes that the cipher takes"
        )]
        let siv = Siv::new(&data_key.token_key(field)).expect("a derived field key is 64 bytes");
        let name = length_prefixed(field.name());
        let label = b"loginetl\x01".iter().copied().chain(name).chain(key_id.to_be_bytes());
        let prefix = format!("{}{key_id}.", field.prefix());
        Self { field, key_id, prefix, siv, associated_data: label.collect() }
    }

    /// The token of a value: equal values, equal tokens.
    pub fn seal(&mut self, plaintext: &Plaintext) -> Token {
        debug_assert!(plaintext.field() == self.field);
        let value = plaintext.expose();
        // On the stack, and turned into ciphertext where it lies: the text is the only
        // allocation of a token.
        let mut room: Room = EMPTY;
        let body = &mut room[..SIV_LEN + value.len()];
        body[SIV_LEN..].copy_from_slice(value);
        let siv = self.siv.seal([&self.associated_data], &mut body[SIV_LEN..]);
        body[..SIV_LEN].copy_from_slice(&siv);
        Token { field: self.field, key_id: self.key_id, text: spell(&self.prefix, body) }
    }

    /// The value of a token of this field and key.
    ///
    /// # Errors
    /// When it belongs elsewhere or does not authenticate.
    pub fn open(&mut self, token: &Token) -> Result<Plaintext, TokenError> {
        if (token.field, token.key_id) != (self.field, self.key_id) {
            return Err(TokenError::Foreign);
        }
        let mut room: Room = EMPTY;
        let opened = self.siv.open([&self.associated_data], token.body(&mut room)?);
        let opened = opened.map_err(|_| TokenError::Forged)?;
        Plaintext::from_opened(self.field, opened).map_err(|_| TokenError::Forged)
    }
}
