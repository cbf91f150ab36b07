//! `audit verify --head-file`: a kept head that renews itself, and never goes back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{Logged, Running, event, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn held(path: &Path) -> String {
    fs::read_to_string(path).expect("it is there")
}

/// Where a head is to be kept.
fn place(logged: &Logged) -> (PathBuf, String) {
    let path = logged.folder.path().join("audit.head");
    let named = path.to_str().expect("UTF-8").to_owned();
    (path, named)
}

/// What lies in the folder of the file beside it.
fn beside(logged: &Logged) -> Vec<String> {
    let names = fs::read_dir(logged.folder.path()).expect("a folder");
    let names = names.map(|entry| entry.expect("a name").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> = names.filter(|name| name.contains(".part")).collect();
    names.sort();
    names
}

async fn cut_to(logged: &Logged, seq: i64) {
    logged
        .tamper(&format!(
            "delete from audit.signatures where seq > {seq}; \
             delete from audit.log where seq > {seq}; update audit.head set seq = {seq}, \
             hash = (select hash from audit.log where seq = {seq})"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_renewed_and_never_goes_back() {
    let logged = Logged::new().await;
    let (path, named) = place(&logged);
    let flags = ["--head-file", named.as_str()];
    let output = logged.world.run_as(&logged.auditor, &[&["audit", "verify"], &flags[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("audit.head is not there: no head was kept yet"), "{said}");
    let first = held(&path);
    assert!(said.contains(&format!("keeps the head {first}")), "{said}");
    assert_eq!(mode(&path), 0o600);

    // The log goes on, and so does the head. The mode that somebody gave it stays.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
    logged.world.load(&[event(7)]);
    let (exit, report) = logged.verify(&flags);
    assert_eq!((exit, report["head"].as_str()), (0, Some(held(&path).trim())), "{report}");
    assert_ne!(held(&path), first);
    assert_eq!(mode(&path), 0o640);
    assert!(beside(&logged).is_empty(), "{:?}", beside(&logged));

    // An export of now holds it as well.
    let export = logged.export("now.jsonl");
    assert_eq!(logged.verify_file(&export, &flags).0, 0);

    // Cut: the kept head stays, however often it is asked.
    let kept = held(&path);
    let last: i64 = kept.split(':').next().and_then(|seq| seq.parse().ok()).expect("a number");
    cut_to(&logged, last - 1).await;
    for _ in 0..2 {
        let (exit, report) = logged.verify(&flags);
        assert_eq!(exit, 5, "{report}");
        assert!(report.to_string().contains("the tail was cut off"), "{report}");
        assert_eq!(held(&path), kept);
    }
    // The log grows again past that record, and is another one.
    for n in 20..23 {
        logged.world.load(&[event(n)]);
    }
    let (exit, report) = logged.verify(&flags);
    assert!(exit == 5 && report.to_string().contains("the log was rewritten"), "{report}");
    assert_eq!((held(&path), beside(&logged)), (kept, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_finding_or_an_error_it_stays_as_it_was() {
    let logged = Logged::new().await;
    let (path, named) = place(&logged);
    let flags = ["--head-file", named.as_str()];
    // No database: nothing is made.
    let mut command = logged.world.command(&["audit", "verify", "--head-file", &named]);
    command.env("LOGINETL_DATABASE_URL", "postgres://127.0.0.1:1/x?sslmode=disable");
    assert_eq!(command.output().expect("it runs").status.code(), Some(4));
    assert!(!path.exists());
    // An open request is a finding (exit 1): nothing is made, and nothing is renewed.
    logged.world.database.log_behind(600).await;
    let sql = "select audit.append('unmask.request', '{}')";
    logged.world.database.execute(sql).await;
    let (exit, report) = logged.verify(&flags);
    assert!(exit != 0 && !path.exists(), "{report}");
    fs::write(&path, format!("{}\n", logged.heads[0])).expect("written");
    let (again, report) = logged.verify(&flags);
    assert_eq!((again, held(&path)), (exit, format!("{}\n", logged.heads[0])), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_no_head_is_refused_and_not_touched() {
    let logged = Logged::new().await;
    let (path, named) = place(&logged);
    let run = |named: &str| {
        let output =
            logged.world.run_as(&logged.auditor, &["audit", "verify", "--head-file", named]);
        (output.status.code(), text(&output))
    };
    let long = format!("{}{}", logged.heads[0], " ".repeat(300));
    for wrong in ["", "x", "17", "0:00", &"9".repeat(100_000), "17:zz", long.as_str()] {
        fs::write(&path, wrong).expect("written");
        let (exit, said) = run(&named);
        assert_eq!(exit, Some(2), "{said}");
        assert!(said.contains("audit.head: is no file that keeps a head"), "{said}");
        assert_eq!(held(&path), wrong);
    }
    fs::remove_file(&path).expect("removed");
    let folder = logged.folder.path().to_str().expect("UTF-8");
    assert_eq!(run(folder).0, Some(2));
    assert_eq!(run("/dev/null").0, Some(2));
    // A folder that is not there shows when the head is to be kept, after the result.
    let (exit, said) = run(&format!("{folder}/none/audit.head"));
    assert!(exit == Some(2) && said.contains("intact: "), "{said}");
    assert!(said.contains("cannot be renewed: entity not found"), "{said}");
    // A link stays a link; one that leads nowhere is refused.
    let real = logged.folder.path().join("real.head");
    std::os::unix::fs::symlink(&real, &path).expect("a link");
    assert_eq!(run(&named).0, Some(2));
    fs::write(&real, &logged.heads[0]).expect("written");
    assert_eq!(run(&named).0, Some(0));
    assert!(path.is_symlink() && held(&real) != logged.heads[0]);
    let both = ["audit", "verify", "--head-file", &named, "--expect-head", &logged.heads[0]];
    assert_eq!(logged.world.run_as(&logged.auditor, &both).status.code(), Some(2));
}

/// While the log grows, many runs share one file. Whoever reads it finds a whole head,
/// and none that is older than the one before.
#[tokio::test(flavor = "multi_thread")]
async fn many_runs_at_once_never_put_an_older_head_in_its_place() {
    let logged = Logged::new().await;
    let (path, named) = place(&logged);
    let seq = |text: &str| {
        let (seq, hash) = text.trim().split_once(':').expect("a whole head");
        assert_eq!(hash.len(), 64, "a whole head");
        seq.parse::<i64>().expect("a number")
    };
    let mut newest = 0;
    for round in 0..6 {
        let runs: Vec<_> = (0..6)
            .map(|n| {
                let args = ["audit", "verify", "--head-file", &named];
                let mut command = logged.world.command(&args);
                let run = Running::start(command.env("LOGINETL_DATABASE_URL", &logged.auditor.url));
                if n % 2 == 0 {
                    logged.world.load(&[event(100 + round * 10 + n)]);
                }
                if path.exists() {
                    let now = seq(&held(&path));
                    assert!(now >= newest, "{now} after {newest}");
                    newest = now;
                }
                run
            })
            .collect();
        for output in runs.into_iter().map(Running::finish) {
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        }
        let now = seq(&held(&path));
        assert!(now >= newest, "{now} after {newest}");
        newest = now;
    }
    assert!(beside(&logged).is_empty(), "{:?}", beside(&logged));
    assert_eq!(logged.verify(&["--head-file", &named]).0, 0);
}

/// A run that is held up at the end of its reading, while somebody does this.
async fn verify_while(logged: &Logged, named: &str, meanwhile: impl FnOnce()) -> Output {
    let holder = logged.world.database.client().await;
    holder.batch_execute("begin; lock table audit.head").await.expect("a lock");
    let mut command = logged.world.command(&["audit", "verify", "--head-file", named]);
    let slow = Running::start(command.env("LOGINETL_DATABASE_URL", &logged.auditor.url));
    let waiting = "select from pg_locks where not granted and database = \
                     (select oid from pg_database where datname = current_database())";
    crate::support::eventually("it waits", async || logged.world.database.count(waiting).await > 0)
        .await;
    meanwhile();
    holder.batch_execute("rollback").await.expect("free");
    slow.finish()
}

/// A run that took long finds the file renewed meanwhile, and leaves it; or removed, and
/// makes it: the next run would be the first one again, and miss a cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_run_leaves_what_a_faster_one_has_kept_and_makes_what_is_gone() {
    let logged = Logged::new().await;
    let (path, named) = place(&logged);
    fs::write(&path, &logged.heads[0]).expect("written");
    let newer = format!("{}\n", logged.heads[1]);
    let renew = || fs::write(&path, &newer).expect("written");
    let output = verify_while(&logged, &named, renew).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("another run has renewed"), "{}", text(&output));
    assert_eq!((held(&path), beside(&logged)), (newer, vec![]));

    logged.world.load(&[event(7)]);
    let remove = || fs::remove_file(&path).expect("removed");
    let output = verify_while(&logged, &named, remove).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("was removed meanwhile: it is made anew"), "{}", text(&output));
    assert!(
        text(&output).contains(&format!("keeps the head {}", held(&path))),
        "{}",
        text(&output)
    );
    let (exit, report) = logged.verify(&["--head-file", &named]);
    assert_eq!((exit, report["head"].as_str()), (0, Some(held(&path).trim())), "{report}");
}

/// A rename in a folder that cannot be synced would be there, and be called a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_synced_is_refused_before_anything_changes() {
    let logged = Logged::new().await;
    let folder = logged.folder.path().join("closed");
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join("audit.head");
    fs::write(&path, &logged.heads[0]).expect("written");
    let set_mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode));
    set_mode(0o300).expect("a mode");
    let args = ["audit", "verify", "--head-file", path.to_str().expect("UTF-8")];
    let mut command = logged.world.command(&args);
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        // Modes bind root too, without these.
        let mut plain = Command::new("setpriv");
        plain.args(["--bounding-set", "-dac_override,-dac_read_search"]);
        plain.arg(command.get_program()).args(command.get_args());
        plain.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = plain;
    }
    let output =
        command.env("LOGINETL_DATABASE_URL", &logged.auditor.url).output().expect("it runs");
    set_mode(0o700).expect("a mode");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("cannot be renewed: permission denied"), "{}", text(&output));
    assert_eq!(held(&path), logged.heads[0]);
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "nothing beside it");
}
