//! What a person can do about a failure of settings, database, queue, KMS or vault.

use super::Exit;
use crate::audit::JustificationError;
use crate::aws::{CallError, CallKind};
use crate::db::{DbError, Denial, SqlKind};
use crate::recovery::ResumeProblem;
use crate::settings::SettingsError;
use crate::vault::VaultError;

pub(super) fn settings_hint(error: &SettingsError) -> String {
    match error {
        SettingsError::Missing { flag, variable, .. } => format!("set {variable}, or give {flag}"),
        SettingsError::NotUtf8(_) => "set it again".to_owned(),
        SettingsError::SensitiveLogging => "unset LOG_SENSITIVE_BODIES".to_owned(),
        SettingsError::Region(_) => "set it to something like eu-central-1".to_owned(),
        SettingsError::Blanks(name) => {
            format!(
                "set it again, as in: export {name}=\"$(printf %s \"${name}\" | tr -d \
                 '[:space:]')\""
            )
        }
        SettingsError::Both(..) => "unset one of them".to_owned(),
        SettingsError::Endpoint(_) => {
            "set it to something like http://127.0.0.1:4566, or unset it for AWS itself".to_owned()
        }
        SettingsError::LogFilter => {
            "set it to a level or to targets with levels, like RUST_LOG=loginetl=debug".to_owned()
        }
        SettingsError::Flags(_) => "see --help".to_owned(),
    }
}

pub(super) fn justification_hint(problem: JustificationError) -> &'static str {
    match problem {
        JustificationError::Empty | JustificationError::TooLong | JustificationError::Control => {
            "say why in 1 to 500 printable characters; nothing was written"
        }
        JustificationError::Address
        | JustificationError::DeviceId
        | JustificationError::Uuid
        | JustificationError::Asked => {
            "it stays in the log for ever, so leave values out and name a case or ticket; \
             nothing was written"
        }
    }
}

const FORGOTTEN: &str = "what was loaded before it stays and is recognised; leave out messages \
                         that are so old, and compare them with the table";
const OTHER_DAY: &str = "sent_at must be the queue's SentTimestamp, to the day (UTC), else \
                         messages would count twice; what was loaded before it stays and is \
                         recognised";

pub(super) fn db_advice(error: &DbError) -> (Exit, String) {
    let (exit, hint) = match error {
        DbError::Url(problem) => (Exit::Usage, problem.remedy()),
        DbError::Stale(_) => (
            Exit::Temporary,
            "make the password on the server and the one in the file the same, then run it again",
        ),
        DbError::Tls(_) => (
            Exit::Usage,
            "TLS is verified by default: give sslrootcert=FILE for a private authority; for a \
             server without TLS on a trusted network, sslmode=disable",
        ),
        DbError::Connect(_) | DbError::Lost { .. } => {
            (Exit::Temporary, "see that the server runs and can be reached, then run it again")
        }
        DbError::Server(_) => (Exit::Usage, "use PostgreSQL 14 or newer and a database in UTF8"),
        DbError::SchemaVersion { found, needed } if found < needed => {
            (Exit::Usage, "run: loginetl init")
        }
        DbError::SchemaVersion { .. } => {
            (Exit::Usage, "use the newer loginetl that made this schema")
        }
        DbError::Divergent(_) => (
            Exit::Usage,
            "use the loginetl that made this schema; migrations are frozen once released",
        ),
        DbError::Table(_) => (
            Exit::Usage,
            "run the ALTER named above, or rename the table, then run loginetl init again",
        ),
        DbError::Invalid(_) => {
            (Exit::Integrity, "somebody changed the vault; compare it with a backup")
        }
        DbError::Forgotten { .. } => (Exit::Usage, FORGOTTEN),
        DbError::OtherDay { .. } => (Exit::Usage, OTHER_DAY),
        DbError::Blind { spots, .. } => (Exit::Refused, blind_hint(spots)),
        DbError::Swallowed { .. } => (
            Exit::Refused,
            "disable or correct what is named, then run it again; nothing was changed by this \
             transaction",
        ),
        DbError::NotInherited { .. } => (
            Exit::Refused,
            "ALTER ROLE the login INHERIT, or GRANT the group again WITH INHERIT TRUE \
             (PostgreSQL 16 or newer), then connect anew",
        ),
        DbError::Standby => (Exit::Usage, "name the primary in the database URL"),
        DbError::Owner { .. } => (
            Exit::Refused,
            "run init as the owner of the table, or GRANT that role to this login (a superuser \
             needs neither)",
        ),
        DbError::Sql { kind, .. } => sql_advice(*kind),
    };
    (exit, hint.to_owned())
}

/// What hides rows from a login, or from the owner of the functions that count them.
fn blind_hint(spots: &[String]) -> &'static str {
    if spots.iter().all(|spot| spot.contains(" has no right to ")) {
        denial_hint(Denial::OwnerOfFunctions)
    } else {
        "loginetl init makes the policies that row-level security needs; drop, disable or reset \
         what else is named; nothing was changed"
    }
}

const LOOK_UP: &str = "look the SQLSTATE up in the PostgreSQL manual, appendix A; the server's \
                       log has the details";

fn sql_advice(kind: SqlKind) -> (Exit, &'static str) {
    match kind {
        SqlKind::Temporary | SqlKind::FenceTaken | SqlKind::MissingDay => {
            (Exit::Temporary, "run it again; nothing is lost")
        }
        SqlKind::ReadOnly => (
            Exit::Temporary,
            "the server is read-only (a standby, or in the midst of a failover): name the \
             primary, then run it again",
        ),
        SqlKind::Login => (
            Exit::Refused,
            "see user name and password in the database URL, and the server's pg_hba.conf",
        ),
        SqlKind::Denied(denial) => (Exit::Refused, denial_hint(denial)),
        SqlKind::Overtaken => (
            Exit::Temporary,
            "another process has changed it meanwhile; see: loginetl keys list, and run it again",
        ),
        SqlKind::Gate => (
            Exit::Refused,
            "run it again; a request serves its own login, for the keys it names, for five \
             minutes (see docs/commands/unmask.md)",
        ),
        SqlKind::ForeignCode => (
            Exit::Refused,
            "a trigger or function of somebody else raised it: correct or disable it; loginetl \
             check names the triggers on user_logins",
        ),
        SqlKind::Blind => (
            Exit::Refused,
            "loginetl_owner, whose functions count rows, cannot see all of them: loginetl check \
             names what hides them; nothing was changed",
        ),
        SqlKind::Swallowed => (
            Exit::Refused,
            "a trigger or rule on loginetl's own tables swallows what is written: loginetl check \
             names it",
        ),
        SqlKind::Missing => (
            Exit::Usage,
            "see that the URL names the right database; then run: loginetl check, which compares \
             it, and loginetl init, which repairs it",
        ),
        SqlKind::Unsupported => (
            Exit::Refused,
            "the table or the server is in another state than this needs; loginetl check \
             may name it",
        ),
        SqlKind::Pooler => (
            Exit::Refused,
            "a pooler or proxy changes transactions on the way: use its transaction or session \
             mode, or connect directly",
        ),
        SqlKind::Data | SqlKind::Other => (Exit::Attention, LOOK_UP),
    }
}

/// SQLSTATE 42501 has many causes.
pub(super) fn denial_hint(denial: Denial) -> &'static str {
    match denial {
        Denial::Policy => {
            "a policy of row-level security refuses it: loginetl init makes the policies for \
             loginetl's groups"
        }
        Denial::Sequence => {
            "the sequence is behind a default of user_logins: loginetl init grants USAGE on it"
        }
        Denial::ForeignCode => {
            "a trigger or function of somebody else runs with the rights of this login and lacks \
             one: make it SECURITY DEFINER, or grant it what it needs; loginetl check names the \
             triggers on user_logins"
        }
        Denial::OwnerOfFunctions => {
            "loginetl_owner, which owns loginetl's functions, has lost a right: loginetl init \
             gives it back"
        }
        Denial::Roles => {
            "run init as a superuser; or have one run GRANT loginetl_owner TO your login, which \
             owns the database"
        }
        Denial::Grant => {
            "connect as a login that is a member of the group this command needs (see \
             docs/roles.md); after a restore or a REVOKE, loginetl init grants again"
        }
    }
}

pub(super) fn aws_advice(error: &CallError) -> (Exit, String) {
    let (exit, hint) = match error.kind {
        CallKind::NoRegion => (Exit::Usage, "set AWS_REGION, or a region in the AWS profile"),
        CallKind::NoCredentials => (
            Exit::Usage,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role; with SSO: \
             eval \"$(aws configure export-credentials --format env)\"",
        ),
        CallKind::Denied => (
            Exit::Refused,
            "see that the credentials are of the right role and that its policy allows the call \
             (keys/README.md)",
        ),
        CallKind::Missing => (
            Exit::Usage,
            "see that the queue URL or key alias is right, and that it is in this account \
             and region",
        ),
        CallKind::KeyState => (Exit::Refused, "see the key's state in KMS: it must be enabled"),
        CallKind::KeyKind => (Exit::Usage, kind_hint(error.operation)),
        CallKind::OtherRegion => (
            Exit::Refused,
            "LOGINETL_KMS_REGION names another region than this key's, and only a multi-Region \
             key (mrk-…) can be used there: set it to the key's region, or unset it (see \
             docs/settings.md)",
        ),
        CallKind::Tampered => (
            Exit::Integrity,
            "the wrap was moved or changed; compare the row in vault.wraps with a backup",
        ),
        CallKind::Busy => (Exit::Temporary, "run it again; nothing is lost"),
        CallKind::Unreachable => (
            Exit::Temporary,
            "see that AWS_ENDPOINT_URL, the network and the proxy are right, then run it again",
        ),
        CallKind::QueryProtocol => (
            Exit::Usage,
            "this emulator is too old for the AWS JSON protocol; use LocalStack 4.8.1 (docker \
             compose up, or make up)",
        ),
        CallKind::Refused => {
            (Exit::Attention, "look the error code up in the AWS documentation of the call")
        }
    };
    (exit, hint.to_owned())
}

/// What the KMS key of an operation must be, and where its name stands.
fn kind_hint(operation: &str) -> &'static str {
    match operation {
        "KMS Sign" | "KMS GetPublicKey" => {
            "the audit key must sign with ECDSA on P-256 (KeyUsage SIGN_VERIFY, KeySpec \
             ECC_NIST_P256): name such a key by LOGINETL_AUDIT_KEY or --audit-key; \
             keys/create-keys.sh makes one"
        }
        _ => {
            "the ingest and the recovery key must encrypt (KeyUsage ENCRYPT_DECRYPT, KeySpec \
             SYMMETRIC_DEFAULT): name such keys by LOGINETL_INGEST_KEY and LOGINETL_RECOVERY_KEY; \
             keys/create-keys.sh makes them"
        }
    }
}

pub(super) fn vault_advice(error: &VaultError) -> (Exit, String) {
    let (exit, hint) = match error {
        VaultError::Db(error) => return db_advice(error),
        VaultError::Kms { source, .. }
        | VaultError::Unsigned { source, .. }
        | VaultError::NoSigner(source) => {
            return aws_advice(source);
        }
        VaultError::Expired(source) => return vault_advice(source),
        VaultError::WrongSigner => (
            Exit::Integrity,
            "this KMS, or the emulator that stands for it, signs wrongly (a DIGEST hashed \
             again?): use another; nothing was begun",
        ),
        VaultError::NotKept { .. } => (
            Exit::Integrity,
            "something removes what is written into the audit log: loginetl check and audit \
             verify; nothing was shown",
        ),
        VaultError::OtherRequest(_) => {
            (Exit::Integrity, "report this: it is a defect of loginetl; nothing was shown")
        }
        VaultError::NoKeys => (Exit::Usage, "run: loginetl init"),
        VaultError::Unreadable(_) => {
            (Exit::Integrity, "a row of vault.wraps is missing; compare it with a backup")
        }
        VaultError::CheckValue(_) => (
            Exit::Integrity,
            "a row of vault.data_keys or vault.wraps was changed; compare it with a backup",
        ),
        VaultError::OneKmsKey => {
            (Exit::Usage, "give two KMS keys: revoking recovery must not stop loading")
        }
        VaultError::NoRandomness => (Exit::Temporary, "run it again"),
    };
    (exit, hint.to_owned())
}

/// What becomes of a request that was not taken up again.
pub(super) fn resume_hint(request: i64, problem: ResumeProblem) -> String {
    let withdraw =
        format!("if no key was released for it, withdraw it: loginetl unmask --withdraw {request}");
    match problem {
        ResumeProblem::NotOwn => {
            "connect as the login that made it; an auditor sees which: loginetl audit list \
             --kind unmask"
                .to_owned()
        }
        ResumeProblem::Closed => "ask anew, with a reason: loginetl unmask --help".to_owned(),
        ResumeProblem::Late => format!("{withdraw}; then ask anew, with a reason"),
        ResumeProblem::OtherKind | ResumeProblem::OtherSelectors => {
            format!(
                "nothing was released; name what it was made for, or ask anew, with a reason; \
                 {withdraw}"
            )
        }
        ResumeProblem::OtherKeys => {
            format!(
                "nothing was released; rows or keys have changed since, so ask anew, with a \
                 reason; {withdraw}"
            )
        }
    }
}
