//! The statements of the program, read off its source, so that the replay runs what the
//! program runs.
//!
//! A statement is found by some words in it. Where it is made up while the program runs,
//! its names are filled in here.

use loginetl::token::{Field, Fields};

const BATCH: &str = include_str!("../../../src/db/batch.rs");
const FENCE: &str = include_str!("../../../src/db/fence.rs");
const KEYS: &str = include_str!("../../../src/db/keys.rs");
const ROTATE: &str = include_str!("../../../src/db/rotate.rs");
const STEP: &str = include_str!("../../../src/db/step.rs");
const SWEEP: &str = include_str!("../../../src/db/sweep.rs");

const BEGIN: &str = "begin isolation level read committed, read write, not deferrable; ";

/// What the program says to the server; `{hash}` and `{masked}` stand for
/// columns of a field.
pub(super) struct ProgramSql {
    /// Begins a loader's transaction, which takes the fence.
    pub(super) loader_fence: String,
    pub(super) start_fence: String,
    pub(super) step_fence: String,
    pub(super) plan: String,
    pub(super) insert: String,
    pub(super) new_key: String,
    pub(super) start: String,
    pub(super) rotations: String,
    /// What is left in a range.
    pub(super) left: String,
    /// Moves the rows of values, which keep their hashes or change them.
    pub(super) move_values: [String; 2],
    pub(super) advance: String,
    pub(super) finish: String,
}

impl ProgramSql {
    pub(super) fn read(fields: Fields) -> Self {
        let fence = |source, words| format!("{BEGIN}{}", literal(source, words));
        Self {
            loader_fence: fence(FENCE, "lock table vault.fence in row exclusive mode"),
            start_fence: fence(FENCE, "lock table vault.fence in exclusive mode"),
            step_fence: fence(STEP, "lock table vault.fence in exclusive mode"),
            plan: literal(FENCE, "from vault.field_plans"),
            insert: insert(fields),
            new_key: literal(KEYS, "insert into vault.data_keys"),
            start: literal(ROTATE, "from vault.start_rotation("),
            rotations: literal(SWEEP, "select field, from_key, to_key"),
            left: literal(SWEEP, "{hash} > $1 and {hash} <= $3"),
            move_values: [false, true].map(move_values),
            advance: literal(STEP, "update vault.rotation") + &literal(STEP, "tgtype::int & 16"),
            finish: literal(ROTATE, "from vault.finish_rotation("),
        }
    }
}

/// The one string with these words, without the line ends that the compiler leaves out.
fn literal(source: &str, words: &str) -> String {
    let places: Vec<usize> = source.match_indices(words).map(|(at, _)| at).collect();
    let [at] = places[..] else { panic!("{} places have the words {words:?}", places.len()) };
    let begin = source[..at].rfind('"').expect("a string begins") + 1;
    let end = at + source[at..].find('"').expect("a string ends");
    let mut parts = source[begin..end].split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

/// A loader's guarded insert. Triggers of others there are none.
fn insert(fields: Fields) -> String {
    let texts = ["user_id", "device_type", "locale"].map(|name| (name, "text"));
    let clear = texts.into_iter().chain([("app_version", "int4"), ("create_date", "date")]);
    let masked = |field: Field| [(field.token_column(), "text"), (field.hash_column(), "uuid")];
    let columns: Vec<_> = clear.chain(fields.fields().flat_map(masked)).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let array = |(place, (_, of_type)): (usize, &(&str, &str))| format!("${place}::{of_type}[]");
    let arrays: Vec<String> = (20..).zip(&columns).map(array).collect();
    let sql = literal(BATCH, "with logins as (");
    sql.replace("{names}", &names.join(", "))
        .replace("{arrays}", &arrays.join(", "))
        .replace("{}", "false")
}

fn move_values(is_rehashed: bool) -> String {
    let mut set = literal(STEP, "{masked} = n.new_token");
    let mut columns = literal(STEP, "pg_catalog.unnest($3) as token").replace("{name}", "hash");
    if is_rehashed {
        set += &literal(STEP, ", {hash} = n.new_hash");
        columns += &literal(STEP, "pg_catalog.unnest($6) as new_hash");
    }
    let sql = literal(STEP, "update public.user_logins u set");
    let join = literal(STEP, "u.{hash} = n.hash");
    sql.replace("{set}", &set).replace("{columns}", &columns).replace("{join}", &join)
}
