//! FIFO queues: one message group never overtakes itself, whatever the queue, the
//! database and the operator do.

use std::time::Duration;

use crate::instrumented::{Instrumented, event_of_group, stop};
use crate::support::eventually;

const GROUPS: u32 = 20;
const EACH: u32 = 100;

/// Of every fourth group, these are refused by the database and go to the quarantine.
const REFUSED: &str = "user_id ~ '^g(00|04|08|12|16)-0000(03|17|18|61)$'";
const REFUSALS: usize = 5 * 4;

/// At each commit, every new row looks for its predecessor; that of a row after a refused
/// one is the row before it. What it does not find is noted, and stands: the loader must
/// not know.
const JUDGE: &str = "
    create index by_user on user_logins (user_id);
    create table overtaken (user_id text);
    create function judge() returns trigger language plpgsql as $$
    declare
        wanted text;
        number int := right(new.user_id, 6)::int;
    begin
        loop
            number := number - 1;
            wanted := left(new.user_id, 4) || to_char(number, 'FM000000');
            exit when number < 0 or not wanted ~ '^g(00|04|08|12|16)-0000(03|17|18|61)$';
        end loop;
        if number >= 0 and not exists (select from user_logins where user_id = wanted) then
            insert into overtaken values (new.user_id);
        end if;
        return null;
    end $$;
    create constraint trigger judge after insert on user_logins deferrable initially deferred
        for each row execute function judge();";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_group_never_overtakes_itself() {
    let it = Instrumented::with("logins.fifo", 50).await;
    it.world.database.execute(JUDGE).await;
    it.world
        .database
        .execute(&format!("alter table user_logins add constraint refused check (not {REFUSED})"))
        .await;
    it.sqs.faults(|f| (f.rtt, f.refused, f.partial) = (Duration::from_millis(1), 0.02, 0.02));
    // Groups in turns, as producers send them.
    for n in 0..EACH {
        for group in 0..GROUPS {
            it.queue.send_to_group(&format!("group-{group}"), &[event_of_group(group, n)]);
        }
    }
    // Stopped once in the middle: what is given back comes first when it comes again.
    let loader = it.load(&["--batch-rows", "7"]);
    it.wait_for_rows(i64::from(GROUPS * EACH / 4)).await;
    stop(loader);
    assert!(!it.queue.still_here().is_empty(), "it was stopped in the middle");
    // What could not be given back, or not be deleted, holds its group back until its
    // time is over.
    it.queue.skip(Duration::from_secs(121));
    let loader = it.load(&["--batch-rows", "7"]);
    it.wait_for_rows(i64::from(GROUPS * EACH) - REFUSALS as i64).await;
    eventually("all rejections", async || it.quarantined().await == REFUSALS).await;
    it.wait_until_deleted().await;
    it.stop_idle([loader]).await;
    it.assert_exactly_once(REFUSALS).await;
    let overtaken = it.world.database.query("select user_id from overtaken order by 1").await;
    let overtaken: Vec<String> = overtaken.iter().map(|row| row.get(0)).collect();
    assert_eq!(overtaken, Vec::<String>::new(), "rows that were there before their predecessors");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_uses_up_no_receipts_of_a_group() {
    let it = Instrumented::with("logins.fifo", 3).await;
    it.sqs.faults(|f| f.rtt = Duration::from_millis(2));
    for group in 0..GROUPS {
        it.queue.send_to_group(
            &format!("group-{group}"),
            &(0..EACH).map(|n| event_of_group(group, n)).collect::<Vec<_>>(),
        );
    }
    let loader = it.load(&["--batch-rows", "7"]);
    it.wait_for_rows(i64::from(GROUPS * EACH / 4)).await;
    stop(loader);
    it.assert_loaded_or_here().await;
    assert!(it.queue.stats().max_receive_count <= 2, "{:?}", it.queue.stats());
}
