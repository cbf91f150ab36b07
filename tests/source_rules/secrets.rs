//! What stands between a recovery and the world: it knows no flags, signals or files, and
//! few may open anything.

use crate::source::{code, module, name, sources};

/// What stands between the steps of a recovery must not depend on who types,
/// watches or prints.
#[test]
fn a_recovery_knows_no_flags_no_signals_and_no_files() {
    let recovery = sources("src").into_iter().filter(|(path, _)| module(&name(path)) == "recovery");
    let mut files = 0;
    for (path, text) in recovery {
        files += 1;
        for foreign in [
            "clap",
            "tokio",
            "aws_sdk",
            "tracing",
            "std::fs",
            "std::io",
            "std::env",
            "std::process",
        ] {
            assert!(!code(&text).contains(foreign), "{} knows {foreign}", name(&path));
        }
    }
    assert!(files > 5, "{files} files of a recovery");
}

/// Calls that hand out a plaintext, a key or a wrap, and the files that may make them.
const HANDED_OUT: [(&str, &[&str]); 14] = [
    // A value that was opened, readable; the one way out of the program.
    (".into_text(", &["vault/recovery.rs"]),
    (".disclose(", &["commands/unmask/print.rs"]),
    ("Plaintext::from_opened(", &["token/cipher.rs"]),
    // Keys that were unwrapped.
    (".unwrap_key(", &["vault/keyring.rs"]),
    (
        "unwrap_row(",
        &[
            "vault/create.rs",
            "vault/gate.rs",
            "vault/job_keys.rs",
            "vault/keyring.rs",
            "vault/rewrap.rs",
            "vault/sweep.rs",
        ],
    ),
    (".data_key(", &["commands/quarantine.rs", "login/mask.rs"]),
    ("RecoveryKeys::new(", &["vault/gate.rs"]),
    (
        "FieldCipher::new(",
        &[
            "login/mask.rs",
            "token/mod.rs",
            "vault/job_keys.rs",
            "vault/recovery.rs",
            "vault/sweep.rs",
        ],
    ),
    // The steps of the gate.
    ("session.release_key(", &["vault/gate.rs"]),
    ("session.released_wrap(", &["vault/gate.rs"]),
    ("session.record_outcome(", &["vault/gate.rs"]),
    (".release()", &["commands/unmask/mod.rs", "recovery/steps.rs"]),
    ("request.conclude(", &["recovery/steps.rs"]),
    ("Receipt::of_outcome(", &["vault/gate.rs"]),
];

/// Whoever wants a plaintext or a key elsewhere changes this list, and says there why.
#[test]
fn plaintexts_and_keys_are_handed_out_in_named_places() {
    let sources: Vec<_> =
        sources("src").into_iter().filter(|(path, _)| !path.ends_with("tests.rs")).collect();
    for (call, places) in HANDED_OUT {
        let is_made = |text: &str| {
            code(text)
                .lines()
                .any(|line| line.contains(call) && !line.contains(&format!("fn {call}")))
        };
        let made: Vec<String> =
            sources.iter().filter(|(_, text)| is_made(text)).map(|(path, _)| name(path)).collect();
        for place in &made {
            assert!(places.contains(&place.as_str()), "{place} must not call {call}…)");
        }
        for place in places {
            assert!(
                made.iter().any(|made| made == place),
                "{place} does not call {call}…) any more: strike it off the list"
            );
        }
    }
}
