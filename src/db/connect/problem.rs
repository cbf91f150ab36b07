//! What is wrong with a database URL, or with a file that it names, and
//! what to do about it.
//!
//! Invariant: no part of a URL is quoted, but words of our own lists and names of files
//! that are there.

use std::path::Path;

/// Why a database URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct UrlProblem {
    text: String,
    hint: String,
}

impl UrlProblem {
    /// Something about the URL itself: "names no host".
    pub(in crate::db) fn new(problem: impl AsRef<str>) -> Self {
        let hint = "correct LOGINETL_DATABASE_URL (or the file that LOGINETL_DATABASE_URL_FILE \
                    names) or --database-url";
        Self { text: format!("the database URL {}", problem.as_ref()), hint: hint.to_owned() }
    }

    /// Something about a file that is not part of the URL.
    pub(in crate::db) fn outside(text: String) -> Self {
        Self { text, hint: "see that the file is there, and that this user may read it".to_owned() }
    }

    /// Of a URL that stands in a file.
    pub(super) fn in_file(self) -> Self {
        let text = self.text.replacen(
            "the database URL ",
            "the database URL in the file of LOGINETL_DATABASE_URL_FILE ",
            1,
        );
        Self { text, ..self }
    }

    /// With another remedy.
    pub(in crate::db) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.hint
    }
}

/// The name of a file that is there, for a command line. A name that is not there may be
/// a piece of a password.
pub(super) fn shell_name(path: &Path) -> String {
    let name: String = path.to_string_lossy().chars().filter(|c| !c.is_control()).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%".contains(c);
    if name.chars().all(is_plain) { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
