//! What `loginetl --version --verbose` tells of this build: the commit, the target, the
//! profile, the compiler.
//!
//! Invariant: the same sources and tools make the same words; there is no time of
//! building among them. It runs again when HEAD has moved, not when a source has changed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LOGINETL_COMMIT");
    let repository = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    // An image is built without the repository, and is told its commit.
    let told = env::var("LOGINETL_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    let commit = told.or_else(|| read_commit(&repository)).unwrap_or_else(|| "unknown".to_owned());
    set("LOGINETL_BUILD_COMMIT", commit.trim());
    set("LOGINETL_BUILD_TARGET", &env::var("TARGET").unwrap_or_default());
    set("LOGINETL_BUILD_PROFILE", &env::var("PROFILE").unwrap_or_default());
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiler = answer(Command::new(rustc).arg("--version"));
    set("LOGINETL_BUILD_RUSTC", &compiler.unwrap_or_else(|| "unknown".to_owned()));
}

/// The commit of this repository; none where there is no git, or this is no repository of
/// its own.
fn read_commit(repository: &Path) -> Option<String> {
    let git = |args: &[&str]| answer(Command::new("git").arg("-C").arg(repository).args(args));
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if root.canonicalize().ok()? != repository.canonicalize().ok()? {
        return None;
    }
    // The log of HEAD grows with every commit and checkout; where none is kept, the
    // branch does.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_else(|| "HEAD".to_owned());
    for name in ["HEAD", "logs/HEAD", &branch] {
        let path = git(&["rev-parse", "--git-path", name]).map(|path| repository.join(path));
        // cargo takes a file that is not there for one that has changed.
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "HEAD"])
}

/// What a command prints, if it succeeds.
fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn set(name: &str, value: &str) {
    println!("cargo::rustc-env={name}={value}");
}
