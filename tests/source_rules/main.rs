//! The rules of the house, read off the source: layers, one printer, one reader of the environment, SQL in its place.

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{root} has sources");
    found
}

/// The path below `src/`, with slashes.
fn name(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Code without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The top module of a file: `commands/load/mod.rs` → `commands`.
fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or_default()
}

/// Which of our modules a module may use. One way down; a module always may use itself.
const LAYERS: [(&str, &[&str]); 20] = [
    ("crypto", &[]),
    ("retry", &[]),
    ("audit", &["crypto"]),
    ("token", &["crypto"]),
    ("login", &["token", "crypto"]),
    ("aws", &["retry"]),
    ("queue", &["aws", "login"]),
    ("kms", &["aws", "token", "crypto"]),
    ("db", &["audit", "login", "retry", "token"]),
    ("vault", &["queue", "kms", "db", "aws", "audit", "login", "retry", "token", "crypto"]),
    ("settings", &[]),
    ("error", &["settings", "vault", "aws", "db", "audit", "retry", "token", "crypto"]),
    ("output", &["error"]),
    ("stop", &["error", "output"]),
    ("load", &["audit", "aws", "crypto", "db", "error", "login", "queue", "settings", "stop", "token", "vault"]),
    ("cli", &["audit", "login", "token"]),
    ("logging", &["cli", "output", "settings"]),
    (
        "commands",
        &[
            "audit", "aws", "cli", "crypto", "db", "error", "kms", "load", "login", "output", "queue", "retry", "settings",
            "stop", "token", "vault",
        ],
    ),
    ("start", &["cli", "commands", "error", "load", "logging", "output", "settings", "token"]),
    ("main", &[]),
];

/// The names that stand at the beginning of what follows a `::`: one, or those of a list in braces.
fn names_at(rest: &str) -> Vec<&str> {
    let name = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    match rest.strip_prefix('{') {
        Some(list) => {
            let list = list.split("};").next().unwrap_or_default();
            list.split(',').map(|item| item.trim().split("::").next().unwrap_or_default()).collect()
        }
        None => vec![&rest[..name(rest)]],
    }
}

fn uses(code: &str) -> Vec<String> {
    let of = |marker: &'static str| code.match_indices(marker).map(move |(at, _)| &code[at + marker.len()..]);
    ["crate::", "loginetl::"].into_iter().flat_map(of).flat_map(names_at).map(str::to_owned).collect()
}

/// The subcommand of a file, and how often it must say `super` to be in `commands`; nothing for what they share.
fn subcommand(name: &str) -> Option<(&str, usize)> {
    let below = name.strip_prefix("commands/")?.strip_suffix(".rs")?;
    let below = below.strip_suffix("/mod").unwrap_or(below);
    (below != "mod").then(|| (below.split('/').next().unwrap_or_default(), below.split('/').count()))
}

/// What a file names in `commands`, `layers` modules above itself.
fn named_in_commands(code: &str, layers: usize) -> Vec<&str> {
    let above = "super::".repeat(layers);
    let all = |marker: &str| code.match_indices(marker).map(|(at, found)| (at, at + found.len())).collect::<Vec<_>>();
    let is_whole = |&(at, _): &(usize, usize)| !code[..at].ends_with("super::");
    let ends = all(&above).into_iter().filter(is_whole).chain(all("commands::")).map(|(_, end)| &code[end..]);
    ends.flat_map(|rest| if rest.starts_with('*') { vec!["*"] } else { names_at(rest) }).collect()
}

#[test]
fn imports_run_one_way() {
    for (path, text) in sources("src") {
        let name = name(&path);
        let module = module(&name);
        if module == "lib" {
            continue;
        }
        let (_, allowed) = LAYERS.iter().find(|(layer, _)| *layer == module).unwrap_or_else(|| panic!("{module} has no layer"));
        for used in uses(&code(&text)) {
            let ours = LAYERS.iter().any(|(layer, _)| *layer == used);
            assert!(!ours || used == module || allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

/// What two commands need stands in a layer below them, or among what all share.
#[test]
fn no_command_names_another() {
    let (sources, mut reached) = (sources("src"), 0);
    let names: Vec<String> = sources.iter().map(|(path, _)| name(path)).collect();
    let commands: Vec<&str> = names.iter().filter_map(|name| subcommand(name)).map(|(command, _)| command).collect();
    for (name, (_, text)) in names.iter().zip(&sources) {
        let Some((own, layers)) = subcommand(name) else { continue };
        let code = code(text);
        for named in named_in_commands(&code, layers) {
            reached += 1;
            assert!(named != "*", "{name} must name what it uses of commands");
            assert!(named == own || !commands.contains(&named), "{name} must not use the command {named}");
        }
    }
    assert!(commands.contains(&"load") && commands.contains(&"quarantine") && reached > 20, "{reached} names in {commands:?}");
    let ways = [
        ("super::load::judge(x)", 1),
        ("use super::{database, load::judge};", 1),
        ("use super::super::load;", 2),
        ("use crate::commands::load;", 2),
        ("commands::load::run()", 1),
    ];
    assert!(ways.iter().all(|(code, layers)| named_in_commands(code, *layers).contains(&"load")));
    let own = [("use super::audit;", 2), ("use super::super::audit;", 1), ("use crate::audit;", 1)];
    assert!(own.iter().all(|(code, layers)| !named_in_commands(code, *layers).contains(&"audit")));
}

#[test]
fn the_pure_layers_know_no_runtime_no_service_and_no_database() {
    for (path, text) in
        sources("src").iter().filter(|(path, _)| ["crypto", "token", "login", "audit"].contains(&module(&name(path))))
    {
        for foreign in ["tokio", "aws_config", "aws_sdk", "tokio_postgres", "tracing", "std::fs", "std::env", "std::io"] {
            assert!(!code(text).contains(foreign), "{} knows {foreign}", name(path));
        }
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    for root in ["src", "tests"] {
        for (path, text) in sources(root) {
            assert!(text.starts_with("//! "), "{} does not open with //!", name(&path));
        }
    }
}

#[test]
fn files_and_functions_stay_short() {
    for (path, text) in sources("src") {
        assert!(text.lines().count() <= 400, "{} is over 400 lines", name(&path));
        let mut start = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let opens = line.contains("fn ") && !line.trim_start().starts_with("//") && line.trim_end().ends_with('{');
            if opens && start.is_none() {
                start = Some((number, indent));
            } else if let Some((from, at)) = start
                && indent == at
                && line.trim_start().starts_with('}')
            {
                assert!(number - from < 61, "{}:{} is a function of {} lines", name(&path), from + 1, number - from + 1);
                start = None;
            }
        }
    }
}

#[test]
fn one_module_prints_one_reads_the_environment_and_sql_stays_in_its_place() {
    for (path, text) in sources("src") {
        let (name, code) = (name(&path), code(&text));
        let only_in = |what: &str, place: &str| assert!(!code.contains(what) || name.starts_with(place), "{name} has {what}");
        for printing in ["println!", "eprintln!", "print!(", "io::stdout", "io::stderr"] {
            only_in(printing, "output.rs");
        }
        for environment in ["env::var", "std::env", "use std::env"] {
            only_in(environment, "settings.rs");
        }
        for sql in ["insert into ", "select count", "delete from ", "update vault", "lock table", "from vault.", "from ingest."] {
            only_in(sql, "db/");
        }
    }
}

#[test]
fn nothing_unfinished_is_left_behind() {
    for root in ["src", "tests"] {
        for (path, text) in sources(root).iter().filter(|(path, _)| !path.ends_with("source_rules/main.rs")) {
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
            // An associated type has its name from its trait; a private alias only shortens a line.
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

/// What git says here; nothing where there is no git, or this is no repository of its own.
fn git(args: &[&str]) -> Option<String> {
    let said = std::process::Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(args).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim_end_matches('\n').to_owned())
}

/// The commit on which this work is based: where it left the main branch, else the one before it.
fn base() -> Option<String> {
    let root = fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()?;
    if root != fs::canonicalize(env!("CARGO_MANIFEST_DIR")).ok()? {
        return None;
    }
    let head = git(&["rev-parse", "HEAD"])?;
    let left = ["origin/main", "main"].iter().find_map(|main| git(&["merge-base", "HEAD", main]));
    left.filter(|base| *base != head).or_else(|| git(&["rev-parse", "--verify", "--quiet", "HEAD^"]))
}

/// A migration that stands in the base may stand in somebody's database. A change of the schema is a new file.
#[test]
fn migrations_of_the_base_are_frozen() {
    let Some(base) = base() else { return };
    let files = git(&["ls-tree", "--name-only", &base, "sql/"]).expect("the files of the base");
    let migrations: Vec<&str> = files.lines().filter(|name| name.starts_with("sql/V")).collect();
    assert!(migrations.len() >= 5, "{base} has {migrations:?}");
    for name in migrations {
        let released = git(&["rev-parse", &format!("{base}:{name}")]).expect("its contents");
        let is = git(&["hash-object", "--no-filters", name]);
        assert_eq!(is.as_ref(), Some(&released), "{name} is another than in {base}: change the schema in a new file");
    }
}

/// Without history too: the database that an earlier build left tells the checksums of what it applied.
#[test]
fn migrations_are_those_that_an_earlier_build_applied() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture = fs::read_to_string(root.join("tests/it/upgrade/before.sql")).expect("the database");
    let (_, rows) =
        fixture.split_once("COPY vault.schema_version (version, name, applied_on, checksum) FROM stdin;\n").expect("its table");
    let rows: Vec<Vec<&str>> = rows.lines().take_while(|line| *line != "\\.").map(|line| line.split('\t').collect()).collect();
    let applied: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] != "0").collect();
    assert!(applied.len() >= 5, "{applied:?}");
    for row in applied {
        let name = format!("V{}__{}", row[0], row[1]);
        let sql = fs::read_to_string(root.join("sql").join(format!("{name}.sql"))).expect("the migration");
        let migration = refinery::Migration::unapplied(&name, &sql).expect("a migration");
        assert_eq!(migration.checksum().to_string(), row[3], "{name} was changed after its release");
    }
}
