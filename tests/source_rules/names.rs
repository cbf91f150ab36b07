//! What each module declares, imports and names, read off the source as the compiler
//! reads it. Tests do not count.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A path, segment by segment, as it is written.
pub type Segments = Vec<String>;

/// A module: a file, or a part of one.
pub struct Module {
    /// Where it is below the crate.
    pub path: Segments,
    /// The file below `src/`.
    pub file: String,
    /// What it defines.
    pub items: Vec<String>,
    pub uses: Vec<Use>,
    /// The paths in its code.
    pub named: Vec<Named>,
}

/// One name of a `use`.
pub struct Use {
    /// The name in this module; none for all names of what is used.
    pub name: Option<String>,
    pub path: Segments,
    pub line: usize,
    /// It hands the name on, and does not say that this module needs it.
    pub is_reexport: bool,
}

/// A path in code.
pub struct Named {
    pub path: Segments,
    pub line: usize,
}

impl Module {
    /// Every path that it names, with its line.
    pub fn paths(&self) -> impl Iterator<Item = (&Segments, usize)> {
        let uses = self.uses.iter().map(|used| (&used.path, used.line));
        uses.chain(self.named.iter().map(|named| (&named.path, named.line)))
    }
}

/// The modules of some files, which are given by their names below
/// `src/` and their texts.
pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Module> {
    let (mut modules, mut tests) = (Vec::new(), Vec::new());
    for (file, text) in files {
        let syntax =
            syn::parse_file(text).unwrap_or_else(|e| panic!("{file} cannot be parsed: {e}"));
        let mut reader = Reader { modules: &mut modules, tests: &mut tests, here: 0 };
        reader.read_module(path_of(file), file, &syntax.items);
    }
    modules.retain(|module: &Module| {
        !tests.iter().any(|test: &Segments| module.path.starts_with(test))
    });
    modules
}

/// What a file imports, a path a line: `use a::{b, c::d}` is `a::b` and `a::c::d`.
pub fn imported(text: &str) -> String {
    let modules = read([("lib.rs", text)]);
    let uses = modules.iter().flat_map(|module| &module.uses);
    uses.map(|used| used.path.join("::")).collect::<Vec<_>>().join("\n")
}

/// `commands/load/mod.rs` → `commands`, `load`; nothing for `lib.rs`.
fn path_of(file: &str) -> Segments {
    let path = file.strip_suffix(".rs").expect("a Rust file");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

struct Reader<'a> {
    modules: &'a mut Vec<Module>,
    /// Modules that stand in tests only.
    tests: &'a mut Vec<Segments>,
    here: usize,
}

impl Reader<'_> {
    fn read_module(&mut self, path: Segments, file: &str, items: &[syn::Item]) {
        let outer = std::mem::replace(&mut self.here, self.modules.len());
        let declared = items.iter().filter(|item| !is_test(attributes(item))).filter_map(declared);
        let items_declared = declared.map(ToString::to_string).collect();
        let (file, uses, named) = (file.to_owned(), Vec::new(), Vec::new());
        self.modules.push(Module { path, file, items: items_declared, uses, named });
        items.iter().for_each(|item| self.visit_item(item));
        self.here = outer;
    }

    fn here(&mut self) -> &mut Module {
        &mut self.modules[self.here]
    }

    fn read_use(&mut self, tree: &syn::UseTree, before: &[String], is_reexport: bool) {
        let with = |ident: &syn::Ident| {
            let own = (ident != "self" || before.is_empty()).then(|| ident.to_string());
            before.iter().cloned().chain(own).collect::<Segments>()
        };
        let (name, path, span) = match tree {
            syn::UseTree::Path(deeper) => {
                return self.read_use(&deeper.tree, &with(&deeper.ident), is_reexport);
            }
            syn::UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.read_use(tree, before, is_reexport));
            }
            syn::UseTree::Name(used) => {
                let path = with(&used.ident);
                (path.last().cloned(), path, used.ident.span())
            }
            syn::UseTree::Rename(used) => {
                (Some(used.rename.to_string()), with(&used.ident), used.rename.span())
            }
            syn::UseTree::Glob(all) => (None, before.to_vec(), all.star_token.spans[0]),
        };
        let line = span.start().line;
        self.here().uses.push(Use { name, path, line, is_reexport });
    }

    /// The paths in what is handed to a macro or an attribute, which is no syntax tree.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let is_member = at > 1 && is_punct(tokens.get(at - 2), '.');
                    let mut path = vec![first.to_string()];
                    while let (true, Some(TokenTree::Ident(next))) =
                        (is_colons(&tokens, at), tokens.get(at + 2))
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let is_call = is_arguments(tokens.get(at));
                    let is_capital = path[0].starts_with(char::is_uppercase);
                    if !is_member && (path.len() > 1 || is_call || is_capital) {
                        self.here().named.push(Named { path, line: first.span().start().line });
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        } else if let syn::Item::Mod(module) = item {
            let test = self.here().path.iter().cloned().chain([module.ident.to_string()]).collect();
            self.tests.push(test);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let Some((_, items)) = &module.content else { return };
        let here = self.here();
        let path = here.path.iter().cloned().chain([module.ident.to_string()]).collect();
        let file = here.file.clone();
        self.read_module(path, &file, items);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let is_private = match &item.vis {
                syn::Visibility::Inherited => true,
                syn::Visibility::Restricted(to) => to.path.is_ident("self"),
                syn::Visibility::Public(_) => false,
            };
            self.read_use(&item.tree, &[], !is_private);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let first = path.segments.first().map(|segment| segment.ident.span().start().line);
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.here().named.push(Named { path: segments, line: first.unwrap_or_default() });
        }
        visit::visit_path(self, path);
    }

    /// A macro by its bare name is of the standard library, or of this file.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.len() > 1 {
            self.visit_path(&call.path);
        }
        self.read_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn is_arguments(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Punct(punct)) = tokens.get(at) else { return false };
    punct.spacing() == Spacing::Joint
        && is_punct(tokens.get(at), ':')
        && is_punct(tokens.get(at + 1), ':')
}

/// `#[cfg(test)]`, or a test.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name of what an item defines. Modules are known by their files.
fn declared(item: &syn::Item) -> Option<&syn::Ident> {
    match item {
        syn::Item::Const(item) => Some(&item.ident),
        syn::Item::Enum(item) => Some(&item.ident),
        syn::Item::Fn(item) => Some(&item.sig.ident),
        syn::Item::Macro(item) => item.ident.as_ref(),
        syn::Item::Static(item) => Some(&item.ident),
        syn::Item::Struct(item) => Some(&item.ident),
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::Type(item) => Some(&item.ident),
        syn::Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}
