//! A loader's batch: tokens and hashes that have the form of true ones, and what the
//! guard must know of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use loginetl::login::{Plan, ValueKeys};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::picture;
use super::protocol::World;
use super::replay::Parameter;

#[derive(Default)]
pub(super) struct Batch {
    message_ids: Vec<Uuid>,
    /// Tokens and hashes of each field.
    columns: Vec<(Vec<String>, Vec<Uuid>)>,
    /// The lowest and the highest order of each group.
    groups: BTreeMap<(&'static str, i64, i64), (Uuid, Uuid)>,
}

impl Batch {
    /// Masks the logins of a loader by a plan: the program decides which keys they get.
    pub(super) fn mask(world: &World, plan: &Plan, loader: usize) -> Self {
        let first = loader * world.batch.len();
        let message_id = |at: usize| Uuid::from_u128((first + at + 1) as u128);
        let mut batch = Self {
            message_ids: (0..world.batch.len()).map(message_id).collect(),
            ..Self::default()
        };
        for (at, (field, plan)) in plan.fields.iter().enumerate() {
            let (mut tokens, mut hashes) = (Vec::new(), Vec::new());
            for login in world.batch {
                let hash_by = |keys: ValueKeys| {
                    let key = picture::key_of_id(keys.mask.to_i64());
                    picture::hash_at(
                        world.place(login[at], key),
                        picture::hash_of_id(keys.hash.to_i64()),
                    )
                };
                let order = hash_by(plan.from);
                let keys = plan.keys_of(order);
                let mask = keys.mask.to_i64();
                tokens.push(picture::token(field, mask, login[at]));
                hashes.push(hash_by(keys));
                let name = (field.name(), mask, plan.from.hash.to_i64());
                let group = batch.groups.entry(name).or_insert((order, order));
                *group = (group.0.min(order), group.1.max(order));
            }
            batch.columns.push((tokens, hashes));
        }
        batch
    }

    /// Whether the guard lets it in.
    pub(super) async fn insert(&self, client: &Client, sql: &str) -> bool {
        let count = self.message_ids.len();
        let (fields, keys): (Vec<&str>, Vec<(i64, i64)>) =
            self.groups.keys().map(|(f, k, o)| (*f, (*k, *o))).unzip();
        let (keys, order_keys): (Vec<i64>, Vec<i64>) = keys.into_iter().unzip();
        let (lowest, highest): (Vec<Uuid>, Vec<Uuid>) = self.groups.values().copied().unzip();
        let (days, texts) = (vec![Date::constant(1970, 1, 1); count], vec![None::<&str>; count]);
        let versions = vec![1i32; count];
        let mut parameters: Vec<Parameter<'_>> = NO_REJECTIONS.to_vec();
        parameters.extend([
            (&fields as _, Type::TEXT_ARRAY),
            (&keys as _, Type::INT8_ARRAY),
            (&order_keys as _, Type::INT8_ARRAY),
            (&lowest as _, Type::UUID_ARRAY),
            (&highest as _, Type::UUID_ARRAY),
            (&days as _, Type::DATE_ARRAY),
            (&self.message_ids as _, Type::UUID_ARRAY),
            (&texts as _, Type::TEXT_ARRAY),
            (&texts as _, Type::TEXT_ARRAY),
            (&texts as _, Type::TEXT_ARRAY),
            (&versions as _, Type::INT4_ARRAY),
            (&days as _, Type::DATE_ARRAY),
        ] as [Parameter<'_>; 12]);
        for (tokens, hashes) in &self.columns {
            parameters.push((tokens, Type::TEXT_ARRAY));
            parameters.push((hashes, Type::UUID_ARRAY));
        }
        let row = client.query_typed_one(sql, &parameters).await.expect("an answer");
        let (is_accepted, rows): (bool, i64) = (row.get(0), row.get(2));
        assert_eq!(rows, if is_accepted { count as i64 } else { 0 }, "all rows or none");
        is_accepted
    }
}

/// The columns of rejections, without any.
const NO_REJECTIONS: &[Parameter<'static>] = &[
    (&[] as &[Date; 0], Type::DATE_ARRAY),
    (&[] as &[Uuid; 0], Type::UUID_ARRAY),
    (&[] as &[&str; 0], Type::TEXT_ARRAY),
    (&[] as &[Timestamp; 0], Type::TIMESTAMPTZ_ARRAY),
    (&[] as &[Timestamp; 0], Type::TIMESTAMPTZ_ARRAY),
    (&[] as &[i32; 0], Type::INT4_ARRAY),
    (&[] as &[Date; 0], Type::DATE_ARRAY),
    (&[] as &[&str; 0], Type::TEXT_ARRAY),
    (&[] as &[&str; 0], Type::TEXT_ARRAY),
    (&[] as &[i64; 0], Type::INT8_ARRAY),
    (&[] as &[i64; 0], Type::INT8_ARRAY),
    (&[] as &[&[u8]; 0], Type::BYTEA_ARRAY),
];
