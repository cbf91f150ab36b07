//! What a state of the model looks like in a database: keys, places and values have their
//! names there.

use std::collections::BTreeMap;

use loginetl::token::{Field, KeyId};
use tokio_postgres::Client;
use uuid::Uuid;

use super::protocol::World;
use super::state::{KEYS, Plan, State};

/// The characters of a token's text, a value each.
const LETTERS: [&str; 3] = ["A", "E", "I"];

/// The key that the model calls so: keys that mask, and the hash and seal keys that go
/// with them.
pub(super) fn mask_key(key: u8) -> i64 {
    11 + i64::from(key)
}

pub(super) fn hash_key(hash: u8) -> i64 {
    21 + i64::from(hash)
}

pub(super) fn seal_key(hash: u8) -> i64 {
    31 + i64::from(hash)
}

pub(super) fn key_of_id(id: i64) -> u8 {
    u8::try_from(id - mask_key(0)).expect("a mask key")
}

pub(super) fn hash_of_id(id: i64) -> u8 {
    u8::try_from(id - hash_key(0)).expect("a hash key")
}

pub(super) fn key_id(id: i64) -> KeyId {
    KeyId::new(u32::try_from(id).expect("a key id")).expect("not zero")
}

/// A token of a field's value under a key, by its id.
pub(super) fn token(field: Field, key: i64, value: usize) -> String {
    format!("{}{key}.{}", field.prefix(), LETTERS[value].repeat(43))
}

pub(super) fn value_of(token: &str) -> usize {
    LETTERS.iter().position(|letter| token.ends_with(letter)).expect("a token of ours")
}

/// The hash of what stands at a place in the order of this hash.
pub(super) fn hash_at(place: u8, hash: u8) -> Uuid {
    Uuid::from_u128(u128::from(place) << 96 | u128::from(hash))
}

/// A watermark is the hash that the last step came to; through is through.
pub(super) fn watermark(world: &World, place: u8, hash: u8) -> Uuid {
    match place {
        0 => Uuid::nil(),
        _ if place == world.last => Uuid::max(),
        _ => hash_at(place, hash),
    }
}

/// All that others can see of a database, a line each.
pub(super) type Picture = Vec<String>;

/// A state as it looks in the database. Of the seal key before the last, the
/// model knows nothing.
pub(super) fn of_state(world: &World, state: &State, is_seal_retired: bool) -> Picture {
    let mut lines = Vec::new();
    let seal = seal_key(world.hash_of(state.plans.newest()));
    for (field, Plan { from, to, watermark: place }) in Field::ALL.iter().zip(state.plans.masked())
    {
        let [from_hash, to_hash] = [*from, *to].map(|key| world.hash_of(key));
        let reached = watermark(world, *place, from_hash);
        let [from_mask, to_mask] = [*from, *to].map(mask_key);
        let [from_hash, to_hash] = [from_hash, to_hash].map(hash_key);
        lines.push(format!(
            "plan {field} {from_mask} {from_hash} {to_mask} {to_hash} {reached} {seal}"
        ));
    }
    for (field, rows) in Field::ALL.iter().zip(&state.rows) {
        for (cell, count) in rows.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (value, key) = (cell / KEYS, (cell % KEYS) as u8);
            let hash = hash_at(world.place(value, key), world.hash_of(key));
            lines.push(format!("rows {} {hash} {count}", token(*field, mask_key(key), value)));
        }
    }
    lines.extend(
        key_states(world, state, is_seal_retired).iter().map(|(key, is)| format!("key {key} {is}")),
    );
    let (shared, exclusive) = world.fence_holders(state);
    let held = [("RowExclusiveLock", shared), ("ExclusiveLock", exclusive)];
    let held = held.iter().filter(|(_, count)| *count > 0);
    lines.extend(held.map(|(mode, count)| format!("fence {mode} {count}")));
    lines.sort_unstable();
    lines
}

fn key_states(world: &World, state: &State, is_seal_retired: bool) -> BTreeMap<i64, &'static str> {
    let newest = state.plans.newest();
    let old = |is_retired: bool| if is_retired { "retired" } else { "retiring" };
    let mut states = BTreeMap::new();
    for key in 0..=newest {
        let is = if key == newest { "active" } else { old(state.retired[usize::from(key)]) };
        states.insert(mask_key(key), is);
    }
    let newest_hash = world.hash_of(newest);
    for hash in 0..=newest_hash {
        let is_active = hash == newest_hash;
        // The first hash goes with the first key.
        states.insert(hash_key(hash), if is_active { "active" } else { old(state.retired[0]) });
        states.insert(seal_key(hash), if is_active { "active" } else { old(is_seal_retired) });
    }
    if state.has_pending {
        states.insert(mask_key(newest + 1), "pending");
        if world.hash_of(newest + 1) > newest_hash {
            states.insert(hash_key(newest_hash + 1), "pending");
            states.insert(seal_key(newest_hash + 1), "pending");
        }
    }
    states
}

/// The same, as the database tells it.
pub(super) async fn of_database(client: &Client, fields: &[Field]) -> Picture {
    let rows = fields.iter().map(|field| {
        let (token, hash) = (field.token_column(), field.hash_column());
        format!(
            "union all select concat_ws(' ', 'rows', {token}, {hash}, count(*)) from \
             public.user_logins group by {token}, {hash}"
        )
    });
    let statement = format!(
        "select concat_ws(' ', 'plan', field, from_mask, from_hash, to_mask, to_hash, watermark,
           seal) from vault.field_plans
         union all select concat_ws(' ', 'key', key_id, state) from vault.data_keys
         union all select concat_ws(' ', 'fence', l.mode, count(*)) from pg_locks l
                   join pg_database d on d.oid = l.database and d.datname = current_database()
                   where l.relation = 'vault.fence'::regclass and l.granted group by l.mode
         {}",
        rows.collect::<Vec<_>>().join(" ")
    );
    let found = client.query_typed(&statement, &[]).await.expect("what is there");
    let mut lines: Picture = found.iter().map(|row| row.get(0)).collect();
    lines.sort_unstable();
    lines
}

/// Puts the beginning of a world into the database, past the triggers, in the place of
/// what was there.
pub(super) async fn begin(client: &Client, world: &World, fields: &[Field]) {
    let mut sql = "begin; set local session_replication_role = replica; \
                     delete from public.user_logins; \
                   delete from ingest.ledger; delete from vault.rotation; \
                     delete from vault.wraps; delete from vault.data_keys;"
        .to_owned();
    for (purpose, id) in [("mask", mask_key(0)), ("hash", hash_key(0)), ("seal", seal_key(0))] {
        sql += &format!(
            "insert into vault.data_keys (key_id, purpose, state, check_value) \
             values ({id}, '{purpose}', 'active', decode(repeat('00', 16), 'hex'));"
        );
    }
    let columns: Vec<String> =
        fields.iter().map(|f| format!("{}, {}", f.token_column(), f.hash_column())).collect();
    for (value, count) in world.rows.iter().enumerate().filter(|(_, count)| **count > 0) {
        let hash = hash_at(world.place(value, 0), 0);
        let values: Vec<String> = fields
            .iter()
            .map(|f| format!("'{}', '{hash}'", token(*f, mask_key(0), value)))
            .collect();
        sql += &format!(
            "insert into public.user_logins ({}) select {} from generate_series(1, {count});",
            columns.join(", "),
            values.join(", ")
        );
    }
    client.batch_execute(&(sql + "commit")).await.expect("the beginning");
}
