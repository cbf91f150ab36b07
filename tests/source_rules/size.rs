//! Files, functions and lines stay short.

use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::source::{name, sources};

const FILE: usize = 400;
const FUNCTION: usize = 60;
const LINE: usize = 100;
const COMMENT: usize = 90;

/// The functions of a file: name, first line, number of lines from the signature to the
/// last brace.
#[derive(Default)]
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn of(text: &str) -> Vec<(String, usize, usize)> {
        let mut functions = Self::default();
        functions.visit_file(&syn::parse_file(text).expect("Rust"));
        functions.0
    }

    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.0.push((signature.ident.to_string(), first, last + 1 - first));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn files_and_functions_stay_short() {
    let mut functions = 0;
    for (path, text) in sources("src") {
        let name = name(&path);
        let lines = text.lines().count();
        assert!(lines <= FILE, "{name} has {lines} lines, and {FILE} is the limit");
        for (function, first, lines) in Functions::of(&text) {
            functions += 1;
            assert!(lines <= FUNCTION, "{name}:{first} is a function of {lines} lines: {function}");
        }
    }
    assert!(functions > 1_000, "{functions} functions are found");
}

#[test]
fn a_function_is_measured_from_its_name_to_its_end() {
    let text =
        "impl A {\n    pub fn a(\n        b: B,\n    ) {\n        fn c() {\n        }\n    }\n}";
    assert_eq!(Functions::of(text), [("a".to_owned(), 2, 6), ("c".to_owned(), 5, 2)]);
}

/// The lines of a file that are too wide: number, and columns.
fn wide_lines(text: &str) -> Vec<(usize, usize)> {
    let mut is_in_fence = false;
    let mut wide = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words =
            line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']));
        is_in_fence ^= words.is_some_and(|words| words.trim_start().starts_with("```"));
        // What is drawn, what is in columns, and an address cannot be broken.
        let is_prose = words.is_some_and(|words| {
            !is_in_fence && !words.trim_start().starts_with('|') && !words.contains("://")
        });
        let columns = line.chars().count();
        if columns > if is_prose { COMMENT } else { LINE } {
            wide.push((at + 1, columns));
        }
    }
    wide
}

#[test]
fn lines_stay_short() {
    let sources = sources("src").into_iter().chain(sources("tests"));
    let wide: Vec<String> = sources
        .flat_map(|(path, text)| {
            let name = name(&path);
            wide_lines(&text)
                .into_iter()
                .map(move |(at, columns)| format!("{name}:{at}: {columns}"))
        })
        .collect();
    assert!(wide.is_empty(), "lines over {LINE} columns, or comments over {COMMENT}: {wide:#?}");
}

/// The migrations are frozen as they are.
#[test]
fn lines_of_sql_functions_stay_short() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/functions");
    let mut lines = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        for (at, line) in fs::read_to_string(&path).expect("UTF-8").lines().enumerate() {
            lines += 1;
            let columns = line.chars().count();
            assert!(columns <= LINE, "{}:{}: {columns} columns", path.display(), at + 1);
        }
    }
    assert!(lines > 1_000, "{lines} lines are found");
}

#[test]
fn a_comment_is_wide_before_a_line_of_code_is_but_a_drawing_is_not() {
    let (code, comment) = ("x".repeat(LINE), "x".repeat(COMMENT - 4));
    let fits =
        format!("{code}\n/// {comment}\n//! ```text\n//! {comment}xx\n//! ```\n// |{comment}|");
    assert_eq!(wide_lines(&fits), []);
    let wide = format!("{code}é\n/// {comment}x\n// ```\n// ```\n//! {comment}x");
    assert_eq!(wide_lines(&wide), [(1, LINE + 1), (2, COMMENT + 1), (5, COMMENT + 1)]);
}
