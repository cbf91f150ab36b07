//! Links: each leads to a file that is there, and to a heading that stands in it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::page::{Page, all, page, root};

/// What `[text](here)` and `![text](here)` say, outside code.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose();
    // Code may hold brackets of its own.
    let text: String = prose.split('`').step_by(2).collect::<Vec<_>>().join("");
    let rest = text.split("](").skip(1);
    rest.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchor that a heading has on the pages of forges.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &Page) -> BTreeSet<String> {
    let lines = page.lines();
    let headings = lines.iter().filter(|l| !l.is_code).filter_map(|l| l.text.strip_prefix('#'));
    headings.map(|text| anchor(text.trim_start_matches('#'))).collect()
}

/// `docs/commands` and `../rotation.md` → `docs/rotation.md`.
fn join(folder: &Path, target: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{target} leads out of the repository"),
            other => path.push(other),
        }
    }
    path
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut wrong = Vec::new();
    for from in all() {
        for target in targets(&from) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&from.name).parent().unwrap_or(Path::new(""));
            let name = if file.is_empty() { from.name.clone().into() } else { join(folder, file) };
            let is_there = root().join(&name).exists();
            let is_page = name.extension().is_some_and(|e| e == "md");
            let has_heading = heading.is_empty()
                || is_there && is_page && anchors(&page(&name.to_string_lossy())).contains(heading);
            if !is_there || !has_heading {
                wrong.push(format!("{}: {target}", from.name));
            }
        }
    }
    assert!(wrong.is_empty(), "these lead nowhere: {wrong:#?}");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let mut seen = BTreeSet::new();
    let mut next = vec!["README.md".to_owned()];
    while let Some(name) = next.pop() {
        if !seen.insert(name.clone()) || !name.ends_with(".md") {
            continue;
        }
        let folder = Path::new(&name).parent().unwrap_or(Path::new("")).to_owned();
        for target in targets(&page(&name)) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.starts_with("https://") && !file.is_empty() {
                next.push(join(&folder, file).to_string_lossy().into_owned());
            }
        }
    }
    let lost: Vec<String> =
        all().into_iter().map(|p| p.name).filter(|n| !seen.contains(n)).collect();
    assert!(lost.is_empty(), "no way leads to {lost:?}");
}
