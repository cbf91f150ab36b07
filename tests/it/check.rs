//! `check` and `status`: what they say of a healthy installation, and of each thing that
//! is wrong with one.

use serde_json::Value;

use crate::support::{Action, Proxy, World, event, json_lines, summary, text};

fn find<'a>(findings: &'a [Value], check: &str, result: &str) -> &'a str {
    let found = findings.iter().find(|f| f["check"] == check && f["result"] == result);
    found.unwrap_or_else(|| panic!("no {check} {result} in {findings:?}"))["text"]
        .as_str()
        .expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_installation_passes_for_each_group_and_nothing_is_written() {
    let world = World::new().await;
    world.queue.redrive_after(10).await;
    let before = world.database.count("select from audit.log").await;
    for (group, expected) in [
        ("loginetl_loader", &["queue", "redrive", "ingest"][..]),
        ("loginetl_unmasker", &["recovery", "signing"]),
        ("loginetl_rotator", &["signing"]),
        ("loginetl_auditor", &["verifying"]),
        ("loginetl_analyst", &[]),
    ] {
        let login = world.database.login(group).await;
        let output = world.run_as(&login, &["check", "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{group}: {}", text(&output));
        let findings = json_lines(&output);
        for check in ["database", "schema", "login", "privileges", "clock"].iter().chain(expected) {
            find(&findings, check, "ok");
        }
    }
    let owner = world.run(&["check"]);
    assert_eq!(owner.status.code(), Some(0), "{}", text(&owner));
    assert!(text(&owner).contains("3 data keys unwrap"), "{}", text(&owner));
    assert_eq!(world.database.count("select from audit.log").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn excess_and_missing_privileges_are_named() {
    let world = World::new().await;
    let login = world.database.login("loginetl_loader").await;
    world
        .database
        .execute(
            "grant select on user_logins to loginetl_loader; \
               grant select on vault.wraps to public; revoke select on vault.keys \
               from loginetl_auditor; alter table audit.log disable trigger all",
        )
        .await;
    let output = world.run_as(&login, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let findings = json_lines(&output);
    let excess = findings.iter().find(|f| f["check"] == "privileges").expect("a finding")["text"]
        .as_str()
        .expect("text");
    assert!(
        excess.contains("loginetl_loader SELECT public.user_logins")
            && excess.contains("PUBLIC SELECT vault.wraps"),
        "{excess}"
    );
    assert!(
        findings.iter().any(|f| f["text"] == "missing: loginetl_auditor SELECT vault.keys"),
        "{findings:?}"
    );
    assert!(find(&findings, "structure", "warning").contains("disabled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_a_line_with_a_remedy() {
    let world = World::new().await;
    let login = world.database.login("loginetl_loader").await;
    let missing = format!("{}-missing", world.queue.url);
    let output = world.run_as(&login, &["check", "--format", "json", "--queue-url", &missing]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        json_lines(&output).iter().any(|f| f["result"] == "failed" && f["remedy"].is_string()),
        "{}",
        text(&output)
    );
    let output = world.run_as(&login, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(find(&json_lines(&output), "redrive", "warning").contains("no dead-letter queue"));
    world.queue.redrive_after(1).await;
    let output = world.run_as(&login, &["check", "--format", "json"]);
    assert!(find(&json_lines(&output), "redrive", "warning").contains("after 1 receives"));
    let unmasker = world.database.login("loginetl_unmasker").await;
    let denied = Proxy::start(|target| match target {
        "TrentService.Sign" => Action::Answer(400, r#"{"__type": "AccessDeniedException"}"#),
        _ => Action::Forward,
    });
    let world = world.through(&denied);
    let output = world.run_as(&unmasker, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(find(&json_lines(&output), "signing", "failed").contains("access denied"));
    world
        .database
        .tamper(
            "update vault.data_keys set check_value = '\\x00000000000000000000000000000000' \
               where key_id = 1",
        )
        .await;
    let output = world.run_as(&login, &["check"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    let gone = world
        .command(&["check"])
        .env("LOGINETL_DATABASE_URL", "postgres://u@127.0.0.1:1/d?sslmode=disable")
        .output();
    assert_eq!(gone.expect("it runs").status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_rows_by_key_and_those_from_before_apart() {
    let world = World::new().await;
    let loaded = world.run_with_input(
        &["load", "--file", "-"],
        format!("{}\n{}\nnonsense", event(1), event(2)).as_bytes(),
    );
    assert!(loaded.status.success(), "{}", text(&loaded));
    world
        .database
        .execute("insert into user_logins (user_id, masked_ip) values ('old', '198.51.100.4')")
        .await;
    let auditor = world.database.login("loginetl_auditor").await;
    let output = world.run_as(&auditor, &["status", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let status = summary(&output);
    assert_eq!(
        status["keys"][0],
        serde_json::json!({
            "key_id": 1,
            "purpose": "mask",
            "state": "active",
            "created_at": status["keys"][0]["created_at"],
            "rows": {"ip": 2, "device_id": 2}
        })
    );
    assert_eq!(status["rows_without_hash"], serde_json::json!({"ip": 1, "device_id": 1}));
    assert_eq!(status["quarantine"][0]["reason"], "not_json");
    assert_eq!(status["queue"], serde_json::json!({"visible": 0, "in_flight": 0, "delayed": 0}));
    assert_eq!(status["audit"]["last_signed"], 3);
    assert_eq!(status["audit"]["after_last_signature"], 1, "the load's own record");
    let shown = text(&world.run_as(&auditor, &["status"]));
    assert!(
        shown.contains("without hash    ip 1, device_id 1") && !shown.contains("198.51.100.4"),
        "{shown}"
    );
    world
        .database
        .execute("update user_logins set masked_ip = 'ip1.99.x' where user_id = 'u-1'")
        .await;
    let output = world.run_as(&auditor, &["status", "--format", "json"]);
    assert_eq!(
        (output.status.code(), &summary(&output)["unknown_keys"]),
        (Some(1), &serde_json::json!(["99"]))
    );
}
