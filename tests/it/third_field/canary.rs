//! The canary of the third field: no clear user id in a log, an error, a
//! metric or a column.

use std::process::Output;

use base64::Engine as _;

use super::{event_of, world};
use crate::canary::tables;
use crate::support::{Action, Proxy, World, event, setting, text};

/// User ids that stand in the events of this test and nowhere else.
const CANARIES: [&str; 3] = ["finch@canary.example", "serin-canary-4711", "siskin-canary"];

/// In the spellings in which they could leak.
fn secrets() -> Vec<String> {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let base64 = |text: &str| base64::prelude::BASE64_STANDARD.encode(text);
    CANARIES.iter().flat_map(|text| [(*text).to_owned(), hex(text), base64(text)]).collect()
}

fn bodies() -> Vec<String> {
    vec![
        event_of(1, CANARIES[0]),
        event_of(2, CANARIES[1]),
        event_of(3, CANARIES[1]).replace("10.0.0.3", "no address"),
        event_of(4, CANARIES[0]).replace("2.3.0", "no version"),
        event_of(5, &CANARIES[2].repeat(20)),
        event_of(6, &format!("{}\0", CANARIES[2])),
        format!("{} broken", event_of(7, CANARIES[0])),
        event_of(8, CANARIES[0]).replace("\"locale\": null", "\"locale\": \"refused\""),
    ]
}

fn loud(world: &World, args: &[&str]) -> Output {
    let mut command = world.command(args);
    command.env("RUST_LOG", "trace,tokio_postgres=trace,hyper=trace");
    command.output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clear_user_id_comes_out_whatever_happens() {
    let world = world().await;
    let refuse = "alter table user_logins add constraint refused check (locale <> 'refused')";
    world.database.execute(refuse).await;
    world.queue.send(&bodies()).await;
    let mut outputs = vec![loud(&world, &["load", "--dry-run"])];
    outputs.push(loud(&world, &["load", "--drain", "--log-format", "json"]));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bodies().join("\n")).expect("written");
    let path = file.path().to_str().expect("a path");
    outputs.push(loud(&world, &["load", "--file", path]));
    outputs.push(loud(&world, &["load", "--file", path, "--dry-run"]));
    outputs.push(loud(&world, &["quarantine", "retry"]));
    outputs.push(loud(&world, &["quarantine", "list"]));
    let reason = ["--reason", "a test"];
    for wrong in [
        &["unmask", "--find-user-id", CANARIES[0], "--ticket", "203.0.113.177"][..],
        &["unmask", "--user-id-hash", CANARIES[0]],
        &["unmask", "--token", CANARIES[1]],
        &["unmask", "--find-user-id", CANARIES[0], "--find-ip", "10.0.0.1"],
    ] {
        let output = loud(&world, &[wrong, &reason].concat());
        assert_ne!(output.status.code(), Some(0), "{}", text(&output));
        outputs.push(output);
    }
    world.database.execute("alter table user_logins add plain_user text").await;
    let plain = format!("insert into user_logins (plain_user) values ('{}')", CANARIES[1]);
    world.database.execute(&plain).await;
    outputs.push(loud(&world, &["backfill", "--user-id-column", "plain_user"]));
    outputs.push(loud(&world, &["rotate-keys", "--duty", "100%"]));
    outputs.push(loud(&world, &["rotate-keys", "--compromised", "--duty", "100%"]));
    let mut found =
        loud(&world, &[&["unmask", "--find-user-id", CANARIES[0]][..], &reason].concat());
    let shown = String::from_utf8_lossy(&std::mem::take(&mut found.stdout)).into_owned();
    assert!(shown.contains("user_id"), "stdout alone may show it: {}", text(&found));
    outputs.push(found);
    for args in [&["status"][..], &["check"], &["audit", "list", "--format", "json"]] {
        outputs.push(loud(&world, args));
    }
    let world = world.through(&Proxy::start(|target| match target {
        "TrentService.Decrypt" => Action::Answer(400, r#"{"__type": "AccessDeniedException"}"#),
        _ => Action::Forward,
    }));
    world.queue.send(&[event_of(9, CANARIES[0]), event(10)]).await;
    outputs.push(loud(&world, &["load", "--drain"]));

    let log = std::fs::read(setting("LOGINETL_TEST_PG_LOG")).expect("the server's log");
    let tables = tables(&world).await;
    assert!(tables.contains("usr1.") && tables.contains("database_rejected"), "there is something");
    for secret in secrets() {
        for output in &outputs {
            assert!(!text(output).contains(&secret), "{secret} stands in {}", text(output));
        }
        assert!(!tables.contains(&secret), "{secret} stands in a table");
        assert!(
            !String::from_utf8_lossy(&log).contains(&secret),
            "{secret} is in the server's log"
        );
    }
}
