//! Every command, run in the role that the pages give it; each call of AWS is noted.
//!
//! A role has a database login in its group, and credentials of its own by which the
//! recorder knows it. The commands run once; all tests look at the same recording.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::calls::{Call, access_key, recorder};
use crate::shipped::{AWAY, HOLDERS, Shipped, alias, other_alias, queue_arn};
use crate::support::{Action, Database, Proxy, Running, TestQueue, World, event, eventually, text};

/// What was run and what it asked of AWS.
pub struct Recording {
    pub shipped: Shipped,
    pub calls: Vec<Call>,
    /// Each command that ran: role, words.
    pub commands: Vec<(String, String)>,
}

/// The recording, made at the first call.
pub fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.expect("a runtime").block_on(record())
        });
        made.join().expect("the recording is made")
    })
}

struct Recorder {
    world: World,
    proxy: Proxy,
    logins: Vec<(&'static str, String)>,
    commands: Vec<(String, String)>,
    /// How the settings name a key.
    key: Box<dyn Fn(&str) -> String + Send>,
    /// Where KMS is asked, if not at home.
    region: Option<&'static str>,
}

impl Recorder {
    fn login(&self, role: &str) -> String {
        let login = self.logins.iter().find(|(name, _)| *name == role);
        login.unwrap_or_else(|| panic!("no login of {role}")).1.clone()
    }

    /// From now on a role connects as another one does.
    fn lend(&mut self, role: &'static str, of: &str) {
        let login = self.login(of);
        self.logins.insert(0, (role, login));
    }

    fn command(&mut self, role: &str, args: &[&str]) -> Command {
        let url = self.login(role);
        let id = access_key(role, args);
        let words = id.split_once('.').expect("an id").1.replace('_', " ");
        self.commands.push((role.to_owned(), words));
        let mut command = self.world.command(args);
        command.env("LOGINETL_DATABASE_URL", url).env("AWS_ACCESS_KEY_ID", id);
        command.env("AWS_ENDPOINT_URL", self.proxy.url()).env("NO_PROXY", "127.0.0.1");
        for holder in HOLDERS {
            command.env(format!("LOGINETL_{}_KEY", holder.to_uppercase()), (self.key)(holder));
        }
        if let Some(region) = self.region {
            command.env("LOGINETL_KMS_REGION", region);
        }
        // keys/README.md: nobody else has a right to the queue.
        if !["loader", "rotator"].contains(&role) {
            command.env_remove("LOGINETL_QUEUE_URL");
        }
        command
    }

    /// Runs a command to its end, which must be this one.
    fn run(&mut self, role: &str, args: &[&str], exit: i32) -> Output {
        let output = self.command(role, args).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(exit), "{role}: {args:?}: {}", text(&output));
        output
    }

    fn run_with_input(&mut self, role: &str, args: &[&str], input: &str) {
        let mut command = self.command(role, args);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{role}: {args:?}: {}", text(&output));
    }

    /// Runs `unmask` where KMS answers one call with an error; the number of the request
    /// that is left open.
    async fn fail(&mut self, hash: &str, denied: &'static str) -> String {
        let proxy = Proxy::start(move |target| match target == denied {
            true => Action::Answer(400, r#"{"__type": "AccessDeniedException"}"#),
            false => Action::Forward,
        });
        let args = ["unmask", "--ip-hash", hash, "--reason", "a test"];
        let mut command = self.command("unmasker", &args);
        let output = command.env("AWS_ENDPOINT_URL", proxy.url()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{denied} is denied: {}", text(&output));
        let newest = "select max(seq)::text from audit.log where kind = 'unmask.request'";
        self.world.database.query(newest).await[0].get(0)
    }

    async fn hash(&self) -> String {
        let hash = "select ip_hash::text from user_logins where user_id = 'u-1'";
        self.world.database.query(hash).await[0].get(0)
    }
}

async fn record() -> Recording {
    let (queue, dead) = (TestQueue::create().await, TestQueue::create().await);
    queue.redrive_to(&dead, 5).await;
    let name = |queue: &TestQueue| queue.url.rsplit('/').next().expect("a name").to_owned();
    let shipped = Shipped::make(queue_arn(&name(&queue)), queue_arn(&name(&dead))).await;
    let (proxy, calls) = recorder();
    let world = World { database: Database::create().await, queue, endpoint: None };
    let owner = world.database.url.clone();
    let mut recorder = Recorder {
        world,
        proxy,
        logins: vec![("init", owner)],
        commands: Vec::new(),
        key: Box::new(alias),
        region: None,
    };
    recorder.run("init", &["init"], 0);
    for role in ["loader", "unmasker", "rotator", "auditor", "analyst"] {
        let login = recorder.world.database.login(&format!("loginetl_{role}")).await;
        recorder.logins.push((role, login.url));
    }
    let loading = load(&mut recorder).await;
    // From another account a key has no alias, so it is named by its ARN.
    let keys = shipped.keys.clone();
    recorder.key = Box::new(move |holder| keys[holder].clone());
    unmask(&mut recorder).await;
    mask_outside(&mut recorder);
    rotate(&mut recorder, &shipped).await;
    let owner = recorder.world.database.login("loginetl_owner").await;
    recorder.logins.insert(0, ("init", owner.url));
    look(&mut recorder);
    recorder.key = Box::new(other_alias);
    recorder.region = Some(AWAY);
    abroad(&mut recorder).await;
    let output = loading.finish();
    assert!(output.status.success(), "{}", text(&output));
    let commands = std::mem::take(&mut recorder.commands);
    drop((recorder, dead));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let calls = calls.lock().expect("it").clone();
    Recording { shipped, calls, commands }
}

/// The loader, and what `init` does to rows. The loader that it returns is stopping: it
/// waits for its last poll, and the others need not.
async fn load(recorder: &mut Recorder) -> Running {
    let broken = "{\"user_id\": 7".to_owned();
    recorder.world.queue.send(&[event(1), event(2), broken.clone()]).await;
    recorder.run("loader", &["check"], 0);
    recorder.run("loader", &["load", "--dry-run", "--max-messages", "2"], 0);
    recorder.run("loader", &["load", "--drain"], 0);
    let lines = [event(3), broken].join("\n");
    recorder.run_with_input("loader", &["load", "--file", "-"], &lines);
    recorder.world.queue.send(&[event(4)]).await;
    let args = ["load", "--listen", "127.0.0.1:0"];
    let mut running = Running::start(&mut recorder.command("loader", &args));
    let database = &recorder.world.database;
    let loaded = async || database.count("select from user_logins").await == 4;
    eventually("the queue is loaded", loaded).await;
    let pid = i32::try_from(running.child().id()).expect("a process id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    recorder.run("loader", &["quarantine", "list"], 0);
    recorder.run("loader", &["quarantine", "retry"], 1);
    let plain = "alter table user_logins add column plain_ip inet;
        insert into user_logins (user_id, plain_ip) values ('old', '192.0.2.7')";
    recorder.world.database.execute(plain).await;
    recorder.run("init", &["backfill", "--ip-column", "plain_ip"], 1);
    running
}

async fn unmask(recorder: &mut Recorder) {
    let hash = recorder.hash().await;
    recorder.run("unmasker", &["check"], 0);
    recorder.run("unmasker", &["unmask", "--ip-hash", &hash, "--reason", "a test"], 0);
    let body: i64 =
        recorder.world.database.query("select min(id) from ingest.quarantine").await[0].get(0);
    let body = body.to_string();
    recorder.run("unmasker", &["unmask", "--quarantine", &body, "--reason", "a test"], 0);
    let find = ["unmask", "--find-ip", "-", "--reason", "a test"];
    recorder.run_with_input("unmasker", &find, "10.0.0.1");
    let unsigned = recorder.fail(&hash, "TrentService.Sign").await;
    recorder.run("unmasker", &["unmask", "--withdraw", &unsigned], 0);
    let open = recorder.fail(&hash, "TrentService.Sign").await;
    recorder.run("unmasker", &["unmask", "--ip-hash", &hash, "--resume", &open], 0);
}

/// A job outside of the database, and the rewrite of what it made. Driver and executors
/// are one role of AWS; the driver has a login of loaders, for a rewrite one of rotators.
fn mask_outside(recorder: &mut Recorder) {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json");
    let word = plan.to_str().expect("UTF-8");
    let args = ["mask", "plan", "--job", "logins", "--location", "x"];
    let keep = |planned: Output| std::fs::write(&plan, planned.stdout).expect("written");
    recorder.lend("masker", "loader");
    keep(recorder.run("masker", &args, 0));
    recorder.run("masker", &["mask", "--plan", word], 0);
    let commit = ["mask", "commit", "--plan", word, "--rows", "0", "--rejected", "0"];
    recorder.run("masker", &commit, 0);
    recorder.lend("masker", "rotator");
    keep(recorder.run("masker", &[&args[..], &["--rewrites"]].concat(), 0));
    recorder.run("masker", &["remask", "--plan", word], 0);
    recorder.run("masker", &[&commit[..], &["--unopened", "0"]].concat(), 0);
    recorder.run("rotator", &["archive", "list"], 0);
    let drop = ["archive", "drop", "logins", "--running-too", "--reason", "a test"];
    recorder.run("rotator", &drop, 0);
}

/// The rotator; the quarantine is emptied afterwards, so that it has bodies to seal anew.
async fn rotate(recorder: &mut Recorder, shipped: &Shipped) {
    recorder.run("rotator", &["check"], 0);
    recorder.run("rotator", &["rotate-keys", "--dry-run"], 0);
    recorder.run("rotator", &["rotate-keys"], 0);
    recorder.run("rotator", &["rotate-keys", "--purpose", "seal"], 0);
    recorder.run("rotator", &["rotate-keys", "--compromised"], 0);
    let (ingest, recovery) = (&shipped.others["ingest"], &shipped.others["recovery"]);
    let args = ["keys", "rewrap", "--ingest-key", ingest, "--recovery-key", recovery];
    recorder.run("rotator", &args, 0);
    recorder.run("rotator", &["keys", "destroy", "1", "--after", "0m", "--yes"], 0);
    recorder.run("loader", &["quarantine", "purge", "--all", "--yes"], 0);
}

/// Whoever looks, and `init` once more.
fn look(recorder: &mut Recorder) {
    recorder.run("init", &["check"], 0);
    recorder.run("auditor", &["check"], 0);
    recorder.run("analyst", &["check"], 0);
    for role in ["loader", "unmasker", "rotator", "auditor", "init"] {
        recorder.run(role, &["status"], 0);
        recorder.run(role, &["keys", "list"], 0);
    }
    recorder.run("auditor", &["audit", "list"], 0);
    recorder.run("auditor", &["audit", "export", "--out", "-"], 0);
    recorder.run("auditor", &["audit", "verify"], 0);
}

/// Where the replicas are; the rows and the queue stay where they were.
async fn abroad(recorder: &mut Recorder) {
    recorder.run("loader", &["check"], 0);
    recorder.world.queue.send(&[event(5)]).await;
    recorder.run("loader", &["load", "--drain"], 0);
    let hash = recorder.hash().await;
    recorder.run("unmasker", &["unmask", "--ip-hash", &hash, "--reason", "a test"], 0);
    recorder.run("masker", &["mask", "plan", "--job", "away", "--location", "x"], 0);
    recorder.run("rotator", &["rotate-keys", "--compromised"], 0);
    recorder.run("init", &["check"], 0);
    recorder.run("auditor", &["check"], 0);
}
