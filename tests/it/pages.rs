//! What the pages tell to type, typed: the first steps of the README, the programs of the
//! formats, and each command of every page.

mod jobs;
mod typed;
mod typist;

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Logged, World, setting, text};

fn page(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a page")
}

/// The blocks of a language under a heading, or on the whole page.
fn blocks(page: &str, heading: &str, language: &str) -> Vec<String> {
    let under = page.split_once(heading).expect("a heading").1;
    let under = under.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let blocks = under.split(&fence).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

fn python(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(setting("LOGINETL_TEST_PYTHON"));
    command.args(["-c", program]).args(arguments).output().expect("Python runs")
}

/// The line that a reader has to fill in, or has done before.
fn is_for_a_reader(line: &str) -> bool {
    ["cargo ", "export PATH", "export AWS_REGION", "eval "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_steps_of_the_readme_lead_to_masked_rows_of_an_own_file() {
    let world = World::bare().await;
    let blocks = blocks(&page("README.md"), "## Install", "sh");
    assert!(blocks.len() >= 3, "the steps are there");
    // Roles belong to all databases of the server; those with the name of this one go
    // with it.
    let (server, _) = world.database.url.split_once('?').unwrap_or((&world.database.url, ""));
    let (_, name) = server.rsplit_once('/').expect("a database");
    let at = server.split_once('@').expect("a user").1;
    let mut steps = blocks[..3].join("\n");
    for login in ["app_loader", "alice", "app_rotator"] {
        steps = steps.replace(login, &format!("{name}_{login}"));
    }
    steps = steps.replace("postgres:PASSWORD@", "postgres@").replace("localhost:5432/postgres", at);
    let steps: Vec<&str> = steps.lines().filter(|line| !is_for_a_reader(line)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let program =
        std::path::Path::new(env!("CARGO_BIN_EXE_loginetl")).parent().expect("its folder");
    let path = format!(
        "{}:{}:{}",
        program.display(),
        setting("LOGINETL_TEST_PG_BIN"),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &steps.join("\n")]).current_dir(folder.path()).env("PATH", path);
    let output = shell.env_remove("LOGINETL_QUEUE_URL").output().expect("a shell");
    assert!(output.status.success(), "{}", text(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("read 2, loaded 2"), "{}", text(&output));
    let same = "select ip_hash from user_logins group by 1 having count(*) = 2";
    assert_eq!(world.database.count(same).await, 1, "one address in two spellings");
}

#[test]
fn the_program_on_the_page_opens_its_token() {
    let programs = blocks(&page("docs/formats.md"), "# Formats", "python");
    assert!(programs.is_empty(), "they stand under headings of their own");
    let programs = blocks(&page("docs/formats.md"), "## A program that opens a token", "python");
    let output = python(&programs[0], &[]);
    assert!(output.status.success(), "{}", text(&output));
    let other = programs[0].replace("ip1.7.gB", "ip1.7.hB");
    assert!(
        other != programs[0] && !python(&other, &[]).status.success(),
        "another token does not open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_on_the_page_verifies_an_export() {
    let programs = blocks(&page("docs/formats.md"), "## A program that verifies", "python");
    let logged = Logged::new().await;
    let plan = logged.world.run(&["mask", "plan", "--job", "a", "--location", "b"]);
    assert_eq!(plan.status.code(), Some(0), "{}", text(&plan));
    let drop = ["archive", "drop", "a", "--open-runs", "--running-too", "--reason", "x"];
    let dropped = logged.world.run(&drop);
    assert_eq!(dropped.status.code(), Some(0), "{}", text(&dropped));
    let path = logged.export("audit.jsonl");
    let verify = |path: &std::path::Path| {
        let (export, key) =
            (path.to_str().expect("UTF-8"), logged.public_key.to_str().expect("UTF-8"));
        python(&programs[0], &[export, key])
    };
    let output = verify(&path);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.starts_with("15 records, 8 signed, head 15:"), "{}", text(&output));
    let lines = std::fs::read_to_string(&path).expect("an export");
    let changed = logged.folder.path().join("changed.jsonl");
    std::fs::write(&changed, lines.replacen("a test", "another", 1)).expect("written");
    assert!(!verify(&changed).status.success(), "an edit is found");
    // What lets keys be destroyed is signed, as what destroys them.
    let stripped = logged.folder.path().join("stripped.jsonl");
    std::fs::write(&stripped, without_signature(&lines, "archive.drop")).expect("written");
    assert!(
        text(&verify(&stripped)).contains("lacks its signature"),
        "{}",
        text(&verify(&stripped))
    );
}

/// An export in which the records of a kind are signed no more.
fn without_signature(lines: &str, kind: &str) -> String {
    let stripped = lines.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).expect("JSON");
        if record["kind"] == kind {
            record["signature"] = Value::Null;
        }
        format!("{record}\n")
    });
    stripped.collect()
}
