//! The commands that pages show, typed as they stand there.
//!
//! Invariant: each line of a page that begins with `loginetl`, or pipes into it, is run
//! by the test of its page, and ends as the page says. Where a page leaves something to
//! the reader (`H…`, `FILE`, `4711`), the test puts in what is there.

use std::collections::BTreeSet;
use std::path::Path;

use super::typist::{Typist, lines};
use crate::metrics::free_address;
use crate::support::{Logged, Running, World, event, eventually, setting};

/// The pages with such lines; each has its test.
pub const PAGES: [&str; 21] = [
    "README.md",
    "docs/commands.md",
    "docs/commands/archive.md",
    "docs/commands/audit.md",
    "docs/commands/backfill.md",
    "docs/commands/check.md",
    "docs/commands/completions.md",
    "docs/commands/health.md",
    "docs/commands/init.md",
    "docs/commands/keys.md",
    "docs/commands/load.md",
    "docs/commands/man.md",
    "docs/commands/mask.md",
    "docs/commands/quarantine.md",
    "docs/commands/remask.md",
    "docs/commands/rotate-keys.md",
    "docs/commands/status.md",
    "docs/commands/unmask.md",
    "docs/errors.md",
    "docs/operations.md",
    "keys/README.md",
];

impl World {
    async fn one(&self, sql: &str) -> String {
        self.database.query(sql).await[0].get(0)
    }

    async fn has_messages(&self, from: u32) {
        self.queue.send(&(from..from + 6).map(event).collect::<Vec<_>>()).await;
    }
}

#[test]
fn every_page_with_commands_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["", "docs", "docs/commands", "keys"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below").to_str().expect("UTF-8").to_owned();
            if name.ends_with(".md") && !lines(&name).is_empty() {
                found.insert(name);
            }
        }
    }
    assert_eq!(found, PAGES.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_the_readme_work() {
    let world = World::new().await;
    let mut page = Typist::at("README.md", &world, "reader").await;
    page.keep("events.jsonl", [event(1), event(2)].join("\n"));
    page.types("loginetl init", &[], 0);
    // The queue has no dead-letter queue, which is worth a warning.
    page.types("loginetl check", &[], 1);
    page.types("loginetl load --file", &[], 0);
    world.has_messages(10).await;
    page.types("loginetl load --drain", &[], 0);
    world.has_messages(20).await;
    page.serves("loginetl load", 14).await;
    let hash = world.one("select min(ip_hash::text) from user_logins").await;
    let shown = "c71d6794-4c23-8a27-ad3e-c466161342d6";
    page.types("loginetl unmask --ip-hash", &[(shown, &hash)], 0);
    let told = page.types("loginetl rotate-keys", &[], 0);
    assert!(
        told.contains("finished: moved 28 rows") && told.contains("key 1 is retired"),
        "{told}"
    );
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_the_program_itself_work() {
    let world = World::new().await;
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().to_str().expect("UTF-8");
    for folder in [".local/share/bash-completion/completions", ".local/share/man/man1"] {
        std::fs::create_dir_all(home.path().join(folder)).expect("a folder");
    }
    let mut page = Typist::at("docs/commands.md", &world, "first").await;
    assert!(page.types("loginetl --version --verbose", &[], 0).contains("commit"));
    page.end();
    let mut page = Typist::at("docs/commands/completions.md", &world, "second").await;
    page.types("loginetl completions bash", &[("~", root)], 0);
    page.end();
    let mut page = Typist::at("docs/commands/man.md", &world, "third").await;
    page.types("loginetl man --out", &[("~", root)], 0);
    page.end();
    assert!(home.path().join(".local/share/man/man1/loginetl-load.1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_load_work() {
    use std::io::Write as _;
    let world = World::new().await;
    let mut page = Typist::at("docs/commands/load.md", &world, "reader").await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all([event(1), event(2)].join("\n").as_bytes()).expect("packed");
    page.keep("events.jsonl.gz", gzip.finish().expect("packed"));
    page.keep("events.json", format!("[{}, {}]", event(3), event(4)));
    world.has_messages(10).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(world.queue.archive().await.join("\n").as_bytes()).expect("packed");
    page.keep("archive.jsonl.gz", gzip.finish().expect("packed"));
    page.serves("loginetl load", 6).await;
    world.has_messages(20).await;
    page.types("loginetl load --drain", &[], 0);
    world.has_messages(30).await;
    page.types("loginetl load --dry-run", &[], 0);
    assert_eq!(world.database.count("select from user_logins").await, 12);
    page.types("loginetl load --file", &[], 0);
    page.types("jq ", &[], 0);
    assert!(page.types("loginetl load --file", &[], 0).contains("read 6, loaded 0"));
    assert_eq!(world.database.count("select from user_logins").await, 16);
    page.types("loginetl load --drain", &[], 0);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/env/sample.jsonl");
    page.types("loginetl load --file", &[("tests/env/sample.jsonl", sample)], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_the_quarantine_work() {
    let world = World::new().await;
    let mut page = Typist::at("docs/commands/quarantine.md", &world, "reader").await;
    let bad_ip = event(1).replace("10.0.0.1", "10.0.0.256");
    let far_version = event(2).replace("2.3.0", "2.1000.0");
    world.load(&[event(3), bad_ip, far_version]);
    assert!(page.types("loginetl quarantine list ", &[], 0).contains("invalid_ip"));
    let listed = page.types("loginetl quarantine list --reason", &[], 0);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    // What still does not parse stays, and a person should look.
    page.types("loginetl quarantine retry ", &[], 1);
    page.types("loginetl quarantine retry --reason", &[], 0);
    assert_eq!(world.database.count("select from user_logins").await, 2);
    let old = "update ingest.quarantine set quarantined_at = quarantined_at - interval '31 days'";
    world.database.tamper(old).await;
    page.answers("loginetl quarantine purge --older-than", "y");
    assert_eq!(world.database.count("select from ingest.quarantine").await, 0);
    page.types("loginetl quarantine list", &[], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_unmask_work() {
    let world = World::bare().await;
    assert!(world.run(&["init", "--mask-user-id"]).status.success());
    world.load(&[event(1), event(2), "{}".to_owned(), "[]".to_owned()]);
    let mut page = Typist::at("docs/commands/unmask.md", &world, "reader").await;
    let row = "from user_logins order by create_date, ip_hash limit 1";
    let [ip, device, user, token] =
        ["ip_hash::text", "device_id_hash::text", "user_id_hash::text", "masked_ip"]
            .map(|column| format!("select {column} {row}"));
    let (ip, device) = (world.one(&ip).await, world.one(&device).await);
    let (user, token) = (world.one(&user).await, world.one(&token).await);
    let messages = "select string_agg(id::text, ' ') from ingest.quarantine";
    let messages = world.one(messages).await;
    page.keep("FILE", format!("{ip}\n{token}\nip-hash {ip}\n"));
    let why = ("TEXT", "'a test'");
    let shown = "5d558706-d7dd-8eb6-8b92-e4f3c7d286cf";
    let told = page.types("loginetl unmask --ip-hash", &[(shown, &ip)], 0);
    assert!(told.contains("10.0.0."), "{told}");
    page.types("loginetl unmask --ip-hash", &[("H…", &ip), why], 0);
    page.types("loginetl unmask --device-id-hash", &[("H…", &device), why], 0);
    page.types("loginetl unmask --user-id-hash", &[("H…", &user), why], 0);
    page.types("loginetl unmask --token", &[("T…", &token), why], 0);
    page.types("loginetl unmask --quarantine", &[("17 18", &messages), why], 0);
    page.types("loginetl unmask --from FILE", &[why], 0);
    page.types("loginetl unmask --find-ip", &[("ADDRESS", "10.0.0.1"), why], 0);
    page.types("loginetl unmask --find-device-id", &[("-id ID", "-id device-1"), why], 0);
    page.types("loginetl unmask --find-user-id", &[("-id ID", "-id u-1"), why], 0);
    let left = page.leaves_a_request(&ip).await;
    page.types("loginetl unmask --ip-hash", &[("H…", &ip), ("4711", &left)], 0);
    let left = page.leaves_a_request(&ip).await;
    page.types("loginetl unmask --withdraw", &[("4711", &left)], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_new_keys_work() {
    let world = World::new().await;
    world.load(&[event(1), event(2), "{}".to_owned()]);
    let mut page = Typist::at("docs/commands/rotate-keys.md", &world, "reader").await;
    page.types("loginetl rotate-keys", &[], 0);
    page.types("loginetl rotate-keys ", &[], 0);
    page.types("loginetl rotate-keys --duty", &[], 0);
    assert!(page.types("loginetl rotate-keys --purpose", &[], 0).contains("sealed 1 bodies"));
    page.types("loginetl rotate-keys --resume", &[], 0);
    page.types("loginetl rotate-keys --compromised", &[], 0);
    page.types("loginetl rotate-keys --dry-run", &[], 0);
    page.end();

    let world = World::new().await;
    world.load(&[event(1)]);
    let mut page = Typist::at("docs/commands/keys.md", &world, "reader").await;
    page.types("loginetl keys list", &[], 0);
    let (ingest, recovery) = (setting("LOGINETL_INGEST_KEY"), setting("LOGINETL_RECOVERY_KEY"));
    let keys = [
        ("ingest-key K", format!("ingest-key {ingest}")),
        ("recovery-key K", format!("recovery-key {recovery}")),
    ];
    let keys = keys.each_ref().map(|(open, key)| (*open, key.as_str()));
    page.types("loginetl keys rewrap", &keys, 0);
    assert!(world.run(&["rotate-keys"]).status.success());
    let old = "update vault.data_keys set retired_at = retired_at - interval '31 days' \
               where retired_at is not null";
    world.database.tamper(old).await;
    page.answers("loginetl keys destroy 1", "1");
    assert_eq!(world.database.count("select from vault.wraps where key_id = 1").await, 0);
    assert!(page.types("loginetl keys list", &[], 0).contains("destroyed"));
    page.end();

    let mut page = Typist::at("keys/README.md", &world, "again").await;
    let own = [("alias/loginetl-ingest-b", &*ingest), ("alias/loginetl-recovery-b", &*recovery)];
    page.types("loginetl keys rewrap", &own, 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_init_work() {
    let world = World::bare().await;
    // The groups that the typist's logins are in.
    assert!(world.run(&["init"]).status.success());
    let mut page = Typist::at("docs/commands/init.md", &world, "reader").await;
    let (ingest, recovery) = (setting("LOGINETL_INGEST_KEY"), setting("LOGINETL_RECOVERY_KEY"));
    let keys = [("alias/prod-ingest", &*ingest), ("alias/prod-recovery", &*recovery)];
    page.types("loginetl init", &[], 0);
    page.types("loginetl init", &[], 0);
    page.types("loginetl init --ingest-key", &keys, 0);
    world.load(&[event(1)]);
    page.types("loginetl init --mask-user-id", &[], 0);
    page.types("loginetl init --format json", &[], 0);
    page.types("loginetl init --mask-user-id", &[], 0);
    assert!(page.types("loginetl backfill", &[], 0).contains("masked 1 rows"));
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_backfill_work() {
    let world = World::bare().await;
    assert!(world.run(&["init", "--mask-user-id"]).status.success());
    let old = "alter table user_logins add column ip text, add column device_id text;
        insert into user_logins (user_id, ip, device_id) values ('anna', '192.0.2.7', 'd-1')";
    world.database.execute(old).await;
    let mut page = Typist::at("docs/commands/backfill.md", &world, "reader").await;
    // User ids are still without a hash, and a person should look. Shown twice.
    assert!(page.types("loginetl backfill --ip-column", &[], 1).contains("masked 1 rows"));
    page.types("loginetl backfill --user-id-column", &[], 0);
    page.types("loginetl backfill --ip-column", &[], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_check_work() {
    let world = World::new().await;
    world.queue.redrive_after(5).await;
    let mut page = Typist::at("docs/commands/check.md", &world, "reader").await;
    page.types("loginetl check", &[], 0);
    page.types("loginetl check", &[], 0);
    page.types("loginetl check --format json", &[], 0);
    page.end();

    let mut page = Typist::at("docs/commands/status.md", &world, "again").await;
    page.types("loginetl status", &[], 0);
    page.end();

    let mut page = Typist::at("docs/errors.md", &world, "once_more").await;
    // As somebody who is no unmasker, as the page has it.
    page.unmask_as("auditor");
    page.types("loginetl unmask", &[], 3);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_health_work() {
    let world = World::new().await;
    let address = free_address().to_string();
    let _loader = Running::start(&mut world.command(&["load", "--listen", &address]));
    let is_ready = async || world.run(&["health", "--ready", &address]).status.code() == Some(0);
    eventually("it is ready", is_ready).await;
    let asked = format!("--ready {address}");
    for (name, who) in [("docs/operations.md", "operator"), ("docs/commands/health.md", "probe")] {
        let mut page = Typist::at(name, &world, who).await;
        assert_eq!(page.types("loginetl health", &[("--ready", &asked)], 0), "ready\n", "{name}");
        page.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_audit_work() {
    let logged = Logged::new().await;
    let mut page = Typist::at("docs/commands/audit.md", &logged.world, "reader").await;
    std::fs::copy(&logged.public_key, page.path("audit.pem")).expect("copied");
    let name = "select db_user from audit.log where kind = 'unmask.request' limit 1";
    let name = logged.world.one(name).await;
    page.types("loginetl audit list --kind", &[], 0);
    page.types("loginetl audit list --user", &[("NAME", &name), ("SEC-17", "SEC-1")], 0);
    let hash = logged.world.one("select min(ip_hash::text) from user_logins where user_id = 'u-1'");
    let (shown, hash) = ("5d558706d7dd8eb68b92e4f3c7d286cf", hash.await.replace('-', ""));
    page.types("loginetl audit export", &[], 0);
    let kept = "16:21774333a1e76206626aa27eab872fdf7524147649c68c8e8e612d8d7c473f86";
    page.types("loginetl audit verify --expect-head", &[(kept, &logged.heads[1])], 0);
    page.types("loginetl audit verify --head-file", &[], 0);
    page.types("loginetl audit verify --file", &[], 0);
    page.types("loginetl audit list --hash", &[(shown, &hash)], 0);
    page.types("loginetl audit verify --file", &[], 0);
    page.end();
}
