//! Pages of Markdown: their lines, blocks of code, tables and headings.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of this repository.
pub struct Page {
    /// Its path from the root.
    pub name: String,
    pub text: String,
}

/// A line of a page, and whether it is code.
pub struct Line<'a> {
    /// From 1 on.
    pub number: usize,
    pub text: &'a str,
    pub is_code: bool,
}

/// A block of code.
pub struct Block {
    pub language: String,
    pub text: String,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the repository.
pub fn all() -> Vec<Page> {
    let mut pages: Vec<Page> = files(root(), "md").iter().map(|path| read(path)).collect();
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(pages.len() > 20, "the pages are there");
    pages
}

pub fn page(name: &str) -> Page {
    read(&root().join(name))
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    Page { name, text }
}

/// The files below a folder that end so, but for what git does not keep.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with(".git") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found
}

impl Page {
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut is_fenced = false;
        let mut lines = Vec::new();
        for (at, text) in self.text.lines().enumerate() {
            let is_fence = text.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            let is_code = is_fenced || is_fence || text.starts_with("    ");
            lines.push(Line { number: at + 1, text, is_code });
        }
        assert!(!is_fenced, "{}: a block of code is not closed", self.name);
        lines
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let text: Vec<&str> = lines.by_ref().take_while(|l| l.trim() != "```").collect();
                blocks.push(Block { language: language.to_owned(), text: text.join("\n") });
            }
        }
        blocks
    }

    /// The page without code, as one text: what stands between blanks and line ends
    /// counts.
    pub fn prose(&self) -> String {
        let lines = self.lines();
        lines.iter().filter(|l| !l.is_code).map(|l| l.text).collect::<Vec<_>>().join("\n")
    }

    /// What stands as code in the first column of the tables under a heading; of all, if
    /// it is empty.
    pub fn first_column(&self, heading: &str) -> Vec<String> {
        let mut is_under = heading.is_empty();
        let mut found = Vec::new();
        for line in self.lines().iter().filter(|line| !line.is_code) {
            if line.text.starts_with('#') && !heading.is_empty() {
                is_under = line.text.trim_start_matches('#').trim() == heading;
            } else if let Some(row) = line.text.strip_prefix("| ").filter(|_| is_under) {
                found.extend(spans(row.split(" | ").next().unwrap_or_default()));
            }
        }
        assert!(!found.is_empty(), "{} has a table under {heading:?}", self.name);
        found
    }
}

/// What stands between backquotes.
pub fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
