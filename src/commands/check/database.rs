//! The database: schema, login, privileges, clock, audit log.

use jiff::Timestamp;

use super::Findings;
use crate::db::{Login, Session, Target};

/// Clocks that differ by more spoil AWS signatures, and the days of rows.
const MAX_SKEW_SECONDS: i64 = 30;
/// More records than this without a signature are worth a look.
const MAX_UNSIGNED: i64 = 1_000;

/// Looks at everything in the database; the session, if there is one that can be used.
pub(super) async fn check(target: &Target, findings: &mut Findings) -> Option<(Session, Login)> {
    let session = findings.take("database", target.connect().await)?;
    let login = findings.take("database", session.login().await)?;
    findings.ok("database", format!("reached as {}", login.name));
    roles(&login, findings);
    findings.take("schema", session.check_schema_version().await)?;
    findings.ok("schema", "of this program's version");
    privileges(&session, findings).await;
    clock(&session, findings).await;
    if login.is("loginetl_rotator") {
        sizes(&session, findings).await;
    }
    if login.groups.iter().any(|group| group != "loginetl_analyst") {
        audit(&session, findings).await;
    }
    Some((session, login))
}

fn roles(login: &Login, findings: &mut Findings) {
    let groups = login.groups.join(", ");
    match () {
        () if login.is_superuser => findings.note(
            "login",
            "is a superuser: no group and no gate binds it",
            "use it for init only; let people and services log in as members of one group",
        ),
        () if login.groups.is_empty() => findings.warn(
            "login",
            "is in no group of loginetl, and may do nothing",
            "grant one: loginetl_loader, loginetl_analyst, loginetl_unmasker, loginetl_rotator or loginetl_auditor",
        ),
        () if login.groups.len() > 1 => {
            findings.warn(
                "login",
                format!("is in several groups: {groups}"),
                "one login, one task: revoke what it does not need",
            );
        }
        () => findings.ok("login", format!("is in {groups}")),
    }
}

async fn privileges(session: &Session, findings: &mut Findings) {
    let Some((excess, missing)) = findings.take("privileges", session.privileges().await) else { return };
    if excess.is_empty() && missing.is_empty() {
        findings.ok("privileges", "each group has what init granted, and nobody has more");
    }
    if !excess.is_empty() {
        findings.warn("privileges", format!("in excess: {}", excess.join("; ")), "REVOKE them, unless you know who needs them");
    }
    if !missing.is_empty() {
        findings.warn("privileges", format!("missing: {}", missing.join("; ")), "GRANT them again");
    }
}

async fn clock(session: &Session, findings: &mut Findings) {
    let before = Timestamp::now();
    let Some(theirs) = findings.take("clock", session.clock().await) else { return };
    let middle = before + Timestamp::now().duration_since(before) / 2;
    let skew = theirs.duration_since(middle).as_secs();
    if skew.abs() > MAX_SKEW_SECONDS {
        findings.warn("clock", format!("this machine and the database differ by {skew} s"), "set both by NTP");
    } else {
        findings.ok("clock", "agrees with the database's");
    }
}

/// A rotation touches the pages of the table in the order of hashes, which is no order.
async fn sizes(session: &Session, findings: &mut Findings) {
    let Some((table, buffers, wal)) = findings.take("memory", session.sizes().await) else { return };
    let mib = |bytes: i64| bytes / 1024 / 1024;
    if table <= buffers && 2 * table <= wal {
        return findings.ok("memory", "the table fits into shared_buffers, a rotation's WAL between two checkpoints");
    }
    findings.note(
        "memory",
        format!(
            "table {} MiB, shared_buffers {} MiB, max_wal_size {} MiB: a rotation will be slow",
            mib(table),
            mib(buffers),
            mib(wal)
        ),
        "for its time set shared_buffers to twice the table, and max_wal_size to 8 GB or more",
    );
}

async fn audit(session: &Session, findings: &mut Findings) {
    let Some(idle) = findings.take("audit log", session.idle_triggers().await) else { return };
    if !idle.is_empty() {
        findings.warn("audit log", idle.join("; "), "enable it: ALTER TABLE … ENABLE TRIGGER …; then run: loginetl audit verify");
    }
    let (head, last_signed) = match session.audit_state().await {
        Ok(state) => state,
        Err(error) => return findings.failed("audit log", &error.into()),
    };
    let after = head.seq - last_signed.unwrap_or(0);
    match last_signed {
        Some(_) if after <= MAX_UNSIGNED => {
            findings.ok("audit log", format!("{} records, {after} after the last signature", head.seq));
        }
        _ => findings.warn(
            "audit log",
            format!("{after} records after the last signature: nothing proves them yet"),
            "the next unmask, rotation or new key signs them all",
        ),
    }
}
