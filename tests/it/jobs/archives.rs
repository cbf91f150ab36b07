//! What was masked outside keeps its keys: until it is rewritten, dropped, or given up.

use super::{Site, ends};
use crate::support::{json_lines, text};

const DESTROY: [&str; 6] = ["keys", "destroy", "1", "--after", "0m", "--yes"];
const COUNTS: [&str; 4] = ["--rows", "5", "--rejected", "1"];

fn rotate(site: &Site) {
    site.ends(0, "key 1 is retired", &["rotate-keys", "--duty", "100%"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_destroyed_while_an_archive_or_an_open_run_is_under_it() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    site.ends(0, "stay under the old key", &["rotate-keys", "--dry-run"]);
    let archives = |flag: &str| {
        let flags = flag.split(' ').filter(|word| !word.is_empty());
        let args = ["rotate-keys", "--dry-run", "--format", "json"].into_iter().chain(flags);
        json_lines(&site.world.run(&args.collect::<Vec<_>>()))[0]["archives"].clone()
    };
    let (some, none) = (serde_json::json!(["logins"]), serde_json::json!([]));
    assert_eq!(
        [archives("--compromised"), archives("--purpose seal")],
        [some.clone(), none.clone()]
    );
    assert_eq!(archives(""), some);
    rotate(&site);
    // Its hash key is in force still.
    assert_eq!([archives("--compromised"), archives("")], [some, none]);
    site.ends(3, "a run of logins that nobody has committed", &DESTROY);
    ends(&site.commit("plan", &COUNTS), 0, "5 rows, 1 rejected");
    site.ends(3, "in use outside of this database: archive logins", &DESTROY);
    let keys = json_lines(&site.world.run(&["keys", "list", "--format", "json"]));
    let under = |id: usize| keys[id - 1]["archives"].clone();
    assert_eq!([under(1), under(2)], [0; 2].map(|_| serde_json::json!(["logins"])));
    assert_eq!(under(4), serde_json::json!([]));
    let archives = json_lines(&site.world.run(&["archive", "list", "--format", "json"]));
    let known = serde_json::json!(["logins", "s3://a/b", [1, 2], 5, 1, 0, 0]);
    let names = ["archive", "location", "keys", "rows", "rejected", "unopened", "open_runs"];
    assert_eq!(serde_json::json!(names.map(|name| &archives[0][name])), known);

    let drop = ["archive", "drop", "logins", "--reason", "deleted, after seven years"];
    site.ends(2, "no run that nobody has committed", &[&drop[..], &["--open-runs"]].concat());
    site.ends(0, "1 run of archive logins keeps no key any more", &drop);
    site.ends(2, "is not registered here", &drop);
    site.ends(0, "key 1 is destroyed", &DESTROY);
    let on_record = "select from audit.log join audit.signatures using (seq) \
                     where kind = 'archive.drop' and record like '%deleted, after seven years%'";
    assert_eq!(site.world.database.count(on_record).await, 1, "with its reason, signed");
    site.ends(0, "intact", &["audit", "verify"]);
    // What was made by it may be published no more.
    ends(&site.commit("plan", &COUNTS), 3, "has been dropped since");
}

/// The database decides: a destroy that an old build or a race lets through is refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_function_itself_refuses() {
    let site = Site::new().await;
    rotate_with_plan(&site);
    let client = site.world.database.client().await;
    let error = client
        .batch_execute("select vault.destroy_key(1, interval '0', '{}')")
        .await
        .expect_err("an open run");
    assert_eq!(error.code().map(|code| code.code()), Some("LG009"), "{error}");
}

fn rotate_with_plan(site: &Site) {
    site.plan("plan", &[]);
    rotate(site);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_given_up_or_lost_a_key_cannot_be_committed() {
    let site = Site::new().await;
    rotate_with_plan(&site);
    site.plan("other", &[]);
    let drop = ["archive", "drop", "logins", "--open-runs", "--reason", "the cluster died"];
    site.ends(3, "has not expired", &drop);
    site.ends(2, "in whose place", &["archive", "drop", "logins", "--replaced", "--reason", "x"]);
    site.ends(3, "the reason seems to hold an address", &[&drop[..5], &["192.0.2.1"]].concat());
    site.ends(0, "2 runs", &[&drop[..], &["--running-too"]].concat());
    ends(&site.commit("plan", &COUNTS), 3, "was given up");
    site.ends(0, "key 1 is destroyed", &DESTROY);
    ends(&site.commit("plan", &COUNTS), 3, "a data key of its plan is destroyed");
    ends(&site.commit("other", &COUNTS), 3, "was given up");
    let open = site.world.run(&["archive", "list", "--format", "json"]);
    assert!(json_lines(&open).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_counts_once() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    for already in [false, true] {
        let json = site.commit("plan", &[&COUNTS[..], &["--format", "json"]].concat());
        let json = &json_lines(&json)[0];
        assert_eq!((&json["rows"], &json["already"]), (&5.into(), &already.into()));
    }
    ends(&site.commit("plan", &COUNTS), 0, "was committed before");
    ends(&site.commit("plan", &["--rows", "6", "--rejected", "1"]), 3, "other counts");
    ends(&site.commit("plan", &[&COUNTS[..], &["--unopened", "1"]].concat()), 2, "rewrites");
    let records = "select from audit.log where kind = 'mask.commit'";
    assert_eq!(site.world.database.count(records).await, 1);
}

/// 1 would say that it is registered.
#[tokio::test(flavor = "multi_thread")]
async fn no_failure_of_a_commit_ends_with_1() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let too_many = ["--rows", "1000000000000001", "--rejected", "0"];
    ends(&site.commit("plan", &too_many), 2, "1000000000000001");
    let client = site.world.database.client().await;
    let odd = "alter table vault.mask_runs add constraint odd check (row_count <> 77)";
    client.batch_execute(odd).await.expect("a constraint of somebody's own");
    ends(&site.commit("plan", &["--rows", "77", "--rejected", "0"]), 3, "nothing was registered");
    ends(&site.commit("plan", &COUNTS), 0, "is committed");
}

/// Plans a run of an archive and commits it, with these counts.
fn made(site: &Site, archive: &str, flags: &[&str], counts: &[&str]) {
    let plan = ["mask", "plan", "--job", archive, "--location", "s3://a/b"];
    let planned = site.world.run(&[&plan[..], flags].concat());
    std::fs::write(site.path("made"), &planned.stdout).expect("written");
    let committed = site.commit("made", counts);
    assert!(committed.status.code().is_some_and(|code| code < 2), "{}", text(&committed));
}

/// Which of two rewrites of one run was published nobody knows here.
#[tokio::test(flavor = "multi_thread")]
async fn a_complete_rewrite_does_not_vouch_for_another_one() {
    let site = Site::new().await;
    let counts = |rows, unopened| ["--rows", rows, "--rejected", "0", "--unopened", unopened];
    made(&site, "logins", &[], &counts("100", "0")[..4]);
    site.plan("first", &["--rewrites"]);
    site.plan("second", &["--rewrites"]);
    ends(&site.commit("first", &counts("100", "3")), 1, "3 rows could not be opened");
    ends(&site.commit("second", &counts("100", "0")), 0, "is committed");
    let drop = ["archive", "drop", "logins", "--replaced", "--reason", "published"];
    site.ends(3, "with lines that were not opened", &drop);
    // One in the place of both is complete.
    made(&site, "logins", &["--rewrites"], &counts("100", "0"));
    site.ends(0, "3 runs of archive logins", &drop);
}

/// What `init --mask-user-id` masks for good is in no archive that is registered later.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_before_a_field_was_masked_is_not_committed() {
    let site = Site::new().await;
    for plan in ["open", "committed"] {
        site.plan(plan, &[]);
    }
    ends(&site.commit("committed", &COUNTS), 0, "is committed");
    site.plan("rewrite", &["--rewrites"]);
    site.ends(0, "", &["init", "--mask-user-id"]);
    ends(&site.commit("open", &COUNTS), 3, "a field that it has in clear is masked since");
    ends(&site.commit("committed", &COUNTS), 0, "was committed before");
    let rewritten = [&COUNTS[..], &["--unopened", "0"]].concat();
    ends(&site.commit("rewrite", &rewritten), 0, "is committed");
    site.plan("new", &[]);
    ends(&site.commit("new", &COUNTS), 0, "is committed");
}

/// A plan waits for a field that is being masked, and is not made without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_field_that_is_masked_wait_for_each_other() {
    let site = Site::new().await;
    let client = site.world.database.client().await;
    let begun = "begin; insert into vault.fields (field, token_prefix, position) \
                 values ('user_id', 'usr1.', 3)";
    client.batch_execute(begun).await.expect("a field more");
    let word = site.word("late");
    let plan = ["mask", "plan", "--job", "logins", "--location", &word];
    let planning = site.world.spawn(&plan);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    client.batch_execute("commit").await.expect("committed");
    ends(&planning.finish(), 4, "LG004");
    let open = "select from vault.mask_runs where location like '%late'";
    assert_eq!(site.world.database.count(open).await, 0, "no run without that field");
}

/// Lines that a rewrite has lost are not forgotten when it is rewritten itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_of_a_rewrite_has_the_lines_of_what_both_come_from() {
    let site = Site::new().await;
    for (archive, first, unopened, second, freed) in [
        ("whole", "100", "0", "100", Some("2 runs")),
        ("opened-later", "100", "3", "100", Some("2 runs")),
        ("never-published", "90", "0", "100", Some("2 runs")),
        ("lost", "90", "0", "90", None),
    ] {
        let counts = |rows, unopened| ["--rows", rows, "--rejected", "0", "--unopened", unopened];
        made(&site, archive, &[], &counts("100", "0")[..4]);
        made(&site, archive, &["--rewrites"], &counts(first, unopened));
        made(&site, archive, &["--rewrites"], &counts(second, "0"));
        let drop = ["archive", "drop", archive, "--replaced", "--reason", "published"];
        match freed {
            Some(said) => site.ends(0, said, &drop),
            None => site.ends(3, "with other counts than what it replaces", &drop),
        }
    }
    let archives = json_lines(&site.world.run(&["archive", "list", "--format", "json"]));
    let rows: Vec<_> = archives.iter().map(|archive| archive["rows"].clone()).collect();
    assert_eq!(rows, [90, 100, 100, 100], "each line once, however often it was rewritten");
    let planner = "in their place: what ";
    made(&site, "lost", &["--rewrites"], &["--rows", "100", "--rejected", "0", "--unopened", "0"]);
    site.ends(0, planner, &["archive", "drop", "lost", "--replaced", "--reason", "published"]);
}

/// What was committed in vain, or is not there any more, is counted no longer.
#[tokio::test(flavor = "multi_thread")]
async fn one_run_is_dropped_by_its_id() {
    let site = Site::new().await;
    let five = ["--rows", "5", "--rejected", "0", "--unopened", "0"];
    made(&site, "logins", &[], &five[..4]);
    made(&site, "logins", &[], &five[..4]);
    site.plan("whole", &["--rewrites"]);
    let ids = || -> Vec<String> {
        let archives = json_lines(&site.world.run(&["archive", "list", "--format", "json"]));
        let runs = archives[0]["runs"].as_array().expect("runs");
        runs.iter().map(|run| run["run"].as_str().expect("an id").to_owned()).collect()
    };
    let [first, second, open] = &ids()[..] else { panic!("three runs") };
    let drop = |archive: &str, run: &str, more: &[&str]| {
        let words = ["archive", "drop", archive, "--run", run, "--reason", "in vain"];
        site.world.run(&[&words[..], more].concat())
    };
    ends(&drop("others", first, &[]), 2, "has no such run");
    ends(&drop("logins", open, &[]), 3, "may be at work");
    ends(&drop("logins", second, &[]), 0, "1 run of archive logins");
    ends(&drop("logins", second, &[]), 2, "has no such run");
    assert_eq!(ids(), [first.clone(), open.clone()]);
    ends(&site.commit("whole", &five), 0, "is committed");
    let replaced = ["archive", "drop", "logins", "--replaced", "--reason", "published"];
    site.ends(0, "1 run of archive logins", &replaced);
    ends(&drop("logins", open, &["--running-too"]), 0, "1 run");
    site.ends(0, "intact", &["audit", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_many_runs_is_dropped_by_one_call() {
    let site = Site::new().await;
    let client = site.world.database.client().await;
    let many = "insert into vault.mask_runs (run, archive, location, keys, plan_digest, \
                  expires_at, state, ended_at, row_count, rejected_count, unopened_count) \
                select gen_random_uuid(), 'hourly', 'b', array[1, 2], sha256(''), now(), \
                  'committed', now(), 1, 0, 0 from generate_series(1, 4000)";
    client.batch_execute(many).await.expect("rows");
    let counts = ["--rows", "4000", "--rejected", "0", "--unopened", "0"];
    made(&site, "hourly", &["--rewrites"], &counts);
    made(&site, "hourly", &["--rewrites"], &counts);
    let drop = ["archive", "drop", "hourly", "--reason", "deleted"];
    site.ends(0, "4001 runs", &[&drop[..], &["--replaced"]].concat());
    site.ends(0, "1 run of", &drop);
    client.batch_execute(many).await.expect("rows");
    site.ends(0, "4000 runs", &drop);
    site.ends(0, "intact", &["audit", "verify"]);
}

/// A plan is made under keys that no rotation retires before it is on record.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_the_end_of_its_keys_wait_for_each_other() {
    let site = Site::new().await;
    let client = site.world.database.client().await;
    let plan = "select vault.plan_mask_run(gen_random_uuid(), 'a', 'b', array[1, 2]::bigint[], \
                false, sha256(''), now() + interval '1 day', \
                '{\"fields\": [\"ip\", \"device_id\"]}')";
    client.batch_execute(&format!("begin; {plan}")).await.expect("it is on record");
    let rotating = site.world.spawn(&["rotate-keys", "--duty", "100%"]);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let state = "select from vault.data_keys where key_id = 1 and state = 'active'";
    assert_eq!(site.world.database.count(state).await, 1, "it waits");
    client.batch_execute("commit").await.expect("committed");
    ends(&rotating.finish(), 0, "finished");
    site.ends(3, "nobody has committed", &DESTROY);
    let error = client.batch_execute(plan).await.expect_err("key 1 is retired");
    assert_eq!(error.code().map(|code| code.code()), Some("LG004"), "{error}");
}

/// What a login of the loader's group, or of the rotator's, can do with an SQL client.
#[tokio::test(flavor = "multi_thread")]
async fn the_functions_take_nothing_odd() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let loader = site.world.database.login("loginetl_loader").await.client().await;
    let plan = |keys: &str, name: &str, place: &str, expiry: &str, details: &str| {
        format!(
            "select vault.plan_mask_run(gen_random_uuid(), '{name}', '{place}', {keys}, true, \
               sha256(''), {expiry}, '{details}')"
        )
    };
    let (good, soon) = ("array[1, 2]::bigint[]", "now() + interval '1 day'");
    let fields = "{\"fields\": [\"ip\", \"device_id\"]}";
    let refused = [
        plan("array[[1, 2]]::bigint[]", "a", "b", soon, fields),
        plan("array[]::bigint[]", "a", "b", soon, fields),
        plan("null", "a", "b", soon, fields),
        plan("array[1, 3]::bigint[]", "a", "b", soon, fields),
        plan(good, "a b", "b", soon, fields),
        plan(good, "", "b", soon, fields),
        plan(good, "a", "", soon, fields),
        plan(good, "a", "b' || chr(27) || '", soon, fields),
        plan(good, "a", "b", "'infinity'", fields),
        plan(good, "a", "b", "now() + interval '40 days'", fields),
        plan(good, "a", "b", soon, "{}"),
        plan(good, "a", "b", soon, "[]"),
        "select vault.commit_mask_run(gen_random_uuid(), null, null, 1, null, 0, '{}')".to_owned(),
        "select vault.drop_archive('logins', 'all', true, true, '{\"reason\": \"x\"}')".to_owned(),
        "select * from vault.runs_to_drop('logins', 'all', true)".to_owned(),
        "update vault.mask_runs set state = 'dropped'".to_owned(),
        "select * from vault.mask_runs".to_owned(),
    ];
    for statement in refused {
        assert!(loader.batch_execute(&statement).await.is_err(), "{statement}");
    }
    // A run is committed by who has its plan, and a loader's rewrite frees nothing.
    let run = "select run from vault.archive_runs";
    let run: uuid::Uuid = loader.query_one(run, &[]).await.expect("a run").get(0);
    let commit = "select (vault.commit_mask_run($1, null, null, 1, 0, 0, '{}')).answer";
    let answer: String = loader.query_one(commit, &[&run]).await.expect("an answer").get(0);
    assert_eq!(answer, "unknown");
    ends(&site.commit("plan", &COUNTS), 0, "is committed");
    loader.batch_execute(&plan(good, "logins", "b", soon, fields)).await.expect("planned");
    let made_up = "select (vault.commit_mask_run(run, sha256(''), null, 0, 0, 0, '{}')).answer \
                   from vault.archive_runs where state = 'open'";
    let answer: String = loader.query_one(made_up, &[]).await.expect("an answer").get(0);
    assert_eq!(answer, "committed");
    rotate(&site);
    site.ends(3, "archive logins", &DESTROY);
    let rotator = site.world.database.login("loginetl_rotator").await.client().await;
    for details in ["{}", "{\"reason\": \"\"}", "[]"] {
        let drop = format!("select vault.drop_archive('logins', 'all', true, true, '{details}')");
        assert!(rotator.batch_execute(&drop).await.is_err(), "{details}");
    }
}
