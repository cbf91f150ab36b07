//! A wrap is handed out only where its release is committed: no order of statements takes
//! one and leaves no record.
//!
//! The attacker is an unmasker with SQL and signs requests with any bytes. Sequences of
//! steps are tried one and all; errors are swallowed, as an attacker does. Then the log
//! is read by somebody else.

mod withdrawal;

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::gate::{refusal, release, request, sign, unmasker, wrap};
use crate::support::{Database, Login, World};

/// A statement of the other session that takes longer waits for a lock, and goes on
/// waiting while the first goes on.
const BLOCKED_AFTER: Duration = Duration::from_millis(5);

/// Requests of one connection; the last of them is left without a word.
const AT_ONCE: usize = 200;

/// What an attacker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Savepoint,
    /// `rollback to savepoint`.
    Undo,
    Rollback,
    Commit,
    Do(Act),
    /// In a second session, without a transaction around it.
    Beside(Act),
}

/// A call of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Release,
    Wrap,
    Withdraw,
    Conclude,
}

use Act::{Conclude, Release, Withdraw, Wrap};
use Step::{Begin, Beside, Commit, Do, Rollback, Savepoint, Undo};

impl Act {
    fn sql(self, request: i64) -> String {
        match self {
            Release => release(request, 1),
            Wrap => wrap(request, 1),
            Withdraw => format!("select vault.withdraw_request({request}, '{{}}')"),
            Conclude => format!("select vault.record_outcome({request}, '{{}}')"),
        }
    }
}

impl Step {
    fn is_boundary(self) -> bool {
        matches!(self, Begin | Rollback | Commit)
    }
}

/// All sequences of so many steps, without those that change nothing.
fn sequences(alphabet: &[Step], length: usize) -> Vec<Vec<Step>> {
    let mut all = vec![Vec::new()];
    for _ in 0..length {
        let longer = |begun: &Vec<Step>| {
            let steps = alphabet.iter().copied().filter(|step| matters(begun, *step, alphabet));
            steps.map(|step| [begun.as_slice(), &[step]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Whether a step can have an effect after those that were done.
fn matters(begun: &[Step], step: Step, alphabet: &[Step]) -> bool {
    let is_open = begun.iter().rev().find(|step| step.is_boundary()) == Some(&Begin);
    match step {
        Begin => !is_open,
        Savepoint | Rollback | Commit => is_open,
        Undo => {
            is_open
                && begun
                    .iter()
                    .rev()
                    .take_while(|step| !step.is_boundary())
                    .any(|step| *step == Savepoint)
        }
        // Outside of a transaction one session can do what the other can.
        Do(_) => is_open || !alphabet.contains(&Beside(Wrap)),
        Beside(_) => true,
    }
}

/// What was tried with a request, and how many wraps that gave.
struct Trial {
    request: i64,
    tried: String,
    wraps: usize,
}

/// An unmasker whose many errors do not fill the server's log.
async fn attacker() -> (World, Login) {
    let (world, login, _) = unmasker().await;
    world
        .database
        .execute(&format!("alter role {} set log_min_messages = 'fatal'", login.user))
        .await;
    (world, login)
}

/// Two sessions of one login.
struct Attacker {
    client: Client,
    beside: Client,
    begin: &'static str,
}

impl Attacker {
    async fn new(login: &Login, begin: &'static str) -> Self {
        Self { client: login.client().await, beside: login.client().await, begin }
    }

    /// Goes through the steps; whoever waits for a lock goes on when the first session
    /// has ended its transaction.
    async fn attack(&self, request: i64, steps: &[Step], leaves_it_open: bool) -> usize {
        let (mut given, mut waiting) = (0, Vec::new());
        for step in steps {
            let sql = match step {
                Begin => self.begin.to_owned(),
                Savepoint => "savepoint a".to_owned(),
                Undo => "rollback to savepoint a".to_owned(),
                Rollback => "rollback".to_owned(),
                Commit => "commit".to_owned(),
                Do(act) | Beside(act) => act.sql(request),
            };
            if !matches!(step, Beside(_)) {
                given += wraps(&self.client, &sql).await;
                continue;
            }
            let beside = &self.beside;
            let mut call = Box::pin(async move { wraps(beside, &sql).await });
            let patience = if waiting.is_empty() { BLOCKED_AFTER } else { Duration::ZERO };
            match timeout(patience, &mut call).await {
                Ok(wraps) => given += wraps,
                Err(_) => waiting.push(call),
            }
        }
        if !leaves_it_open {
            self.client.batch_execute("rollback").await.expect("the end");
            for call in waiting {
                given += call.await;
            }
        }
        given
    }
}

/// Runs a statement, or several, and counts the wraps among the rows that
/// come before an error.
async fn wraps(client: &Client, sql: &str) -> usize {
    let Ok(messages) = client.simple_query_raw(sql).await else { return 0 };
    let mut messages = pin!(messages);
    let mut found = 0;
    while let Some(Ok(message)) = messages.next().await {
        if let SimpleQueryMessage::Row(row) = message {
            found += usize::from(row.try_get("wrapped").is_ok_and(|wrapped| wrapped.is_some()));
        }
    }
    found
}

/// Committed and signed requests of keys 1 and 2.
async fn requests(client: &Client, count: usize) -> Vec<i64> {
    let ask = format!(
        "select (vault.request_unmask('unmask', '{{\"reason\": \"a test\"}}', '{{1,2}}')).seq \
           from generate_series(1, {count})"
    );
    let asked: Vec<i64> =
        client.query(&ask, &[]).await.expect("requests").iter().map(|row| row.get(0)).collect();
    let sign = "select audit.sign(seq, 'arn', '\\x00') from unnest($1::bigint[]) as seq";
    client.query(sign, &[&asked]).await.expect("signatures");
    asked
}

/// Tries each sequence with a request of its own.
async fn try_all(login: &Login, begin: &'static str, sequences: &[Vec<Step>]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for some in sequences.chunks(AT_ONCE) {
        let attacker = Attacker::new(login, begin).await;
        for (request, steps) in requests(&attacker.client, some.len()).await.into_iter().zip(some) {
            let is_last = trials.len() % AT_ONCE == some.len() - 1;
            let wraps = attacker.attack(request, steps, is_last).await;
            trials.push(Trial { request, tried: format!("{begin}: {steps:?}"), wraps });
        }
    }
    trials
}

/// What the log has of a request: releases of key 1, withdrawals, outcomes.
async fn records(database: &Database) -> HashMap<(i64, String), i64> {
    let records = "select (record::jsonb ->> 'request')::bigint, kind, count(*) from audit.log
        where kind in ('unmask.release', 'unmask.withdrawal', 'unmask.outcome')
          and coalesce(record::jsonb ->> 'key_id', '1') = '1' group by 1, 2";
    database.query(records).await.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

/// Read by a superuser, when the attackers have gone.
async fn judge(database: &Database, trials: &[Trial]) {
    let records = records(database).await;
    for Trial { request, tried, wraps } in trials {
        let count = |kind: &str| records.get(&(*request, kind.to_owned())).copied().unwrap_or(0);
        let (releases, withdrawals, outcomes) =
            (count("unmask.release"), count("unmask.withdrawal"), count("unmask.outcome"));
        let told = format!(
            "{wraps} wraps, {releases} releases, {withdrawals} withdrawals, {outcomes} \
             outcomes: {tried}"
        );
        assert!(*wraps == 0 || releases > 0, "a wrap whose release is not on record: {told}");
        assert!(
            withdrawals == 0 || (releases == 0 && *wraps == 0),
            "a withdrawn request has released a key: {told}"
        );
        assert!(withdrawals + outcomes <= 1, "a request that was closed twice: {told}");
    }
}

/// The same, where something was given, something withdrawn, and something in vain.
async fn judge_all(database: &Database, trials: &[Trial]) {
    judge(database, trials).await;
    let log = records(database).await;
    let is_withdrawn =
        |trial: &&Trial| log.contains_key(&(trial.request, "unmask.withdrawal".to_owned()));
    let given = trials.iter().filter(|trial| trial.wraps > 0).count();
    let withdrawn = trials.iter().filter(is_withdrawn).count();
    assert!(
        given > trials.len() / 100 && withdrawn > trials.len() / 100,
        "{given} and {withdrawn} of {}",
        trials.len()
    );
    assert!(given + withdrawn < trials.len(), "some were in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_of_statements_gives_a_wrap_whose_release_is_not_on_record() {
    let (world, login) = attacker().await;
    let alphabet = [Begin, Savepoint, Undo, Rollback, Commit, Do(Release), Do(Wrap), Do(Withdraw)];
    let trials = try_all(&login, "begin", &sequences(&alphabet, 6)).await;
    judge_all(&world.database, &trials).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_closes_a_request_for_releases_wraps_and_withdrawals() {
    let (world, login) = attacker().await;
    let alphabet = [Begin, Rollback, Commit, Do(Release), Do(Wrap), Do(Withdraw), Do(Conclude)];
    let trials = try_all(&login, "begin", &sequences(&alphabet, 5)).await;
    judge_all(&world.database, &trials).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_at_once_get_no_more_than_one() {
    let (world, login) = attacker().await;
    let alphabet = [
        Begin,
        Rollback,
        Commit,
        Do(Release),
        Do(Wrap),
        Do(Withdraw),
        Beside(Release),
        Beside(Wrap),
        Beside(Withdraw),
    ];
    let mut trials = try_all(&login, "begin", &sequences(&alphabet, 5)).await;
    trials.extend(
        try_all(
            &login,
            "begin isolation level repeatable read; select 1",
            &sequences(&alphabet, 4),
        )
        .await,
    );
    judge_all(&world.database, &trials).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_older_snapshot_misses_a_withdrawal_or_an_outcome() {
    let (world, login) = attacker().await;
    let alphabet =
        [Begin, Savepoint, Undo, Commit, Do(Release), Do(Wrap), Do(Withdraw), Do(Conclude)];
    for begin in [
        "begin isolation level repeatable read; select 1",
        "begin isolation level serializable; select 1",
        "begin; set transaction isolation level serializable",
    ] {
        let trials = try_all(&login, begin, &sequences(&alphabet, 4)).await;
        judge(&world.database, &trials).await;
    }
}

/// Statements for a request `$R`, each sequence of which an attacker sends as it stands.
const TRICKS: [&[&str]; 15] = [
    &["select vault.release_key($R, 1), (select wrapped from vault.released_wrap($R, \
         1)) as wrapped"],
    &["with r as materialized (select vault.release_key($R, 1)) select w.wrapped \
         from r, vault.released_wrap($R, 1) w"],
    &["select vault.release_key($R, 1); select wrapped from vault.released_wrap($R, 1); \
         select 1 / 0"],
    &[
        "begin; select vault.release_key($R, 1)",
        "select wrapped from vault.released_wrap($R, 1)",
        "rollback",
    ],
    // What is rolled back within a function is kept in its variable.
    &["select pg_temp.undone($R) as wrapped"],
    &["call pg_temp.rolled_back($R, null)"],
    // A cursor that is read when its transaction ends, or after it.
    &[
        "begin",
        "select vault.release_key($R, 1)",
        "declare c cursor with hold for select wrapped from vault.released_wrap($R, 1)",
        "commit",
        "fetch c",
    ],
    &[
        "begin",
        "declare c cursor for select wrapped from vault.released_wrap($R, 1)",
        "select vault.release_key($R, 1)",
        "fetch c",
        "rollback",
    ],
    // A statement that was prepared before, and one that a trigger runs at the commit.
    &[
        "prepare taking as select wrapped from vault.released_wrap($R, 1)",
        "begin; select vault.release_key($R, 1)",
        "execute taking",
        "rollback",
        "execute taking",
    ],
    &[
        "create temp table taken (request bigint, wrapped bytea)",
        "create constraint trigger taking after insert on taken deferrable initially deferred
             for each row when (new.wrapped is null) execute function pg_temp.take()",
        "begin; insert into taken values ($R)",
        "select vault.release_key($R, 1)",
        "commit",
        "select wrapped from taken where wrapped is not null",
    ],
    &[
        "begin; select vault.release_key($R, 1)",
        "prepare transaction '$G'",
        "rollback prepared '$G'",
        "$W",
    ],
    &[
        "begin; select vault.release_key($R, 1)",
        "prepare transaction '$G'",
        "commit prepared '$G'",
        "$W",
    ],
    &[
        "begin; select vault.release_key($R, 1)",
        "savepoint a",
        "prepare transaction '$G'",
        "rollback",
        "$W",
    ],
    &[
        "begin; select vault.withdraw_request($R, '{}')",
        "prepare transaction '$G'",
        "rollback prepared '$G'",
        "$W",
    ],
    &["select wrapped, (select seq from vault.withdraw_request($R, '{}')) \
         from vault.released_wrap($R, 1)"],
];

const FUNCTIONS: &str = "
    create function pg_temp.undone(asked bigint) returns bytea language plpgsql as $$
    declare kept bytea;
    begin
        begin
            perform vault.release_key(asked, 1);
            kept := (select wrapped from vault.released_wrap(asked, 1));
            raise exception 'undo it';
        exception when others then null;
        end;
        return kept;
    end $$;
    create procedure pg_temp.rolled_back(asked bigint, inout wrapped bytea) language plpgsql as $$
    begin
        perform vault.release_key(asked, 1);
        rollback;
        wrapped := (select w.wrapped from vault.released_wrap(asked, 1) w);
        rollback;
    end $$;
    create function pg_temp.take() returns trigger language plpgsql as $$
    begin
        insert into taken select new.request, w.wrapped from vault.released_wrap(new.request, 1) w;
        return null;
    end $$;";

#[tokio::test(flavor = "multi_thread")]
async fn no_trick_of_sql_takes_a_wrap_before_its_release_is_committed() {
    let (world, login) = attacker().await;
    for isolation in ["read committed", "repeatable read"] {
        let mut trials = Vec::new();
        for (number, trick) in TRICKS.iter().enumerate() {
            let client = login.client().await;
            client.batch_execute(FUNCTIONS).await.expect("anybody may make functions of its own");
            let asked = requests(&client, 1).await[0];
            client
                .batch_execute(&format!("set default_transaction_isolation = '{isolation}'"))
                .await
                .expect("anybody may");
            let name = format!("{}_{number}_{asked}", login.user);
            let mut given = 0;
            for step in *trick {
                let step = step
                    .replace("$W", &wrap(asked, 1))
                    .replace("$R", &asked.to_string())
                    .replace("$G", &name);
                given += wraps(&client, &step).await;
            }
            // What somebody prepared and left holds the log's head.
            let left = format!("select gid from pg_prepared_xacts where gid = '{name}'");
            for row in world.database.query(&left).await {
                world
                    .database
                    .execute(&format!("rollback prepared '{}'", row.get::<_, String>(0)))
                    .await;
            }
            trials.push(Trial { request: asked, tried: trick.join("; "), wraps: given });
        }
        judge(&world.database, &trials).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_opens_only_what_its_own_request_named() {
    let (world, login, client) = unmasker().await;
    let other = world.database.login_named("loginetl_unmasker", "other").await.client().await;
    let second = login.client().await;
    let (first, later) = (request(&client).await, request(&client).await);
    let theirs = request(&other).await;
    for seq in [first, later] {
        sign(&client, seq).await;
    }
    sign(&other, theirs).await;
    client.batch_execute(&release(first, 1)).await.expect("a release");
    for (who, seq, key, why) in [
        (&client, first, 2, "another key"),
        (&client, first, 3, "a key that it does not name"),
        (&client, later, 1, "another request of this login, with the same key"),
        (&client, theirs, 1, "another's request"),
        (&other, theirs, 1, "another's release"),
        (&other, first, 1, "another's request that was released"),
    ] {
        assert_eq!(refusal(who, &wrap(seq, key)).await, "LG001", "{why}");
    }
    for who in [&client, &second] {
        assert_eq!(wraps(who, &wrap(first, 1)).await, 1, "its own, in any session of the login");
    }
}
