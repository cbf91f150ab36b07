//! Another try and the exit code say the same: what a loop tries again is what a person
//! is told to run again.

use super::*;
use crate::audit::Group;
use crate::aws::CallKind;
use crate::db::{Denial, SqlKind};
use crate::retry::Retry;
use crate::token::KeyId;
use crate::vault::OtherRequest;

const ACTION: &str = "testing";

/// One of each kind; a kind that is new here does not compile until it has its place.
fn sql_kinds() -> Vec<SqlKind> {
    use SqlKind::*;
    let after = |kind| match kind {
        Temporary => Some(FenceTaken),
        FenceTaken => Some(Overtaken),
        Overtaken => Some(ReadOnly),
        ReadOnly => Some(Login),
        Login => Some(Denied(Denial::Grant)),
        Denied(_) => Some(Missing),
        Missing => Some(Unsupported),
        Unsupported => Some(Pooler),
        Pooler => Some(MissingDay),
        MissingDay => Some(Data),
        Data => Some(Gate),
        Gate => Some(ForeignCode),
        ForeignCode => Some(Blind),
        Blind => Some(Swallowed),
        Swallowed => Some(Other),
        Other => None,
    };
    std::iter::successors(Some(Temporary), |kind| after(*kind)).collect()
}

fn call_kinds() -> Vec<CallKind> {
    use CallKind::*;
    let after = |kind| match kind {
        NoRegion => Some(NoCredentials),
        NoCredentials => Some(Denied),
        Denied => Some(Missing),
        Missing => Some(KeyState),
        KeyState => Some(KeyKind),
        KeyKind => Some(OtherRegion),
        OtherRegion => Some(Tampered),
        Tampered => Some(Busy),
        Busy => Some(Unreachable),
        Unreachable => Some(QueryProtocol),
        QueryProtocol => Some(Refused),
        Refused => None,
    };
    std::iter::successors(Some(NoRegion), |kind| after(*kind)).collect()
}

fn of_kind(kind: SqlKind) -> DbError {
    DbError::Sql {
        action: ACTION,
        kind,
        code: "00000".to_owned(),
        object: String::new(),
        message: None,
    }
}

fn db_errors() -> Vec<DbError> {
    let text = || "it".to_owned();
    let others = [
        DbError::Stale(Box::new(of_kind(SqlKind::Login))),
        DbError::Connect(text()),
        DbError::Tls(text()),
        DbError::Server(text()),
        DbError::Lost { action: ACTION },
        DbError::Blind { who: "this login", spots: vec![text()] },
        DbError::Swallowed { action: ACTION, suspects: vec![text()] },
        DbError::NotInherited { login: text(), group: Group::Loader },
        DbError::Standby,
        DbError::Owner { owner: text(), login: text() },
        DbError::SchemaVersion { found: 1, needed: 2 },
        DbError::SchemaVersion { found: 2, needed: 1 },
        DbError::Divergent(text()),
        DbError::Table(text()),
        DbError::Invalid("thing"),
        DbError::Forgotten { day: jiff::civil::Date::ZERO },
        DbError::OtherDay { message_id: uuid::Uuid::nil(), day: jiff::civil::Date::ZERO },
    ];
    sql_kinds().into_iter().map(of_kind).chain(others).collect()
}

fn calls() -> Vec<CallError> {
    call_kinds().into_iter().map(|kind| CallError::new("KMS Sign", kind)).collect()
}

fn vault_errors() -> Vec<VaultError> {
    let Some(key_id) = KeyId::new(1) else { panic!("a key id") };
    let mut errors: Vec<VaultError> = db_errors().into_iter().map(VaultError::Db).collect();
    errors.extend(calls().into_iter().map(|source| VaultError::Kms { key_id, source }));
    errors.extend(calls().into_iter().map(|source| VaultError::Unsigned { seq: 1, source }));
    errors.extend(calls().into_iter().map(VaultError::NoSigner));
    errors.extend(
        calls()
            .into_iter()
            .map(|source| VaultError::Expired(Box::new(VaultError::NoSigner(source)))),
    );
    errors.extend([
        VaultError::WrongSigner,
        VaultError::NotKept { seq: 1 },
        VaultError::OtherRequest(OtherRequest),
        VaultError::NoKeys,
    ]);
    errors.extend([VaultError::Unreadable(key_id), VaultError::CheckValue(key_id)]);
    errors.extend([VaultError::OneKmsKey, VaultError::NoRandomness]);
    errors
}

#[test]
fn what_is_tried_again_is_what_a_person_is_told_to_run_again() {
    let of_services = db_errors().into_iter().map(Error::Db);
    let of_services = of_services
        .chain(calls().into_iter().map(Error::Aws))
        .chain(vault_errors().into_iter().map(Error::Vault));
    for error in
        of_services.chain([Error::Seal(SealError::Malformed), Error::Seal(SealError::Forged)])
    {
        let (exit, remedy) = error.advice();
        assert_eq!(error.retry().may_help(), exit == Exit::Temporary, "{error:?}");
        assert!(!remedy.is_empty(), "{error:?}");
    }
}

#[test]
fn only_the_fence_is_asked_for_again_at_once() {
    let at_once = db_errors().into_iter().filter(|error| error.retry() == Retry::Now);
    assert_eq!(
        at_once.map(|error| error.sql_kind()).collect::<Vec<_>>(),
        [Some(SqlKind::FenceTaken)]
    );
}

#[test]
fn what_ends_a_process_is_not_tried_again_within_it() {
    for error in [
        Error::Stopped,
        Error::StoppedBySignal,
        Error::Interrupted,
        Error::Panicked,
        JobError::Stopped.into(),
        JobError::Panicked.into(),
        Error::OutcomeUnknown { request: 1 },
    ] {
        assert_eq!((error.retry(), error.advice().0), (Retry::Never, Exit::Temporary), "{error:?}");
    }
}
