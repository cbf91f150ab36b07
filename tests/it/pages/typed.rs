//! The commands that pages show, typed as they stand there.
//!
//! Invariant: each line of a block of `sh` that begins with `loginetl`, or pipes into it,
//! is run by the test of its page, and ends as the page says. Where a page leaves
//! something to the reader (`H…`, `FILE`, `4711`), the test puts in what is there.

use std::collections::{BTreeSet, VecDeque};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::page;
use crate::support::{Logged, World, event, setting, text};

/// The pages with such lines; each has its test.
const PAGES: [&str; 10] = [
    "README.md",
    "docs/commands/audit.md",
    "docs/commands/backfill.md",
    "docs/commands/check.md",
    "docs/commands/init.md",
    "docs/commands/keys.md",
    "docs/commands/load.md",
    "docs/commands/quarantine.md",
    "docs/commands/rotate-keys.md",
    "docs/commands/unmask.md",
];

/// A service, which runs until somebody stops it: after this time.
const SERVICE: &str = "timeout --preserve-status -s TERM 4";

/// A terminal for a question, on which somebody has typed the answer already.
const TERMINAL: &str = "
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp('bash', ['bash', '-c', sys.argv[2]])
os.write(fd, (sys.argv[1] + '\\n').encode())
try:
    while said := os.read(fd, 4096):
        os.write(1, said)
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

/// jq is not everywhere; this does what the page has it do.
const JQ: &str = "#!/bin/sh
exec \"$LOGINETL_TEST_PYTHON\" -c '
import json, sys
assert sys.argv[1:3] == [\"-c\", \".[]\"], sys.argv
for event in json.load(open(sys.argv[3])): print(json.dumps(event))
' \"$@\"
";

/// The lines of a page that call the program.
fn lines(name: &str) -> VecDeque<String> {
    let page = page(name);
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let shell = blocks.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let is_call = |line: &&str| line.starts_with("loginetl ") || line.contains("| loginetl ");
    shell.lines().filter(is_call).map(str::to_owned).collect()
}

/// A page, and the folder in which somebody types its lines one after the other.
struct Typist<'a> {
    world: &'a World,
    name: &'static str,
    left: VecDeque<String>,
    folder: tempfile::TempDir,
    unmasker: String,
    logins: Vec<(&'static str, String)>,
}

impl<'a> Typist<'a> {
    async fn at(name: &'static str, world: &'a World) -> Self {
        assert!(PAGES.contains(&name), "{name} is not in the list");
        let folder = tempfile::tempdir().expect("a folder");
        let jq = folder.path().join("jq");
        std::fs::write(&jq, JQ).expect("written");
        std::fs::set_permissions(&jq, std::fs::Permissions::from_mode(0o755)).expect("set");
        let mut logins = Vec::new();
        for role in ["loader", "unmasker", "rotator", "auditor"] {
            let (group, name) = (format!("loginetl_{role}"), format!("p_{role}"));
            let login = world.database.login_named(&group, &name).await;
            logins.push((role, login.url));
        }
        let unmasker = logins[1].1.clone();
        Self { world, name, left: lines(name), folder, unmasker, logins }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keep(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("written");
    }

    /// Who types this.
    fn url(&self, line: &str) -> &str {
        let call = line.split("loginetl ").nth(1).unwrap_or_default();
        let role = match call.split(' ').next().unwrap_or_default() {
            "load" | "quarantine" | "check" => "loader",
            "unmask" => "unmasker",
            "rotate-keys" | "keys" => "rotator",
            "audit" => "auditor",
            _ => return &self.world.database.url,
        };
        self.logins.iter().find(|(name, _)| *name == role).map(|(_, url)| url.as_str()).expect("it")
    }

    /// A shell in the folder, with the settings of the world.
    fn shell(&self, url: &str, program: &str, arguments: &[&str]) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_loginetl")).parent().expect("its folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", programs.display(), self.folder.path().display());
        let mut shell = Command::new(program);
        shell.args(arguments).current_dir(self.folder.path()).env("PATH", path);
        shell.env("LOGINETL_DATABASE_URL", url).env("LOGINETL_QUEUE_URL", &self.world.queue.url);
        shell.env_remove("RUST_LOG").stdin(std::process::Stdio::null());
        shell
    }

    /// The next line of the page, which begins so, with what the page leaves open.
    fn next(&mut self, begin: &str, own: &[(&str, &str)]) -> String {
        let mut line = self.left.pop_front().unwrap_or_else(|| panic!("{}: no more", self.name));
        assert!(line.starts_with(begin), "{}: {line:?} is no {begin:?}", self.name);
        for (open, value) in own {
            assert!(line.contains(open), "{}: {line:?} has no {open}", self.name);
            line = line.replace(open, value);
        }
        line
    }

    /// Types the next line, which ends with this exit code; the lines it prints.
    fn types(&mut self, begin: &str, own: &[(&str, &str)], exit: i32) -> String {
        let line = self.next(begin, own);
        self.run(&line, &line, exit)
    }

    /// The same for one that runs until it is stopped.
    fn serves(&mut self, begin: &str) {
        let line = self.next(begin, &[]);
        self.run(&line, &format!("{SERVICE} {line}"), 0);
    }

    fn run(&self, line: &str, typed: &str, exit: i32) -> String {
        let typed = format!("set -o pipefail\n{typed}");
        let output = self.shell(self.url(line), "bash", &["-c", &typed]).output().expect("a shell");
        assert_eq!(output.status.code(), Some(exit), "{}: {line}\n{}", self.name, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same for one that asks.
    fn answers(&mut self, begin: &str, answer: &str) -> String {
        let line = self.next(begin, &[]);
        let program = setting("LOGINETL_TEST_PYTHON");
        let mut shell = self.shell(self.url(&line), &program, &["-c", TERMINAL, answer, &line]);
        let output = shell.output().expect("a terminal");
        assert_eq!(output.status.code(), Some(0), "{}: {line}\n{}", self.name, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A request of the page's unmasker that stays open: KMS does not sign it.
    async fn leaves_a_request(&self, hash: &str) -> String {
        let flags = ["--ip-hash", hash, "--reason", "a test", "--audit-key", "alias/no-such-key"];
        let program = env!("CARGO_BIN_EXE_loginetl");
        let mut unmask = self.shell(&self.unmasker, program, &["unmask"]);
        let output = unmask.args(flags).output().expect("it runs");
        assert!(text(&output).contains("stays open in the audit log"), "{}", text(&output));
        self.world.one("select max(seq)::text from audit.log where kind = 'unmask.request'").await
    }

    fn end(self) {
        assert!(self.left.is_empty(), "{}: nobody typed {:#?}", self.name, self.left);
    }
}

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
    for folder in ["", "docs", "docs/commands"] {
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
    let mut page = Typist::at("README.md", &world).await;
    page.keep("events.jsonl", [event(1), event(2)].join("\n"));
    page.types("loginetl init", &[], 0);
    // The queue has no dead-letter queue, which is worth a warning.
    page.types("loginetl check", &[], 1);
    page.types("loginetl load --file", &[], 0);
    world.has_messages(10).await;
    page.types("loginetl load --drain", &[], 0);
    world.has_messages(20).await;
    page.serves("loginetl load");
    assert_eq!(world.database.count("select from user_logins").await, 14);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_load_work() {
    use std::io::Write as _;
    let world = World::new().await;
    let mut page = Typist::at("docs/commands/load.md", &world).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all([event(1), event(2)].join("\n").as_bytes()).expect("packed");
    page.keep("events.jsonl.gz", gzip.finish().expect("packed"));
    page.keep("events.json", format!("[{}, {}]", event(3), event(4)));
    world.has_messages(10).await;
    page.serves("loginetl load");
    world.has_messages(20).await;
    page.types("loginetl load --drain", &[], 0);
    world.has_messages(30).await;
    page.types("loginetl load --dry-run", &[], 0);
    assert_eq!(world.database.count("select from user_logins").await, 12);
    page.types("loginetl load --file", &[], 0);
    page.types("jq ", &[], 0);
    assert_eq!(world.database.count("select from user_logins").await, 16);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_the_quarantine_work() {
    let world = World::new().await;
    let mut page = Typist::at("docs/commands/quarantine.md", &world).await;
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
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_unmask_work() {
    let world = World::bare().await;
    assert!(world.run(&["init", "--mask-user-id"]).status.success());
    world.load(&[event(1), event(2), "{}".to_owned(), "[]".to_owned()]);
    let mut page = Typist::at("docs/commands/unmask.md", &world).await;
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
    assert!(page.types("loginetl unmask --ip-hash", &[("H…", &ip), why], 0).contains("10.0.0."));
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
    let mut page = Typist::at("docs/commands/rotate-keys.md", &world).await;
    page.types("loginetl rotate-keys ", &[], 0);
    page.types("loginetl rotate-keys --duty", &[], 0);
    assert!(page.types("loginetl rotate-keys --purpose", &[], 0).contains("sealed 1 bodies"));
    page.types("loginetl rotate-keys --compromised", &[], 0);
    page.types("loginetl rotate-keys --dry-run", &[], 0);
    page.end();

    let world = World::new().await;
    world.load(&[event(1)]);
    let mut page = Typist::at("docs/commands/keys.md", &world).await;
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
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_init_work() {
    let world = World::bare().await;
    // The groups that the typist's logins are in.
    assert!(world.run(&["init"]).status.success());
    let mut page = Typist::at("docs/commands/init.md", &world).await;
    let (ingest, recovery) = (setting("LOGINETL_INGEST_KEY"), setting("LOGINETL_RECOVERY_KEY"));
    let keys = [("alias/prod-ingest", &*ingest), ("alias/prod-recovery", &*recovery)];
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
    let mut page = Typist::at("docs/commands/backfill.md", &world).await;
    // User ids are still without a hash, and a person should look.
    assert!(page.types("loginetl backfill --ip-column", &[], 1).contains("masked 1 rows"));
    page.types("loginetl backfill --user-id-column", &[], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_check_work() {
    let world = World::new().await;
    world.queue.redrive_after(5).await;
    let mut page = Typist::at("docs/commands/check.md", &world).await;
    page.types("loginetl check", &[], 0);
    page.types("loginetl check --format json", &[], 0);
    page.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_about_audit_work() {
    let logged = Logged::new().await;
    let mut page = Typist::at("docs/commands/audit.md", &logged.world).await;
    std::fs::copy(&logged.public_key, page.path("audit.pem")).expect("copied");
    let name = "select db_user from audit.log where kind = 'unmask.request' limit 1";
    let name = logged.world.one(name).await;
    page.types("loginetl audit list --kind", &[], 0);
    page.types("loginetl audit list --user", &[("NAME", &name), ("SEC-17", "SEC-1")], 0);
    page.types("loginetl audit export", &[], 0);
    let kept = "16:21774333a1e76206626aa27eab872fdf7524147649c68c8e8e612d8d7c473f86";
    page.types("loginetl audit verify --expect-head", &[(kept, &logged.heads[1])], 0);
    page.types("loginetl audit verify --file", &[], 0);
    page.end();
}
