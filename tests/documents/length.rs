//! How long pages and their lines may be.

use crate::page::{all, page};

fn words(name: &str) -> usize {
    page(name).text.split_whitespace().count()
}

#[test]
fn the_first_pages_are_short() {
    for (name, most) in [("README.md", 1400), ("SECURITY.md", 1800), ("CONTRIBUTING.md", 1150)] {
        let words = words(name);
        assert!(
            words <= most,
            "{name} has {words} words, and {most} are enough: move some to docs/"
        );
    }
}

#[test]
fn lines_of_prose_fit_into_90_columns() {
    let mut long = Vec::new();
    for page in all() {
        for line in page.lines().iter().filter(|line| !line.is_code) {
            let is_table = line.text.starts_with(['|', '!', '<', '#']);
            // A link or a piece of code is one word, however long it is.
            let has_long_word = line.text.contains("](") || line.text.contains('`');
            if line.text.chars().count() > 90 && !is_table && !has_long_word {
                long.push(format!("{}:{}", page.name, line.number));
            }
        }
    }
    assert!(long.is_empty(), "over 90 columns: {long:?}");
}
