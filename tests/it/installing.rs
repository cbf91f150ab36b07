//! What those need who install the program: its version in full, completions of shells,
//! manual pages. No servers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::text;

fn run(args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loginetl"));
    program.args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

/// What the program prints on stdout, which must end with 0.
fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// The commands that a help lists.
fn listed(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let list = list.split("\n\n").next().unwrap_or_default();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command with all words of its name.
fn commands() -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut at = 0;
    while at < commands.len() {
        let words: Vec<&str> = commands[at].iter().map(String::as_str).chain(["--help"]).collect();
        let below = listed(&stdout(&words));
        let below = below.into_iter().map(|name| [commands[at].clone(), vec![name]].concat());
        commands.extend(below.collect::<Vec<_>>());
        at += 1;
    }
    assert!(commands.len() > 15, "{commands:?}");
    commands
}

#[test]
fn the_version_is_one_line_and_in_full_it_tells_the_build() {
    let version = env!("CARGO_PKG_VERSION");
    for flag in ["--version", "-V"] {
        assert_eq!(stdout(&[flag]), format!("loginetl {version}\n"));
        let full = stdout(&[flag, "--verbose"]);
        assert_eq!(full, stdout(&["--verbose", flag]));
        let lines: Vec<&str> = full.lines().collect();
        let told: Vec<(&str, &str)> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(a, b)| (a, b.trim()))
            .collect();
        let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(lines[0], format!("loginetl {version}"));
        assert_eq!(names, ["commit", "build", "compiler", "schema", "PostgreSQL"], "{full}");
        assert!(told[1].1.contains(", for ") && told[2].1.starts_with("rustc 1."), "{full}");
        let migrations =
            fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")).expect("sql");
        let names = migrations.map(|entry| entry.expect("an entry").file_name());
        let count = names.filter(|name| name.to_string_lossy().starts_with('V')).count();
        assert_eq!(told[3].1, count.to_string(), "{full}");
    }
}

#[test]
fn the_commit_is_one_of_this_repository_or_unknown() {
    let full = stdout(&["--version", "--verbose"]);
    let line = full.lines().find_map(|line| line.strip_prefix("commit ")).expect("a commit");
    let commit = line.trim();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Whoever builds without a repository says what it is, or it is not known.
    let root = git(&["rev-parse", "--show-toplevel"]).and_then(|root| fs::canonicalize(root).ok());
    let is_ours = root == fs::canonicalize(env!("CARGO_MANIFEST_DIR")).ok();
    if is_ours && std::env::var_os("LOGINETL_COMMIT").is_none() {
        assert_eq!(Some(commit), git(&["rev-parse", commit]).as_deref(), "{full}");
        assert_eq!(git(&["cat-file", "-t", commit]).as_deref(), Some("commit"), "{full}");
    }
}

#[test]
fn verbose_is_for_the_version_alone() {
    for args in [&["--verbose", "completions", "bash"][..], &["completions", "bash", "--verbose"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
    }
}

#[test]
fn completions_know_every_command_and_flags_of_one() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&["completions", shell]);
        for command in commands() {
            let last = command.last().map_or("loginetl", String::as_str);
            assert!(script.contains(last), "{shell} does not know {command:?}");
        }
        for flag in ["max-messages", "compromised", "expect-head", "log-format"] {
            assert!(script.contains(flag), "{shell} does not know --{flag}");
        }
    }
    assert_eq!(run(&["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn bash_completes_commands_and_values_of_flags() {
    let script = stdout(&["completions", "bash"]);
    for (words, wanted) in [
        (&["loginetl", "unm"][..], "unmask"),
        (&["loginetl", "keys", "dest"], "destroy"),
        (&["loginetl", "load", "--dra"], "--drain"),
        (&["loginetl", "status", "--format", "js"], "json"),
    ] {
        let last = words.len() - 1;
        let ask = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}; \
             _loginetl loginetl '{}' '{}'; printf '%s' \"${{COMPREPLY[*]}}\"",
            words.join(" "),
            words[last],
            words[last - 1]
        );
        let output = Command::new("bash").args(["-c", &ask]).output().expect("bash runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{words:?}: {}", text(&output));
    }
}

#[test]
fn each_command_has_a_page_that_says_what_its_help_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("share/man1");
    let out = pages.to_str().expect("UTF-8");
    let output = run(&["man", "--out", out]);
    assert!(output.status.success(), "{}", text(&output));
    let written = |folder: &Path| -> BTreeSet<(String, String)> {
        let pages =
            fs::read_dir(folder).expect("pages").map(|entry| entry.expect("an entry").path());
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        pages.map(|path| (name(&path), fs::read_to_string(&path).expect("UTF-8"))).collect()
    };
    let first = written(&pages);
    let names: BTreeSet<String> = first.iter().map(|(name, _)| name.clone()).collect();
    let name = |words: Vec<String>| {
        format!("{}.1", [vec!["loginetl".to_owned()], words].concat().join("-"))
    };
    assert_eq!(names, commands().into_iter().map(name).collect());
    for (page, said) in [
        ("loginetl.1", "Exit codes:"),
        ("loginetl-unmask.1", "\\-\\-reason"),
        ("loginetl-keys-destroy.1", "\\-\\-database\\-url"),
    ] {
        let (_, text) = first.iter().find(|(name, _)| name == page).expect("a page");
        assert!(text.contains(said), "{page}: {text}");
    }
    // Written again, they are replaced, and are the same: there is no date in them.
    assert!(run(&["man", "--out", out]).status.success());
    assert_eq!(written(&pages), first);
}

#[test]
fn pages_that_cannot_be_written_are_a_wrong_setting() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let output = run(&["man", "--out", file.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("hint: give --out another name"), "{}", text(&output));
}
