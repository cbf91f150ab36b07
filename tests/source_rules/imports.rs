//! Who imports whom: each path leads to the file that defines what it names, whatever
//! hands the name on in between.
//!
//! A file imports another if its code names what the other defines, by a `use` or a path.
//! `mod child;` and `pub use child::Item;` list what there is, and import nothing. A
//! method that is called without a path is not seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::names::{Module, Segments, read};
use crate::source::{name, sources};

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

/// A file imports something that another one defines.
#[derive(Clone, Debug)]
pub struct Import {
    pub line: usize,
    pub path: String,
}

/// All modules of the crate, by their places.
pub struct Tree {
    modules: Vec<Module>,
    places: BTreeMap<Segments, usize>,
}

/// Each file with the files that it imports, and the first line that does.
pub type Imports = BTreeMap<String, BTreeMap<String, Import>>;

impl Tree {
    pub fn of_the_source() -> Self {
        let files: Vec<(String, String)> =
            sources("src").into_iter().map(|(path, text)| (name(&path), text)).collect();
        Self::new(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let modules = read(files);
        let places =
            modules.iter().enumerate().map(|(at, module)| (module.path.clone(), at)).collect();
        Self { modules, places }
    }

    /// Every path that a file names, re-exports among them: its line, and the top modules
    /// that it goes to.
    pub fn tops(&self) -> Vec<(&str, usize, String)> {
        let mut tops = Vec::new();
        for (at, module) in self.modules.iter().enumerate() {
            for (path, line) in module.paths() {
                let targets = self.resolve(at, path, &mut Vec::new());
                let places = targets.into_iter().map(|target| match target {
                    Target::Module(at) | Target::Item(at) => self.modules[at].path.clone(),
                });
                for place in places.chain(self.absolute(at, path)) {
                    tops.extend(
                        place.into_iter().next().map(|top| (module.file.as_str(), line, top)),
                    );
                }
            }
        }
        tops
    }

    /// Paths into this crate that lead to nothing that we know: what they import would
    /// not be seen.
    pub fn lost_paths(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (at, module) in self.modules.iter().enumerate() {
            let deep = module.paths().filter(|(path, _)| path.len() > 1);
            for (path, line) in deep.filter(|(path, _)| self.absolute(at, path).is_some()) {
                if self.resolve(at, path, &mut Vec::new()).is_empty() {
                    lost.push(format!("{}:{line} names {}", module.file, path.join("::")));
                }
            }
        }
        lost
    }

    /// Who imports whom.
    pub fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (at, module) in self.modules.iter().enumerate() {
            let of_this = imports.entry(module.file.clone()).or_default();
            let uses = module
                .uses
                .iter()
                .filter(|used| !used.is_reexport)
                .map(|used| (&used.path, used.line));
            let named = module.named.iter().map(|named| (&named.path, named.line));
            for (path, line) in uses.chain(named) {
                for target in self.resolve(at, path, &mut Vec::new()) {
                    let Target::Item(defines) = target else { continue };
                    let file = &self.modules[defines].file;
                    if *file != module.file {
                        let import = Import { line, path: path.join("::") };
                        of_this.entry(file.clone()).or_insert(import);
                    }
                }
            }
        }
        imports
    }

    /// A path that begins with `crate`, `self` or `super`, from the crate on.
    fn absolute(&self, from: usize, path: &[String]) -> Option<Segments> {
        let mut place = self.modules[from].path.clone();
        match path.first()?.as_str() {
            "crate" | "loginetl" => place.clear(),
            "self" => {}
            "super" => drop(place.pop()),
            _ => return None,
        }
        for segment in &path[1..] {
            if segment == "super" { drop(place.pop()) } else { place.push(segment.clone()) }
        }
        Some(place)
    }

    /// What a path in this module leads to: nothing that we know, or several things of
    /// one name. `seen` are the uses on the way here: one that names itself (`use
    /// parse::parse`) ends there.
    fn resolve(&self, from: usize, path: &[String], seen: &mut Vec<(usize, usize)>) -> Vec<Target> {
        let mut path = path.iter();
        let Some(first) = path.next() else { return Vec::new() };
        let mut here = match first.as_str() {
            "crate" | "loginetl" => self.module(&[]),
            "self" => vec![Target::Module(from)],
            "super" => self.parent(from),
            name => self.look_up(from, name, seen),
        };
        for segment in path {
            let modules: Vec<usize> = here.iter().filter_map(|target| module_of(*target)).collect();
            if modules.is_empty() {
                break;
            }
            let below = modules.into_iter().map(|at| match segment.as_str() {
                "super" => self.parent(at),
                name => self.look_up(at, name, seen),
            });
            here = below.flatten().collect();
        }
        here
    }

    fn look_up(&self, at: usize, name: &str, seen: &mut Vec<(usize, usize)>) -> Vec<Target> {
        let module = &self.modules[at];
        let mut found = self.module(&[&module.path[..], &[name.to_owned()]].concat());
        if module.items.iter().any(|item| item == name) {
            found.push(Target::Item(at));
        }
        found.extend(self.follow(at, seen, |used| used == Some(name)));
        if found.is_empty() {
            let all = self.follow(at, seen, |used| used.is_none());
            let modules = all.into_iter().filter_map(module_of).filter(|other| *other != at);
            found = modules.flat_map(|other| self.look_up(other, name, seen)).collect();
        }
        found
    }

    /// What those uses of a module lead to whose names are wanted.
    fn follow(
        &self,
        at: usize,
        seen: &mut Vec<(usize, usize)>,
        is_wanted: impl Fn(Option<&str>) -> bool,
    ) -> Vec<Target> {
        let mut found = Vec::new();
        for (number, used) in self.modules[at].uses.iter().enumerate() {
            if is_wanted(used.name.as_deref()) && !seen.contains(&(at, number)) {
                seen.push((at, number));
                found.extend(self.resolve(at, &used.path, seen));
                seen.pop();
            }
        }
        found
    }

    fn module(&self, place: &[String]) -> Vec<Target> {
        self.places.get(place).map(|at| Target::Module(*at)).into_iter().collect()
    }

    fn parent(&self, of: usize) -> Vec<Target> {
        self.modules[of].path.split_last().map(|(_, above)| self.module(above)).unwrap_or_default()
    }
}

fn module_of(target: Target) -> Option<usize> {
    match target {
        Target::Module(at) => Some(at),
        Target::Item(_) => None,
    }
}

/// The circles, each the shortest of those that are left when the files of the ones
/// before it are gone.
pub fn circles(mut imports: Imports) -> Vec<Vec<String>> {
    let mut circles = Vec::new();
    loop {
        let all = imports.keys().filter_map(|file| circle_through(&imports, file));
        let Some(shortest) = all.min_by_key(Vec::len) else { return circles };
        imports.retain(|file, _| !shortest.contains(file));
        circles.push(shortest);
    }
}

/// The shortest way from a file back to itself.
fn circle_through(imports: &Imports, start: &String) -> Option<Vec<String>> {
    let (mut seen, mut ways) = (BTreeSet::new(), VecDeque::from([vec![start.clone()]]));
    while let Some(way) = ways.pop_front() {
        for next in
            way.last().and_then(|last| imports.get(last)).into_iter().flat_map(BTreeMap::keys)
        {
            if next == start {
                return Some(way);
            }
            if imports.contains_key(next) && seen.insert(next.clone()) {
                ways.push_back([&way[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

/// A circle file by file, with the line of each import.
pub fn describe(circle: &[String], imports: &Imports) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(file, next)| {
        let Import { line, path } = &imports[file][next];
        format!("  {file}:{line} imports {path} of {next}\n")
    });
    steps.collect()
}
