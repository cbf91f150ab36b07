//! Tokens and hashes against what other implementations say: published known
//! answers, and Tink.
//!
//! The known answers were made by a second implementation; key material 00 01 02 …, key
//! ids 7 and 4294967295.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use loginetl::crypto::SecretBytes;
use loginetl::token::{
    DataKey, Field, FieldCipher, FieldHasher, KeyId, Plaintext, Purpose, Sealer, Token, TokenError,
};
use proptest::prelude::*;

/// Field, key id, value, token, hash.
const KNOWN_ANSWERS: [(Field, u32, &str, &str, &str); 12] = [
    (
        Field::Ip,
        7,
        "127.96.0.101",
        "ip1.7.jukT2ctOG_Vvc1Ccfrs8d0IAa5YDm3SwCdGshP3HEpI",
        "9ceccc68-c75d-80eb-824d-772a83e2735c",
    ),
    (
        Field::Ip,
        7,
        "0.0.0.0",
        "ip1.7.gBtorwfSdTs8miP43sXKbvej9_uj1JQdSaIILmK5r_A",
        "4b7f91e6-8e11-81e3-af7f-0c2cba866887",
    ),
    (
        Field::Ip,
        7,
        "2001:db8::1",
        "ip1.7.dsYSpMp4o94OSFJ1NZUKzF1tqspJQ45SLodQvwuuASs",
        "51a5f573-e768-8bda-841f-465a7ef2ca68",
    ),
    (
        Field::Ip,
        7,
        "::",
        "ip1.7.nz-bGZ5zC97cedwFR7GA8eoGNEbLPuxIPj1JyzBGT9g",
        "8b51b8a1-70bc-86e7-a67e-450fef1bdaf3",
    ),
    (
        Field::Ip,
        4_294_967_295,
        "0.0.0.0",
        "ip1.4294967295.MuaO6Ru5_MAjaXOceUchLqnse6kTPOjwQXfrRKG-GeY",
        "4b7f91e6-8e11-81e3-af7f-0c2cba866887",
    ),
    (
        Field::Ip,
        4_294_967_295,
        "::",
        "ip1.4294967295.X7_wA57N2JFwIEnMWbBDUAeY8RLhf-gcV-N6qfC48I0",
        "8b51b8a1-70bc-86e7-a67e-450fef1bdaf3",
    ),
    (
        Field::DeviceId,
        7,
        "a",
        "dev1.7.qPOfJFxUXdXQe7Enqg56lRyphZCD7U0reLNe6VGN1lE",
        "acb7238d-537f-8b16-9f96-8dc2db61b32f",
    ),
    (
        Field::DeviceId,
        7,
        "123456789012345",
        "dev1.7.gpqAKUpKZQvknQuMxfvP8dmLzyYSHKh8QnDoHF0JFV8",
        "ac202ff4-5969-8744-a4fa-641c85bf784c",
    ),
    (
        Field::DeviceId,
        7,
        "1234567890123456",
        "dev1.7.d6DLN5Vyn5rgacEpATCU7El5XXQTxcPV0FDwcvyVgMqcbEQpp7-WTlw4Hm696CWI",
        "cabf0305-b68f-8766-b21d-62173014111c",
    ),
    (
        Field::DeviceId,
        7,
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "dev1.7.94DNYk5HpadtMLDGenu6OQuiF2X1qkn5ITzd0OhPB6BHBXdsaJa\
         RR4--rU7_Ae2cYHhl1hZ1lE7-vtEWd2yJwQ",
        "f64e074e-4bce-8eee-b5e6-ecec737adf06",
    ),
    (
        Field::DeviceId,
        7,
        "ünïcödé",
        "dev1.7.lDvJYc0TUzJJJKgTSAvM_F79sQcKb3P2SP8d0k_AYVk",
        "ef4666c1-5486-8c59-a3b5-2e354e4cfc9b",
    ),
    (
        Field::DeviceId,
        4_294_967_295,
        "a",
        "dev1.4294967295.QkgM8fGVOWBzU4SFX-SnKyVvtN7UI8RFptpSGQBcykI",
        "acb7238d-537f-8b16-9f96-8dc2db61b32f",
    ),
];

/// The longest device id: 159 times "x", under key 7.
const LONGEST: &str = "\
    dev1.7.yLWcktpyCxUaCkXhMhLuvnUgzTYWNfGy44yqtzy7vSbl-2CCo61tF4p7xW3Fpvr9Nh8WuVW48ZyS-mUx9\
    S-0keS5NpLjlzW-I7FYUjaDhHOLp6wPeQQKbDkNDd_9AM7VsWtZA9JMWfzv_zc828pVZTCCmhg4OgqbtaT1girl5\
    dblBaFxtsDUWzjUILOJ7__jxESNprOU2b0USI2i2jdeRRIJqSOxzNvNbt6lxIkqEIM";

/// Key id, user id, token, hash, a line each, with tabs between them. Among them are the
/// longest user ids: 128 characters of one byte, and of four.
const USER_IDS: &str = include_str!("known_answers/user_id.tsv");

fn data_key(purpose: Purpose) -> DataKey {
    let bytes: Vec<u8> = (0..64).take(purpose.key_len()).collect();
    DataKey::new(purpose, SecretBytes::new(bytes)).expect("a key of the right length")
}

fn key_id(id: u32) -> KeyId {
    KeyId::new(id).expect("not zero")
}

fn plaintext(field: Field, value: &str) -> Plaintext {
    Plaintext::of(field, value).expect("a valid value")
}

fn cipher(field: Field, id: u32) -> FieldCipher {
    FieldCipher::new(&data_key(Purpose::Mask), field, key_id(id))
}

fn opened(cipher: &mut FieldCipher, token: &str) -> Result<String, TokenError> {
    let plaintext = cipher.open(&Token::parse(token)?)?;
    Ok(String::from_utf8(plaintext.into_text().expose().to_vec()).expect("text"))
}

#[test]
fn known_answers_of_a_second_implementation() {
    let longest = "x".repeat(159);
    let longest =
        (Field::DeviceId, 7, longest.as_str(), LONGEST, "4421fdc7-c7ef-8c4f-b777-ca93f092f0e0");
    for (field, id, value, token, hash) in KNOWN_ANSWERS.into_iter().chain([longest]) {
        let mut cipher = cipher(field, id);
        assert_eq!(cipher.seal(&plaintext(field, value)).as_str(), token);
        assert_eq!(opened(&mut cipher, token).as_deref(), Ok(value));
        let hasher = FieldHasher::new(&data_key(Purpose::Hash), field);
        assert_eq!(hasher.hash(&plaintext(field, value)).to_string(), hash);
    }
}

#[test]
fn known_answers_of_a_second_implementation_for_user_ids() {
    let hasher = FieldHasher::new(&data_key(Purpose::Hash), Field::UserId);
    let mut blocks = Vec::new();
    for line in USER_IDS.lines() {
        let [id, value, token, hash] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let mut cipher = cipher(Field::UserId, id.parse().expect("a key id"));
        let plaintext = plaintext(Field::UserId, value);
        blocks.push(plaintext.expose().len() / 16);
        assert_eq!(cipher.seal(&plaintext).as_str(), token);
        assert_eq!(opened(&mut cipher, token).as_deref(), Ok(value));
        assert_eq!(hasher.hash(&plaintext).to_string(), hash);
    }
    assert_eq!(blocks, [1, 1, 1, 2, 1, 8, 9, 33]);
}

/// Made by Python's `cryptography`: label, then nonce, in this order.
#[test]
fn a_body_that_a_second_implementation_sealed_opens() {
    const SEALED: &str = "0100000007a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\
                          2ca40c0e068f5193058fee2b1843cce9fc67f928c5f39b8882f1ec23efd538";
    let sealed = hex::decode(SEALED).expect("hexadecimal");
    let message_id = uuid::uuid!("6f9619ff-8b86-d011-b42d-00c04fc964ff");
    let mut sealer = Sealer::new(&data_key(Purpose::Seal), key_id(7));
    let opened = sealer.open(message_id, &sealed).expect("it opens");
    assert_eq!(opened.expose(), br#"{"foo": "oops"}"#);
}

/// Tink's deterministic AEAD, given the field's key and the associated data as DESIGN
/// fixes them.
mod tink {
    use super::{Field, data_key};
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use loginetl::token::Purpose;
    use tink_core::keyset::{Handle, insecure};
    use tink_proto::prost::Message as _;

    fn associated_data(field: Field, key_id: u32) -> Vec<u8> {
        let name = field.name().as_bytes();
        [b"loginetl\x01", &[name.len() as u8][..], name, &key_id.to_be_bytes()].concat()
    }

    /// HKDF-SHA256 as `hkdf` computes it, with the info string spelled out
    /// here a second time.
    fn field_key(field: Field) -> Vec<u8> {
        let name = field.name().as_bytes();
        let info = [b"loginetl/siv/v1", &[name.len() as u8][..], name].concat();
        let mut key = vec![0; 64];
        let secret = data_key(Purpose::Mask);
        hkdf::Hkdf::<sha2::Sha256>::new(None, secret.expose_for_wrapping().expose())
            .expand(&info, &mut key)
            .expect("64 bytes");
        key
    }

    pub(super) fn open(field: Field, key_id: u32, token: &str) -> Option<Vec<u8>> {
        tink_daead::init();
        let key = tink_proto::AesSivKey { version: 0, key_value: field_key(field) };
        let data = tink_proto::KeyData {
            type_url: tink_daead::AES_SIV_TYPE_URL.to_owned(),
            value: key.encode_to_vec(),
            key_material_type: tink_proto::key_data::KeyMaterialType::Symmetric as i32,
        };
        let keyset = tink_proto::Keyset {
            primary_key_id: key_id,
            key: vec![tink_proto::keyset::Key {
                key_data: Some(data),
                status: tink_proto::KeyStatusType::Enabled as i32,
                key_id,
                output_prefix_type: tink_proto::OutputPrefixType::Tink as i32,
            }],
        };
        let handle: Handle = insecure::new_handle(keyset).expect("a keyset");
        let daead = tink_daead::new(&handle).expect("a deterministic AEAD");
        let body = BASE64_URL_SAFE_NO_PAD
            .decode(token.rsplit('.').next().expect("a body"))
            .expect("base64url");
        let ciphertext = [&[1][..], &key_id.to_be_bytes(), &body].concat();
        daead.decrypt_deterministically(&ciphertext, &associated_data(field, key_id)).ok()
    }
}

#[test]
fn tink_opens_our_tokens() {
    for (field, value) in [
        (Field::Ip, "192.0.2.7"),
        (Field::Ip, "2001:db8::7"),
        (Field::DeviceId, "593-00-0000"),
        (Field::DeviceId, "ü"),
        (Field::UserId, "593-00-0000"),
        (Field::UserId, "ü"),
    ] {
        for id in [1, 7, u32::MAX] {
            let plaintext = plaintext(field, value);
            let token = cipher(field, id).seal(&plaintext);
            assert_eq!(
                tink::open(field, id, token.as_str()).as_deref(),
                Some(plaintext.expose()),
                "{token}"
            );
            for other in Field::ALL.into_iter().filter(|other| *other != field) {
                assert_eq!(
                    tink::open(other, id, token.as_str()),
                    None,
                    "the associated data binds the field"
                );
            }
        }
    }
}

#[test]
fn tink_opens_the_user_id_of_every_body_of_the_sample() {
    let bodies = include_str!("env/sample.jsonl").lines();
    let values = bodies.filter_map(|body| serde_json::from_str::<serde_json::Value>(body).ok());
    let users: Vec<String> =
        values.filter_map(|body| Some(body["user_id"].as_str()?.to_owned())).collect();
    assert!(users.len() >= 100, "{} user ids", users.len());
    let mut cipher = cipher(Field::UserId, 7);
    for user in users {
        let plaintext = plaintext(Field::UserId, &user);
        let token = cipher.seal(&plaintext);
        assert!(token.as_str().starts_with("usr1.7."), "{token}");
        let opened = tink::open(Field::UserId, 7, token.as_str());
        assert_eq!(opened.as_deref(), Some(plaintext.expose()), "{token}");
    }
}

#[test]
fn a_token_has_one_spelling() {
    let good = cipher(Field::Ip, 7).seal(&plaintext(Field::Ip, "192.0.2.7")).to_string();
    assert!(Token::parse(&good).is_ok());
    let body = good.rsplit('.').next().expect("a body");
    let last = body.chars().last().expect("a character");
    let stem = &good[..good.len() - 1];
    let trailing_bits =
        ('A'..='Z').chain('a'..='z').filter(|c| *c != last).map(|c| format!("{stem}{c}"));
    let spellings = [
        format!("ip1.07.{body}"),
        format!("ip1.+7.{body}"),
        format!("ip1.0.{body}"),
        format!("ip1.4294967296.{body}"),
        format!("ip1..{body}"),
        format!("ip1.{body}"),
        format!("IP1.7.{body}"),
        format!("ip2.7.{body}"),
        format!("dev1.{body}"),
        format!("{good}="),
        format!("{good}A"),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace('-', "+").replace('_', "/") + "+",
        String::new(),
        "ip1.7.".to_owned(),
    ];
    for spelling in spellings.into_iter() {
        assert!(Token::parse(&spelling).is_err(), "{spelling:?}");
    }
    // 32 bytes are 43 characters: the last one carries two spare bits, so three of four
    // neighbours are no spelling at all.
    let mut cipher = cipher(Field::Ip, 7);
    for spelling in trailing_bits {
        assert!(opened(&mut cipher, &spelling).is_err(), "{spelling}");
    }
}

#[test]
fn a_token_of_another_field_or_key_does_not_open() {
    let token = cipher(Field::DeviceId, 7).seal(&plaintext(Field::DeviceId, "192.0.2.7"));
    assert_eq!(opened(&mut cipher(Field::Ip, 7), token.as_str()), Err(TokenError::Foreign));
    assert_eq!(opened(&mut cipher(Field::DeviceId, 8), token.as_str()), Err(TokenError::Foreign));
    let renamed = token.as_str().replace("dev1.7.", "dev1.8.");
    assert_eq!(opened(&mut cipher(Field::DeviceId, 8), &renamed), Err(TokenError::Forged));
    let moved = token.as_str().replace("dev1.7.", "ip1.7.");
    assert_eq!(opened(&mut cipher(Field::Ip, 7), &moved), Err(TokenError::Forged));
}

proptest! {
    #[test]
    fn every_value_comes_back_and_fields_and_keys_never_share_a_token(
        octets: [u8; 4],
        id in 1..u32::MAX,
    ) {
        let text = std::net::Ipv4Addr::from(octets).to_string();
        let token = cipher(Field::Ip, id).seal(&plaintext(Field::Ip, &text));
        let mapped = plaintext(Field::Ip, &format!("::FFFF:{text}"));
        prop_assert_eq!(&token, &cipher(Field::Ip, id).seal(&mapped));
        let shown = opened(&mut cipher(Field::Ip, id), token.as_str());
        prop_assert_eq!(shown.as_deref(), Ok(text.as_str()));
        let device = cipher(Field::DeviceId, id).seal(&plaintext(Field::DeviceId, &text));
        prop_assert_ne!(token.as_str().rsplit('.').next(), device.as_str().rsplit('.').next());
        let other = cipher(Field::Ip, id + 1).seal(&plaintext(Field::Ip, &text));
        prop_assert_ne!(token.as_str().rsplit('.').next(), other.as_str().rsplit('.').next());
    }

    #[test]
    fn any_flipped_bit_refuses_to_open(
        value in "[ -~]{1,60}",
        octets: [u8; 16],
        position: prop::sample::Index,
        bit in 0..8u8,
    ) {
        use base64::Engine as _;
        use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
        let address = std::net::Ipv6Addr::from(octets).to_string();
        for (field, value) in [(Field::DeviceId, value), (Field::Ip, address)] {
            let token = cipher(field, 7).seal(&plaintext(field, &value)).to_string();
            let (head, body) = token.rsplit_once('.').unwrap_or_default();
            let mut bytes = BASE64.decode(body).unwrap_or_default();
            let at = position.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let flipped = format!("{head}.{}", BASE64.encode(bytes));
            prop_assert_eq!(opened(&mut cipher(field, 7), &flipped), Err(TokenError::Forged));
        }
    }

    #[test]
    fn a_sealed_body_opens_for_its_message_alone_and_unchanged(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        id: [u8; 16],
        other: [u8; 16],
        position: prop::sample::Index,
        bit in 0..8u8,
    ) {
        let mut sealer = Sealer::new(&data_key(Purpose::Seal), key_id(7));
        let (id, other) = (uuid::Uuid::from_bytes(id), uuid::Uuid::from_bytes(other));
        let sealed = sealer.seal(id, &body).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let opened = sealer.open(id, &sealed).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(opened.expose(), &body);
        prop_assert!(id == other || sealer.open(other, &sealed).is_err());
        let mut flipped = sealed;
        let at = position.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(sealer.open(id, &flipped).is_err());
    }

    #[test]
    fn no_text_panics_the_parser(
        text in "\\PC{0,80}|(ip1|dev1|usr1)\\.[0-9]{0,11}\\.[A-Za-z0-9_-]{0,300}",
    ) {
        if let Ok(token) = Token::parse(&text) {
            prop_assert_eq!(token.as_str(), text);
        }
    }
}
