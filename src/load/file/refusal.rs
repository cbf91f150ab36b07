//! What is said of a file that cannot be loaded: what it is, and the command that makes
//! it loadable.
//!
//! Invariant: a command that is shown can be pasted into a shell as it is.

use std::path::Path;

use super::reader::ChunkError;
use crate::content::{Damage, DamageKind};
use crate::error::Error;
use crate::login::LineProblem;
use crate::login::form::{Form, Packing};

/// The command that loads what is piped into it.
pub(super) const LOAD: &str = "loginetl load --file -";
/// The same of an archive of queue messages.
pub(super) const REPLAY: &str = "loginetl load --with-ids --file -";

/// An error that names the file and says what to do.
pub(super) fn file_error(
    path: &Path,
    load: &'static str,
    is_stream: bool,
    error: &ChunkError,
) -> Error {
    let (name, problem) = (path.display().to_string(), error.to_string());
    let input = Input { word: (!is_stream).then(|| shell_word(&name)), load };
    let hint = match error {
        ChunkError::Io(_) => return Error::File { path: name, problem },
        ChunkError::Changed if load == REPLAY => return Error::ArchiveChanged { path: name },
        ChunkError::Changed => return Error::FileChanged { path: name, problem },
        ChunkError::Refused { form, packing } => explain_form(&input, form, *packing),
        ChunkError::Damaged(damage) => explain_damage(&input, damage),
        ChunkError::Line { problem, .. } => explain_line(&input, *problem),
        ChunkError::LineTooLong { line, packing, .. } => {
            let without = input.pipe_through(*packing, &format!("sed {line}d"));
            format!("{}; to load the rest: {without}", input.what_stays())
        }
    };
    let path = if name == "-" { "standard input".to_owned() } else { name };
    Error::FileRefused { path, problem, hint }
}

fn explain_form(input: &Input, form: &Form, packing: Packing) -> String {
    let nothing = "nothing was loaded";
    match (form.filter(), form.python_filter()) {
        (Some(filter), Some(python)) => {
            let [first, second] =
                [filter, python].map(|filter| input.pipe_through(packing, filter));
            format!("{nothing}; convert it: {first}; or, without mlr: {second}")
        }
        (Some(filter), None) => {
            format!("{nothing}; convert it: {}", input.pipe_through(packing, filter))
        }
        (None, _) => format!(
            "{nothing}; give one JSON object a line, with user_id, app_version, ip and device_id"
        ),
    }
}

fn explain_line(input: &Input, problem: LineProblem) -> String {
    let stays = input.what_stays();
    match problem {
        LineProblem::TooOld { oldest, .. } => format!(
            "{stays}; of older messages nobody knows whether they were loaded: leave out those \
             sent before {oldest}, and compare them with the table"
        ),
        LineProblem::Future => format!("{stays}; see the clocks of this archive and the database"),
        _ => format!(
            "{stays}; each line is one object, {{\"message_id\": UUID, \"sent_at\": \
             milliseconds, \"body\": text}}; for lines that are events themselves, leave out \
             --with-ids"
        ),
    }
}

fn explain_damage(input: &Input, damage: &Damage) -> String {
    let stays = input.what_stays();
    match damage.kind {
        DamageKind::WindowTooLarge => {
            let zstd = input.feed_into(&format!("zstd -dc --long=31 | {}", input.load));
            format!("{stays}; decompress it outside: {zstd}")
        }
        DamageKind::Truncated | DamageKind::Damaged => {
            let program = damage.packing.name().unwrap_or_default();
            let test = if input.is_stream() {
                String::new()
            } else {
                format!(" ({})", input.feed_into(&format!("{program} -t")))
            };
            format!("{stays}; get a whole copy{test} and load that")
        }
    }
}

/// Where the content comes from, as a shell takes it.
struct Input {
    /// The file as a word of the shell; a stream has none.
    word: Option<String>,
    /// What loads it.
    load: &'static str,
}

impl Input {
    fn is_stream(&self) -> bool {
        self.word.is_none()
    }

    /// What an error in the midst of it leaves behind.
    fn what_stays(&self) -> &'static str {
        if self.is_stream() {
            "what was loaded before it stays and is recognised"
        } else {
            "nothing was loaded"
        }
    }

    /// The content, unpacked, through a filter and into `load`.
    fn pipe_through(&self, packing: Packing, filter: &str) -> String {
        let unpacked = packing.name().map_or_else(String::new, |name| format!("{name} -dc | "));
        self.feed_into(&format!("{unpacked}{filter} | {}", self.load))
    }

    /// A pipeline that reads it: its first command gets it as standard input.
    fn feed_into(&self, pipeline: &str) -> String {
        let Some(word) = &self.word else { return format!("… | {pipeline}") };
        match pipeline.split_once(" | ") {
            Some((first, rest)) => format!("{first} < {word} | {rest}"),
            None => format!("{pipeline} < {word}"),
        }
    }
}

/// A name as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(path: &str, error: &ChunkError) -> String {
        file_error(Path::new(path), LOAD, path == "-", error).advice().1
    }

    #[test]
    fn the_command_that_converts_can_be_pasted() {
        let refused = |packing| ChunkError::Refused { form: Form::Array, packing };
        let command = "jq -c '.[]' < a.json | loginetl load --file -";
        assert!(hint("a.json", &refused(Packing::Plain)).ends_with(command));
        let command = "gzip -dc < a.gz | jq -c '.[]' | loginetl load --file -";
        assert!(hint("a.gz", &refused(Packing::Gzip)).ends_with(command));
        let command = "… | zstd -dc | jq -c '.[]' | loginetl load --file -";
        assert!(hint("-", &refused(Packing::Zstd)).ends_with(command));
    }

    #[test]
    fn a_name_is_one_word_of_the_shell_whatever_is_in_it() {
        assert_eq!(shell_word("/data/a-1.gz"), "/data/a-1.gz");
        assert_eq!(shell_word("my file"), "'my file'");
        assert_eq!(shell_word("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_by_its_number() {
        let error = ChunkError::LineTooLong { line: 3, most: 1, packing: Packing::Plain };
        let command = "sed 3d < a.jsonl | loginetl load --file -";
        assert!(hint("a.jsonl", &error).ends_with(command), "{}", hint("a.jsonl", &error));
        let (_, hint) = file_error(Path::new("a.jsonl"), REPLAY, false, &error).advice();
        let command = "sed 3d < a.jsonl | loginetl load --with-ids --file -";
        assert!(hint.ends_with(command), "{hint}");
    }
}
