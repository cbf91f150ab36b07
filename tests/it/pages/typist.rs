//! Somebody who types the lines of a page, one after the other, as they stand there.

use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::page;
use super::typed::PAGES;
use crate::support::{Running, World, eventually, setting, text};

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

/// The lines of a page that call the program: of its blocks of `sh`, behind the prompt of
/// what it shows of a terminal, and indented ones.
pub fn lines(name: &str) -> VecDeque<String> {
    let page = page(name).replace("\\\n", " ");
    let mut language = None;
    let mut lines = VecDeque::new();
    for line in page.lines() {
        let call = match (line.strip_prefix("```"), language) {
            (Some(of), None) => {
                language = Some(of);
                continue;
            }
            (Some(_), Some(_)) => {
                language = None;
                continue;
            }
            (None, Some("sh")) => Some(line),
            (None, Some(_)) => line.strip_prefix("$ "),
            (None, None) => line.strip_prefix("    "),
        };
        let is_call = |line: &&str| line.starts_with("loginetl ") || line.contains("| loginetl ");
        lines.extend(call.filter(is_call).map(str::to_owned));
    }
    lines
}

/// A page, and the folder in which somebody types its lines one after the other.
pub struct Typist<'a> {
    world: &'a World,
    name: &'static str,
    left: VecDeque<String>,
    folder: tempfile::TempDir,
    unmasker: String,
    logins: Vec<(&'static str, String)>,
}

impl<'a> Typist<'a> {
    pub async fn at(name: &'static str, world: &'a World, who: &str) -> Self {
        assert!(PAGES.contains(&name), "{name} is not in the list");
        let folder = tempfile::tempdir().expect("a folder");
        let jq = folder.path().join("jq");
        std::fs::write(&jq, JQ).expect("written");
        std::fs::set_permissions(&jq, std::fs::Permissions::from_mode(0o755)).expect("set");
        let mut logins = Vec::new();
        for role in ["loader", "unmasker", "rotator", "auditor"] {
            let (group, name) = (format!("loginetl_{role}"), format!("{who}_{role}"));
            let login = world.database.login_named(&group, &name).await;
            logins.push((role, login.url));
        }
        let unmasker = logins[1].1.clone();
        Self { world, name, left: lines(name), folder, unmasker, logins }
    }

    /// The page's `unmask` is typed by somebody else.
    pub fn unmask_as(&mut self, role: &str) {
        let other = self.logins.iter().find(|(name, _)| *name == role).expect("it").1.clone();
        let unmasker = self.logins.iter_mut().find(|(name, _)| *name == "unmasker");
        unmasker.expect("it").1 = other;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn keep(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("written");
    }

    /// Who types this.
    fn url(&self, line: &str) -> &str {
        let call = line.split("loginetl ").nth(1).unwrap_or_default();
        let role = match call.split(' ').next().unwrap_or_default() {
            "load" | "mask" | "quarantine" | "check" => "loader",
            "unmask" => "unmasker",
            "archive" | "rotate-keys" | "keys" => "rotator",
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
        shell.env_remove("RUST_LOG").stdin(Stdio::null());
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
    pub fn types(&mut self, begin: &str, own: &[(&str, &str)], exit: i32) -> String {
        let line = self.next(begin, own);
        self.run(&line, &line, exit)
    }

    /// The same for one that runs until it is stopped: once so many rows stand there.
    pub async fn serves(&mut self, begin: &str, rows: i64) {
        let line = self.next(begin, &[]);
        let mut shell = self.shell(self.url(&line), "bash", &["-c", &format!("exec {line}")]);
        let service = Running::start(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let count = async || self.world.database.count("select from user_logins").await;
        eventually("all rows", async || count().await == rows).await;
        let output = service.signal(Signal::SIGTERM);
        assert_eq!(output.status.code(), Some(0), "{}: {line}\n{}", self.name, text(&output));
    }

    fn run(&self, line: &str, typed: &str, exit: i32) -> String {
        let typed = format!("set -o pipefail\n{typed}");
        let output = self.shell(self.url(line), "bash", &["-c", &typed]).output().expect("a shell");
        assert_eq!(output.status.code(), Some(exit), "{}: {line}\n{}", self.name, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same for one that asks.
    pub fn answers(&mut self, begin: &str, answer: &str) -> String {
        let line = self.next(begin, &[]);
        let program = setting("LOGINETL_TEST_PYTHON");
        let mut shell = self.shell(self.url(&line), &program, &["-c", TERMINAL, answer, &line]);
        let output = shell.output().expect("a terminal");
        assert_eq!(output.status.code(), Some(0), "{}: {line}\n{}", self.name, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A request of the page's unmasker that stays open: KMS does not sign it.
    pub async fn leaves_a_request(&self, hash: &str) -> String {
        let flags = ["--ip-hash", hash, "--reason", "a test", "--audit-key", "alias/no-such-key"];
        let program = env!("CARGO_BIN_EXE_loginetl");
        let mut unmask = self.shell(&self.unmasker, program, &["unmask"]);
        let output = unmask.args(flags).output().expect("it runs");
        assert!(text(&output).contains("stays open in the audit log"), "{}", text(&output));
        let newest = "select max(seq)::text from audit.log where kind = 'unmask.request'";
        self.world.database.query(newest).await[0].get(0)
    }

    pub fn end(self) {
        assert!(self.left.is_empty(), "{}: nobody typed {:#?}", self.name, self.left);
    }
}
