//! Sight as a property: with any policies, rules, triggers and children on the rows, a
//! command does exactly what it does on a plain table, or it refuses with exit 3 or 2 and
//! has changed nothing. Never a third.
//!
//! The worlds follow from their seeds. `LOGINETL_TEST_SIGHT_WORLDS=N` tries more of them,
//! `LOGINETL_TEST_SIGHT_SEED=N` one.

use std::collections::HashMap;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rotate::{is_whole, states};
use crate::sight::Task::{self, Compromised, Destroy, File, Find, List, Queue, Retry, Rotate};
use crate::sight::{BLIND, Staffed};
use crate::support::{json_lines, summary, text};

const WORLDS: u64 = 24;
/// So many are tried at a time, and so many commands in each.
const LANES: usize = 3;
const TASKS: usize = 5;
const ALL_TASKS: [Task; 8] = [File, Queue, Retry, Find, Rotate, Compromised, Destroy, List];

/// The row whose address is still under the first key, which is retired: that key may not
/// be destroyed.
const STRAY: u32 = 800;
/// The message in the quarantine: it parses with another encoding of versions.
const ODD: u32 = 900;

/// Rows that somebody may have left under another key than the active one.
const ELSEWHERE: &str = "select from user_logins, vault.data_keys k where k.purpose = 'mask'
                           and k.state = 'active'
    and (split_part(masked_ip, '.', 2) <> k.key_id::text
      or split_part(masked_device_id, '.', 2) <> k.key_id::text)";

/// Triggers that run when a rotation moves a row: what they do is seen only
/// when it has begun.
const UPDATE_TRIGGERS: &str =
    "select from pg_trigger where tgrelid = 'public.user_logins'::regclass and not tgisinternal
    and tgenabled in ('O', 'A') and tgtype::int & 16 <> 0";

/// The table is plain again, and every login inherits.
const CLEAR: &str = "do $$ declare one record; begin
        for one in select policyname as name from pg_policies where tablename = 'user_logins' loop
            execute format('drop policy %I on user_logins', one.name); end loop;
        for one in select rulename as name from pg_rules where tablename = 'user_logins' loop
            execute format('drop rule %I on user_logins', one.name); end loop;
        for one in select tgname as name from pg_trigger where tgrelid = 'user_logins'::regclass
          and not tgisinternal loop
            execute format('drop trigger %I on user_logins', one.name); end loop;
        for one in select roleid::regrole as team, member::regrole as name from pg_auth_members
                where roleid::regrole::text like 'loginetl%'
                  and starts_with(member::regrole::text, current_database() || '_') loop
            execute format('revoke %1$s from %2$s; alter role %2$s inherit; grant %1$s to %2$s',
              one.team, one.name); end loop;
    end $$;
    drop table if exists heir;
    alter table user_logins disable row level security, no force row level security";

/// xorshift64*: the same worlds on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const ROLES: [&str; 6] = [
    "public",
    "loginetl_loader",
    "loginetl_rotator",
    "loginetl_unmasker",
    "loginetl_owner",
    "loginetl_analyst",
];

/// Two are true of every row, and one says so.
const CONDITIONS: [&str; 6] = [
    "true",
    "true",
    "locale = 'DE'",
    "user_id <> 'u-3'",
    "user_id <> 'u-800'",
    "masked_ip is not null",
];

fn policy(random: &mut Random, number: usize) -> String {
    let kind = random.one(&["permissive", "permissive", "restrictive"]);
    let (command, role) =
        (random.one(&["all", "select", "insert", "update", "delete"]), random.one(&ROLES));
    let (shows, takes) = (random.one(&CONDITIONS), random.one(&CONDITIONS));
    let using = if command == "insert" { String::new() } else { format!(" using ({shows})") };
    let has_check =
        command == "insert" || (["all", "update"].contains(&command) && random.once_in(2));
    let check = if has_check { format!(" with check ({takes})") } else { String::new() };
    format!(
        "create policy p{number} on user_logins as {kind} for {command} to {role}{using}{check}"
    )
}

const RULES: [&str; 6] = [
    "on insert to user_logins do instead nothing",
    "on insert to user_logins where new.user_id like '%3' do instead nothing",
    "on insert to user_logins do also nothing",
    "on update to user_logins do instead nothing",
    "on update to user_logins where old.user_id like '%3' do instead nothing",
    "on delete to user_logins do instead nothing",
];

const DELETE: &str = "delete from public.user_logins where user_id = new.user_id; return null;";

/// None raises an error on an insert: such rows go to the quarantine, as documented. None
/// changes on an update what a rotator may not read.
const TRIGGERS: [(&str, &str); 23] = [
    ("before insert", "return new;"),
    ("before update", "return new;"),
    ("before insert or update", "return new;"),
    ("after insert or update", "return null;"),
    ("before update of locale", "return null;"),
    ("before insert", "return null;"),
    ("before insert", "new.locale := 'XX'; return new;"),
    ("before insert", "new.user_id := upper(new.user_id); return new;"),
    ("before insert", "new.app_version := new.app_version + 1; return new;"),
    ("before insert", "new.masked_device_id := 'dev1.1.AAAA'; return new;"),
    ("before insert", "new.ip_hash := null; return new;"),
    ("after insert", DELETE),
    ("before update", "return null;"),
    ("before update", "return old;"),
    ("before update of masked_ip", "return old;"),
    ("before update", "new.masked_ip := old.masked_ip; return new;"),
    ("before update", "new.masked_device_id := 'dev1.1.AAAA'; return new;"),
    ("before update", "new.ip_hash := null; return new;"),
    ("after update", DELETE),
    (
        "after update",
        "if pg_trigger_depth() = 1 then
             update public.user_logins set masked_ip = old.masked_ip
               where user_id = old.user_id; end if; return null;",
    ),
    ("before update", "raise exception 'not now';"),
    ("after update", "raise exception 'not now' using errcode = '42501';"),
    ("before update", "raise exception 'not now' using errcode = '22023';"),
];

fn trigger(random: &mut Random, number: usize) -> String {
    let (event, body) = random.one(&TRIGGERS);
    let rights = if random.once_in(4) { "invoker" } else { "definer" };
    // One that updates the row again would run for ever at the commit.
    let is_late = event.starts_with("after") && !body.contains("depth") && random.once_in(3);
    let (kind, late) = if is_late {
        ("constraint trigger", " deferrable initially deferred")
    } else {
        ("trigger", "")
    };
    let some = if random.once_in(3) { " when (new.user_id like '%3')" } else { "" };
    let mode = random.one(&["", "", "", "", "disable", "enable always", "enable replica"]);
    let mode = if mode.is_empty() {
        String::new()
    } else {
        format!("; alter table user_logins {mode} trigger t{number}")
    };
    format!(
        "create function t{number}() returns trigger language plpgsql security {rights} as $$ begin
           {body} end $$;
         create {kind} t{number} {event} on user_logins{late} for each row{some} execute function
           t{number}(){mode}"
    )
}

/// Of the first numbers, two and more share an address and a device.
fn value(n: u32) -> u32 {
    if n < STRAY { n % 6 } else { n - 750 }
}

fn locale(n: u32) -> &'static str {
    if n.is_multiple_of(2) { "DE" } else { "FR" }
}

fn body(n: u32) -> String {
    let (version, value) =
        (if n == ODD { "1.1000".to_owned() } else { format!("2.3.{}", n % 10) }, value(n));
    format!(
        "{{\"user_id\": \"u-{n}\", \"app_version\": \"{version}\", \"device_type\": \"ios\", \
         \"ip\": \"10.9.0.{value}\", \"locale\": \"{}\", \"device_id\": \"device-{value}\", \
         \"create_date\": \"2024-05-0{}\"}}",
        locale(n),
        n % 9 + 1
    )
}

/// The row of a body, with its values in plain.
fn row(n: u32) -> String {
    let (version, value) = (if n == ODD { 11_000 } else { 2_003_000 + n % 10 }, value(n));
    format!(
        "u-{n} ios 10.9.0.{value} device-{value} {} {version} 2024-05-0{}",
        locale(n),
        n % 9 + 1
    )
}

/// A world, and what a plain table would hold in it.
struct Trial {
    seed: u64,
    random: Random,
    all: Staffed,
    /// What was put into the way, as SQL.
    obstacles: Vec<String>,
    rows: Vec<String>,
    in_file: Vec<u32>,
    in_queue: Vec<u32>,
    in_quarantine: Vec<u32>,
}

impl Trial {
    async fn new(seed: u64) -> Self {
        let (in_file, in_queue) =
            ((100..105).collect::<Vec<u32>>(), (200..206).collect::<Vec<u32>>());
        let bodies = |numbers: &[u32]| numbers.iter().copied().map(body).collect::<Vec<_>>();
        let loaded: Vec<u32> = (0..12).chain([STRAY]).collect();
        let mut all =
            Staffed::with(&bodies(&[&loaded[..], &[ODD]].concat()), &bodies(&in_queue)).await;
        all.file = bodies(&in_file);
        let stray = format!("select masked_ip from user_logins where user_id = 'u-{STRAY}'");
        let token: String = all.world.database.query(&stray).await[0].get(0);
        let rotated = all.run(Rotate);
        assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
        all.sql(&format!(
            "update user_logins set masked_ip = '{token}' where user_id = 'u-{STRAY}'"
        ))
        .await;
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (rows, in_quarantine) = (loaded.into_iter().map(row).collect(), vec![ODD]);
        Self { seed, random, all, obstacles: Vec::new(), rows, in_file, in_queue, in_quarantine }
    }

    /// Puts something into the way; sometimes `init` runs again and makes its policies.
    async fn obstruct(&mut self) {
        let random = &mut self.random;
        let mut made = Vec::new();
        for (times, what) in [(2, "enable"), (4, "force")] {
            if random.once_in(times) {
                made.push(format!("alter table user_logins {what} row level security"));
            }
        }
        made.extend((0..random.below(4)).map(|number| policy(random, number)));
        if random.once_in(4) {
            made.push(format!("create rule r as {}", random.one(&RULES)));
        }
        made.extend((0..random.below(3)).map(|number| trigger(random, number)));
        let (has_child, has_heir) = (random.once_in(6), random.once_in(2));
        if has_child {
            made.push("create table heir () inherits (user_logins)".to_owned());
        }
        if has_child && has_heir {
            made.push(
                "insert into heir select * from only user_logins where user_id = 'u-1'".to_owned(),
            );
            self.rows.push(row(1));
        }
        let (group, is_bare) = (
            random.one(&["loginetl_loader", "loginetl_rotator", "loginetl_unmasker"]),
            random.once_in(8),
        );
        let is_initialised = !random.once_in(3);
        self.obstacles = made;
        for obstacle in &self.obstacles {
            self.all.sql(obstacle).await;
        }
        if is_bare {
            self.all.disinherit(group).await;
            self.obstacles.push(format!("-- {group} is not inherited"));
        }
        if is_initialised {
            self.obstacles.push("-- loginetl init".to_owned());
            let (before, output) = (self.all.state().await, self.all.world.run(&["init"]));
            // A table with children does not fit, and that it says.
            let has_children = self.obstacles.iter().any(|obstacle| obstacle.contains("inherits"));
            assert_eq!(
                output.status.code(),
                Some(if has_children { 2 } else { 0 }),
                "{}",
                text(&output)
            );
            assert_eq!(before, self.all.state().await, "init leaves rows and keys alone");
        }
    }

    /// Runs a command; whether it did all its work.
    async fn judge(&mut self, task: Task) -> bool {
        let (before, keys) = (self.all.state().await, states(&self.all.world).await);
        let output = self.all.run(task);
        match output.status.code() {
            Some(0) => self.is_as_on_a_plain_table(task, &output).await,
            Some(1) if task == Retry && self.in_quarantine.is_empty() => {
                assert_eq!(before, self.all.state().await, "{task:?}: {}", text(&output));
            }
            Some(2 | 3) => self.has_changed_nothing(task, &output, &before, &keys).await,
            _ => panic!("{task:?}: {}", text(&output)),
        }
        output.status.code() == Some(0)
    }

    async fn is_as_on_a_plain_table(&mut self, task: Task, output: &Output) {
        let database = &self.all.world.database;
        match task {
            File | Queue | Retry => {
                let source = match task {
                    File => &mut self.in_file,
                    Queue => &mut self.in_queue,
                    _ => &mut self.in_quarantine,
                };
                assert_eq!(summary(output)["loaded"], source.len(), "{task:?}: {}", text(output));
                self.rows.extend(source.drain(..).map(row));
                let left = format!("queue {}", self.in_queue.len());
                assert_eq!(
                    self.all.state().await.last(),
                    Some(&left),
                    "{task:?}: {}",
                    text(output)
                );
            }
            Rotate | Compromised => {
                assert_eq!(database.count(ELSEWHERE).await, 0, "{task:?}: {}", text(output));
                let unfinished = "select from vault.rotation where finished_at is null";
                let underway = "select from vault.data_keys where state in ('pending', 'retiring')";
                assert_eq!(
                    (database.count(unfinished).await, database.count(underway).await),
                    (0, 0),
                    "{}",
                    text(output)
                );
            }
            Destroy => {
                assert_eq!(states(&self.all.world).await[0], "1 mask destroyed", "{}", text(output))
            }
            Find => {
                let rows = self.rows.iter().filter(|row| row.contains(" 10.9.0.1 ")).count();
                assert_eq!(json_lines(output)[0]["rows"], rows, "{}", text(output));
            }
            List => {
                for key in json_lines(output).iter().filter(|key| key["purpose"] == "mask") {
                    let under = format!(
                        "select from user_logins, unnest(array[masked_ip, masked_device_id]) token
                         where split_part(token, '.', 2) = '{}'",
                        key["key_id"]
                    );
                    assert_eq!(
                        key["in_use"].as_i64(),
                        Some(database.count(&under).await),
                        "{}",
                        text(output)
                    );
                }
            }
        }
        if !matches!(task, Find | List | Destroy) {
            self.has_exactly_its_rows(task).await;
        }
    }

    /// Every row opens to what was sent, each value carries one token, and nothing else
    /// is there.
    async fn has_exactly_its_rows(&self, task: Task) {
        let world = &self.all.world;
        let hashes = "select 'ip-hash ' || ip_hash from user_logins where ip_hash is not null
            union select 'device-id-hash ' || device_id_hash from user_logins
              where device_id_hash is not null";
        let lines: Vec<String> =
            world.database.query(hashes).await.iter().map(|row| row.get(0)).collect();
        let args = ["unmask", "--from", "-", "--format", "json", "--reason", "a test"];
        let opened = world.run_with_input(&args, lines.join("\n").as_bytes());
        assert_eq!(opened.status.code(), Some(0), "after {task:?}: {}", text(&opened));
        let text_of = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let values: HashMap<String, String> = json_lines(&opened)
            .iter()
            .map(|answer| (text_of(&answer["selector"]), text_of(&answer["value"])))
            .collect();
        let columns = "select concat_ws(' ', user_id, device_type), 'ip-hash ' || ip_hash,
                         'device-id-hash ' || device_id_hash,
            concat_ws(' ', locale, app_version, create_date) from user_logins";
        let mut found = Vec::new();
        for row in world.database.query(columns).await {
            let plain = |column: usize| {
                let hash: Option<String> = row.get(column);
                hash.and_then(|hash| values.get(&hash).cloned())
                    .unwrap_or_else(|| "nothing".to_owned())
            };
            found.push(format!(
                "{} {} {} {}",
                row.get::<_, String>(0),
                plain(1),
                plain(2),
                row.get::<_, String>(3)
            ));
        }
        let mut expected = self.rows.clone();
        [&mut found, &mut expected].into_iter().for_each(|rows| rows.sort_unstable());
        assert_eq!(found, expected, "after {task:?}");
        assert!(is_whole(world).await, "after {task:?}");
    }

    /// A rotation that a trigger has stopped is under way: it has moved whole values, or
    /// none, and given up no key.
    async fn has_changed_nothing(
        &self,
        task: Task,
        output: &Output,
        before: &[String],
        keys: &[String],
    ) {
        let after = self.all.state().await;
        let is_rotation = matches!(task, Rotate | Compromised) && !text(output).contains(BLIND);
        if !is_rotation || self.all.world.database.count(UPDATE_TRIGGERS).await == 0 {
            assert_eq!(before, after, "{task:?}: {}", text(output));
            return;
        }
        let lines = |of: &[String], named: [&str; 2]| -> Vec<String> {
            of.iter().filter(|line| named.iter().any(|name| line.contains(name))).cloned().collect()
        };
        let kept = |state: &[String], keys: &[String]| {
            [lines(state, ["ledger", "queue"]), lines(keys, ["retired", "destroyed"])]
        };
        assert_eq!(
            kept(before, keys),
            kept(&after, &states(&self.all.world).await),
            "{task:?}: {}",
            text(output)
        );
        let waiting = self.all.world.database.count("select from ingest.quarantine").await;
        assert_eq!(waiting, self.in_quarantine.len() as i64, "{task:?}: {}", text(output));
        self.has_exactly_its_rows(task).await;
    }

    /// Nothing stands in the way any more: all work that was refused is done.
    async fn recover(&mut self) {
        self.all.sql(CLEAR).await;
        if self.obstacles.iter().any(|obstacle| obstacle.starts_with("insert into heir")) {
            let heir = self.rows.iter().position(|one| *one == row(1)).expect("a row");
            self.rows.swap_remove(heir);
        }
        let (in_file, in_queue, in_quarantine) =
            (self.in_file.len(), self.in_queue.len(), self.in_quarantine.len());
        for (task, work) in
            [(File, in_file), (Queue, in_queue), (Retry, in_quarantine), (Rotate, 1)]
        {
            assert!(work == 0 || self.judge(task).await, "{task:?} is refused on a plain table");
        }
        self.judge(Destroy).await;
        assert_eq!(states(&self.all.world).await[0], "1 mask destroyed");
        assert_eq!(self.rows.len(), 12 + 1 + 5 + 6 + 1);
    }
}

impl Drop for Trial {
    #[allow(
        clippy::print_stderr,
        reason = "whoever reads the output should know how to make this world again"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("LOGINETL_TEST_SIGHT_SEED={}\n{}", self.seed, self.obstacles.join(";\n"));
        }
    }
}

/// Counts the commands that did their work, and those that were refused.
async fn try_world(seed: u64, tally: &[AtomicUsize; 2]) {
    let mut trial = Trial::new(seed).await;
    trial.obstruct().await;
    let mut tasks = ALL_TASKS.to_vec();
    for _ in 0..TASKS {
        let task = tasks.swap_remove(trial.random.below(tasks.len()));
        let is_done = trial.judge(task).await;
        tally[usize::from(!is_done)].fetch_add(1, Ordering::SeqCst);
    }
    trial.recover().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_it_does_on_a_plain_table_or_refuses_and_changes_nothing() {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds: Vec<u64> = match number("LOGINETL_TEST_SIGHT_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("LOGINETL_TEST_SIGHT_WORLDS").unwrap_or(WORLDS)).collect(),
    };
    let (next, tally) = (AtomicUsize::new(0), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                    runtime.block_on(try_world(*seed, &tally));
                }
            });
        }
    });
    let [done, refused] = tally.map(AtomicUsize::into_inner);
    assert!(
        seeds.len() < 10 || (done > seeds.len() && refused > seeds.len()),
        "{done} done, {refused} refused: too alike"
    );
}
