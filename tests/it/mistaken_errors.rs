//! An error is taken for the one that is meant and for no other: where a signature or a
//! record does not stand, nothing is shown, activated or called done, whatever came
//! instead of it.

mod denials;
mod ends;
mod words;

use std::process::Output;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::rotate::{rotate, states, world as with_rows};
use crate::support::{Action, Login, Proxy, World, event, text};

/// What somebody's trigger does to a row that is inserted: how it is made, and the body
/// of its function.
struct Trick {
    what: &'static str,
    made: &'static str,
    body: &'static str,
}

const BEFORE: &str = "create trigger trick before insert on TABLE for each row";
const AFTER: &str = "create trigger trick after insert on TABLE for each row";
const AT_COMMIT: &str = "create constraint trigger trick after \
                           insert on TABLE deferrable initially deferred for each row";

const RAISES: Trick =
    Trick { what: "raises an exception", made: BEFORE, body: "raise exception 'no';" };
const SWALLOWS: Trick = Trick { what: "swallows the row", made: BEFORE, body: "return null;" };
const ANOTHER_ROW: Trick = Trick {
    what: "says that another row is there",
    made: BEFORE,
    body: "raise exception 'no' using errcode = '23505', constraint = 'other_pkey';",
};
const SOME_ROW: Trick = Trick {
    what: "says that some row is there",
    made: BEFORE,
    body: "raise exception 'no' using errcode = '23505';",
};
const THIS_ROW: Trick = Trick {
    what: "says that this very row is there",
    made: BEFORE,
    body: "raise exception 'no'
        using errcode = '23505', schema = 'audit', table = 'signatures',
          constraint = 'signatures_pkey';",
};
const EXCHANGES: Trick = Trick {
    what: "exchanges the signature",
    made: BEFORE,
    body: "new.signature := decode('00', 'hex');",
};
const REMOVES: Trick = Trick {
    what: "removes the row again",
    made: AFTER,
    body: "delete from audit.signatures where seq = new.seq;",
};
const REFUSES_LATE: Trick = Trick {
    what: "says at the commit that this very row is there",
    made: AT_COMMIT,
    body: "raise exception 'no' using errcode = '23505', constraint = 'signatures_pkey';",
};
const REMOVES_LATE: Trick = Trick {
    what: "removes the row at the commit",
    made: AT_COMMIT,
    body: "delete from audit.signatures where seq = new.seq;",
};

impl Trick {
    /// The statements that make it. Its function goes around the triggers of the log.
    fn on(&self, table: &str) -> String {
        format!(
            "create function public.trick() returns trigger language plpgsql
                 security definer set session_replication_role = replica as $trick$ begin {} return
                   new; end $trick$;
             {} execute function public.trick()",
            self.body,
            self.made.replace("TABLE", table)
        )
    }
}

/// Whether the newest record is of this kind and not signed, or not yet.
fn newest_is(kind: &str) -> String {
    format!(
        "exists (select from audit.log l join audit.head using (seq)
                 where l.kind = '{kind}' and not exists (select from audit.signatures s
                   where s.seq = l.seq))"
    )
}

/// Before a call of this kind is let through, and as soon as it is due, the statements
/// are run, once.
fn in_between(world: &World, target: &'static str, due: &str, sql: &str) -> Proxy {
    let url = world.database.url.clone();
    let sql = format!(
        "set lock_timeout = '3s';
         do $due$ begin if ({due}) is not true then raise exception 'not yet'; end if; end $due$;
           {sql}"
    );
    let done = Mutex::new(false);
    Proxy::start(move |called| {
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done = *done || (called == target && is_executed(&url, &sql));
        Action::Forward
    })
}

/// On a thread of a proxy, which has no runtime.
fn is_executed(url: &str, sql: &str) -> bool {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute(sql).await.is_ok()
    })
}

/// Takes the trigger away, which must have been there.
async fn undo(world: &mut World, what: &str) {
    world.endpoint = None;
    let made = world.database.count("select from pg_trigger where tgname = 'trick'").await;
    assert_eq!(made, 1, "it was there in time: {what}");
    world.database.execute("drop function public.trick() cascade").await;
}

/// One of the exit codes of a failure, and none of these words on stdout.
fn fails_without(output: &Output, words: &[&str], what: &str) {
    assert!(matches!(output.status.code(), Some(1..=5)), "{what}: {}", text(output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(!words.iter().any(|word| stdout.contains(word)), "{what}: {}", text(output));
}

fn unmask(world: &World, login: &Login, hash: &str) -> Output {
    world.run_as(login, &["unmask", "--ip-hash", hash, "--reason", "a test"])
}

async fn hash_of_first(world: &World) -> String {
    world.database.query("select ip_hash::text from user_logins order by user_id limit 1").await[0]
        .get(0)
}

/// Nothing on stdout, and the value nowhere.
fn shows_nothing(output: &Output, what: &str) {
    fails_without(output, &[], what);
    assert!(
        output.stdout.is_empty() && !text(output).contains("10.0.0.1"),
        "{what}: {}",
        text(output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_shown_only_where_the_signatures_of_its_request_and_outcome_stand() {
    let mut world = World::new().await;
    world.load(&[event(1)]);
    let login = world.database.login("loginetl_unmasker").await;
    let hash = hash_of_first(&world).await;
    let tricks = [
        RAISES,
        SWALLOWS,
        ANOTHER_ROW,
        SOME_ROW,
        THIS_ROW,
        EXCHANGES,
        REMOVES,
        REFUSES_LATE,
        REMOVES_LATE,
    ];
    for trick in &tricks {
        for kind in ["unmask.request", "unmask.outcome"] {
            let what = format!("{} of an {kind}", trick.what);
            let proxy = in_between(
                &world,
                "TrentService.Sign",
                &newest_is(kind),
                &trick.on("audit.signatures"),
            );
            world.endpoint = Some(proxy.url());
            let released =
                world.database.count("select from audit.log where kind = 'unmask.release'").await;
            let output = unmask(&world, &login, &hash);
            shows_nothing(&output, &what);
            undo(&mut world, &what).await;
            if kind == "unmask.request" {
                let now = world
                    .database
                    .count("select from audit.log where kind = 'unmask.release'")
                    .await;
                assert_eq!(now, released, "no key is released: {what}");
            }
        }
    }
    assert!(
        text(&unmask(&world, &login, &hash)).contains("10.0.0.1"),
        "as ever without such a trigger"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_shown_only_where_the_record_of_its_outcome_stands() {
    let mut world = World::new().await;
    world.load(&[event(1)]);
    let login = world.database.login("loginetl_unmasker").await;
    let hash = hash_of_first(&world).await;
    for trick in [RAISES, SWALLOWS, ANOTHER_ROW, SOME_ROW] {
        let proxy = in_between(
            &world,
            "TrentService.Decrypt",
            &newest_is("unmask.release"),
            &trick.on("audit.log"),
        );
        world.endpoint = Some(proxy.url());
        let output = unmask(&world, &login, &hash);
        shows_nothing(&output, trick.what);
        undo(&mut world, trick.what).await;
        assert_eq!(
            world.database.count("select from audit.log where kind = 'unmask.outcome'").await,
            0,
            "{}",
            trick.what
        );
    }
    assert_eq!(unmask(&world, &login, &hash).status.code(), Some(0));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0), "nothing else was harmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_somebody_else_on_the_log_is_refused_by_name_before_anything_happens() {
    let (world, rotator) = with_rows(10, 5).await;
    assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
    let unmasker = world.database.login("loginetl_unmasker").await;
    let hash = hash_of_first(&world).await;
    for table in ["audit.log", "audit.signatures"] {
        for trick in [RAISES, SWALLOWS, ANOTHER_ROW, REMOVES] {
            world.database.execute(&trick.on(table)).await;
            let (before, keys) =
                (world.database.count("select from audit.log").await, states(&world).await);
            let recovering = unmask(&world, &unmasker, &hash);
            let rotating = world.run_as(&rotator, &["rotate-keys", "--duty", "100%"]);
            let destroying =
                world.run_as(&rotator, &["keys", "destroy", "1", "--after", "0m", "--yes"]);
            for output in [recovering, rotating, destroying] {
                assert_eq!(output.status.code(), Some(3), "{}: {}", trick.what, text(&output));
                fails_without(&output, &["10.", "finished", "destroyed"], trick.what);
                assert!(
                    text(&output).contains("trick") && text(&output).contains(table),
                    "{}",
                    text(&output)
                );
            }
            assert_eq!(
                world.database.count("select from audit.log").await,
                before,
                "{}: nothing is recorded",
                trick.what
            );
            assert_eq!(
                states(&world).await,
                keys,
                "{}: no key is made, activated or destroyed",
                trick.what
            );
            world.database.execute("drop function public.trick() cascade").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_finished_only_where_the_signatures_of_its_records_stand() {
    for kind in ["key.create", "rotate.start", "rotate.end"] {
        let (mut world, rotator) = with_rows(30, 10).await;
        for trick in [ANOTHER_ROW, THIS_ROW, SWALLOWS] {
            let what = format!("{} of a {kind}", trick.what);
            let proxy = in_between(
                &world,
                "TrentService.Sign",
                &newest_is(kind),
                &trick.on("audit.signatures"),
            );
            world.endpoint = Some(proxy.url());
            let begun = world.database.count("select from vault.rotation").await;
            let output = rotate(&world, &rotator, &[]);
            fails_without(&output, &["finished"], &what);
            undo(&mut world, &what).await;
            if kind == "key.create" {
                assert_eq!(
                    world.database.count("select from vault.rotation").await,
                    begun,
                    "none is begun: {what}"
                );
            }
            // Without the trigger, the next run signs what is left and goes on.
            let output = rotate(&world, &rotator, &[]);
            assert_eq!(output.status.code(), Some(0), "{what}: {}", text(&output));
            assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0), "{what}");
        }
        let odd = "select from vault.data_keys where state in ('pending', 'retiring')";
        assert_eq!(world.database.count(odd).await, 0, "{kind}: {:?}", states(&world).await);
    }
}

/// The oldest key that can be destroyed.
async fn retired(world: &World) -> i64 {
    let oldest =
        "select min(key_id) from vault.data_keys where state = 'retired' and purpose = 'mask'";
    world.database.query(oldest).await[0].get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_called_destroyed_only_where_the_record_and_its_signature_stand() {
    let (mut world, rotator) = with_rows(10, 5).await;
    let destroy = |world: &World, key: i64| {
        world.run_as(&rotator, &["keys", "destroy", &key.to_string(), "--after", "0m", "--yes"])
    };
    for trick in [RAISES, ANOTHER_ROW, THIS_ROW, SWALLOWS] {
        assert_eq!(rotate(&world, &rotator, &[]).status.code(), Some(0));
        let key = retired(&world).await;
        let proxy = in_between(&world, "TrentService.Sign", "true", &trick.on("audit.log"));
        world.endpoint = Some(proxy.url());
        let output = destroy(&world, key);
        fails_without(&output, &["destroyed"], trick.what);
        undo(&mut world, trick.what).await;
        let wraps = format!(
            "select from vault.wraps join vault.data_keys using (key_id) where key_id = {key} \
               and state = 'retired'"
        );
        assert_eq!(
            world.database.count(&wraps).await,
            2,
            "without its record nothing is destroyed: {}",
            trick.what
        );
        let proxy = in_between(
            &world,
            "TrentService.Sign",
            &newest_is("key.destroy"),
            &trick.on("audit.signatures"),
        );
        world.endpoint = Some(proxy.url());
        let output = destroy(&world, key);
        fails_without(&output, &["destroyed"], trick.what);
        undo(&mut world, trick.what).await;
        let output = destroy(&world, key);
        assert_eq!(
            output.status.code(),
            Some(3),
            "it is gone, and the next run signs that: {}",
            text(&output)
        );
        assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0), "{}", trick.what);
    }
}

/// How many keys are in force; there may not even be a table of them.
async fn active(world: &World) -> i64 {
    let is_there = "select from pg_class where oid = to_regclass('vault.data_keys')";
    match world.database.count(is_there).await {
        0 => 0,
        _ => world.database.count("select from vault.data_keys where state = 'active'").await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_key_is_active_only_where_the_signature_of_its_creation_stands() {
    for trick in [RAISES, ANOTHER_ROW, THIS_ROW, SWALLOWS] {
        let mut world = World::bare().await;
        let proxy = in_between(
            &world,
            "TrentService.Sign",
            &newest_is("key.create"),
            &trick.on("audit.signatures"),
        );
        world.endpoint = Some(proxy.url());
        let output = world.run(&["init"]);
        fails_without(&output, &["is active", "ready"], trick.what);
        assert_eq!(active(&world).await, 0, "{}: {}", trick.what, text(&output));
        undo(&mut world, trick.what).await;
        let output = world.run(&["init"]);
        assert_eq!((output.status.code(), active(&world).await), (Some(0), 3), "{}", text(&output));
        assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0), "{}", trick.what);
    }
}

/// The answer of KMS Sign with a signature that is well formed and of nothing.
fn spoilt(answer: &str) -> String {
    let mut answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    if let Some(signature) = answer["Signature"].as_str() {
        let mut signature = BASE64_STANDARD.decode(signature).expect("base64");
        *signature.last_mut().expect("bytes") ^= 1;
        answer["Signature"] = BASE64_STANDARD.encode(signature).into();
    }
    answer.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kms_that_signs_wrongly_is_found_before_any_key_is_active() {
    let wrong = Proxy::start(|called| match called {
        "TrentService.Sign" => Action::Rewrite(Box::new(|answer| spoilt(&answer))),
        _ => Action::Forward,
    });
    let mut world = World::bare().await.through(&wrong);
    let output = world.run(&["init"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("does not verify"), "{}", text(&output));
    fails_without(&output, &["is active", "ready"], "init");
    assert_eq!(active(&world).await, 0);
    // Nothing wrong was kept: a KMS that signs is enough.
    world.endpoint = None;
    let output = world.run(&["init"]);
    assert_eq!((output.status.code(), active(&world).await), (Some(0), 3), "{}", text(&output));
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_read_the_public_key_is_told_that_no_signature_was_verified() {
    let denied = Proxy::start(|called| match called {
        "TrentService.GetPublicKey" => {
            Action::Answer(400, r#"{"__type": "AccessDeniedException", "message": "s3cret"}"#)
        }
        _ => Action::Forward,
    });
    let world = World::bare().await.through(&denied);
    let output = world.run(&["init"]);
    assert_eq!((output.status.code(), active(&world).await), (Some(0), 3), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(stderr.contains("public") && !stderr.contains("s3cret"), "a note: {}", text(&output));
}
