//! Jobs that mask outside of the database: one token a value as `load` makes them, a line
//! for a line, and no key that an archive needs is destroyed.

mod archives;
mod filter;
mod flow;
mod plans;
mod rewrite;
mod silence;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::support::{Login, World, json_lines, text};

/// An installation, and a folder for plans and lines.
struct Site {
    world: World,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        Self { world: World::new().await, folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn word(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Makes a plan in a file of that name, for the archive `logins`.
    fn plan(&self, name: &str, more: &[&str]) {
        let planned = self.try_plan(None, name, more);
        assert_eq!(planned.status.code(), Some(0), "{}", text(&planned));
    }

    fn try_plan(&self, login: Option<&Login>, name: &str, more: &[&str]) -> Output {
        let where_to = ["--location", "s3://a/b"];
        let where_to = if more.contains(&"--location") { &[][..] } else { &where_to };
        let args = [&["mask", "plan", "--job", "logins"], where_to, more].concat();
        let output = match login {
            Some(login) => self.world.run_as(login, &args),
            None => self.world.run(&args),
        };
        std::fs::write(self.path(name), &output.stdout).expect("written");
        output
    }

    /// Runs a filter over some bytes, without a database.
    fn filter(&self, args: &[&str], input: &[u8]) -> Output {
        std::fs::write(self.path("input"), input).expect("written");
        let mut command = self.world.command(args);
        command.env_remove("LOGINETL_DATABASE_URL").env_remove("LOGINETL_QUEUE_URL");
        command.stdin(File::open(self.path("input")).expect("a file"));
        command.output().expect("the binary runs")
    }

    /// Masks by the plan of that name; it ends with 0.
    fn mask(&self, plan: &str, more: &[&str], input: &[u8]) -> Output {
        let plan = self.word(plan);
        let masked = self.filter(&[&["mask", "--plan", &plan], more].concat(), input);
        assert_eq!(masked.status.code(), Some(0), "{}", text(&masked));
        masked
    }

    fn remask(&self, plan: &str, more: &[&str], input: &[u8]) -> Output {
        let plan = self.word(plan);
        let remasked = self.filter(&[&["remask", "--plan", &plan], more].concat(), input);
        assert_eq!(remasked.status.code(), Some(0), "{}", text(&remasked));
        remasked
    }

    fn commit(&self, plan: &str, more: &[&str]) -> Output {
        let plan = self.word(plan);
        self.world.run(&[&["mask", "commit", "--plan", &plan], more].concat())
    }

    /// Ends with this exit code, and says this.
    fn ends(&self, exit: i32, said: &str, args: &[&str]) {
        ends(&self.world.run(args), exit, said);
    }

    /// What stands in the table, by user: (token, hash) of address and device.
    async fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let columns = "user_id, masked_ip, ip_hash::text, masked_device_id, device_id_hash::text";
        let rows = self.world.database.query(&format!("select {columns} from user_logins")).await;
        rows.iter().map(|row| (row.get(0), (1..5).map(|at| row.get(at)).collect())).collect()
    }
}

fn ends(output: &Output, exit: i32, said: &str) {
    assert_eq!(output.status.code(), Some(exit), "{}", text(output));
    assert!(text(output).contains(said), "{said} in {}", text(output));
}

/// The same of masked lines.
fn by_user(masked: &Output) -> BTreeMap<String, Vec<String>> {
    let names = ["masked_ip", "ip_hash", "masked_device_id", "device_id_hash"];
    let cells = |line: &Value| names.map(|name| line[name].as_str().expect("a text").to_owned());
    let lines = json_lines(masked);
    let lines = lines.iter().filter(|line| line["rejected"].is_null());
    lines
        .map(|line| (line["user_id"].as_str().expect("a user").to_owned(), cells(line).to_vec()))
        .collect()
}

/// Events of so many users, with few addresses and devices.
fn events(users: std::ops::Range<u32>) -> Vec<String> {
    let of = |n: u32| {
        format!(
            "{{\"user_id\": \"u{n}\", \"app_version\": \"2.3.{}\", \"device_type\": \"ios\", \
             \"ip\": \"192.0.2.{}\", \"locale\": null, \"device_id\": \"d{}\"}}",
            n % 10,
            n % 7,
            n % 11
        )
    };
    users.map(of).collect()
}
