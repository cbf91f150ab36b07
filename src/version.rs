//! What this program is: version, commit, build, and the schema that it makes.
//!
//! Invariant: nothing in it depends on when or where it was built, but for the commit.

use std::sync::LazyLock;

use crate::db::SCHEMA_VERSION;

/// What `--version --verbose` prints behind the name.
pub(crate) static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{version}\n\
         commit      {commit}\n\
         build       {profile}, for {target}\n\
         compiler    {compiler}\n\
         schema      {SCHEMA_VERSION}\n\
         PostgreSQL  14 or newer",
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("LOGINETL_BUILD_COMMIT"),
        profile = env!("LOGINETL_BUILD_PROFILE"),
        target = env!("LOGINETL_BUILD_TARGET"),
        compiler = env!("LOGINETL_BUILD_RUSTC"),
    )
});
