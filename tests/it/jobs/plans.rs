//! A plan: printed for those who may, refused unless it is as it was printed.

use super::{Site, ends, events};
use crate::support::text;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_changed_is_refused_with_its_own_words() {
    let site = Site::new().await;
    site.plan("plan", &[]);
    let plan = std::fs::read_to_string(site.path("plan")).expect("a plan");
    let refused = |text: &str, exit: i32, said: &str| {
        std::fs::write(site.path("changed"), text).expect("written");
        let output = site.filter(&["mask", "--plan", &site.word("changed")], b"{}\n");
        ends(&output, exit, said);
        assert!(output.stdout.is_empty(), "{}", crate::support::text(&output));
    };
    refused(&plan.replace("\"logins\"", "\"logout\""), 5, "changed, or cut off");
    refused(&plan[..plan.len() / 2], 5, "changed, or cut off");
    refused("", 2, "is no plan");
    refused("{\"ip\": 1}\n", 2, "is no plan");

    // With the right digest: then only the keys tell.
    let (body, rest) = plan.split_once(",\"digest\":\"").expect("a digest");
    let body = body.replace("s3://a/b", "s3://a/c");
    let digest = loginetl::crypto::Digest::of(body.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    refused(&format!("{body},\"digest\":\"{digest}{}", &rest[64..]), 5, "does not authenticate");
    let output = site.filter(&["mask", "--plan", &site.word("nothing")], b"{}\n");
    ends(&output, 2, "cannot be read");
    let output = site.filter(&["remask", "--plan", &site.word("plan")], b"{}\n");
    ends(&output, 2, "loginetl mask");
    site.plan("rewrites", &["--rewrites"]);
    let output = site.filter(&["mask", "--plan", &site.word("rewrites")], b"{}\n");
    ends(&output, 2, "loginetl remask");
}

/// A plan of another installation opens with the keys of that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_of_one_installation() {
    let (one, other) = (Site::new().await, Site::new().await);
    one.plan("plan", &[]);
    let plan = one.word("plan");
    let args = ["mask", "commit", "--plan", &plan, "--rows", "1", "--rejected", "0"];
    other.ends(2, "is not known in this database", &args);
    one.ends(0, "is committed", &args);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_plans_and_commits_and_no_one_else_but_a_rotator() {
    let site = Site::new().await;
    for (group, exit) in [
        ("loginetl_loader", 0),
        ("loginetl_rotator", 0),
        ("loginetl_unmasker", 3),
        ("loginetl_auditor", 3),
        ("loginetl_analyst", 3),
    ] {
        let login = site.world.database.login(group).await;
        let planned = site.try_plan(Some(&login), group, &[]);
        assert_eq!(planned.status.code(), Some(exit), "{group}: {}", text(&planned));
        assert_eq!(planned.stdout.is_empty(), exit != 0, "{group}");
        let plan = site.word(if exit == 0 { group } else { "loginetl_loader" });
        let commit = ["mask", "commit", "--plan", &plan, "--rows", "0", "--rejected", "0"];
        let committed = site.world.run_as(&login, &commit);
        assert_eq!(committed.status.code(), Some(exit), "{group}: {}", text(&committed));
        let dropped = ["archive", "drop", "logins", "--reason", "a test", "--running-too"];
        let dropped = site.world.run_as(&login, &dropped);
        let may = i32::from(group != "loginetl_rotator") * 3;
        assert_eq!(dropped.status.code(), Some(may), "{group}: {}", text(&dropped));
        let listed = site.world.run_as(&login, &["archive", "list"]);
        let may = i32::from(group == "loginetl_analyst") * 3;
        assert_eq!(listed.status.code(), Some(may), "{group}: {}", text(&listed));
    }
}

/// The record comes first, and holds what the plan says.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_on_record_before_its_plan_is_printed() {
    let site = Site::new().await;
    let events = events(0..2).join("\n");
    site.plan("plan", &["--valid-for", "90m"]);
    let plan = std::fs::read(site.path("plan")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_slice(&plan).expect("a line of JSON");
    let of = "select record from audit.log where kind = 'mask.run'";
    let record: String = site.world.database.query(of).await[0].get(0);
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    for name in ["run", "archive", "location", "expires_at"] {
        assert_eq!(record[name], plan[name], "{name}");
    }
    assert_eq!(record["keys"], serde_json::json!([1, 2]));
    site.mask("plan", &[], events.as_bytes());
    ends(
        &site.commit("plan", &["--rows", "2", "--rejected", "0", "--location", "s3://c"]),
        0,
        "2 rows",
    );
    let of = "select from audit.log where kind = 'mask.commit' and record like '%s3://c%'";
    assert_eq!(site.world.database.count(of).await, 1);
    for (flags, said) in [
        (&["--job", "a b"][..], "--job is"),
        (&["--job", ""], "--job is"),
        (&["--job", "a", "--location", "a\nb"], "--location is"),
        (&["--job", "a", "--location", "https://u:word@h/x"], "leave the password or signature"),
        (&["--job", "a", "--location", "s3n://u:w/o/rd@h/x"], "leave the password"),
        (&["--job", "a", "--location", "https://u:w?rd@h/x"], "leave the password"),
        (&["--job", "a", "--location", "https://u:12@h/x"], "leave the password"),
        (&["--job", "a", "--location", "https://h/x?X-Amz-Signature=1"], "leave the password"),
        (&["--job", "a", "--location", "https://h/x?y=1&x-goog-signature=1"], "leave the password"),
        (&["--job", "a", "--location", "https://h/x?sig=1&se=2"], "leave the password"),
        (&["--job", "a", "--location", "https://h/x?Expires=1&Signature=1"], "leave the password"),
        (&["--job", "a", "--valid-for", "31d"], "--valid-for"),
        (&["--job", "a", "--valid-for", "0m"], "--valid-for"),
    ] {
        let location = if flags.contains(&"--location") { &[][..] } else { &["--location", "x"] };
        site.ends(2, said, &[&["mask", "plan"], flags, location].concat());
    }
    for location in ["hdfs://name:8020/user/etl@corp/logins", "s3://bucket/at:noon@home"] {
        site.plan("odd", &["--location", location]);
    }
}

/// The run is on record, so that its keys stay until somebody gives it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_nobody_received_is_named() {
    let site = Site::new().await;
    let mut command = site.world.command(&["mask", "plan", "--job", "logins", "--location", "x"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command.stdout(writer).output().expect("it runs");
    ends(&output, 4, "of archive logins could not be written to its end");
    let said = text(&output);
    let remedy = said.split_once("archive drop logins --run ").expect("the remedy").1;
    let run = remedy.split_whitespace().next().expect("an id");
    let give_up = ["archive", "drop", "logins", "--run", run, "--running-too", "--reason", "lost"];
    site.ends(0, "1 run of archive logins", &give_up);
}
