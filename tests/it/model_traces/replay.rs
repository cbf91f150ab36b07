//! A database on which the steps of the model are done by the SQL of the program.
//!
//! Each process of the model has a connection of its own, as the login that it has in
//! operation. What it has read and not written yet stands here, as it stands in the
//! program's memory.

use loginetl::login::{FieldPlan, Plan, ValueKeys};
use loginetl::token::{Field, Fields};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::batch::Batch;
use super::picture::{self, Picture};
use super::program_sql::ProgramSql;
use super::protocol::World;
use super::state::{Process, State};
use crate::support::Database;

pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a step came to, beside what can be seen of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Through,
    /// A batch was refused, a step turned back, a start or an end was not.
    ToNothing,
}

impl Came {
    pub(super) fn of(is_through: bool) -> Self {
        if is_through { Self::Through } else { Self::ToNothing }
    }
}

struct Loader {
    client: Client,
    plan: Option<Plan>,
}

struct Rotator {
    client: Client,
    /// The newest keys when it saw no rotation: mask, hash.
    newest: (i64, i64),
    rotation: Option<Rotation>,
    next: Uuid,
    known: Vec<(Uuid, String)>,
}

/// A row of `vault.rotation`.
#[derive(Clone, Copy)]
struct Rotation {
    field: Field,
    to_key: i64,
    hash_keys: (i64, i64),
    watermark: Uuid,
}

pub(super) struct Replay {
    sql: ProgramSql,
    fields: Fields,
    observer: Client,
    loaders: [Loader; 2],
    rotators: [Rotator; 2],
    /// Whether the first seal key has been retired, of which the model knows nothing.
    is_seal_retired: bool,
}

impl Replay {
    pub(super) async fn new(database: &Database, fields: Fields) -> Self {
        let (loader, rotator) =
            (database.login("loginetl_loader").await, database.login("loginetl_rotator").await);
        let observer = database.client().await;
        make_late_end(&observer, &rotator.user).await;
        let loaders = [loader.client().await, loader.client().await];
        let rotators = [rotator.client().await, rotator.client().await];
        let at_rest = |client| Rotator {
            client,
            newest: (0, 0),
            rotation: None,
            next: Uuid::nil(),
            known: Vec::new(),
        };
        Self {
            sql: ProgramSql::read(fields),
            fields,
            observer,
            loaders: loaders.map(|client| Loader { client, plan: None }),
            rotators: rotators.map(at_rest),
            is_seal_retired: false,
        }
    }

    /// Gives up what was under way, and begins a world.
    pub(super) async fn begin(&mut self, world: &World) {
        let clients =
            self.loaders.iter().map(|l| &l.client).chain(self.rotators.iter().map(|r| &r.client));
        for client in clients {
            client
                .batch_execute(
                    "rollback; set statement_timeout = '10s'; set synchronous_commit = off",
                )
                .await
                .expect("it is rolled back");
        }
        self.is_seal_retired = false;
        picture::begin(&self.observer, world, &self.names()).await;
    }

    fn names(&self) -> Vec<Field> {
        self.fields.fields().collect()
    }

    /// What the model says of the database, and what the database says.
    pub(super) async fn compare(&self, world: &World, state: &State) -> (Picture, Picture) {
        let expected = picture::of_state(world, state, self.is_seal_retired);
        (expected, picture::of_database(&self.observer, &self.names()).await)
    }

    /// Does what a loader does in this step.
    pub(super) async fn loader(&mut self, world: &World, index: usize, step: &str) -> Came {
        let loader = &mut self.loaders[index];
        let run = async |sql: &str| loader.client.batch_execute(sql).await.expect(step);
        match step {
            "a loader takes the fence" => run(&self.sql.loader_fence).await,
            "a loader is rolled back and keeps its batch" => run("rollback").await,
            "a loader commits" => run("commit").await,
            "a loader reads the plan without the fence and masks"
            | "a loader reads the plan under the fence and masks again" => {
                let rows = loader.client.query_typed(&self.sql.plan, &[]).await.expect(step);
                loader.plan = Some(plan_of(self.fields, &rows));
            }
            "a loader's guard inserts the batch or refuses it"
            | "a loader's guard is asked again" => {
                let batch = Batch::mask(world, &loader.plan.expect("it has a plan"), index);
                return Came::of(batch.insert(&loader.client, &self.sql.insert).await);
            }
            _ => panic!("no loader knows this step: {step}"),
        }
        Came::Through
    }

    /// Does what a rotator does in this step, which leaves it as `then`.
    pub(super) async fn rotator(
        &mut self,
        world: &World,
        index: usize,
        step: &str,
        then: &Process,
    ) -> Came {
        let Self { sql, rotators, .. } = self;
        let rotator = &mut rotators[index];
        match step {
            "a rotator crashes and is run again" => rotator.run("rollback").await,
            "a rotator reads the watermark" => {
                let rotations = rotator.rotations(&sql.rotations).await;
                let open = rotations.into_iter().find(|rotation| rotation.watermark < Uuid::max());
                assert_eq!(open.expect("one is open").field, Field::ALL[usize::from(then.field)]);
                rotator.rotation = open;
            }
            "a rotator sees that the sweep is through" => {
                let rotations = rotator.rotations(&sql.rotations).await;
                assert!(
                    !rotations.is_empty() && rotations.iter().all(|r| r.watermark == Uuid::max())
                );
            }
            "a rotator is done" => assert!(rotator.rotations(&sql.rotations).await.is_empty()),
            "a rotator sees no rotation and makes sure of a pending key" => {
                rotator.make_pending(world, sql).await
            }
            "a rotator starts under the fence, unless another did" => {
                return Came::of(rotator.start(world, sql).await);
            }
            "a rotator prepares a step without the fence" => {
                let rotation = rotator.rotation.expect("it knows a rotation");
                rotator.next =
                    picture::watermark(world, then.next, picture::hash_of_id(rotation.hash_keys.0));
                rotator.known = rotator.left(&sql.left).await;
            }
            "a rotator takes the fence for its step" => rotator.run(&sql.step_fence).await,
            "a rotator moves the rows that it knows, and what was added" => {
                let mut count = rotator.move_rows(world, sql, &rotator.known).await;
                count += rotator.move_rows(world, sql, &rotator.left(&sql.left).await).await;
                assert!(rotator.left(&sql.left).await.is_empty(), "nothing is left in the range");
                return Came::of(
                    count == then.rows.iter().map(|rows| u64::from(*rows)).sum::<u64>(),
                );
            }
            "a rotator advances the watermark and commits, if it may" => {
                return Came::of(rotator.advance(sql).await);
            }
            "a rotator ends the rotation" => {
                self.is_seal_retired |= self.observer_sees_an_old_seal().await;
                return Came::of(self.end(index).await);
            }
            _ => panic!("no rotator knows this step: {step}"),
        }
        Came::Through
    }

    async fn observer_sees_an_old_seal(&self) -> bool {
        let statement = "select exists (select from vault.data_keys where purpose = 'seal' \
                           and state = 'retiring')";
        self.observer.query_one(statement, &[]).await.expect("an answer").get(0)
    }

    /// Ends the rotation. Where a sweep is open, the function refuses; but that may begin
    /// between its look and its end, and so the rest of it is done too. Returns whether
    /// it did not refuse.
    async fn end(&self, index: usize) -> bool {
        let client = &self.rotators[index].client;
        let ended = client.query_typed(&self.sql.finish, &[(&"{}", Type::TEXT)]).await;
        if let Err(error) = &ended {
            assert!(is_overtaken(error), "{error}");
            let late = self.sql.finish.replace("finish_rotation", "finish_rotation_late");
            client.query_typed(&late, &[(&"{}", Type::TEXT)]).await.expect("the rest of the end");
        }
        ended.is_ok()
    }
}

impl Rotator {
    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The rotations that are not finished, in the order of fields.
    async fn rotations(&self, sql: &str) -> Vec<Rotation> {
        let rows = self.client.query_typed(sql, &[]).await.expect("rotations");
        let rotation = |row: &Row| Rotation {
            field: Field::from_name(row.get(0)).expect("a field"),
            to_key: row.get(2),
            hash_keys: (row.get(3), row.get(4)),
            watermark: row.get(5),
        };
        let mut rotations: Vec<Rotation> = rows.iter().map(rotation).collect();
        rotations.sort_unstable_by_key(|rotation| rotation.field);
        rotations
    }

    async fn key(&self, purpose: &str, state: &str) -> Option<i64> {
        let statement = "select key_id from vault.keys where purpose = $1 and state = $2";
        let row =
            self.client.query_opt(statement, &[&purpose, &state]).await.expect("a key at most");
        row.map(|row| row.get(0))
    }

    /// Remembers the newest keys, and makes those that are to follow them.
    async fn make_pending(&mut self, world: &World, sql: &ProgramSql) {
        assert!(self.rotations(&sql.rotations).await.is_empty(), "it sees no rotation");
        let active = async |purpose| self.key(purpose, "active").await.expect("an active key");
        self.newest = (active("mask").await, active("hash").await);
        for (purpose, key) in self.purposes(world) {
            if self.key(purpose, "pending").await.is_none() {
                let check_value = [0u8; 16];
                let parameters: [Parameter<'_>; 4] = [
                    (&(key + 1), Type::INT8),
                    (&purpose, Type::TEXT),
                    (&"pending", Type::TEXT),
                    (&check_value.as_slice(), Type::BYTEA),
                ];
                self.client.query_typed(&sql.new_key, &parameters).await.expect("a new key");
            }
        }
    }

    /// The keys that the next rotation replaces. A first rotation in which the hashes
    /// change replaces all.
    fn purposes(&self, world: &World) -> Vec<(&'static str, i64)> {
        let (mask, hash) = self.newest;
        let seal = picture::seal_key(picture::hash_of_id(hash));
        let key = picture::key_of_id(mask);
        let all = [("mask", mask), ("hash", hash), ("seal", seal)];
        let is_rehashed = world.hash_of(key) != world.hash_of(key + 1);
        all[..if is_rehashed { 3 } else { 1 }].to_vec()
    }

    async fn start(&self, world: &World, sql: &ProgramSql) -> bool {
        self.run(&sql.start_fence).await;
        let (purposes, keys): (Vec<&str>, Vec<i64>) = self.purposes(world).into_iter().unzip();
        let parameters: [Parameter<'_>; 3] =
            [(&purposes, Type::TEXT_ARRAY), (&keys, Type::INT8_ARRAY), (&"{}", Type::TEXT)];
        let started = self.client.query_typed(&sql.start, &parameters).await;
        assert!(started.as_ref().err().is_none_or(is_overtaken), "{started:?}");
        self.run(if started.is_ok() { "commit" } else { "rollback" }).await;
        started.is_ok()
    }

    /// What is in the range of the step and not under the new key.
    async fn left(&self, sql: &str) -> Vec<(Uuid, String)> {
        let rotation = self.rotation.expect("it knows a rotation");
        let pattern = format!("{}{}.%", rotation.field.prefix(), rotation.to_key);
        let parameters: [Parameter<'_>; 3] =
            [(&rotation.watermark, Type::UUID), (&pattern, Type::TEXT), (&self.next, Type::UUID)];
        let rows = self
            .client
            .query_typed(&of_field(sql, rotation.field), &parameters)
            .await
            .expect("what is left");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn move_rows(&self, world: &World, sql: &ProgramSql, groups: &[(Uuid, String)]) -> u64 {
        let Rotation { field, to_key, hash_keys: (from_hash, to_hash), watermark } =
            self.rotation.expect("a rotation");
        let key = picture::key_of_id(to_key);
        let (hashes, tokens): (Vec<Uuid>, Vec<&str>) =
            groups.iter().map(|(hash, token)| (*hash, token.as_str())).unzip();
        let values: Vec<usize> = tokens.iter().map(|token| picture::value_of(token)).collect();
        let new_tokens: Vec<String> =
            values.iter().map(|value| picture::token(field, to_key, *value)).collect();
        let new_hash = |value: &usize| {
            picture::hash_at(world.place(*value, key), picture::hash_of_id(to_hash))
        };
        let new_hashes: Vec<Uuid> = values.iter().map(new_hash).collect();
        let mut parameters: Vec<Parameter<'_>> = vec![
            (&watermark, Type::UUID),
            (&self.next, Type::UUID),
            (&tokens, Type::TEXT_ARRAY),
            (&new_tokens, Type::TEXT_ARRAY),
            (&hashes, Type::UUID_ARRAY),
        ];
        let is_rehashed = from_hash != to_hash;
        if is_rehashed {
            parameters.push((&new_hashes, Type::UUID_ARRAY));
        }
        let statement = of_field(&sql.move_values[usize::from(is_rehashed)], field);
        self.client.execute_typed(&statement, &parameters).await.expect("rows move")
    }

    async fn advance(&self, sql: &ProgramSql) -> bool {
        let Rotation { field, to_key, watermark, .. } = self.rotation.expect("a rotation");
        let parameters: [Parameter<'_>; 5] = [
            (&field.name(), Type::TEXT),
            (&watermark, Type::UUID),
            (&self.next, Type::UUID),
            (&to_key, Type::INT8),
            (&false, Type::BOOL),
        ];
        let is_advanced =
            self.client.execute_typed(&sql.advance, &parameters).await.expect("an answer") == 1;
        self.run(if is_advanced { "commit" } else { "rollback" }).await;
        is_advanced
    }
}

/// With a field's columns in the place of their stand-ins.
fn of_field(sql: &str, field: Field) -> String {
    sql.replace("{masked}", field.token_column()).replace("{hash}", field.hash_column())
}

/// Whether a function refuses because another was faster.
fn is_overtaken(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == "LG004")
}

fn plan_of(fields: Fields, rows: &[Row]) -> Plan {
    let key = |row: &Row, column: usize| picture::key_id(row.get(column));
    let keys = |row: &Row, column| ValueKeys { mask: key(row, column), hash: key(row, column + 1) };
    let field = |field: Field, ()| {
        let row =
            rows.iter().find(|row| row.get::<_, &str>(0) == field.name()).expect("a row a field");
        FieldPlan { from: keys(row, 1), to: keys(row, 3), watermark: row.get(5) }
    };
    Plan { fields: fields.map(field), seal: key(&rows[0], 6) }
}

/// Makes a copy of the function that ends a rotation without its first look, and so as it
/// goes on when a sweep opens after that look.
async fn make_late_end(observer: &Client, rotator: &str) {
    let source = "select pg_get_functiondef('vault.finish_rotation'::regproc)";
    let source: String = observer.query_one(source, &[]).await.expect("the function").get(0);
    let (before, rest) =
        source.split_once("if exists (select from vault.rotation\n").expect("a look");
    let (_, after) = rest.split_once("end if;").expect("its end");
    let late = format!("{before}{after}").replacen("finish_rotation", "finish_rotation_late", 1);
    let made = format!(
        "{late}; alter function vault.finish_rotation_late owner to loginetl_owner; \
         grant execute on function vault.finish_rotation_late to {rotator}"
    );
    observer.batch_execute(&made).await.expect("its copy");
}
