//! Imports run one way, down the layers; commands are thin and know
//! nothing of each other.

use crate::imports::{Imports, Tree};
use crate::names::imported;
use crate::source::{code, module, name, sources};

/// Which of our modules a module may use. One way down; a module always may use itself.
const LAYERS: [(&str, &[&str]); 24] = [
    ("crypto", &[]),
    ("retry", &[]),
    ("audit", &["crypto"]),
    ("token", &["crypto"]),
    ("login", &["token", "crypto"]),
    ("content", &["crypto", "login"]),
    ("aws", &["retry"]),
    ("queue", &["aws", "login"]),
    ("kms", &["aws", "token", "crypto"]),
    ("db", &["audit", "login", "retry", "token"]),
    ("vault", &["queue", "kms", "db", "aws", "audit", "login", "retry", "token", "crypto"]),
    ("recovery", &["vault", "db", "audit", "login", "token"]),
    ("settings", &[]),
    ("error", &["settings", "recovery", "vault", "aws", "db", "audit", "retry", "token", "crypto"]),
    ("output", &["error"]),
    ("stop", &["error", "output"]),
    ("cli", &["audit", "login", "token"]),
    ("logging", &["cli", "login", "output", "settings"]),
    (
        "load",
        &[
            "audit", "aws", "content", "db", "error", "logging", "queue", "settings", "stop",
            "vault", "login", "token", "crypto", "version",
        ],
    ),
    (
        "job",
        &[
            "content", "crypto", "error", "kms", "logging", "login", "output", "stop", "token",
            "vault",
        ],
    ),
    (
        "commands",
        &[
            "audit", "aws", "cli", "crypto", "db", "error", "job", "kms", "load", "logging",
            "login", "output", "queue", "recovery", "retry", "settings", "stop", "token", "vault",
        ],
    ),
    ("version", &["db"]),
    (
        "start",
        &["cli", "commands", "error", "load", "logging", "output", "settings", "token", "version"],
    ),
    ("main", &["start"]),
];

/// Each import that goes up, with its line.
fn imports_up(tree: &Tree) -> Vec<String> {
    let mut up = Vec::new();
    for (file, line, used) in tree.tops() {
        let module = module(file);
        if module == "lib" {
            continue;
        }
        let layer = LAYERS.iter().find(|(layer, _)| *layer == module);
        let (_, allowed) = layer.unwrap_or_else(|| panic!("{module} has no layer"));
        let is_ours = LAYERS.iter().any(|(layer, _)| *layer == used);
        if is_ours && used != module && !allowed.contains(&used.as_str()) {
            up.push(format!("{file}:{line} must not use {used}"));
        }
    }
    up.sort();
    up.dedup();
    up
}

#[test]
fn imports_run_one_way() {
    let tree = Tree::of_the_source();
    let crossings = tree.tops().iter().filter(|(file, _, used)| module(file) != used).count();
    assert!(crossings > 500, "{crossings} paths lead from one layer to another");
    let up = imports_up(&tree);
    assert!(up.is_empty(), "{up:#?}");
}

#[test]
fn an_import_up_is_seen_however_it_is_written() {
    let ways = [
        "use crate::vault;",
        "use crate::vault::Keys;",
        "use crate::{audit, retry::Retry, vault::Keys};",
        "use crate::{audit::{Head, Record}, vault};",
        "pub(crate) use crate::vault::{Keys as Names};",
        "use super::super::vault::Keys;",
        "fn f() { crate::vault::open() }",
        "fn f() { use crate::vault::open; }",
        "impl crate::vault::Opens for Key {}",
        "fn f() { println!(\"{}\", crate::vault::open()) }",
        "#[derive(Args)] struct A { #[arg(value_parser = crate::vault::open)] a: u8 }",
        "use crate::audit::Handed;",
        "use crate::vault::Head;",
        "use super::super::vault::Head;",
    ];
    for way in ways {
        let audit = "pub use crate::vault::Keys as Handed; pub struct Head;";
        let vault =
            "pub use crate::audit::Head; pub struct Keys; pub fn open() {} pub trait Opens {}";
        let tree = Tree::new([
            ("lib.rs", "mod audit; mod db; mod vault;"),
            ("audit/mod.rs", audit),
            ("db/mod.rs", "mod keys;"),
            ("db/keys.rs", way),
            ("vault/mod.rs", vault),
        ]);
        let up = imports_up(&tree);
        let is_seen = up.iter().any(|found| found == "db/keys.rs:1 must not use vault");
        assert!(is_seen, "{way}: {up:?}");
    }
}

/// The subcommand of a file; nothing for what they share.
fn subcommand(name: &str) -> Option<&str> {
    let below = name.strip_prefix("commands/")?;
    let command = module(below);
    (command != "mod").then_some(command)
}

/// Each import that leads from one command to another.
fn imports_across(imports: &Imports) -> Vec<String> {
    let of = |file: &str| subcommand(file).map(str::to_owned);
    let all = imports
        .iter()
        .flat_map(|(from, all)| all.iter().map(move |(to, import)| (from, to, import)));
    let across =
        all.filter(|(from, to, _)| of(from).zip(of(to)).is_some_and(|(own, other)| own != other));
    across.map(|(from, to, import)| format!("{from}:{} must not use {to}", import.line)).collect()
}

/// What two commands need stands in a layer below them, or among what all share.
#[test]
fn no_command_names_another() {
    let imports = Tree::of_the_source().imports();
    let commands: std::collections::BTreeSet<&str> =
        imports.keys().filter_map(|file| subcommand(file)).collect();
    assert!(commands.len() > 5 && commands.contains("quarantine"), "{commands:?}");
    let across = imports_across(&imports);
    assert!(across.is_empty(), "{across:#?}");
}

#[test]
fn a_command_that_names_another_is_seen_however_it_does() {
    let ways = [
        "fn f() { super::load::judge() }",
        "use super::{database, load::judge};",
        "use super::load; fn f() { load::judge() }",
        "use crate::commands::load::{self, judge};",
        "use crate::commands; fn f() { commands::load::judge() }",
        "use super::*; fn f() { load::judge() }",
        "fn f() { super::handed_on() }",
    ];
    for way in ways {
        let shared =
            "mod load; mod keys; pub(crate) use load::judge as handed_on; fn database() {}";
        let load =
            ("commands/load/mod.rs", "mod parts; use super::database; pub(crate) fn judge() {}");
        let parts = ("commands/load/parts.rs", "use super::judge; use super::super::database;");
        let tree = Tree::new([
            ("lib.rs", "mod commands;"),
            ("commands/mod.rs", shared),
            ("commands/keys.rs", way),
            load,
            parts,
        ]);
        let across = imports_across(&tree.imports());
        assert_eq!(across, ["commands/keys.rs:1 must not use commands/load/mod.rs"], "{way}");
    }
}

#[test]
fn commands_hold_less_than_a_third_of_the_lines() {
    let (mut commands, mut all) = (0, 0);
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        all += lines;
        if module(&name(&path)) == "commands" {
            commands += lines;
        }
    }
    assert!(commands > 0 && all > 10_000, "{commands} of {all} lines are found");
    assert!(
        commands * 3 < all,
        "commands/ holds {commands} of {all} lines: move what is no story of one command below it"
    );
}

#[test]
fn the_pure_layers_know_no_runtime_no_service_and_no_database() {
    let is_pure = |name: &str| ["crypto", "token", "login", "audit"].contains(&module(name));
    for (path, text) in sources("src").iter().filter(|(path, _)| is_pure(&name(path))) {
        let code = format!("{}\n{}", code(text), imported(text));
        for foreign in [
            "tokio",
            "aws_config",
            "aws_sdk",
            "tokio_postgres",
            "tracing",
            "std::fs",
            "std::env",
            "std::io",
        ] {
            assert!(!code.contains(foreign), "{} knows {foreign}", name(path));
        }
    }
}
