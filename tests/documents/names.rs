//! Names on the pages are those of the program: settings, parameters, groups, reasons,
//! kinds, states, metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use loginetl::audit::{Group, RecordKind};
use loginetl::login::RejectReason;
use loginetl::token::{Holder, KeyState};

use crate::help::{commands, help};
use crate::page::{files, page, root, spans};

type Names = BTreeSet<String>;

fn names<const N: usize>(words: [&str; N]) -> Names {
    words.map(str::to_owned).into()
}

/// Two lists that have to be one.
fn same(what: &str, in_program: &Names, on_page: &Names) {
    let missing: Vec<_> = in_program.difference(on_page).collect();
    let unknown: Vec<_> = on_page.difference(in_program).collect();
    assert!(missing.is_empty(), "{what}: the page lacks {missing:?}");
    assert!(unknown.is_empty(), "{what}: the program has no {unknown:?}");
}

/// The text of the one source file that holds this: files may move.
fn source_with(mark: &str) -> String {
    let found = files(&root().join("src"), "rs")
        .into_iter()
        .map(|path| fs::read_to_string(path).expect("UTF-8"));
    let mut found = found.filter(|text| text.contains(mark));
    let text = found.next().unwrap_or_else(|| panic!("no source has {mark:?}"));
    assert!(found.next().is_none(), "several sources have {mark:?}");
    text
}

/// What stands between double quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// The first column of the exit codes, `| 0 | done |`.
fn exit_codes(name: &str) -> Names {
    let text = page(name).text.split("Exit codes\n").nth(1).unwrap_or_default().to_owned();
    let rows = text
        .split("\n#")
        .next()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let codes = rows
        .filter_map(|row| row.split(" | ").next())
        .filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
    codes.map(str::to_owned).collect()
}

#[test]
fn exit_codes_are_those_that_the_help_names() {
    let text = help("");
    let told = text
        .split("Exit codes:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("exit codes");
    let told: Names =
        told.split_whitespace().filter(|w| w.parse::<u8>().is_ok()).map(str::to_owned).collect();
    for name in ["README.md", "docs/errors.md"] {
        same(name, &told, &exit_codes(name));
    }
}

#[test]
fn the_lists_of_commands_are_whole() {
    let commands: Names =
        commands().into_iter().filter(|c| !c.is_empty() && !c.contains(' ')).collect();
    same("README.md", &commands, &page("README.md").first_column("Commands").into_iter().collect());
    let listed = page("docs/commands.md").text;
    let listed = listed
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| [")?.split_once(']')?.0.to_owned()));
    same("docs/commands.md", &commands, &listed.collect());
}

#[test]
fn problems_of_a_recovery_are_words_of_the_program() {
    let sources: Vec<String> = files(&root().join("src"), "rs")
        .iter()
        .map(|path| fs::read_to_string(path).expect("UTF-8"))
        .collect();
    for code in page("docs/commands/unmask.md").first_column("What comes back") {
        let literal = format!("\"{code}\"");
        assert!(
            sources.iter().any(|text| text.contains(&literal)),
            "the program has no problem {code}"
        );
    }
}

fn is_variable(text: &&str) -> bool {
    text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

#[test]
fn settings_are_those_that_the_program_reads() {
    let text = source_with("impl Environment {");
    let read: Names = literals(&text).filter(is_variable).map(str::to_owned).collect();
    let column = page("docs/settings.md").first_column("Settings");
    let told = column
        .iter()
        .flat_map(|cell| cell.split(['=', ' ']))
        .filter(is_variable)
        .map(str::to_owned);
    // What logging reads by itself has no other name there.
    same("settings", &read, &told.collect());
}

#[test]
fn parameters_of_the_database_url_are_those_that_are_taken() {
    let text = source_with("const TAKEN");
    let list =
        text.split("const TAKEN").nth(1).and_then(|rest| rest.split("];").next()).expect("a list");
    let taken: Names = literals(list).map(str::to_owned).collect();
    let column = page("docs/settings.md").first_column("The database URL");
    let told = column.iter().map(|cell| cell.split('=').next().unwrap_or_default().to_owned());
    same("parameters", &taken, &told.collect());
}

#[test]
fn groups_are_those_that_init_makes() {
    let told = page("docs/roles.md").first_column("Roles").into_iter().collect();
    same("groups", &names(Group::ALL.map(Group::name)), &told);
}

/// Who may call a function, in the words of the page: `loaders and rotators`, `all five
/// groups`, `all but analysts`.
fn callers(cell: &str) -> Names {
    let others = Group::ALL.into_iter().filter(|group| *group != Group::Owner).map(Group::name);
    let noun = |group: &str| format!("{}s", group.trim_start_matches("loginetl_"));
    let is_meant = |group: &&str| match cell.trim() {
        "all five groups" => true,
        "all but analysts" => *group != Group::Analyst.name(),
        cell => cell.contains(&noun(group)),
    };
    others.filter(is_meant).map(str::to_owned).collect()
}

#[test]
fn functions_that_a_group_may_call_are_those_that_init_grants() {
    let expected = fs::read_to_string(root().join("sql/expected.txt")).expect("UTF-8");
    let mut granted: BTreeMap<String, Names> = BTreeMap::new();
    for line in expected.lines() {
        if let ["grant", group, "EXECUTE", function] = line.split(' ').collect::<Vec<_>>()[..] {
            granted.entry(function.to_owned()).or_default().insert(group.to_owned());
        }
    }
    assert!(granted.len() > 20, "{granted:?}");
    for line in page("docs/roles.md")
        .text
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains('.'))
    {
        let Some((functions, groups)) = line.trim_matches(['|', ' ']).split_once(" | ") else {
            continue;
        };
        for function in spans(functions).into_iter().filter(|name| name.contains('.')) {
            same(&function, &granted.remove(&function).unwrap_or_default(), &callers(groups));
        }
    }
    assert!(granted.is_empty(), "the page lacks {granted:?}");
}

#[test]
fn reasons_of_the_quarantine_are_those_of_the_program() {
    let told = page("docs/commands/quarantine.md").first_column("Reasons").into_iter().collect();
    same("reasons", &names(RejectReason::ALL.map(RejectReason::code)), &told);
}

#[test]
fn kinds_of_records_are_those_of_the_program_and_signed_ones_are_told() {
    let page = page("docs/audit-log.md");
    let told = page.first_column("Kinds of records").into_iter().collect();
    same("kinds", &names(RecordKind::ALL.map(RecordKind::name)), &told);
    for line in page.text.lines().filter(|line| line.starts_with("| `")) {
        for kind in RecordKind::ALL {
            let is_its = spans(line.split(" | ").next().unwrap_or_default())
                .contains(&kind.name().to_owned());
            assert!(!is_its || kind.is_signed() == line.ends_with("| yes |"), "{line}");
        }
    }
}

#[test]
fn states_of_keys_are_those_of_the_program() {
    let told = page("docs/commands/keys.md").first_column("loginetl keys").into_iter().collect();
    same("states", &names(KeyState::ALL.map(KeyState::name)), &told);
}

/// A finding has its name as the first argument, on this line or the next.
#[test]
fn lines_of_check_are_those_that_the_program_prints() {
    let mut printed = names(Holder::ALL.map(Holder::name));
    for path in files(&root().join("src/commands/check"), "rs") {
        let text = fs::read_to_string(path).expect("UTF-8");
        for call in ["ok", "note", "warn", "fail", "take"].map(|name| format!("findings.{name}(")) {
            let first =
                text.split(&call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            printed.extend(first.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    let told = page("docs/commands/check.md").first_column("Lines").into_iter().collect();
    same("lines of check", &printed, &told);
}

/// A metric is registered by a name, and counters are listed by theirs; the text adds
/// `_total` to a counter.
#[test]
fn metrics_are_those_that_a_loader_registers() {
    let (metrics, tally) = (source_with("Registry::with_prefix("), source_with("impl Tally {"));
    let registered =
        metrics.split("registry.register(").skip(1).filter_map(|rest| literals(rest).next());
    let is_name = |text: &&str| {
        text.starts_with("messages_") && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let counted =
        literals(&tally).filter(is_name).chain(["messages_rejected", "retries", "refusals"]);
    let counted: Names = counted.map(str::to_owned).collect();
    let name = |name: &str| {
        format!("loginetl_{name}{}", if counted.contains(name) { "_total" } else { "" })
    };
    let registered: Names =
        registered.map(str::to_owned).chain(counted.clone()).map(|n| name(&n)).collect();
    let column = page("docs/operations.md").first_column("Metrics").into_iter();
    let told = column.filter(|cell| cell.starts_with("loginetl_"));
    let told = told.map(|cell| cell.split('{').next().unwrap_or_default().to_owned());
    same("metrics", &registered, &told.collect());
}
