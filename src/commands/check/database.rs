//! The database: schema, login, privileges, clock, audit log.

use jiff::Timestamp;

use super::findings::Findings;
use crate::audit::Group;
use crate::db::{Deviation, Login, Remedy, RowChange, Session, Target, Work};

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
    check_inheritance(&session, findings).await;
    settings(&session, findings).await;
    findings.take("schema", session.check_schema_version().await)?;
    findings.ok("schema", "of this program's version");
    structure(&session, findings).await;
    sight(&session, &login, findings).await;
    clock(&session, findings).await;
    if login.is(Group::Rotator) {
        sizes(&session, findings).await;
    }
    if login.groups.iter().any(|group| *group != Group::Analyst) {
        audit(&session, findings).await;
    }
    Some((session, login))
}

fn joined(groups: &[Group]) -> String {
    groups.iter().map(|group| group.name()).collect::<Vec<_>>().join(", ")
}

fn roles(login: &Login, findings: &mut Findings) {
    let groups = joined(&login.groups);
    match () {
        () if login.is_superuser => findings.note(
            "login",
            "is a superuser: no group and no gate binds it",
            "use it for init only; let people and services log in as members of one group",
        ),
        () if login.groups.is_empty() => findings.warn(
            "login",
            "is in no group of loginetl, and may do nothing",
            "grant one: loginetl_loader, loginetl_analyst, loginetl_unmasker, loginetl_rotator \
             or loginetl_auditor",
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

async fn check_inheritance(session: &Session, findings: &mut Findings) {
    let Some(groups) = findings.take("login", session.groups_not_inherited().await) else { return };
    if !groups.is_empty() {
        findings.warn(
            "login",
            format!("does not inherit the rights of {}", joined(&groups)),
            "ALTER ROLE the login INHERIT, or GRANT the group again WITH INHERIT TRUE \
             (PostgreSQL 16 or newer)",
        );
    }
}

/// What stands there, compared with what must.
async fn structure(session: &Session, findings: &mut Findings) {
    let Some(deviations) = findings.take("structure", session.deviations().await) else { return };
    let (rights, structure): (Vec<_>, Vec<_>) =
        deviations.into_iter().partition(|deviation| deviation.is_privilege);
    if structure.is_empty() {
        findings.ok(
            "structure",
            "tables, indexes, constraints, triggers, functions and owners are as init makes them",
        );
    }
    for Deviation { what, remedy, .. } in structure {
        findings.warn("structure", what, remedy_text(&remedy));
    }
    privileges(session, rights, findings).await;
}

fn remedy_text(remedy: &Remedy) -> &'static str {
    if let Remedy::Person(what) = remedy { what } else { "run: loginetl init, which repairs it" }
}

async fn privileges(session: &Session, rights: Vec<Deviation>, findings: &mut Findings) {
    let Some(odd) = findings.take("privileges", session.odd_groups().await) else { return };
    let (mut missing, mut excess) = (Vec::new(), odd);
    for right in &rights {
        match right.what.strip_prefix("missing: ") {
            Some(grant) => missing.push(grant),
            None => {
                excess.push(right.what.trim_start_matches("beyond what init grants: ").to_owned())
            }
        }
    }
    if excess.is_empty() && missing.is_empty() {
        findings.ok("privileges", "each group has what init granted, and nobody has more");
    }
    if !excess.is_empty() {
        let remedy = "run: loginetl init, which revokes it from loginetl's groups; REVOKE the \
                      rest, unless you know who needs it";
        findings.warn("privileges", format!("in excess: {}", excess.join("; ")), remedy);
    }
    if !missing.is_empty() {
        findings.warn(
            "privileges",
            format!("missing: {}", missing.join("; ")),
            "run: loginetl init, which grants it again",
        );
    }
}

/// What hides rows from this login's work, or from the owner of the functions that count.
async fn sight(session: &Session, login: &Login, findings: &mut Findings) {
    let mut spots = Vec::new();
    let works = [
        (Group::Loader, Work::Load),
        (Group::Unmasker, Work::Unmask),
        (Group::Rotator, Work::Rotate),
    ];
    for (_, work) in works.into_iter().filter(|(group, _)| login.is(*group)) {
        let Some(found) = findings.take("sight", session.blind_spots(None, work).await) else {
            return;
        };
        spots.extend(found);
    }
    let Some(found) =
        findings.take("sight", session.blind_spots(Some(Group::Owner), Work::Count).await)
    else {
        return;
    };
    spots.extend(found);
    spots.sort();
    spots.dedup();
    if spots.is_empty() {
        findings.ok("sight", "nothing hides rows or swallows what is written");
    }
    for spot in spots {
        findings.warn(
            "sight",
            spot,
            "loginetl init makes the policies that are needed; drop or disable anything else",
        );
    }
    for (change, name) in [(RowChange::Insert, "INSERT"), (RowChange::Update, "UPDATE")] {
        let Some(triggers) = findings.take("triggers", session.row_triggers(change).await) else {
            return;
        };
        if !triggers.is_empty() {
            findings.note(
                "triggers",
                format!("on {name}: {}", triggers.join("; ")),
                "they run with the rights of loginetl's logins; what they do to its rows is \
                 looked at, and undone if it is not the rows",
            );
        }
    }
}

/// What somebody has set for this login, database or server.
async fn settings(session: &Session, findings: &mut Findings) {
    let Some(set) = findings.take("settings", session.foreign_settings().await) else { return };
    if set.is_empty() {
        return findings.ok("settings", "the defaults that matter are PostgreSQL's own");
    }
    findings.note(
        "settings",
        set.join("; "),
        "they have no say in loginetl's transactions, but a standby takes no changes, and \
         session_replication_role must be origin",
    );
}

async fn clock(session: &Session, findings: &mut Findings) {
    let before = Timestamp::now();
    let Some(theirs) = findings.take("clock", session.clock().await) else { return };
    let middle = before + Timestamp::now().duration_since(before) / 2;
    let skew = theirs.duration_since(middle).as_secs();
    if skew.abs() > MAX_SKEW_SECONDS {
        findings.warn(
            "clock",
            format!("this machine and the database differ by {skew} s"),
            "set both by NTP",
        );
    } else {
        findings.ok("clock", "agrees with the database's");
    }
}

/// A rotation touches the pages of the table in the order of hashes, which is no order.
async fn sizes(session: &Session, findings: &mut Findings) {
    let Some((table, buffers, wal)) = findings.take("memory", session.sizes().await) else {
        return;
    };
    let mib = |bytes: i64| bytes / 1024 / 1024;
    if table <= buffers && 2 * table <= wal {
        return findings.ok(
            "memory",
            "the table fits into shared_buffers, a rotation's WAL between two checkpoints",
        );
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
    let (head, last_signed) = match session.audit_state().await {
        Ok(state) => state,
        Err(error) => return findings.fail("audit log", &error.into()),
    };
    let after = head.seq - last_signed.unwrap_or(0);
    match last_signed {
        Some(_) if after <= MAX_UNSIGNED => {
            findings
                .ok("audit log", format!("{} records, {after} after the last signature", head.seq));
        }
        _ => findings.warn(
            "audit log",
            format!("{after} records after the last signature: nothing proves them yet"),
            "the next unmask, rotation or new key signs them all",
        ),
    }
}
