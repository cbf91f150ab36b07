//! No two files import each other, in a circle of any length.

use crate::imports::{Tree, circles, describe};

#[test]
fn no_files_import_each_other_in_a_circle() {
    let tree = Tree::of_the_source();
    assert!(tree.lost_paths().is_empty(), "paths that lead nowhere: {:#?}", tree.lost_paths());
    let imports = tree.imports();
    let edges: usize = imports.values().map(std::collections::BTreeMap::len).sum();
    assert!(edges > 500, "{edges} imports are found");
    let found: Vec<String> =
        circles(imports.clone()).iter().map(|circle| describe(circle, &imports)).collect();
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

/// What is wrong with these files: one description a circle.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let imports = Tree::new(files.iter().copied()).imports();
    circles(imports.clone()).iter().map(|circle| describe(circle, &imports)).collect()
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B;\n\npub struct A;"),
        ("b.rs", "pub struct B;\n\nfn f() { crate::a::A }"),
    ]);
    let both = "  a.rs:1 imports crate::b::B of b.rs\n  b.rs:3 imports crate::a::A of a.rs\n";
    assert_eq!(found, [both]);
}

#[test]
fn three_files_that_import_one_the_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b;\npub struct A(b::B);"),
        ("b.rs", "pub struct B(super::c::C);"),
        ("c.rs", "pub struct C;\nimpl C { fn of(a: crate::a::A) { other(a) } }"),
    ]);
    let all = "  a.rs:2 imports b::B of b.rs\n  b.rs:1 imports super::c::C of c.rs\n  \
               c.rs:2 imports crate::a::A of a.rs\n";
    assert_eq!(found, [all]);
}

/// Each hands on what the other defines: the circle is between those who define and use.
#[test]
fn a_circle_is_seen_through_what_others_hand_on() {
    let found = circles_of(&[
        ("lib.rs", "mod db; mod vault;"),
        ("db/mod.rs", "mod rows; pub(crate) use rows::{Row as Line};"),
        ("db/rows.rs", "use crate::vault::Key;\npub struct Row(Key);"),
        ("vault/mod.rs", "mod keys; pub(crate) use self::keys::*;"),
        ("vault/keys.rs", "use crate::{db::{self, Line}};\npub struct Key;"),
    ]);
    let both = "  db/rows.rs:1 imports crate::vault::Key of vault/keys.rs\n  \
                vault/keys.rs:1 imports crate::db::Line of db/rows.rs\n";
    assert_eq!(found, [both]);
}

#[test]
fn a_parent_that_uses_its_child_is_no_part_of_it() {
    let found = circles_of(&[
        ("lib.rs", "mod db;"),
        ("db/mod.rs", "mod rows;\npub use rows::Row;\npub struct Table(Row);"),
        ("db/rows.rs", "pub struct Row;\nfn f(of: super::Table) { vec![1] }"),
    ]);
    let both = "  db/mod.rs:3 imports Row of db/rows.rs\n  db/rows.rs:2 imports super::Table of \
                db/mod.rs\n";
    assert_eq!(found, [both]);
}

#[test]
fn what_is_handed_to_macros_and_attributes_counts() {
    for way in [
        "fn f() { println!(\"{}\", crate::b::g()) }",
        "use crate::b; fn f() { assert!(is(&b::g())) }",
        "#[arg(value_parser = crate::b::g)] fn f() {}",
    ] {
        let b = ("b.rs", "pub fn g() { crate::a::f() }");
        let found = circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", way), b]);
        assert_eq!(found.len(), 1, "{way}");
    }
}

#[test]
fn lists_of_children_tests_and_chains_are_no_circles() {
    let found = circles_of(&[
        ("lib.rs", "pub mod db; pub use db::parse;"),
        (
            "db/mod.rs",
            "mod parse; mod rows; pub use parse::parse; pub(crate) use rows::Row; pub \
             struct Table;",
        ),
        (
            "db/parse.rs",
            "use super::{Row, Table};\npub fn parse(row: Row) {}\npub(in crate::db) struct P;",
        ),
        ("db/rows.rs", "pub struct Row;\n#[cfg(test)] mod tests;\n#[cfg(test)] use super::parse;"),
        ("db/rows/tests.rs", "use super::*; use crate::db::parse; fn f(r: Row) { parse(r) }"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
