//! Sight: whatever hides rows from a command, or swallows what it writes, is seen through
//! or refused by name.
//!
//! A refusal leaves everything as it was; when the obstacle is gone, the same command
//! does all its work.

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::rotate::{events, is_whole, rows_by_key, states};
use crate::support::{Login, Running, World, event, json_lines, summary, text};

/// What a command is asked to do, by a login of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    File,
    Queue,
    Retry,
    Find,
    Rotate,
    Compromised,
    Destroy,
    List,
}
use Task::{Compromised, Destroy, File, Find, Queue, Retry, Rotate};

/// An installation with a login for each group, and work for each of them.
pub struct Staffed {
    pub world: World,
    pub loader: Login,
    pub rotator: Login,
    pub unmasker: Login,
    /// The lines that [`Task::File`] loads.
    pub file: Vec<String>,
}

/// A line for each kind of thing that a refusal leaves alone. A failed load is on record;
/// nothing else is.
const STATE: &str = "with line (kind, content) as (
        select 'row', l::text from public.user_logins l
        union all select 'ledger', l::text from ingest.ledger l
        union all select 'quarantine', q::text from ingest.quarantine q
        union all select 'key', k::text from vault.data_keys k
        union all select 'wrap', w::text from vault.wraps w
        union all select 'rotation', r::text from vault.rotation r
        union all select 'record', l::text from audit.log l where kind <> 'load.run')
    select kind || ' ' || count(*) || ' ' || md5(string_agg(content, ',' order by content))
      from line group by kind order by 1";

/// Rows at first, and rows once all work is done: five from the file, three from the
/// queue, one from the quarantine.
const ROWS: i64 = 40;
const ALL_ROWS: i64 = 49;

impl Staffed {
    pub async fn new() -> Self {
        let bad = event(9_000).replace("2.3.0", "1.1000");
        let staffed =
            Self::with(&[events(40, 10, 0), vec![bad]].concat(), &events(3, 10, 7_000)).await;
        Self { file: events(5, 10, 8_000), ..staffed }
    }

    /// With these lines loaded, and these messages in the queue.
    pub async fn with(lines: &[String], messages: &[String]) -> Self {
        let world = World::new().await;
        world.load(lines);
        world.queue.send(messages).await;
        let loader = world.database.login("loginetl_loader").await;
        let rotator = world.database.login("loginetl_rotator").await;
        let unmasker = world.database.login("loginetl_unmasker").await;
        Self { world, loader, rotator, unmasker, file: Vec::new() }
    }

    pub async fn sql(&self, sql: &str) {
        self.world.database.execute(sql).await;
    }

    pub fn run(&self, task: Task) -> Output {
        let (login, args): (_, &[&str]) = match task {
            File => (&self.loader, &["load", "--file", "-", "--format", "json"]),
            Queue => (&self.loader, &["load", "--drain", "--format", "json"]),
            Retry => (
                &self.loader,
                &["quarantine", "retry", "--app-version", "digits", "--format", "json"],
            ),
            Find => (
                &self.unmasker,
                &["unmask", "--find-ip", "10.9.0.1", "--reason", "a test", "--format", "json"],
            ),
            Rotate => (&self.rotator, &["rotate-keys", "--duty", "100%", "--format", "json"]),
            Compromised => (
                &self.rotator,
                &["rotate-keys", "--compromised", "--duty", "100%", "--format", "json"],
            ),
            Destroy => (
                &self.rotator,
                &["keys", "destroy", "1", "--yes", "--after", "0m", "--format", "json"],
            ),
            Task::List => (&self.rotator, &["keys", "list", "--format", "json"]),
        };
        let mut command = self.world.command(args);
        let mut running =
            Running::start(command.env("LOGINETL_DATABASE_URL", &login.url).stdin(Stdio::piped()));
        if task == File {
            // It may refuse before it has read a line.
            let _ = running
                .child()
                .stdin
                .take()
                .expect("a pipe")
                .write_all(self.file.join("\n").as_bytes());
        }
        running.finish()
    }

    /// What can be compared with what there was before.
    pub async fn state(&self) -> Vec<String> {
        let mut state: Vec<String> =
            self.world.database.query(STATE).await.iter().map(|row| row.get(0)).collect();
        let (visible, held) = self.world.queue.depth().await;
        state.push(format!("queue {}", visible + held));
        state
    }

    async fn rows(&self) -> Vec<String> {
        self.state().await.into_iter().filter(|line| line.starts_with("row ")).collect()
    }

    /// Each task ends with exit 3 and these words on stderr, and has changed nothing.
    async fn refuses(&self, tasks: &[Task], named: &[&str]) {
        for &task in tasks {
            let before = self.state().await;
            let output = self.run(task);
            says(&output, 3, named);
            assert_eq!(before, self.state().await, "{task:?}: {}", text(&output));
            if matches!(task, File | Queue) {
                let counts = summary(&output);
                assert_eq!(
                    (&counts["loaded"], &counts["duplicates"]),
                    (&0.into(), &0.into()),
                    "{counts}"
                );
            }
        }
    }

    /// Each task ends with exit 0, and all rows of a value carry one token.
    async fn does(&self, tasks: &[Task]) {
        for &task in tasks {
            let output = self.run(task);
            assert_eq!(output.status.code(), Some(0), "{task:?}: {}", text(&output));
            assert!(is_whole(&self.world).await, "{task:?}");
            if task == Find {
                let answer = json_lines(&output).remove(0);
                let hash = answer["hash"].as_str().expect("a hash");
                let rows = self
                    .world
                    .database
                    .count(&format!("select from user_logins where ip_hash = '{hash}'"))
                    .await;
                assert_eq!(
                    (answer["value"].as_str(), answer["rows"].as_i64()),
                    (Some("10.9.0.1"), Some(rows))
                );
            }
        }
    }

    /// A rotation stops, undoes its step, and leaves rows and old key as they were.
    async fn stops(&self, task: Task, named: &[&str]) {
        let (before, keys) = (self.rows().await, states(&self.world).await);
        let output = self.run(task);
        says(&output, 3, named);
        assert_eq!(before, self.rows().await, "{}", text(&output));
        let gone = |keys: &[String]| keys.iter().filter(|key| key.ends_with("retired")).count();
        assert_eq!(gone(&keys), gone(&states(&self.world).await), "{}", text(&output));
    }

    async fn init(&self) {
        says(&self.world.run(&["init"]), 0, &[]);
    }

    async fn has_everything(&self) {
        assert_eq!(self.world.database.count("select from user_logins").await, ALL_ROWS);
        assert_eq!(
            self.world.database.count("select distinct user_id from user_logins").await,
            ALL_ROWS
        );
        assert!(is_whole(&self.world).await);
    }

    /// A member of a group that has none of its rights by itself takes the place of the
    /// one that has.
    pub async fn disinherit(&mut self, group: &str) {
        let member = self.world.database.login_named("pg_monitor", &format!("bare_{group}")).await;
        self.sql(&format!("alter role {u} noinherit; grant {group} to {u}", u = member.user)).await;
        match group {
            "loginetl_loader" => self.loader = member,
            "loginetl_rotator" => self.rotator = member,
            _ => self.unmasker = member,
        }
    }
}

fn says(output: &Output, exit: i32, named: &[&str]) {
    assert_eq!(output.status.code(), Some(exit), "{}", text(output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    named
        .iter()
        .for_each(|name| assert!(stderr.contains(name), "nothing of {name}: {}", text(output)));
}

/// A trigger of somebody else's, with the rights of its owner.
fn trigger(event: &str, body: &str) -> String {
    format!(
        "create function public.meddle() returns trigger language plpgsql security definer as $$
           begin {body} end $$;
         create {event} execute function public.meddle()"
    )
}

const NO_TRIGGER: &str = "drop function public.meddle cascade";
const DELETE: &str = "delete from public.user_logins where user_id = new.user_id; return null;";

const RLS: &str = "alter table user_logins enable row level security";
pub const BLIND: &str = "cannot see or write all rows";
const HIDDEN: &str = "row-level security on public.user_logins";

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_is_named_until_init_has_made_policies_for_each_group() {
    let all = Staffed::new().await;
    all.sql(RLS).await;
    all.refuses(&[File, Queue, Retry, Find, Rotate, Compromised], &[BLIND, HIDDEN]).await;
    // A policy of somebody else's is as good as ours. COPY is refused under any: the file
    // goes in by another statement.
    all.sql("create policy own on user_logins for insert to loginetl_loader with check (true)")
        .await;
    all.does(&[File]).await;
    all.refuses(&[Find, Rotate], &[BLIND, HIDDEN]).await;
    all.sql("drop policy own on user_logins").await;
    all.refuses(&[Queue], &[BLIND, HIDDEN]).await;
    all.init().await;
    let policies =
        "select policyname || ' ' || cmd || ' ' || r from pg_policies, unnest(roles) r order by 1";
    let policies: Vec<String> =
        all.world.database.query(policies).await.iter().map(|row| row.get(0)).collect();
    let expected = [
        "loginetl_insert INSERT loginetl_loader",
        "loginetl_select SELECT loginetl_owner",
        "loginetl_select SELECT loginetl_rotator",
        "loginetl_select SELECT loginetl_unmasker",
        "loginetl_update UPDATE loginetl_rotator",
    ];
    assert_eq!(policies, expected, "and none for analysts");
    all.does(&[Queue, Retry, Find, Rotate, Compromised]).await;
    all.has_everything().await;
    assert!(text(&all.world.run(&["init"])).contains("nothing to do"));
}

#[tokio::test(flavor = "multi_thread")]
async fn analysts_see_only_the_rows_of_their_policy_while_everything_else_goes_on() {
    let all = Staffed::new().await;
    all.sql(&format!(
        "update user_logins set locale = 'DE' where user_id like '%1'; {RLS};
         create policy country on user_logins for select to loginetl_analyst using (locale = 'DE')"
    ))
    .await;
    let analyst = all.world.database.login("loginetl_analyst").await.client().await;
    let german = async || analyst.query("select from user_logins", &[]).await.expect("rows").len();
    assert_eq!(german().await, 4);
    all.refuses(&[File, Queue, Find, Rotate], &[BLIND, HIDDEN]).await;
    all.init().await;
    for task in [File, Queue, Retry, Rotate, Find, Compromised, Find] {
        all.does(&[task]).await;
        assert_eq!(german().await, 4, "{task:?}");
    }
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_hidden_from_the_rotator_or_the_census_stop_a_rotation_before_it_starts() {
    let all = Staffed::new().await;
    all.sql(RLS).await;
    all.init().await;
    for (part, whole) in [
        ("update on user_logins using (user_id < 'u-2')", "update on user_logins using (true)"),
        (
            "update on user_logins with check (locale is null)",
            "update on user_logins with check (true)",
        ),
        // True of every row, as it happens: that proves nothing.
        ("select on user_logins using (ip_hash is not null)", "select on user_logins using (true)"),
        (
            "select on user_logins to loginetl_rotator, loginetl_unmasker",
            "select on user_logins to loginetl_rotator, loginetl_unmasker, loginetl_owner",
        ),
        (
            "select on user_logins to loginetl_owner",
            "select on user_logins to loginetl_rotator, loginetl_owner",
        ),
    ] {
        all.sql(&format!("alter policy loginetl_{part}")).await;
        all.refuses(&[Rotate, Compromised], &[BLIND, HIDDEN]).await;
        all.sql(&format!("alter policy loginetl_{whole}")).await;
    }
    all.does(&[Rotate]).await;
    assert_eq!(
        rows_by_key(&all.world).await,
        [("device_id 4".to_owned(), ROWS), ("ip 4".to_owned(), ROWS)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictive_policies_are_refused_by_name_unless_they_let_everything_through() {
    let all = Staffed::new().await;
    all.sql(RLS).await;
    all.init().await;
    let policy = async |what: &str| {
        all.sql(&format!("create policy only_part on user_logins as restrictive {what}")).await
    };
    for (part, tasks) in [
        (
            "for all to public using (locale is null)",
            &[File, Queue, Retry, Find, Rotate, Compromised][..],
        ),
        ("for insert to public with check (locale is null)", &[File, Queue, Retry]),
        (
            "for update to loginetl_rotator using (true) with check (locale is null)",
            &[Rotate, Compromised],
        ),
        ("for select to loginetl_owner using (false)", &[Rotate]),
        ("for select to loginetl_unmasker using (locale is null)", &[Find]),
    ] {
        policy(part).await;
        all.refuses(tasks, &[BLIND, "restrictive policy", "only_part"]).await;
        all.sql("drop policy only_part on user_logins").await;
    }
    for whole in ["for all to public using (true)", "for all to loginetl_analyst using (false)"] {
        policy(whole).await;
        all.does(&[File, Find, Rotate]).await;
        all.sql("drop policy only_part on user_logins").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_reaches_only_those_who_inherit_the_rights_of_its_role() {
    let all = Staffed::new().await;
    let readers = all.world.database.login_named("pg_monitor", "readers").await.user;
    let rotator = &all.rotator.user;
    all.sql(RLS).await;
    all.init().await;
    // Before PostgreSQL 16 a login inherits from all its roles or from none: there it is
    // no member at all.
    all.sql(&format!(
        "alter policy loginetl_select on user_logins to loginetl_unmasker, loginetl_owner,
           {readers};
         do $$ begin if current_setting('server_version_num')::int >= 160000 then
             execute 'grant {readers} to {rotator} with inherit false'; end if; end $$"
    ))
    .await;
    all.refuses(&[Rotate, Compromised], &[BLIND, HIDDEN]).await;
    all.sql(&format!("create policy own on user_logins for select to {rotator} using (true)"))
        .await;
    all.does(&[Rotate]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_inherit_is_told_so_and_nothing_is_begun() {
    let mut all = Staffed::new().await;
    for (group, tasks) in [
        ("loginetl_loader", &[File, Queue, Retry][..]),
        ("loginetl_rotator", &[Rotate, Compromised, Destroy]),
        ("loginetl_unmasker", &[Find]),
    ] {
        all.disinherit(group).await;
        all.refuses(tasks, &[&format!("is a member of {group}, but does not inherit its rights")])
            .await;
    }
    for login in [&all.loader, &all.rotator, &all.unmasker] {
        let checked = all.world.run_as(login, &["check"]);
        assert!(text(&checked).contains("does not inherit"), "{}", text(&checked));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_binds_the_owner_of_the_table_only_when_it_is_forced() {
    let all = Staffed::new().await;
    all.sql(&format!("alter table user_logins owner to loginetl_owner; {RLS}")).await;
    all.init().await;
    all.sql("alter policy loginetl_select on user_logins to loginetl_rotator, loginetl_unmasker")
        .await;
    all.does(&[File, Rotate]).await;
    all.sql("alter table user_logins force row level security").await;
    all.refuses(&[Rotate, Destroy], &[BLIND, HIDDEN, "loginetl_owner"]).await;
    all.init().await;
    all.does(&[Queue, Destroy, Rotate]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_the_way_on_a_table_of_ours_is_refused_by_name() {
    let all = Staffed::new().await;
    let rls = |table: &str| {
        [
            format!("alter table {table} enable row level security"),
            format!("alter table {table} disable row level security"),
        ]
    };
    let own = |make: &str, undo: &str| [make.to_owned(), undo.to_owned()];
    let on_ledger = "trigger meddle before insert on ingest.ledger for each row";
    for ([make, undo], named) in [
        (rls("ingest.quarantine"), &["row-level security", "ingest.quarantine"][..]),
        (rls("vault.data_keys"), &["row-level security", "vault.data_keys"]),
        (rls("ingest.ledger"), &["row-level security", "ingest.ledger"]),
        (
            own("create table heir () inherits (vault.rotation)", "drop table heir"),
            &["heir", "vault.rotation"],
        ),
        (
            own(
                "create rule nothing as on insert to ingest.quarantine do instead nothing",
                "drop rule nothing on ingest.quarantine",
            ),
            &["rule", "nothing", "ingest.quarantine"],
        ),
        (
            own(&trigger(on_ledger, "return null;"), NO_TRIGGER),
            &["trigger", "meddle", "ingest.ledger"],
        ),
    ] {
        all.sql(&make).await;
        all.refuses(&[File, Queue, Retry, Find, Rotate], named).await;
        all.sql(&undo).await;
    }
    all.does(&[File, Queue, Retry, Find, Rotate]).await;
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_swallows_rows_ends_the_command_before_it_begins() {
    let all = Staffed::new().await;
    for (rule, tasks) in [
        ("on insert to user_logins do instead nothing", &[File, Queue, Retry][..]),
        (
            "on insert to user_logins where new.user_id like '%1' do instead nothing",
            &[File, Queue, Retry],
        ),
        ("on update to user_logins do instead nothing", &[Rotate, Compromised]),
        (
            "on update to user_logins where old.user_id like '%1' do instead nothing",
            &[Rotate, Compromised],
        ),
    ] {
        all.sql(&format!("create rule swallow as {rule}")).await;
        all.refuses(tasks, &[BLIND, "rule", "swallow"]).await;
        all.does(&[Find]).await;
        all.sql("drop rule swallow on user_logins").await;
    }
    all.does(&[File, Queue, Retry, Rotate]).await;
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_children_or_of_another_kind_is_refused_by_name() {
    let all = Staffed::new().await;
    let heir = "create table heir () inherits (user_logins); insert into heir select * \
                  from only user_logins where user_id = 'u-1'";
    for (make, undo, named) in [
        (heir, "drop table heir", &["child", "heir"][..]),
        (
            "create table all_logins (like user_logins) partition by list (locale);
             alter table all_logins attach partition user_logins default",
            "alter table all_logins detach partition user_logins; drop table all_logins",
            &["partition"],
        ),
        (
            "alter table user_logins rename to hidden; create view user_logins as select *
               from hidden;
             grant all on user_logins to loginetl_loader, loginetl_rotator, loginetl_owner",
            "drop view user_logins; alter table hidden rename to user_logins",
            &["view"],
        ),
        (
            "alter table user_logins set unlogged",
            "alter table user_logins set logged",
            &["unlogged"],
        ),
    ] {
        all.sql(make).await;
        all.refuses(
            &[File, Queue, Retry, Rotate],
            &[&[BLIND, "public.user_logins"], named].concat(),
        )
        .await;
        all.sql(undo).await;
    }
    // Rows of children are seen by who only reads. A parent hides nothing.
    all.sql(heir).await;
    all.does(&[Find]).await;
    all.sql(
        "drop table heir; create table parent (like user_logins); \
           alter table user_logins inherit parent",
    )
    .await;
    all.does(&[File, Queue, Retry, Rotate]).await;
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_trigger_routes_elsewhere_are_neither_loaded_nor_duplicates() {
    let all = Staffed::new().await;
    all.sql(
        "create table logins_child () inherits (user_logins); grant insert
           on logins_child to loginetl_loader;
         create function route() returns trigger language plpgsql as
             'begin insert into public.logins_child values (new.*); return null; end';
         create trigger route before insert on user_logins for each row execute function route()",
    )
    .await;
    all.refuses(&[File, Queue, Retry], &["logins_child"]).await;
    all.sql("alter table logins_child no inherit user_logins").await;
    all.refuses(&[File, Queue, Retry], &["trigger", "route", "public.user_logins"]).await;
    assert_eq!(all.world.database.count("select from logins_child").await, 0);
    all.sql("alter table user_logins disable trigger route").await;
    all.does(&[File, Queue, Retry]).await;
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_trigger_swallows_alters_or_deletes_are_not_loaded_and_later_they_are() {
    let all = Staffed::new().await;
    let before = "trigger meddle before insert on user_logins for each row";
    let some =
        "trigger meddle before insert on user_logins for each row when (new.user_id ~ '[01]$')";
    let late = "constraint trigger meddle after insert on user_logins deferrable initially \
                deferred for each row";
    for (event, body) in [
        (some, "return null;"),
        (some, "new.masked_ip := 'ip1.1.AAAA'; return new;"),
        (before, "new.locale := 'XX'; return new;"),
        (before, "new.create_date := '2000-01-01'; return new;"),
        (before, "new.ip_hash := null; return new;"),
        ("trigger meddle after insert on user_logins for each row", DELETE),
        (late, DELETE),
    ] {
        all.sql(&trigger(event, body)).await;
        all.refuses(&[File, Queue, Retry], &["trigger", "meddle", "public.user_logins"]).await;
        all.sql(NO_TRIGGER).await;
    }
    // One that changes nothing is seen through.
    all.sql(&trigger(
        "trigger meddle before insert or update on user_logins for each row",
        "return new;",
    ))
    .await;
    all.does(&[File, Queue, Retry, Rotate]).await;
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_rows_do_not_stand_as_it_left_them_is_undone_and_the_rotation_goes_on_later() {
    let all = Staffed::new().await;
    let before = "trigger meddle before update on user_logins for each row";
    let after = "trigger meddle after update on user_logins for each row";
    let back = "if pg_trigger_depth() = 1 then
        update public.user_logins set masked_ip = old.masked_ip
          where user_id = old.user_id; end if; return null;";
    for (event, body) in [
        (before, "return null;"),
        (before, "return old;"),
        (before, "new.masked_ip := 'ip1.4.AAAA'; return new;"),
        (before, "new.ip_hash := null; return new;"),
        (before, "raise exception 'not now';"),
        (after, DELETE),
        (after, back),
        (
            "constraint trigger meddle after update on user_logins deferrable initially deferred \
             for each row",
            DELETE,
        ),
    ] {
        all.sql(&trigger(event, body)).await;
        all.stops(Rotate, &["trigger", "meddle", "public.user_logins"]).await;
        assert_eq!(states(&all.world).await[0], "1 mask retiring");
        all.sql(NO_TRIGGER).await;
    }
    all.does(&[Rotate]).await;
    assert_eq!(
        states(&all.world).await,
        ["1 mask retired", "2 hash active", "3 seal active", "4 mask active"]
    );
    for (event, body) in [(before, "return old;"), (after, DELETE)] {
        all.sql(&trigger(event, body)).await;
        all.stops(Compromised, &["trigger", "meddle"]).await;
        all.sql(NO_TRIGGER).await;
    }
    all.does(&[File, Queue, Retry, Compromised]).await;
    assert_eq!(
        all.world.database.count("select from vault.data_keys where state = 'retiring'").await,
        0
    );
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_trigger_without_rights_is_named_and_with_rights_is_seen_through() {
    let all = Staffed::new().await;
    all.sql(
        "create table login_history (old_row jsonb);
         create function hist() returns trigger language plpgsql as
             'begin insert into public.login_history values (to_jsonb(old)); return new; end';
         create trigger hist after update on user_logins for each row execute function hist()",
    )
    .await;
    let checked = all.world.run_as(&all.rotator, &["check"]);
    assert!(
        text(&checked).contains("trigger") && text(&checked).contains("hist"),
        "{}",
        text(&checked)
    );
    all.stops(Rotate, &["trigger", "hist"]).await;
    all.sql("alter function hist() security definer").await;
    all.does(&[Rotate]).await;
    assert_eq!(
        all.world.database.count("select from login_history").await,
        2 * ROWS,
        "each row once for each field"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_the_owner_has_lost_is_named_and_stops_a_rotation_before_it_starts() {
    let all = Staffed::new().await;
    all.sql("revoke all on user_logins from loginetl_owner").await;
    all.refuses(&[Rotate, Compromised], &["loginetl_owner"]).await;
    for checked in [all.world.run(&["check"]), all.world.run_as(&all.rotator, &["check"])] {
        assert!(text(&checked).contains("loginetl_owner"), "{}", text(&checked));
    }
    all.init().await;
    all.does(&[Rotate, Destroy]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_swapped_by_rename_is_the_one_that_is_counted_and_written() {
    let all = Staffed::new().await;
    let swap = "create table l2 (like user_logins including all); insert into l2 select *
                  from user_logins;
                alter table user_logins rename to old; alter table l2 rename to user_logins;";
    let counted = async |key: usize| {
        let keys = json_lines(&all.run(Task::List));
        let named = "select from pg_depend d join pg_rewrite r on r.oid = d.objid \
                       where d.refobjid = 'public.old'::regclass";
        assert_eq!(all.world.database.count(named).await, 0, "no view holds on to the old table");
        keys[key - 1]["in_use"].as_i64()
    };
    // Grants by hand, as who swaps a table makes them.
    let columns = "masked_ip, masked_device_id, ip_hash, device_id_hash";
    all.sql(&format!(
        "{swap} grant select on user_logins to loginetl_analyst, loginetl_owner; grant insert
           on user_logins to loginetl_loader;
         grant select ({columns}, ctid), update ({columns}) on user_logins to loginetl_rotator;
         grant select ({columns}, create_date) on user_logins to loginetl_unmasker"
    ))
    .await;
    all.does(&[File, Queue, Rotate, Find]).await;
    assert_eq!(counted(4).await, Some(2 * (ALL_ROWS - 1)));
    assert_eq!(
        all.world.database.count("select from old where masked_ip like 'ip1.1.%'").await,
        ROWS,
        "left alone"
    );
    // None, and init gives them; nothing holds the old table either.
    all.sql(&format!("drop table old; {swap}")).await;
    all.init().await;
    all.does(&[Retry, Rotate, Destroy, Find]).await;
    assert_eq!(counted(5).await, Some(2 * ALL_ROWS));
    all.has_everything().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_swallowed_is_undone_and_recorded_as_failed() {
    let all = Staffed::new().await;
    all.sql(
        "alter table user_logins add ip text, add device text;
         insert into user_logins (user_id, ip, device)
         select 'old-' || n, '10.9.0.' || n % 10, 'device-' || n % 10
           from generate_series(1, 20) n",
    )
    .await;
    let backfill = || {
        all.world.run(&[
            "backfill",
            "--ip-column",
            "ip",
            "--device-id-column",
            "device",
            "--format",
            "json",
        ])
    };
    let before = "trigger meddle before update on user_logins for each row";
    let some =
        "trigger meddle before update on user_logins for each row when (old.user_id like '%1')";
    let rule = "create rule meddle as on update to user_logins do instead nothing";
    for (make, undo) in [
        (trigger(some, "return null;"), NO_TRIGGER),
        (trigger(before, "return old;"), NO_TRIGGER),
        (trigger(some, "new.ip := old.ip; return new;"), NO_TRIGGER),
        (trigger("trigger meddle after update on user_logins for each row", DELETE), NO_TRIGGER),
        (rule.to_owned(), "drop rule meddle on user_logins"),
    ] {
        let state = all.state().await;
        all.sql(&make).await;
        let output = backfill();
        says(&output, 3, &["meddle"]);
        assert_eq!(state, all.state().await, "{make}");
        if undo == NO_TRIGGER {
            let last = "select record::jsonb ->> 'end' from audit.log where kind = 'load.run' \
                          order by seq desc limit 1";
            assert_eq!(all.world.database.query(last).await[0].get::<_, String>(0), "failed");
        }
        all.sql(undo).await;
    }
    says(&backfill(), 0, &[]);
    assert_eq!(
        all.world
            .database
            .count("select from user_logins where ip is not null or device is not null")
            .await,
        0
    );
    assert!(is_whole(&all.world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_destroyed_only_after_a_census_that_is_proved_to_see_every_row() {
    let all = Staffed::new().await;
    let old: String =
        all.world.database.query("select masked_ip from user_logins limit 1").await[0].get(0);
    all.does(&[Rotate]).await;
    let stray = format!(
        "insert into user_logins (user_id, masked_ip, ip_hash) \
           values ('stray', '{old}', gen_random_uuid())"
    );
    all.sql(&format!("{stray}; {RLS}")).await;
    all.init().await;
    for (hidden, shown) in [
        (
            "alter policy loginetl_select on user_logins to loginetl_rotator, loginetl_unmasker",
            "alter policy loginetl_select on user_logins to loginetl_rotator, loginetl_unmasker, \
               loginetl_owner",
        ),
        (
            "alter policy loginetl_select on user_logins using (user_id <> 'stray')",
            "alter policy loginetl_select on user_logins using (true)",
        ),
        (
            "create policy part on user_logins as restrictive for select to loginetl_owner using \
               (user_id <> 'stray')",
            "drop policy part on user_logins",
        ),
        (
            "revoke all on user_logins from loginetl_owner",
            "grant select on user_logins to loginetl_owner",
        ),
    ] {
        all.sql(hidden).await;
        all.refuses(&[Destroy], &["loginetl_owner"]).await;
        all.sql(shown).await;
    }
    all.refuses(&[Destroy], &["still in use"]).await;
    all.sql("delete from user_logins where user_id = 'stray'").await;
    all.does(&[Destroy]).await;
    assert_eq!(states(&all.world).await[0], "1 mask destroyed");
}
