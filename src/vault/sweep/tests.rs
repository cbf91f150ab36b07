//! What the sweep makes of rows: good tokens and bad ones, mixed, of every field, with
//! and without new hashes.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio_postgres::types::{FromSql, Type};

use super::*;
use crate::token::Plaintext;

const FROM: u32 = 1;
const TO: u32 = 2;
/// An older key, which an earlier rotation left.
const OLDER: u32 = 3;
const FROM_HASH: u32 = 4;
const TO_HASH: u32 = 5;
const SEAL: u32 = 6;
const UNKNOWN: u32 = 9;

fn id(key: u32) -> KeyId {
    KeyId::new(key).unwrap()
}

/// A key by its number alone; one that seals has the bytes of a mask key here, so that
/// only its purpose tells them apart.
fn data_key(purpose: Purpose, key: u32) -> DataKey {
    DataKey::new(purpose, SecretBytes::new(vec![key as u8; purpose.key_len()])).unwrap()
}

fn sweep_keys() -> SweepKeys {
    let mask = [FROM, TO, OLDER].map(|key| (id(key), data_key(Purpose::Mask, key)));
    let hash = [FROM_HASH, TO_HASH].map(|key| (id(key), data_key(Purpose::Hash, key)));
    let seal = [(id(SEAL), data_key(Purpose::Seal, SEAL))];
    SweepKeys(mask.into_iter().chain(hash).chain(seal).collect())
}

fn rotation(field: Field, to_hash: u32) -> Rotation {
    let [from_key, to_key, from_hash_key, to_hash_key] = [FROM, TO, FROM_HASH, to_hash].map(id);
    Rotation { field, from_key, to_key, from_hash_key, to_hash_key, watermark: Uuid::nil() }
}

fn token(field: Field, key: u32, value: &str) -> String {
    FieldCipher::new(&data_key(Purpose::Mask, key), field, id(key))
        .seal(&Plaintext::of(field, value).unwrap())
        .into_string()
}

fn hash(field: Field, key: u32, value: &str) -> Uuid {
    FieldHasher::new(&data_key(Purpose::Hash, key), field)
        .hash(&Plaintext::of(field, value).unwrap())
}

/// What may stand in a row.
#[derive(Clone, Copy, Debug)]
enum RowCase {
    Good(u32),
    OfUnknownKey,
    OfSealKey,
    OfOtherField,
    UnderOtherName,
    Forged,
    OtherHash,
    NoToken,
    NotEvenOne,
}

const CASES: [RowCase; 11] = [
    RowCase::Good(FROM),
    RowCase::Good(OLDER),
    RowCase::Good(TO),
    RowCase::OfUnknownKey,
    RowCase::OfSealKey,
    RowCase::OfOtherField,
    RowCase::UnderOtherName,
    RowCase::Forged,
    RowCase::OtherHash,
    RowCase::NoToken,
    RowCase::NotEvenOne,
];

fn other(field: Field) -> Field {
    Field::ALL[(field as usize + 1) % Field::COUNT]
}

fn group(field: Field, case: RowCase, value: &str, number: u16) -> TokenGroup {
    let good = token(field, FROM, value);
    let token = match case {
        RowCase::Good(key) => Some(token(field, key, value)),
        RowCase::OfUnknownKey => Some(token(field, UNKNOWN, value)),
        RowCase::OfSealKey => Some(token(field, SEAL, value)),
        RowCase::OfOtherField => Some(token(other(field), FROM, value)),
        RowCase::UnderOtherName => Some(good.replacen(".1.", ".3.", 1)),
        RowCase::Forged => {
            let (head, body) = good.rsplit_once('.').unwrap();
            let first = if body.starts_with('A') { 'B' } else { 'A' };
            Some(format!("{head}.{first}{}", &body[1..]))
        }
        RowCase::OtherHash => Some(good),
        RowCase::NoToken => None,
        RowCase::NotEvenOne => Some(value.to_owned()),
    };
    let of = if matches!(case, RowCase::OtherHash) { "10.9.9.9" } else { value };
    let [a, b] = number.to_be_bytes();
    let place = FromSql::from_sql(&Type::TID, &[0, 0, 0, 1, a, b]).unwrap();
    TokenGroup {
        hash: hash(field, FROM_HASH, of),
        token,
        rows: 1 + i64::from(number % 3),
        place: Some(place),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few values, so that each comes often, with every token that it may have.
    #[test]
    fn what_opens_moves_in_its_order_and_the_rest_is_told_once_a_value(
        field in proptest::sample::select(&Field::ALL[..]),
        changes in any::<bool>(),
        rows in proptest::collection::vec((proptest::sample::select(&CASES[..]), 0_u8..3), 0..60),
    ) {
        let to_hash = if changes { TO_HASH } else { FROM_HASH };
        let keys = sweep_keys();
        let mut converter = Converter::new(&keys, &rotation(field, to_hash)).unwrap();
        let mut converted = Converted::default();
        let (mut expected, mut stuck) = (Vec::new(), BTreeMap::new());
        for (number, (case, value)) in rows.iter().enumerate() {
            let value = format!("10.0.0.{value}");
            let group = group(field, *case, &value, number as u16);
            if let RowCase::Good(_) = case {
                let old = group.token.clone().unwrap();
                let (new, new_hash) = (token(field, TO, &value), hash(field, to_hash, &value));
                expected.push((group.hash, old, new, new_hash, group.place));
            } else {
                *stuck.entry((group.hash, group.token.clone())).or_insert(0) += group.rows;
            }
            converter.convert(group, &mut converted);
        }
        let (moves, left) = converted.into_parts();
        let moves: Vec<_> = moves
            .into_iter()
            .map(|m| (m.hash, m.token, m.new_token, m.new_hash, m.place))
            .collect();
        prop_assert_eq!(moves, expected);
        let left: Vec<_> =
            left.into_iter().map(|value| ((value.hash, value.token), value.rows)).collect();
        prop_assert_eq!(left, stuck.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_rotation_whose_keys_are_missing_or_of_another_purpose_is_not_begun() {
    let keys = sweep_keys();
    let begin = |change: fn(&mut Rotation)| {
        let mut rotation = rotation(Field::Ip, TO_HASH);
        change(&mut rotation);
        match Converter::new(&keys, &rotation) {
            Err(VaultError::Unreadable(key)) => Some(key),
            _ => None,
        }
    };
    assert_eq!(begin(|_| ()), None);
    assert_eq!(begin(|rotation| rotation.to_key = id(UNKNOWN)), Some(id(UNKNOWN)));
    assert_eq!(begin(|rotation| rotation.to_key = id(SEAL)), Some(id(SEAL)));
    assert_eq!(begin(|rotation| rotation.from_hash_key = id(UNKNOWN)), Some(id(UNKNOWN)));
    assert_eq!(begin(|rotation| rotation.to_hash_key = id(FROM)), Some(id(FROM)));
}

#[test]
fn a_body_is_sealed_anew_only_if_it_opens_for_its_own_message() {
    let (keys, message) = (sweep_keys(), Uuid::from_u128(1));
    let seal = |key: u32| {
        Sealer::new(&data_key(Purpose::Seal, key), id(key)).seal(message, b"body").unwrap()
    };
    let anew = |message_id, sealed, to: u32| {
        keys.seal_anew(&SealedBody { id: 1, message_id, sealed }, id(to))
    };
    let again = anew(message, seal(SEAL), SEAL).unwrap().unwrap();
    let mut sealer = Sealer::new(&data_key(Purpose::Seal, SEAL), id(SEAL));
    assert_eq!(sealer.open(message, &again).unwrap().expose(), b"body");
    assert!(anew(Uuid::from_u128(2), seal(SEAL), SEAL).unwrap().is_none(), "of another message");
    assert!(anew(message, seal(UNKNOWN), SEAL).unwrap().is_none(), "of an unknown key");
    assert!(anew(message, seal(FROM), SEAL).unwrap().is_none(), "of a key of another purpose");
    assert!(anew(message, b"x".to_vec(), SEAL).unwrap().is_none(), "no seal at all");
    assert!(
        matches!(anew(message, seal(SEAL), TO), Err(VaultError::Unreadable(_))),
        "under a key of another purpose"
    );
}
