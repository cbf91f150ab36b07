//! Commands that pages show: the program knows each of them, with its flags.

use std::process::{Command, Stdio};

use crate::page::all;

/// The words of a line of shell, quotes taken away; what ends a command is a word of its
/// own.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '>' | '<') => {
                words.extend(word.take());
                words.push(c.to_string());
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The arguments of each call of the program in a block of shell.
fn calls(block: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    let mut here_document: Option<String> = None;
    for line in block.replace("\\\n", " ").lines() {
        if let Some(end) = &here_document {
            here_document = Some(end.clone()).filter(|end| line != end);
            continue;
        }
        here_document =
            line.split_once("<<'").and_then(|(_, end)| Some(end.split_once('\'')?.0.to_owned()));
        let words = words(line);
        for call in words.split(|word| matches!(word.as_str(), "|" | "&" | ";" | ">" | "<")) {
            if call.first().is_some_and(|name| name == "loginetl") {
                calls.push(call[1..].to_vec());
            }
        }
    }
    calls
}

/// Whether the program knows a call: `--help` behind it is only reached if all before it
/// is known.
fn problem(arguments: &[String]) -> Option<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loginetl"));
    let output =
        program.args(arguments).arg("--help").stdin(Stdio::null()).output().expect("it runs");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_command_that_a_page_shows_is_one() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in all() {
        for block in page.blocks() {
            let is_shell = block.language == "sh";
            // What a page shows of a terminal has the command behind the prompt.
            let typed = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
            let typed = typed.collect::<Vec<_>>().join("\n");
            for call in calls(if is_shell { &block.text } else { &typed }) {
                count += 1;
                if let Some(problem) = problem(&call) {
                    wrong.push(format!("{}: loginetl {}\n{problem}", page.name, call.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "only {count} commands were found");
}

/// `tests/it/pages/` runs them on LocalStack; a reader has to know that they need more
/// than this machine.
#[test]
fn a_block_with_commands_that_need_aws_says_so() {
    let mut wrong = Vec::new();
    for page in all() {
        for block in page.blocks().iter().filter(|block| block.language == "sh") {
            let is_marked = block.text.starts_with("# needs AWS\n");
            let needs = !calls(&block.text).is_empty()
                || block
                    .text
                    .lines()
                    .any(|line| line.starts_with("aws ") || line.contains("create-keys.sh"));
            if needs != is_marked {
                wrong.push(format!("{}:\n{}", page.name, block.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shell_is_read_as_shells_do() {
    let block = "export A='b c' # d\njq -c . | loginetl load --file - && loginetl status > x\ncat \
                 <<'E'\nloginetl no\nE\n\
                 loginetl unmask --reason 'a b' \\\n  --ticket T";
    let call = |line: &str| line.split('+').map(str::to_owned).collect::<Vec<_>>();
    let wanted = ["load+--file+-", "status", "unmask+--reason+a b+--ticket+T"].map(call);
    assert_eq!(calls(block), wanted);
}
