//! The help on the pages is the help that the program prints.
//!
//! A page has a comment `<!-- loginetl COMMAND --help -->`; the block behind it is
//! written by `LOGINETL_BLESS=1 cargo test --test documents`.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use crate::page::{Page, all, root};

const OPEN: &str = "<!-- loginetl ";
const CLOSE: &str = "--help -->\n";

/// What the program prints for this command, as wide as a page.
pub fn help(command: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loginetl"));
    program.args(command.split_whitespace()).arg("--help").env("COLUMNS", "90");
    program.stdin(Stdio::null()).stderr(Stdio::piped());
    let output = program.output().expect("the program runs");
    assert!(output.status.success(), "{command} --help");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every command: of the first level with a blank before, and those below it.
pub fn commands() -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut at = 0;
    while at < commands.len() {
        let text = help(&commands[at]);
        let list = text.split("\nCommands:\n").nth(1).unwrap_or_default();
        let list = list.split("\n\n").next().unwrap_or_default();
        for line in list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap_or_default();
            if name != "help" {
                commands.push(format!("{} {name}", commands[at]).trim().to_owned());
            }
        }
        at += 1;
    }
    assert!(commands.len() > 15, "{commands:?}");
    commands
}

/// As a page shows it: flags of every command stand on the first page alone.
fn shown(command: &str) -> String {
    let text = help(command);
    let mut kept = Vec::new();
    let mut is_left_out = false;
    for line in text.lines().map(str::trim_end) {
        if line == "Options of every command:" {
            is_left_out = !command.is_empty();
        } else if !line.is_empty() && !line.starts_with(' ') {
            is_left_out = false;
        }
        let is_second_blank = line.is_empty() && kept.last() == Some(&"");
        if !is_left_out && !is_second_blank {
            kept.push(line);
        }
    }
    format!("```text\n{}\n```\n", kept.join("\n").trim())
}

/// The page with the help of today, and the commands whose help it has.
fn renewed(page: &Page) -> (String, Vec<String>) {
    let mut pieces = page.text.split(OPEN);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for piece in pieces {
        let (command, rest) = piece.split_once(CLOSE).expect("the end of a comment");
        let command = command.trim();
        // The block that is there goes, up to its end.
        let rest = match rest.strip_prefix("```text\n") {
            Some(block) => block.split_once("\n```\n").map_or("", |(_, after)| after),
            None => rest,
        };
        let comment = format!("{OPEN}{command} {CLOSE}").replace("  ", " ");
        text.push_str(&format!("{comment}{}{rest}", shown(command)));
        found.push(command.to_owned());
    }
    (text, found)
}

#[test]
fn the_help_of_each_command_stands_on_one_page_as_the_program_prints_it() {
    let is_blessing = std::env::var_os("LOGINETL_BLESS").is_some();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in all() {
        let (text, found) = renewed(&page);
        for command in found {
            places.entry(command).or_default().push(page.name.clone());
        }
        if text != page.text && is_blessing {
            fs::write(root().join(&page.name), &text).expect("written");
        } else {
            assert!(text == page.text, "{}: help has changed; see CONTRIBUTING.md", page.name);
        }
    }
    for command in commands() {
        let on = places.remove(&command).unwrap_or_default();
        assert!(on.len() == 1, "the help of `loginetl {command}` stands on {on:?}");
    }
    assert!(places.is_empty(), "no such commands: {places:?}");
}
