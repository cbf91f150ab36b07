//! Files that pages name are there.

use crate::page::{all, root, spans};

/// What a page may name by its path.
const FOLDERS: [&str; 7] = ["src/", "tests/", "sql/", "keys/", "docs/", "deploy/", ".ci/"];

#[test]
fn every_file_that_a_page_names_is_there() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in all() {
        for span in spans(&page.prose()) {
            let path = span.split(' ').next().unwrap_or_default();
            let is_path = FOLDERS.iter().any(|folder| path.starts_with(folder))
                && !path.contains(['*', '\n']);
            count += usize::from(is_path);
            if is_path && !root().join(path).exists() {
                wrong.push(format!("{}: {path}", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these are not there: {wrong:#?}");
    assert!(count > 60, "only {count} paths were found");
}
