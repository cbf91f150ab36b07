//! What this program is: version, commit, build, and the schema that it makes.
//!
//! Invariant: nothing in it depends on when or where it was built, but for the commit.

use std::sync::LazyLock;

use crate::db::SCHEMA_VERSION;

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, or `unknown`.
pub(crate) const COMMIT: &str = env!("LOGINETL_BUILD_COMMIT");

/// What `--version --verbose` prints behind the name.
pub(crate) static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{VERSION}\n\
         commit      {COMMIT}\n\
         build       {profile}, for {target}\n\
         compiler    {compiler}\n\
         schema      {SCHEMA_VERSION}\n\
         PostgreSQL  14 or newer",
        profile = env!("LOGINETL_BUILD_PROFILE"),
        target = env!("LOGINETL_BUILD_TARGET"),
        compiler = env!("LOGINETL_BUILD_RUSTC"),
    )
});
