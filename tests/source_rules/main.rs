//! The rules of the house, read off the source: layers, circles, sizes, one printer, one
//! reader of the environment, SQL in its place.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod circles;
mod imports;
mod layers;
mod names;
mod secrets;
mod size;
mod source;

use std::fs;
use std::path::Path;

use source::{code, name, sources};

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for root in ["src", "tests"] {
        for (path, text) in sources(root) {
            assert!(text.starts_with("//! "), "{} does not open with //!", name(&path));
        }
    }
}

#[test]
fn one_module_prints_one_reads_the_environment_and_sql_stays_in_its_place() {
    for (path, text) in sources("src") {
        // An import in a list reads as one by itself.
        let (name, imported) = (name(&path), names::imported(&text));
        let code = format!("{}\n{imported}", code(&text));
        let only_in = |what: &str, place: &str| {
            assert!(!code.contains(what) || name.starts_with(place), "{name} has {what}")
        };
        for printing in ["println!", "eprintln!", "print!(", "io::stdout", "io::stderr"] {
            only_in(printing, "output.rs");
        }
        for environment in ["env::var", "std::env", "use std::env"] {
            only_in(environment, "settings.rs");
        }
        for sql in [
            "insert into ",
            "select count",
            "delete from ",
            "update vault",
            "lock table",
            "from vault.",
            "from ingest.",
        ] {
            only_in(sql, "db/");
        }
    }
}

#[test]
fn nothing_unfinished_is_left_behind() {
    for root in ["src", "tests"] {
        for (path, text) in
            sources(root).iter().filter(|(path, _)| !path.ends_with("source_rules/main.rs"))
        {
            for left in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "#[ignore"] {
                assert!(!text.contains(left), "{} has {left}", name(path));
            }
        }
    }
}

/// Type names that were retired because they said nothing, or two things at once.
const RETIRED_TYPES: [&str; 18] = [
    "Asked",
    "Entry",
    "Found",
    "Granted",
    "KeyPair",
    "NotOpened",
    "OldSeal",
    "Opened",
    "Outcome",
    "Patience",
    "Reason",
    "ReasonError",
    "Report",
    "Sealed",
    "Shown",
    "Taken",
    "Told",
    "Vault",
];

/// Functions are verbs, or nouns for what they return; these participles were neither.
const RETIRED_FUNCTIONS: [&str; 22] = [
    "at",
    "checked",
    "confirmed",
    "connected",
    "damaged",
    "ended",
    "failed",
    "fenced",
    "found",
    "masked",
    "named",
    "needed",
    "quoted",
    "refused",
    "sealed",
    "shown",
    "told",
    "trimmed",
    "unpacked",
    "wanted",
    "written",
    "wrong",
];

/// What a line of code declares: `struct`, `enum`, `trait`, `type` or `fn`, and its name.
fn declaration(line: &str) -> Option<(&str, &str)> {
    const BEFORE: [&str; 8] = ["pub", "super)", "crate)", "in", "crate", "db)", "const", "async"];
    let mut words = line.split([' ', '<', '(', '{', ';', ':', '=']).filter(|word| !word.is_empty());
    let kind = words.find(|word| !BEFORE.contains(word))?;
    ["struct", "enum", "trait", "type", "fn"].contains(&kind).then_some((kind, words.next()?))
}

#[test]
fn no_two_types_have_one_name() {
    let mut homes = std::collections::BTreeMap::new();
    for (path, text) in sources("src") {
        for line in code(&text).lines() {
            // An associated type has its name from its trait; a private alias only
            // shortens a line.
            let Some((kind, word)) = declaration(line) else { continue };
            if kind == "fn" || (kind == "type" && !line.starts_with("pub")) {
                continue;
            }
            let here = name(&path);
            let there = homes.insert(word.to_owned(), here.clone());
            assert!(there.is_none(), "{word} is a type in {here} and in {there:?}");
        }
    }
    assert!(homes.len() > 150, "types are found");
}

#[test]
fn retired_words_stay_retired() {
    for (path, text) in sources("src") {
        for (kind, word) in code(&text).lines().filter_map(declaration) {
            let retired = if kind == "fn" { &RETIRED_FUNCTIONS[..] } else { &RETIRED_TYPES[..] };
            assert!(!retired.contains(&word), "{}: {kind} {word} is retired", name(&path));
        }
    }
}

/// What git says here; nothing where there is no git, or this is no
/// repository of its own.
fn git(args: &[&str]) -> Option<String> {
    let said = std::process::Command::new("git")
        .arg("-C")
        .arg(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .ok()?;
    said.status
        .success()
        .then(|| String::from_utf8_lossy(&said.stdout).trim_end_matches('\n').to_owned())
}

/// The commit on which this work is based: where it left the main branch, else the one
/// before it.
fn base() -> Option<String> {
    let root = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if root != fs::canonicalize(env!("CARGO_MANIFEST_DIR")).ok()? {
        return None;
    }
    let head = git(&["rev-parse", "HEAD"])?;
    let left = ["origin/main", "main"].iter().find_map(|main| git(&["merge-base", "HEAD", main]));
    left.filter(|base| *base != head)
        .or_else(|| git(&["rev-parse", "--verify", "--quiet", "HEAD^"]))
}

/// A migration that stands in the base may stand in somebody's database. A change of the
/// schema is a new file.
#[test]
fn migrations_of_the_base_are_frozen() {
    let Some(base) = base() else { return };
    let files = git(&["ls-tree", "--name-only", &base, "sql/"]).expect("the files of the base");
    let migrations: Vec<&str> = files.lines().filter(|name| name.starts_with("sql/V")).collect();
    assert!(migrations.len() >= 5, "{base} has {migrations:?}");
    for name in migrations {
        let released = git(&["rev-parse", &format!("{base}:{name}")]).expect("its contents");
        let is = git(&["hash-object", "--no-filters", name]);
        assert_eq!(
            is.as_ref(),
            Some(&released),
            "{name} is another than in {base}: change the schema in a new file"
        );
    }
}

/// Without history too: the database that an earlier build left tells the checksums of
/// what it applied.
#[test]
fn migrations_are_those_that_an_earlier_build_applied() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture =
        fs::read_to_string(root.join("tests/it/upgrade/before.sql")).expect("the database");
    let (_, rows) = fixture
        .split_once("COPY vault.schema_version (version, name, applied_on, checksum) FROM stdin;\n")
        .expect("its table");
    let rows: Vec<Vec<&str>> = rows
        .lines()
        .take_while(|line| *line != "\\.")
        .map(|line| line.split('\t').collect())
        .collect();
    let applied: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] != "0").collect();
    assert!(applied.len() >= 5, "{applied:?}");
    for row in applied {
        let name = format!("V{}__{}", row[0], row[1]);
        let sql = fs::read_to_string(root.join("sql").join(format!("{name}.sql")))
            .expect("the migration");
        let migration = refinery_core::Migration::unapplied(&name, &sql).expect("a migration");
        assert_eq!(
            migration.checksum().to_string(),
            row[3],
            "{name} was changed after its release"
        );
    }
}
