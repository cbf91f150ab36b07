//! An installation whose logins carry settings of somebody else, and everything that
//! people do with one, each counted afterwards by a login without them.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::rotate::{events, is_whole, rows_by_key, states};
use crate::support::{Action, Login, Proxy, World, json_lines, summary, text};

/// Loaded by `--app-version major` alone.
pub const ODD: &str =
    r#"{"user_id": "odd", "app_version": "1.1000", "ip": "192.0.2.77", "device_id": "d"}"#;
/// No event.
pub const NO_EVENT: &str = r#"{"foo": "oops"}"#;
/// What `check` names where somebody has set it.
const NAMED: [&str; 4] =
    ["default_transaction_", "_timeout", "row_security", "session_replication_role"];

/// What is unusual about an installation.
#[derive(Default)]
pub struct Setup {
    /// Settings of all its logins, by `alter role … in database … set`.
    pub settings: &'static [(&'static str, &'static str)],
    /// Run before the first `init`.
    pub before: &'static str,
    /// Run after it; then `init` is run again.
    pub after: &'static str,
    /// KMS takes a tenth of a second for each call.
    pub has_slow_kms: bool,
}

pub struct Trial {
    pub world: World,
    pub admin: Login,
    pub loader: Login,
    pub rotator: Login,
    pub unmasker: Login,
    pub auditor: Login,
    settings: &'static [(&'static str, &'static str)],
}

impl Trial {
    /// `init` is run by an administrator who has the settings too.
    pub async fn begin(setup: &Setup) -> Self {
        let mut world = World::bare().await;
        if setup.has_slow_kms {
            world = world.through(&Proxy::start(|target| {
                if target.starts_with("TrentService.") {
                    std::thread::sleep(Duration::from_millis(400));
                }
                Action::Forward
            }));
        }
        let admin = world.database.login_named("pg_monitor", "admin").await;
        world
            .database
            .execute(&format!("alter role {} superuser; {}", admin.user, setup.before))
            .await;
        set(&world, &admin, setup.settings).await;
        init(&world, &admin);
        if !setup.after.is_empty() {
            world.database.execute(setup.after).await;
            init(&world, &admin);
        }
        assert_eq!(states(&world).await, ["1 mask active", "2 hash active", "3 seal active"]);
        assert_eq!(world.database.count("select from vault.wraps").await, 6);
        let (loader, rotator) = (
            world.database.login("loginetl_loader").await,
            world.database.login("loginetl_rotator").await,
        );
        let (unmasker, auditor) = (
            world.database.login("loginetl_unmasker").await,
            world.database.login("loginetl_auditor").await,
        );
        for login in [&loader, &rotator, &unmasker, &auditor] {
            set(&world, login, setup.settings).await;
        }
        Self { world, admin, loader, rotator, unmasker, auditor, settings: setup.settings }
    }

    /// Everything that people do, one after the other.
    pub async fn everything_is_right(&self) {
        self.check_names_the_settings();
        self.events_are_loaded().await;
        self.quarantined_messages_are_retried().await;
        self.all_rows_move(&[], 1, 0).await;
        self.values_are_recovered().await;
        self.all_rows_move(&["--compromised"], 3, 1).await;
        self.values_are_recovered().await;
        self.a_key_is_destroyed().await;
        self.plain_rows_are_masked().await;
        self.the_log_is_shown_and_exported().await;
    }

    fn run(&self, login: &Login, args: &[&str], exit: i32) -> Output {
        let output = self.world.run_as(login, args);
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{:?} {args:?}: {}",
            self.settings,
            text(&output)
        );
        output
    }

    fn check_names_the_settings(&self) {
        for login in [&self.admin, &self.loader, &self.rotator, &self.unmasker, &self.auditor] {
            let output = self.world.run_as(login, &["check", "--format", "json"]);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
            let told: String = json_lines(&output)
                .iter()
                .filter(|f| f["check"] == "settings")
                .map(Value::to_string)
                .collect();
            for (name, _) in self.settings {
                let is_named =
                    told.contains(name) || !NAMED.iter().any(|known| name.contains(known));
                assert!(is_named, "{name} in {told} of {}", text(&output));
            }
        }
    }

    /// A hundred by a file, twenty by the queue; two go to the quarantine.
    async fn events_are_loaded(&self) {
        let file = events(100, 10, 0).join("\n");
        let output =
            feed(&self.world, &self.loader, &["load", "--file", "-", "--format", "json"], &file);
        assert_eq!(
            (output.status.code(), summary(&output)["loaded"].as_i64()),
            (Some(0), Some(100)),
            "{}",
            text(&output)
        );
        let mut bodies = events(20, 10, 1000);
        bodies.extend([ODD.to_owned(), NO_EVENT.to_owned()]);
        self.world.queue.send(&bodies).await;
        let loaded = summary(&self.run(
            &self.loader,
            &["load", "--drain", "--batch-rows", "10", "--format", "json"],
            0,
        ));
        let counts = ["received", "loaded", "duplicates", "quarantined", "deleted"]
            .map(|count| loaded[count].as_i64());
        assert_eq!(counts, [22, 20, 0, 2, 22].map(Some), "{loaded}");
        self.has_rows(120, 2).await;
        let days = "select from user_logins where create_date not between
                    (now() at time zone 'utc')::date - 1 and (now() at time zone 'utc')::date";
        assert_eq!(self.world.database.count(days).await, 0, "days are those of UTC");
    }

    async fn has_rows(&self, rows: i64, quarantined: i64) {
        let count =
            async |table: &str| self.world.database.count(&format!("select from {table}")).await;
        assert_eq!(
            (count("public.user_logins").await, count("ingest.quarantine").await),
            (rows, quarantined)
        );
        assert!(is_whole(&self.world).await);
    }

    async fn quarantined_messages_are_retried(&self) {
        let listed = self.run(&self.loader, &["quarantine", "list", "--format", "json"], 0);
        assert_eq!(json_lines(&listed).len(), 2);
        let retried = self.run(
            &self.loader,
            &["quarantine", "retry", "--app-version", "major", "--format", "json"],
            1,
        );
        let report = summary(&retried);
        assert_eq!(
            (&report["loaded"], &report["still_rejected"]),
            (&1.into(), &1.into()),
            "{report}"
        );
        self.has_rows(121, 1).await;
    }

    /// A rotation makes so many keys, moves both tokens of each row to the new one, and
    /// seals so many bodies anew.
    async fn all_rows_move(&self, flags: &[&str], made: usize, bodies: i64) {
        let before = states(&self.world).await.len();
        let args = [&["rotate-keys", "--duty", "100%", "--format", "json"], flags].concat();
        let report = summary(&self.run(&self.rotator, &args, 0));
        assert_eq!(
            (&report["rows_moved"], &report["bodies_sealed"]),
            (&242.into(), &bodies.into()),
            "{report}"
        );
        assert_eq!(
            states(&self.world).await.len(),
            before + made,
            "{:?}",
            states(&self.world).await
        );
        let active =
            "select key_id::text from vault.data_keys where purpose = 'mask' and state = 'active'";
        let active: String = self.world.database.query(active).await[0].get(0);
        assert_eq!(
            rows_by_key(&self.world).await,
            [(format!("device_id {active}"), 121), (format!("ip {active}"), 121)]
        );
        assert!(is_whole(&self.world).await);
    }

    /// By hash and by value; each request has its outcome right afterwards.
    async fn values_are_recovered(&self) {
        let hash =
            "select distinct ip_hash::text from user_logins where user_id in ('u-3', 'u-1003')";
        let hash: String = self.world.database.query(hash).await[0].get(0);
        for selector in [
            ["--ip-hash", hash.as_str()],
            ["--find-ip", "10.9.0.3"],
            ["--find-device-id", "device-3"],
        ] {
            let args =
                [&["unmask", "--reason", "a test", "--format", "json"], &selector[..]].concat();
            let answers = json_lines(&self.run(&self.unmasker, &args, 0));
            assert_eq!((answers.len(), &answers[0]["rows"]), (1, &12.into()), "{answers:?}");
            if selector[0] == "--ip-hash" {
                assert_eq!(answers[0]["value"], "10.9.0.3", "{answers:?}");
            }
            let verified =
                summary(&self.run(&self.auditor, &["audit", "verify", "--format", "json"], 0));
            assert_eq!(
                (&verified["open_requests"], &verified["problem_count"]),
                (&0.into(), &0.into()),
                "{verified}"
            );
        }
    }

    async fn a_key_is_destroyed(&self) {
        assert_eq!(
            json_lines(&self.run(&self.rotator, &["keys", "list", "--format", "json"], 0)).len(),
            7
        );
        self.run(&self.rotator, &["keys", "destroy", "1", "--after", "0m", "--yes"], 0);
        assert_eq!(states(&self.world).await[0], "1 mask destroyed");
        assert_eq!(self.world.database.count("select from vault.wraps where key_id = 1").await, 0);
    }

    async fn plain_rows_are_masked(&self) {
        let plain = "alter table user_logins add column ip inet, add column device text;
            insert into user_logins (user_id, ip, device)
            select 'old-' || n, ('10.9.0.' || n % 5)::inet, 'device-' || n % 5
              from generate_series(1, 50) n";
        self.world.database.execute(plain).await;
        let args =
            ["backfill", "--ip-column", "ip", "--device-id-column", "device", "--format", "json"];
        let report = summary(&self.run(&self.admin, &args, 0));
        assert_eq!(
            (&report["rows_masked"], &report["rows_not_masked"]),
            (&50.into(), &0.into()),
            "{report}"
        );
        let left =
            "select from user_logins where ip is not null or device is not null or ip_hash is null";
        assert_eq!(self.world.database.count(left).await, 0);
        self.has_rows(171, 1).await;
        let status = summary(&self.run(&self.auditor, &["status", "--format", "json"], 0));
        let rows: i64 = status["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .filter_map(|key| key["rows"]["ip"].as_i64())
            .sum();
        assert_eq!((rows, &status["rows_without_hash"]["ip"]), (171, &0.into()), "{status}");
    }

    async fn the_log_is_shown_and_exported(&self) {
        let records = self.world.database.count("select from audit.log").await;
        let listed =
            self.run(&self.auditor, &["audit", "list", "--limit", "1000", "--format", "json"], 0);
        assert_eq!(json_lines(&listed).len() as i64, records);
        let folder = tempfile::tempdir().expect("a folder");
        let export = folder.path().join("audit.jsonl");
        self.run(&self.auditor, &["audit", "export", "--out", export.to_str().expect("UTF-8")], 0);
        assert_eq!(
            std::fs::read_to_string(&export).expect("an export").lines().count() as i64,
            records
        );
        let verified =
            summary(&self.run(&self.auditor, &["audit", "verify", "--format", "json"], 0));
        assert_eq!(
            (&verified["result"], &verified["records"]),
            (&"intact".into(), &records.into()),
            "{verified}"
        );
    }
}

fn init(world: &World, admin: &Login) {
    let output = world.run_as(admin, &["init"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

/// From its next connection to this database on, a login has these settings.
pub async fn set(world: &World, login: &Login, settings: &[(&str, &str)]) {
    let database: String = world.database.query("select current_database()::text").await[0].get(0);
    for (name, value) in settings {
        world
            .database
            .execute(&format!(
                "alter role {} in database {database} set {name} = {value}",
                login.user
            ))
            .await;
    }
}

/// Runs the binary to its end as a login, with something on standard input, which it need
/// not read.
pub fn feed(world: &World, login: &Login, args: &[&str], input: &str) -> Output {
    let mut command = world.command(args);
    command.env("LOGINETL_DATABASE_URL", &login.url).stdin(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}
