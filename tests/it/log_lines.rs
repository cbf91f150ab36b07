//! `--log-format json`: whatever runs and whatever fails, each line on stderr is one
//! object that says when, how bad and what, and none of them holds a value.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::canary::{CANARIES, bodies};
use crate::support::{Login, Running, World, text};

const FLAGS: [&str; 2] = ["--log-format", "json"];
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// The lines of stderr, each of which must be an object as the page says.
fn objects(stderr: &str) -> Vec<Value> {
    let object = |line: &str| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no object: {line:?}"));
        let of = |name: &str| object[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}"));
        assert!(of("timestamp").parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(LEVELS.contains(&of("level")) && !of("message").is_empty(), "{line}");
        object
    };
    for canary in CANARIES {
        assert!(!stderr.contains(canary), "{canary} stands in {stderr}");
    }
    stderr.lines().map(object).collect()
}

fn objects_of(output: &Output) -> Vec<Value> {
    objects(&String::from_utf8_lossy(&output.stderr))
}

/// Runs, and what was run.
struct Runs<'a> {
    world: &'a World,
    tried: BTreeSet<String>,
    lines: usize,
}

impl Runs<'_> {
    fn command(&mut self, args: &[&str]) -> Command {
        let words = args.iter().take_while(|word| !word.starts_with('-'));
        let words: Vec<_> = words.take(2).copied().collect();
        for count in 1..=words.len() {
            self.tried.insert(words[..count].join(" "));
        }
        self.world.command(&[&FLAGS, args].concat())
    }

    /// Ends with this exit code; an error is one object that says the same code.
    fn ends(&mut self, exit: i32, mut command: Command) -> Vec<Value> {
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(exit), "{command:?} {}", text(&output));
        let said = objects_of(&output);
        self.lines += said.len();
        let codes: Vec<_> = said.iter().filter_map(|line| line["exit_code"].as_i64()).collect();
        assert!(codes.len() <= 1 && codes.iter().all(|code| *code == i64::from(exit)), "{said:?}");
        said
    }

    fn works(&mut self, exit: i32, args: &[&str]) -> Vec<Value> {
        let command = self.command(args);
        self.ends(exit, command)
    }

    /// At the most talkative level, where code of others speaks too.
    fn works_loudly(&mut self, exit: i32, args: &[&str]) {
        let mut command = self.command(args);
        command.env("RUST_LOG", "trace,aws_smithy_runtime=trace,hyper=trace");
        self.ends(exit, command);
    }

    /// Fails with one error that names something.
    fn fails(&mut self, exit: i32, named: &str, variables: &[(&str, &str)], args: &[&str]) {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        let said = self.ends(exit, command);
        let errors: Vec<_> = said.iter().filter(|line| !line["exit_code"].is_null()).collect();
        let [error] = errors[..] else { panic!("one error of {args:?}: {said:?}") };
        let of = |name: &str| error[name].as_str().expect("text");
        assert!(of("message").contains(named) && of("level") == "ERROR", "{named} in {error}");
        assert!(!of("hint").is_empty() && !of("message").starts_with("error"), "{error}");
    }

    fn as_login(&mut self, login: &Login, exit: i32, args: &[&str]) -> Vec<Value> {
        let mut command = self.command(args);
        command.env("LOGINETL_DATABASE_URL", &login.url);
        self.ends(exit, command)
    }
}

/// All commands that the help names, those below others too.
fn commands(world: &World, above: &str) -> BTreeSet<String> {
    let words: Vec<_> = above.split_whitespace().chain(["--help"]).collect();
    let help = String::from_utf8(world.run(&words).stdout).expect("UTF-8");
    let section = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = section.split("\n\n").next().unwrap_or_default().lines();
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help").map(|name| format!("{above} {name}"));
    let names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
    names.iter().flat_map(|name| commands(world, name)).chain(names.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_every_command_is_an_object() {
    let world = World::bare().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (file, pages) = (path("events.jsonl"), path("pages"));
    std::fs::write(&file, bodies().join("\n")).expect("written");
    let mut runs = Runs { world: &world, tried: BTreeSet::new(), lines: 0 };

    for args in [&["status"][..], &["load", "--drain"], &["audit", "verify"]] {
        runs.fails(2, "schema", &[], args);
    }
    runs.fails(2, "KMS Encrypt", &[], &["init", "--recovery-key", "alias/no-such-key"]);
    runs.works_loudly(0, &["init"]);
    assert_eq!(runs.works(0, &["init", "--ingest-key", "alias/loginetl-ingest"]).len(), 1);

    world.queue.send(&bodies()).await;
    runs.works_loudly(1, &["load", "--drain", "--poison-budget", "1"]);
    world.queue.send(&bodies()).await;
    runs.works(0, &["load", "--dry-run", "--max-messages", "3", "--visibility-timeout", "10"]);
    runs.works_loudly(0, &["load", "--file", &file]);
    runs.fails(2, "cannot be read", &[], &["load", "--file", &path("none")]);
    let unreachable = "postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable";
    for (exit, name, value, named) in [
        (4, "LOGINETL_DATABASE_URL", unreachable, "cannot connect"),
        (4, "AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1", "KMS Decrypt"),
        (2, "LOGINETL_QUEUE_URL", "http://127.0.0.1:1/000000000000/missing", "SQS"),
    ] {
        runs.fails(exit, named, &[(name, value)], &["load", "--drain"]);
    }

    runs.works(0, &["quarantine", "list", "--limit", "1"]);
    runs.works(1, &["quarantine", "retry"]);
    runs.fails(2, "--yes", &[], &["quarantine", "purge", "--all"]);
    runs.works(1, &["quarantine", "purge", "999999", "--yes"]);

    let (unmasker, analyst) = (
        world.database.login("loginetl_unmasker").await,
        world.database.login("loginetl_analyst").await,
    );
    let hash = "select ip_hash::text from user_logins where ip_hash is not null limit 1";
    let hash: String = world.database.query(hash).await[0].get(0);
    let ask = ["unmask", "--reason", "a test", "--ip-hash", &hash];
    let granted = runs.as_login(&unmasker, 0, &ask);
    assert!(granted[0]["message"].as_str().expect("text").starts_with("audit head "));
    let refused = runs.as_login(&analyst, 3, &ask);
    assert_eq!(
        refused[1]["message"],
        "this login may not recover values; the refusal is on record"
    );
    runs.as_login(&unmasker, 0, &["unmask", "--reason", "a test", "--find-ip", CANARIES[0]]);
    runs.as_login(&unmasker, 2, &["unmask", "--reason", "a test", "--find-ip", CANARIES[3]]);
    runs.as_login(&unmasker, 2, &["unmask", "--reason", "a test", "--ip-hash", CANARIES[0]]);
    // Nothing has this hash: a warning beside the result.
    let nobodys = "9237a680-1122-821e-b5c8-9796b4b614fd";
    let said = runs.as_login(&unmasker, 1, &["unmask", "--reason", "a test", "--ip-hash", nobodys]);
    assert!(said.iter().any(|line| line["level"] == "WARN"), "{said:?}");

    jobs(&mut runs, &file, &path("plan"));
    runs.works(0, &["rotate-keys", "--duty", "100%"]);
    runs.works(0, &["keys", "list"]);
    let keys =
        ["--ingest-key", "alias/loginetl-ingest", "--recovery-key", "alias/loginetl-recovery"];
    runs.works(0, &[&["keys", "rewrap"][..], &keys].concat());
    runs.fails(3, "key 2", &[], &["keys", "destroy", "2", "--yes"]);
    runs.fails(2, "none named", &[], &["backfill", "--ip-column", "nowhere"]);
    runs.works(0, &["audit", "list", "--limit", "1"]);
    runs.works(0, &["audit", "export", "--out", &path("log.jsonl")]);
    runs.fails(2, "/no/such", &[], &["audit", "export", "--out", "/no/such/log.jsonl"]);
    runs.works(0, &["audit", "verify"]);
    // The queue has no dead-letter queue, which is a warning.
    runs.works(1, &["check"]);
    runs.works_loudly(0, &["status"]);
    runs.works(0, &["completions", "bash"]);
    assert_eq!(runs.works(0, &["man", "--out", &pages])[0]["level"], "INFO");
    runs.fails(4, "http://127.0.0.1:1/readyz", &[], &["health", "--ready", "127.0.0.1:1"]);

    let all = commands(&world, "");
    let missing: Vec<_> = all.difference(&runs.tried).collect();
    assert!(all.len() > 20 && missing.is_empty(), "not run: {missing:?}");
    assert!(runs.lines > 20, "{} lines", runs.lines);
}

/// Filters, and what their drivers do.
fn jobs(runs: &mut Runs<'_>, events: &str, plan: &str) {
    let at = ["--job", "logins", "--location", "x"];
    let args = [&["mask", "plan"][..], &at].concat();
    for more in [&[][..], &["--rewrites"]] {
        let planned = runs.world.run(&[&args[..], more].concat());
        std::fs::write(plan, planned.stdout).expect("written");
        runs.works_loudly(0, &[&args[..], more].concat());
        let name = if more.is_empty() { "mask" } else { "remask" };
        let mut command = runs.command(&[name, "--plan", plan]);
        if name == "mask" {
            command.stdin(std::fs::File::open(events).expect("a file"));
        }
        runs.ends(0, command);
        runs.fails(2, "is no plan", &[], &[name, "--plan", events]);
    }
    let commit = ["mask", "commit", "--plan", plan, "--rows", "0", "--rejected", "0"];
    runs.fails(2, "--unopened", &[], &commit);
    runs.works(0, &[&commit[..], &["--unopened", "0"]].concat());
    runs.works(0, &["archive", "list"]);
    runs.fails(3, "has not expired", &[], &["archive", "drop", "logins", "--reason", "a test"]);
    runs.works(0, &["archive", "drop", "logins", "--reason", "a test", "--running-too"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_before_a_command_begins_is_an_object_too() {
    let world = World::bare().await;
    let mut runs = Runs { world: &world, tried: BTreeSet::new(), lines: 0 };
    runs.fails(2, "unrecognized subcommand", &[], &["nonsense"]);
    runs.fails(2, "unexpected argument", &[], &["load", "--nonsense"]);
    runs.fails(2, "cannot be used with", &[], &["load", "--drain", "--follow"]);
    runs.fails(2, "invalid value", &[], &["quarantine", "purge", CANARIES[1]]);
    runs.fails(2, "a command is missing", &[], &["quarantine"]);
    runs.fails(2, "subcommand", &[], &[]);
    runs.fails(2, "LOG_SENSITIVE_BODIES", &[("LOG_SENSITIVE_BODIES", "true")], &["init"]);
    runs.fails(2, "RUST_LOG", &[("RUST_LOG", "=====")], &["init"]);
    runs.fails(2, "AWS_ENDPOINT_URL", &[("AWS_ENDPOINT_URL", CANARIES[0])], &["init"]);
    runs.fails(2, "database URL", &[("LOGINETL_DATABASE_URL", CANARIES[0])], &["init"]);

    // The other spelling; and words that ask for no JSON.
    let other = world.run(&["load", "--nonsense", "--log-format=json"]);
    assert_eq!((objects_of(&other).len(), other.status.code()), (1, Some(2)));
    let as_text = world.run(&["load", "--nonsense"]);
    assert!(String::from_utf8_lossy(&as_text.stderr).starts_with("error: unexpected argument"));

    // Help and version are results.
    for args in [&["--help"][..], &["--version"], &["load", "--help"]] {
        let (plain, json) = (world.run(args), world.run(&[&FLAGS, args].concat()));
        assert_eq!((&plain.stdout, plain.status.code()), (&json.stdout, Some(0)));
        assert!(json.stderr.is_empty(), "{}", text(&json));
    }
}

/// Stacks that no machine has room for: the runtime panics when it starts its threads.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_object_with_its_place_and_without_its_message() {
    let world = World::bare().await;
    let panics = |args: &[&str]| {
        let mut command = world.command(&[args, &["init"]].concat());
        command.env("RUST_MIN_STACK", "1125899906842624").output().expect("it runs")
    };
    let output = panics(&FLAGS);
    let said = objects_of(&output);
    assert_eq!((said.len(), output.status.code()), (1, Some(101)), "{}", text(&output));
    let message = said[0]["message"].as_str().expect("text");
    assert!(message.starts_with("panic at ") && message.contains(".rs:"), "{message}");
    assert!(!message.contains("spawn") && said[0]["level"] == "ERROR", "{message}");
    let as_text = String::from_utf8(panics(&[]).stderr).expect("UTF-8");
    assert_eq!(as_text, format!("{message}\n"));
}

/// A person at a terminal, who wants JSON all the same.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_there_is_no_progress_line_and_a_question_is_an_object() {
    let world = World::new().await;
    world.queue.send(&bodies()).await;
    let pty = nix::pty::openpty(None, None).expect("a terminal");
    let mut command = world.command(&[&FLAGS, &["load", "--drain"][..]].concat());
    let mut loader = Running::start(command.stderr(Stdio::from(pty.slave)));
    drop(command);
    let mut master = std::fs::File::from(pty.master);
    let reader = std::thread::spawn(move || {
        let (mut said, mut some) = (Vec::new(), [0; 4096]);
        // A terminal whose last user has left says so by an error.
        while let Ok(count @ 1..) = master.read(&mut some) {
            said.extend_from_slice(&some[..count]);
        }
        String::from_utf8(said).expect("UTF-8")
    });
    assert!(loader.child().wait().expect("it ends").success());
    let said = objects(&reader.join().expect("read").replace("\r\n", "\n"));
    assert!(said.iter().any(|line| line["message"] == "loading"), "{said:?}");

    let pty = nix::pty::openpty(None, None).expect("a terminal");
    let mut command = world.command(&[&FLAGS, &["quarantine", "purge", "--all"][..]].concat());
    let child = command.stdin(Stdio::from(pty.slave)).spawn().expect("it runs");
    nix::unistd::write(&pty.master, b"n\n").expect("typed");
    let said = objects_of(&child.wait_with_output().expect("it ends"));
    let messages: Vec<_> =
        said.iter().map(|line| line["message"].as_str().expect("text")).collect();
    assert!(messages[0].ends_with("Their content is lost. [y/N]"), "{messages:?}");
    assert_eq!(messages[1..], ["nothing was deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_signal_makes_a_loader_say_is_an_object() {
    let world = World::new().await;
    let mut loader = world.spawn(&[&FLAGS, &["load"][..]].concat());
    let stderr = loader.child().stderr.take().expect("a pipe");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let first = lines.next().expect("a line").expect("UTF-8");
    assert_eq!(objects(&first)[0]["message"], "loading");
    assert_eq!(loader.signal(Signal::SIGTERM).status.code(), Some(0));
    let rest: Vec<String> = lines.map(|line| line.expect("UTF-8")).collect();
    let said = objects(&rest.join("\n"));
    let stops = |line: &Value| line["message"].as_str().expect("text").starts_with("stopping: ");
    assert_eq!(said.iter().filter(|line| stops(line)).count(), 1, "{said:?}");
}
