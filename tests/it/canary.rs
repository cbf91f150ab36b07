//! The canary: whatever runs and whatever fails, at the most talkative log level, no
//! value and no key comes out.

use std::process::Output;

use base64::Engine as _;

use crate::support::{Action, Proxy, World, setting, text};

/// Values that stand in the events of this test and nowhere else.
pub const CANARIES: [&str; 6] = [
    "203.0.113.177",
    "canary-device-0815",
    "2001:db8:ca0a:1::77",
    "canary-wrong-ip",
    "canary-version",
    "cananary-foo",
];

pub fn bodies() -> Vec<String> {
    let event = |ip: &str, device: &str, version: &str| {
        format!(
            "{{\"user_id\": \"u\", \"app_version\": \"{version}\", \"ip\": \"{ip}\", \
             \"device_id\": \"{device}\", \"locale\": null}}"
        )
    };
    vec![
        event("203.0.113.177", "canary-device-0815", "2.3.0"),
        event("2001:db8:ca0a:1::77", "canary-device-0815", "2.3"),
        event("canary-wrong-ip", "canary-device-0815", "2.3"),
        event("203.0.113.177", "canary-device-0815", "canary-version"),
        event("203.0.113.177", &"canary-device-0815".repeat(20), "2.3"),
        format!("{} broken", event("203.0.113.177", "canary-device-0815", "2.3")),
        r#"{"cananary-foo": "canary-device-0815"}"#.to_owned(),
        event("203.0.113.177", "canary-device-0815", "2.3").replace("\"u\"", "\"refused\""),
        "x".repeat(1000) + "203.0.113.177",
    ]
}

/// The canaries and the raw data keys, in the spellings in which they could leak.
async fn secrets(world: &World) -> Vec<String> {
    let mut secrets: Vec<String> = CANARIES.iter().map(|s| (*s).to_owned()).collect();
    let kms = aws_sdk_kms::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    let wraps = "select key_id, purpose, holder, kms_key_arn, wrapped from vault.wraps \
                   join vault.data_keys using (key_id)";
    for row in world.database.query(wraps).await {
        let (id, purpose, holder): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
        let mut request = kms
            .decrypt()
            .key_id(row.get::<_, String>(3))
            .ciphertext_blob(aws_sdk_kms::primitives::Blob::new(row.get::<_, Vec<u8>>(4)));
        for (name, value) in [
            ("app", "loginetl"),
            ("purpose", &purpose),
            ("key_id", &id.to_string()),
            ("holder", &holder),
        ] {
            request = request.encryption_context(name, value);
        }
        let key = request.send().await.expect("a key").plaintext.expect("a key").into_inner();
        let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
        let decimal = key.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        secrets.extend([hex, base64::prelude::BASE64_STANDARD.encode(&key), decimal]);
    }
    let hex_of = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    secrets.extend(CANARIES.map(hex_of));
    secrets.extend(CANARIES.map(|text| base64::prelude::BASE64_STANDARD.encode(text)));
    secrets
}

/// Every table of the database as text.
pub async fn tables(world: &World) -> String {
    let mut all = String::new();
    let names = "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables \
                   where schemaname not in ('pg_catalog', 'information_schema')";
    for name in world.database.query(names).await {
        for row in world
            .database
            .query(&format!("select t::text from {} as t", name.get::<_, String>(0)))
            .await
        {
            all.push_str(&row.get::<_, Option<String>>(0).unwrap_or_default());
            all.push('\n');
        }
    }
    all
}

/// Recoveries at the most talkative level, granted and refused, whole and interrupted.
/// What a granted one shows on stdout is taken off; everything else must be silent.
async fn recover(world: &World) -> Vec<Output> {
    let unmasker = world.database.login("loginetl_unmasker").await;
    let analyst = world.database.login("loginetl_analyst").await;
    let hash: String =
        world.database.query("select ip_hash::text from user_logins limit 1").await[0].get(0);
    let sealed = world.database.query("select id from ingest.quarantine order by id limit 1").await
        [0]
    .get::<_, i64>(0)
    .to_string();
    let from = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(from.path(), format!("{hash}\n203.0.113.177\ncanary-device-0815\n"))
        .expect("written");
    let from = from.path().to_str().expect("a path");
    let fails = |target: &'static str| {
        Proxy::start(move |called| {
            let answer = r#"{"__type": "KMSInternalException", "message": "203.0.113.177"}"#;
            if called == target { Action::Answer(500, answer) } else { Action::Forward }
        })
        .url()
    };
    let endpoint = setting("AWS_ENDPOINT_URL");
    let runs: [(&str, &[&str], &str); 12] = [
        (&unmasker.url, &["--ip-hash", &hash], &endpoint),
        (&unmasker.url, &["--quarantine", &sealed, "--format", "csv"], &endpoint),
        (&unmasker.url, &["--find-ip", "203.0.113.177", "--format", "json"], &endpoint),
        (&unmasker.url, &["--find-device-id", "canary-device-0815"], &endpoint),
        (&unmasker.url, &["--from", from, "--format", "json"], &endpoint),
        (&unmasker.url, &["--token", "203.0.113.177"], &endpoint),
        (&unmasker.url, &["--ip-hash", "203.0.113.177"], &endpoint),
        (&unmasker.url, &["--find-ip", "canary-wrong-ip"], &endpoint),
        (&unmasker.url, &["--ip-hash", &hash, "--ticket", "203.0.113.177"], &endpoint),
        (&unmasker.url, &["--ip-hash", &hash], &fails("TrentService.Decrypt")),
        (&analyst.url, &["--find-ip", "203.0.113.177"], &endpoint),
        (&analyst.url, &["--ip-hash", &hash], &endpoint),
    ];
    let mut outputs = Vec::new();
    for (url, selectors, endpoint) in runs {
        let mut command = world.command(&[&["unmask", "--reason", "a test"], selectors].concat());
        command
            .env("RUST_LOG", "trace")
            .env("LOGINETL_DATABASE_URL", url)
            .env("AWS_ENDPOINT_URL", endpoint);
        outputs.push(command.output().expect("it runs"));
    }
    for (number, output) in outputs.iter_mut().enumerate() {
        let shown = String::from_utf8_lossy(&std::mem::take(&mut output.stdout)).into_owned();
        let shows = CANARIES.iter().any(|canary| shown.contains(canary));
        assert_eq!(
            shows,
            number < 5,
            "run {number} shows its values on stdout, if it is granted: {}",
            text(output)
        );
    }
    world
        .database
        .execute("alter table user_logins add column plain_ip text, add column plain_device text")
        .await;
    let plain = format!(
        "insert into user_logins (plain_ip, plain_device) values ('{}', '{}')",
        CANARIES[0], CANARIES[1]
    );
    world.database.execute(&plain).await;
    for args in [
        &["backfill", "--ip-column", "plain_ip", "--device-id-column", "plain_device"][..],
        &["rotate-keys", "--duty", "100%"],
        &["rotate-keys", "--compromised", "--duty", "100%"],
        &["keys", "list"],
        &[
            "keys",
            "rewrap",
            "--ingest-key",
            "alias/loginetl-ingest",
            "--recovery-key",
            "alias/loginetl-recovery",
        ],
        &["keys", "destroy", "4", "--after", "0m", "--yes"],
    ] {
        let output = world.command(args).env("RUST_LOG", "trace").output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        outputs.push(output);
    }
    outputs.push(world.run(&["audit", "list", "--format", "json"]));
    outputs.push(world.run(&["audit", "export", "--out", "-"]));
    outputs.push(world.run(&["check"]));
    outputs.push(world.run(&["status"]));
    outputs
}

fn assert_silent(secrets: &[String], place: &str, content: &str) {
    for secret in secrets {
        assert!(!content.contains(secret.as_str()), "{secret} stands in {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_and_no_key_comes_out_whatever_happens() {
    let world = World::bare().await;
    let mut outputs: Vec<Output> = Vec::new();
    let mut loud = |world: &World, args: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.command(args);
        let filter = "trace,aws_smithy_runtime=trace,hyper=trace,tokio_postgres=trace,\
                      aws_sdk_kms::operation=trace";
        command.env("RUST_LOG", filter);
        command.envs(variables.iter().copied());
        outputs.push(command.output().expect("it runs"));
    };
    loud(&world, &["init"], &[]);
    world
        .database
        .execute("alter table user_logins add constraint refused check (user_id <> 'refused')")
        .await;
    for _ in 0..2 {
        world.queue.send(&bodies()).await;
        loud(&world, &["load", "--drain", "--log-format", "json"], &[]);
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bodies().join("\n")).expect("written");
    let path = file.path().to_str().expect("a path");
    loud(&world, &["load", "--file", path], &[]);
    loud(&world, &["load", "--file", path, "--dry-run"], &[]);
    world.queue.send(&bodies()).await;
    loud(&world, &["load", "--dry-run", "--max-messages", "9"], &[]);
    loud(&world, &["quarantine", "list"], &[]);
    loud(&world, &["quarantine", "retry"], &[]);
    loud(&world, &["load", "--drain"], &[("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")]);
    loud(
        &world,
        &["load", "--drain"],
        &[("LOGINETL_DATABASE_URL", "postgres://u@127.0.0.1:1/d?sslmode=disable")],
    );
    loud(&world, &["load", "--drain"], &[("LOGINETL_DATABASE_URL", "nonsense 203.0.113.177")]);
    loud(
        &world,
        &["load", "--drain"],
        &[("LOGINETL_QUEUE_URL", "http://127.0.0.1:1/000000000000/missing")],
    );
    loud(&world, &["load", "--drain", "--app-version", "nonsense"], &[]);
    loud(&world, &["init", "--recovery-key", "alias/no-such-key"], &[]);
    loud(&world, &["quarantine", "purge", "--all"], &[]);
    world.database.execute("alter table user_logins rename column locale to other").await;
    loud(&world, &["load", "--drain"], &[]);
    world.database.execute("alter table user_logins rename column other to locale").await;
    let mut world = world;
    for (denied, answer) in [
        (
            "AmazonSQS.DeleteMessageBatch",
            r#"{"__type": "AccessDeniedException", "message": "203.0.113.177"}"#,
        ),
        (
            "AmazonSQS.ReceiveMessage",
            r#"{"__type": "AccessDeniedException", "message": "203.0.113.177"}"#,
        ),
        (
            "AmazonSQS.GetQueueAttributes",
            "<?xml version=\"1.0\"?><ErrorResponse>203.0.113.177</ErrorResponse>",
        ),
        (
            "TrentService.Decrypt",
            r#"{"__type": "InvalidCiphertextException", "message": "203.0.113.177"}"#,
        ),
    ] {
        let proxy = Proxy::start(move |target| {
            if target == denied { Action::Answer(400, answer) } else { Action::Forward }
        });
        world = world.through(&proxy);
        world.queue.send(&bodies()).await;
        loud(&world, &["load", "--drain"], &[]);
    }
    world.endpoint = None;
    let recovered = recover(&world).await;
    world
        .database
        .tamper(
            "update vault.data_keys set check_value = '\\x00000000000000000000000000000000' \
               where purpose = 'mask' and state = 'active'",
        )
        .await;
    loud(&world, &["load", "--drain"], &[]);

    outputs.extend(recovered);
    let secrets = secrets(&world).await;
    for output in &outputs {
        assert_silent(&secrets, "a run's output", &text(output));
    }
    assert!(outputs.iter().filter(|o| o.status.success()).count() >= 6, "most of it worked");
    let loaded = tables(&world).await;
    assert!(
        loaded.contains("ip1.") && loaded.contains("database_rejected"),
        "there is something to search"
    );
    assert_silent(&secrets, "a table", &loaded);
    let log = std::fs::read(setting("LOGINETL_TEST_PG_LOG")).expect("the server's log");
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("violates check constraint"), "the log has the refused row");
    assert_silent(&secrets, "the server's log", &log);
}
