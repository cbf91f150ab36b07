//! Wrong settings and unreachable services: one clear error, its remedy, the right exit
//! code, and no secret in it.

use std::process::Output;

use crate::support::{Action, Proxy, World, event, text};

/// Exit code, and what the one error on stderr must name.
fn fails(output: &Output, exit: i32, named: &str) {
    assert_eq!(output.status.code(), Some(exit), "{}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.matches("error: ").count(), 1, "one error: {stderr}");
    assert!(stderr.contains(named), "{named:?} in {stderr}");
    assert!(
        stderr.contains(" hint: ") || exit == 2 && stderr.contains("--help"),
        "a remedy in {stderr}"
    );
    assert!(!stderr.contains("s3cret-password"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_flags_and_settings_exit_with_2() {
    let world = World::bare().await;
    let without =
        |name: &str, args: &[&str]| world.command(args).env_remove(name).output().expect("it runs");
    fails(&without("LOGINETL_DATABASE_URL", &["load", "--drain"]), 2, "LOGINETL_DATABASE_URL");
    fails(&without("LOGINETL_QUEUE_URL", &["load", "--drain"]), 2, "LOGINETL_QUEUE_URL");
    let with = |name: &str, value: &str, args: &[&str]| {
        world.command(args).env(name, value).output().expect("it runs")
    };
    fails(
        &with("LOGINETL_DATABASE_URL", "nonsense://s3cret-password", &["init"]),
        2,
        "another scheme",
    );
    fails(
        &with(
            "LOGINETL_DATABASE_URL",
            "postgres://u:s3cret-password@127.0.0.1/d?sslmode=prefer",
            &["init"],
        ),
        2,
        "sslmode",
    );
    fails(&with("LOG_SENSITIVE_BODIES", "true", &["init"]), 2, "LOG_SENSITIVE_BODIES");
    fails(&with("RUST_LOG", "=====", &["init"]), 2, "RUST_LOG");
    for nonsense in ["nonsense", "localhost:4566", "http://"] {
        fails(&with("AWS_ENDPOINT_URL", nonsense, &["init"]), 2, "AWS_ENDPOINT_URL");
    }
    let output = world
        .command(&["init"])
        .env_remove("AWS_REGION")
        .env_remove("AWS_DEFAULT_REGION")
        .output()
        .expect("it runs");
    fails(&output, 2, "AWS_REGION");
    fails(&world.run(&["load", "--drain", "--follow"]), 2, "cannot be used with");
    fails(&world.run(&["load", "--file", "x", "--max-messages", "3"]), 2, "--max-messages");
    fails(&world.run(&["load", "--visibility-timeout", "1"]), 2, "1 is not in");
    fails(&world.run(&["nonsense"]), 2, "unrecognized subcommand");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_is_a_setting() {
    let world = World::bare().await;
    let mut command = world.command(&["load", "--drain"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    fails(&command.output().expect("it runs"), 2, "no AWS credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_init_every_command_says_to_run_it() {
    let world = World::bare().await;
    let unmask = &["unmask", "--quarantine", "1", "--reason", "a test"][..];
    let others = [
        &["audit", "list"][..],
        &["audit", "verify"],
        &["audit", "export", "--out", "-"],
        &["status"],
    ];
    for args in
        [&["load", "--drain"][..], &["quarantine", "list"], &["quarantine", "retry"], unmask]
            .into_iter()
            .chain(others)
    {
        fails(&world.run(args), 2, "loginetl init");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_services_exit_with_4() {
    let world = World::new().await;
    let with = |name: &str, value: &str, args: &[&str]| {
        world.command(args).env(name, value).output().expect("it runs")
    };
    let closed = "postgres://u:s3cret-password@127.0.0.1:1/d?sslmode=disable";
    fails(
        &with("LOGINETL_DATABASE_URL", closed, &["load", "--drain"]),
        4,
        "cannot connect to the database",
    );
    fails(&with("LOGINETL_DATABASE_URL", closed, &["init"]), 4, "cannot connect to the database");
    fails(
        &with("AWS_ENDPOINT_URL", "http://127.0.0.1:1", &["load", "--drain"]),
        4,
        "cannot be reached",
    );
    fails(
        &with("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1", &["load", "--drain"]),
        4,
        "KMS Decrypt",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_things_are_named_and_exit_with_2() {
    let world = World::new().await;
    let queue = format!("{}-missing", world.queue.url);
    fails(&world.run(&["load", "--drain", "--queue-url", &queue]), 2, "queue URL");
    let database = world.database.url.replacen("?", "_missing?", 1);
    fails(&world.run(&["load", "--drain", "--database-url", &database]), 2, "3D000");
    fails(&world.run(&["load", "--file", "/nonexistent.jsonl"]), 2, "/nonexistent.jsonl");
    let bare = World::bare().await;
    fails(&bare.run(&["init", "--ingest-key", "alias/no-such-key"]), 2, "KMS Encrypt");
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_calls_exit_with_3() {
    const DENIED: &str = r#"{"__type": "AccessDeniedException", "message": "s3cret-password"}"#;
    for (target, named) in [
        ("AmazonSQS.GetQueueAttributes", "SQS GetQueueAttributes"),
        ("AmazonSQS.ReceiveMessage", "SQS ReceiveMessage"),
        ("AmazonSQS.DeleteMessageBatch", "SQS DeleteMessageBatch"),
        ("TrentService.Decrypt", "KMS Decrypt"),
    ] {
        let proxy = Proxy::start(move |called| {
            if called == target { Action::Answer(400, DENIED) } else { Action::Forward }
        });
        let world = World::new().await.through(&proxy);
        world.queue.send(&[event(1)]).await;
        fails(&world.run(&["load", "--drain"]), 3, named);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_exits_with_3_and_a_foreign_wrap_with_5() {
    let bare = World::bare()
        .await
        .through(&Proxy::start(|_| Action::Answer(400, r#"{"__type": "AccessDeniedException"}"#)));
    fails(&bare.run(&["init"]), 3, "KMS Sign");
    for (answer, exit, named) in [
        (r#"{"__type": "DisabledException"}"#, 3, "not usable"),
        (r#"{"__type": "KMSInvalidStateException"}"#, 3, "not usable"),
        (r#"{"__type": "InvalidCiphertextException"}"#, 5, "does not belong"),
    ] {
        let proxy = Proxy::start(move |called| {
            if called == "TrentService.Decrypt" {
                Action::Answer(400, answer)
            } else {
                Action::Forward
            }
        });
        let world = World::new().await.through(&proxy);
        fails(&world.run(&["load", "--drain"]), exit, named);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_another_kms_key_is_not_believed() {
    let proxy = Proxy::start(|called| match called {
        "TrentService.Decrypt" => {
            Action::Rewrite(Box::new(|body| body.replacen("arn:aws:kms", "arn:aws:kms-other", 1)))
        }
        _ => Action::Forward,
    });
    let world = World::new().await.through(&proxy);
    fails(&world.run(&["load", "--drain"]), 5, "KMS Decrypt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_wrap_or_check_value_exits_with_5() {
    let world = World::new().await;
    world
        .database
        .tamper(
            "update vault.data_keys set check_value = '\\x00000000000000000000000000000000' \
               where key_id = 1",
        )
        .await;
    fails(&world.run(&["load", "--drain"]), 5, "check value");
    let world = World::new().await;
    world
        .database
        .execute(
            "update vault.wraps a set wrapped = b.wrapped from vault.wraps b where a.key_id = 1 \
               and b.key_id = 3 and a.holder = b.holder",
        )
        .await;
    fails(&world.run(&["load", "--drain"]), 5, "KMS Decrypt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_of_the_query_protocol_is_recognised() {
    let proxy = Proxy::start(|_| {
        Action::Answer(
            500,
            "<?xml version=\"1.0\"?><ErrorResponse><Error>\
             <Code>InvalidAction</Code></Error></ErrorResponse>",
        )
    });
    let world = World::new().await.through(&proxy);
    fails(&world.run(&["load", "--drain"]), 2, "LocalStack 4.8.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_that_ends_is_no_failure() {
    let calls = std::sync::atomic::AtomicU32::new(0);
    let proxy = Proxy::start(move |called| {
        let first = called == "AmazonSQS.ReceiveMessage"
            && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 4;
        if first {
            Action::Answer(400, r#"{"__type": "com.amazonaws.sqs#RequestThrottled"}"#)
        } else {
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&[event(1)]).await;
    assert_eq!(world.drain(0)["loaded"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_is_no_failure() {
    let world = World::new().await;
    let mut child = world.spawn(&["quarantine", "list"]);
    drop(child.child().stdout.take());
    let output = child.finish();
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn help_has_examples_for_every_command() {
    let world = World::bare().await;
    for args in [
        &["init"][..],
        &["load"],
        &["quarantine", "list"],
        &["quarantine", "retry"],
        &["quarantine", "purge"],
    ] {
        let output = world.run(&[args, &["--help"]].concat());
        assert!(
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).contains("Examples:"),
            "{}",
            text(&output)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_proxy_is_a_fault_that_passes_and_no_old_emulator() {
    let calls = std::sync::atomic::AtomicU32::new(0);
    let proxy = Proxy::start(move |called| {
        let first = called == "AmazonSQS.ReceiveMessage"
            && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        if first {
            Action::Answer(503, "<html><body>Service Unavailable</body></html>")
        } else {
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&[event(1)]).await;
    assert_eq!(world.drain(0)["loaded"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_accepts_and_stays_mute_is_given_up() {
    let world = World::bare().await;
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("postgres://u@{}/d?sslmode=disable", mute.local_addr().expect("an address"));
    fails(&world.run(&["quarantine", "list", "--database-url", &url]), 4, "does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_is_refused_with_a_word_about_logins() {
    let world = World::bare().await;
    let url = world.database.url.replacen("postgres@", "no_such_login@", 1);
    fails(&world.run(&["quarantine", "list", "--database-url", &url]), 3, "user name and password");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_short_is_asked_for_again() {
    let calls = std::sync::atomic::AtomicU32::new(0);
    let proxy = Proxy::start(move |called| {
        let first = called == "AmazonSQS.ReceiveMessage"
            && calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        if first {
            Action::Rewrite(Box::new(|body| body[..body.len() / 2].to_owned()))
        } else {
            Action::Forward
        }
    });
    let world = World::new().await.through(&proxy);
    world.queue.send(&[event(1), event(2)]).await;
    let loader = world.spawn(&["load", "--visibility-timeout", "10"]);
    crate::support::eventually("both rows", async || {
        world.database.count("select from user_logins").await == 2
    })
    .await;
    assert!(loader.signal(nix::sys::signal::Signal::SIGTERM).status.success());
}
