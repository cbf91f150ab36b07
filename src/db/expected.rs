//! What must be there, as text: sql/expected.txt and the functions of sql/functions/.

use std::collections::{BTreeMap, BTreeSet};

use crate::token::{Field, Fields};

/// The functions, triggers and views, in the order in which they are made.
pub(super) const FUNCTIONS: [&str; 9] = [
    include_str!("../../sql/functions/sight.sql"),
    include_str!("../../sql/functions/estimate.sql"),
    include_str!("../../sql/functions/fields.sql"),
    include_str!("../../sql/functions/ingest.sql"),
    include_str!("../../sql/functions/audit.sql"),
    include_str!("../../sql/functions/archives.sql"),
    include_str!("../../sql/functions/keys.sql"),
    include_str!("../../sql/functions/gate.sql"),
    include_str!("../../sql/functions/views.sql"),
];

const EXPECTED: &str = include_str!("../../sql/expected.txt");

/// The list for an installation.
pub(super) struct ExpectedStructure {
    /// Kind and object of each line, and what is so.
    pub(super) facts: BTreeMap<&'static str, &'static str>,
    pub(super) grants: BTreeSet<String>,
}

impl ExpectedStructure {
    /// A line that begins with `user_id? ` holds where that field is masked.
    pub(super) fn of(fields: Fields) -> Self {
        let lines = EXPECTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.filter_map(|line| match line.split_once("? ") {
            Some((field, line)) => fields.contains(Field::from_name(field)?).then_some(line),
            None => Some(line),
        });
        let (grants, facts): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.starts_with("grant "));
        let grants = grants.into_iter().filter_map(|line| line.strip_prefix("grant "));
        Self {
            facts: facts.into_iter().filter_map(|line| line.split_once(" = ")).collect(),
            grants: grants.map(ToOwned::to_owned).collect(),
        }
    }
}

/// What stands between the dollars of a function of ours.
pub(super) fn body_of(name: &str) -> Option<&'static str> {
    let head = format!("create or replace function {name}(");
    let after = FUNCTIONS.iter().find_map(|file| file.split_once(&head))?.1;
    after.split("$$").nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read() {
        let ExpectedStructure { facts, grants } = ExpectedStructure::of(Fields::always());
        assert!(
            facts.len() > 100 && grants.len() > 80,
            "{} facts, {} grants",
            facts.len(),
            grants.len()
        );
        assert!(facts.contains_key("column vault.data_keys.key_id"));
        let more = ExpectedStructure::of(Fields::always().with(Field::UserId));
        assert!(more.facts.len() >= facts.len() + 3 && more.grants.len() > grants.len());
        assert!(more.facts.contains_key("column public.user_logins.masked_user_id"));
    }
}
