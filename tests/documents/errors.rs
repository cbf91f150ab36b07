//! Errors: each message of the program has a line on a page, and each line is a message
//! of the program.
//!
//! On a page `…` stands for what differs from case to case.

use std::fs;

use crate::page::{files, page, root};

/// Spans that are no message of ours: clap's, and the names of SQLSTATEs.
const OF_OTHERS: [&str; 1] = ["invalid value"];

/// All sources as one text, with the lines of a literal joined.
fn sources() -> String {
    let mut all = String::new();
    for (folder, ending) in [("src", "rs"), ("sql", "sql")] {
        for path in files(&root().join(folder), ending) {
            all.push_str(&fs::read_to_string(path).expect("UTF-8"));
            all.push('\n');
        }
    }
    let mut lines = all.split("\\\n");
    let mut joined = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        joined.push_str(line.trim_start());
    }
    joined
}

/// The literal that opens what stands behind a mark, with `…` for its placeholders.
fn templates(sources: &str, mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in sources.split(mark).skip(1) {
        let rest = rest.trim_start().trim_start_matches("format!(").trim_start();
        let Some(literal) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        let mut template = String::new();
        for (at, piece) in literal.split('{').enumerate() {
            let fixed =
                if at == 0 { piece } else { piece.split_once('}').map_or("", |(_, rest)| rest) };
            template.push_str(if at == 0 { "" } else { "…" });
            template.push_str(fixed);
        }
        found.push(template);
    }
    found
}

/// What stands between the placeholders.
fn pieces(text: &str) -> Vec<&str> {
    text.split('…').map(str::trim).collect()
}

/// Whether a page's words, with their `…`, are this message. A single word says too
/// little to stand for others.
fn tells(words: &str, message: &str) -> bool {
    if words.chars().filter(|c| c.is_alphabetic()).count() < 6 {
        return words == message;
    }
    let (words, mut rest) = (pieces(words), message.trim());
    let last = words.len() - 1;
    for (at, piece) in words.iter().enumerate() {
        let Some(found) = rest.find(piece) else { return false };
        let is_placed =
            (at != 0 || found == 0) && (at != last || piece.is_empty() || rest.ends_with(piece));
        if !is_placed {
            return false;
        }
        rest = &rest[found + piece.len()..];
    }
    last > 0 || rest.is_empty()
}

fn told() -> Vec<String> {
    let mut told = page("docs/errors.md").first_column("");
    told.extend(page("docs/audit-log.md").first_column("Findings, and what to do"));
    told
}

#[test]
fn every_message_of_the_program_has_a_line() {
    let (sources, told) = (sources(), told());
    let messages = ["#[error(", "UrlProblem::new("].map(|mark| templates(&sources, mark)).concat();
    assert!(messages.len() > 120, "only {} messages were found", messages.len());
    let is_own = |message: &&String| message.chars().any(char::is_alphabetic);
    let is_told = |message: &String| {
        told.iter().any(|words| words.chars().any(char::is_alphabetic) && tells(words, message))
    };
    let lost: Vec<_> = messages.iter().filter(is_own).filter(|message| !is_told(message)).collect();
    assert!(lost.is_empty(), "docs/errors.md lacks: {lost:#?}");
}

#[test]
fn every_line_is_a_message_of_the_program() {
    let sources = sources();
    let mut unknown = Vec::new();
    for words in told().iter().filter(|words| words.contains(' ')) {
        for piece in pieces(words).into_iter().filter(|piece| piece.len() > 3) {
            let is_there =
                |piece: &str| sources.contains(piece.trim_matches([' ', ',', ':', ';', '.', '\'']));
            let is_of_others = OF_OTHERS.iter().any(|other| piece.starts_with(other));
            if !is_there(piece) && !is_of_others {
                unknown.push((words.clone(), piece.to_owned()));
            }
        }
    }
    assert!(unknown.is_empty(), "the program does not say: {unknown:#?}");
}

#[test]
fn words_with_an_ellipsis_are_matched_in_their_order() {
    assert!(
        tells("… is not set", "… is not set")
            && tells("it is … now", "it is … now")
            && tells("no host …", "no host…")
    );
    assert!(
        !tells("second … first", "first … second")
            && !tells("no host", "no hosts")
            && !tells("… no host", "no hosts")
    );
    assert!(tells("the … …", "the … …") && !tells("the … …", "the disk is full"));
}
