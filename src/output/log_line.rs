//! A line of stderr as one JSON object: `timestamp`, `level`, `message`, then what else
//! there is to say, each under its name.
//!
//! Invariant: it is one line whatever the texts hold, each name comes once, and the first
//! three are always there.

use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;

use super::unprintable::spell_unprintable;

/// A field behind the first three.
pub(crate) type LogField = (&'static str, Value);

const FIRST: [&str; 3] = ["timestamp", "level", "message"];

/// The object, without the end of the line.
#[must_use]
pub(super) fn render(level: Level, message: &str, fields: Vec<LogField>) -> String {
    let now = format!("{:.6}", Timestamp::now());
    let first = FIRST.into_iter().zip([now.as_str(), level.as_str(), message]);
    let mut all: Vec<(String, Value)> =
        first.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    for (name, value) in fields {
        // Code of others may call a field of its own what a line begins with.
        let mut name = name.to_owned();
        while all.iter().any(|(known, _)| *known == name) {
            name.push('_');
        }
        all.push((name, value));
    }
    let pairs = all.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name)));
    let line = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
    spell_unprintable(&line).unwrap_or(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::super::unprintable::is_unprintable;
    use super::{Level, Value, render};

    #[test]
    fn whatever_a_text_holds_the_line_is_one_object_and_says_it() {
        for text in ["", "a\nb", "\r\u{1b}[31m", "\"}", "\u{2028}\u{202e}", "ä 中 🦀", "\\"] {
            let fields = vec![("hint", text.into()), ("level", 3.into()), ("level", 4.into())];
            let line = render(Level::WARN, text, fields);
            assert!(!line.contains(|c: char| c.is_control() || is_unprintable(c)));
            let object: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&object["message"], &object["hint"]), (&text.into(), &text.into()));
            assert_eq!(object["level"], "WARN");
            assert_eq!((&object["level_"], &object["level__"]), (&3.into(), &4.into()));
            let time = object["timestamp"].as_str().unwrap();
            assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 27, "{time}");
        }
    }
}
