//! The files of the source, and what of their text is code.

use std::fs;
use std::path::{Path, PathBuf};

pub fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{root} has sources");
    found
}

/// The path below `src/`, with slashes.
pub fn name(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Code without comments and without its tests, wherever they stand, as
/// rustfmt leaves them.
pub fn code(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut code, mut lines) = (Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let of_item =
                |next: &&str| indent(next) == indent(line) && !next.trim_start().starts_with("#[");
            let first = lines.find(of_item).unwrap_or_default();
            if first.ends_with('{') || first.ends_with('(') {
                lines.find(|last| of_item(last) && (last.ends_with('}') || last.ends_with(';')));
            }
        } else if !line.trim_start().starts_with("//") {
            code.push(line);
        }
    }
    code.join("\n")
}

#[test]
fn code_goes_on_behind_a_test() {
    let text = "mod a;\n#[cfg(test)]\nmod tests;\n// why\nuse b;\n#[cfg(test)]\n#[allow(c)]\nmod \
                d {\n    \
                e();\n}\nfn f() {}\nimpl G {\n    #[cfg(test)]\n    fn h(\n        i: J,\n    ) \
                {\n        k();\n    }\n\n    \
                fn l() {}\n}";
    assert_eq!(code(text), "mod a;\nuse b;\nfn f() {}\nimpl G {\n\n    fn l() {}\n}");
}

/// The top module of a file: `commands/load/mod.rs` → `commands`.
pub fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or_default()
}
