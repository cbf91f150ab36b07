//! `backfill --user-id-column`: rows from before get a token and a hash, and lose their
//! user id.

use super::{CLEAR, UNMASKED, is_whole, mask, verify};
use crate::second_implementation::opened;
use crate::support::{World, event, summary, text};

const COLUMNS: &str = "user_id, masked_ip, masked_device_id, masked_user_id,
                       ip_hash::text, device_id_hash::text, user_id_hash::text";

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_get_the_token_of_new_ones_and_lose_their_user_id() {
    let world = World::new().await;
    world.load(&(1..=50).map(event).collect::<Vec<_>>());
    let refused = world.run(&["backfill", "--user-id-column", "user_id"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("init --mask-user-id"), "{}", text(&refused));
    assert_eq!(world.database.count(CLEAR).await, 50);

    mask(&world);
    world.load(&(41..=60).map(|n| event(n).replace("2.3.0", "2.3.1")).collect::<Vec<_>>());
    let args = ["backfill", "--user-id-column", "user_id", "--format", "json"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = summary(&output);
    assert_eq!(
        (&report["rows_masked"], &report["rows_not_masked"]),
        (&50.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["rows_without_hash"], 0, "{report}");
    assert_eq!((world.database.count(CLEAR).await, world.database.count(UNMASKED).await), (0, 0));
    assert!(is_whole(&world).await, "old and new rows of one user carry one token");
    let opened = opened(&world, COLUMNS).await;
    let mut users: Vec<&str> = opened.iter().map(|(user, ..)| user.as_str()).collect();
    users.dedup();
    assert_eq!((opened.len(), users.len()), (70, 60));
    assert!(users.iter().all(|user| user.starts_with("u-")), "{users:?}");
    assert_eq!(summary(&world.run(&args))["rows_masked"], 0, "a second run finds nothing to do");
    verify(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_together_with_other_columns_and_what_is_too_long_stays_and_is_counted() {
    let world = World::new().await;
    mask(&world);
    world
        .database
        .execute(
            "alter table user_logins add ip inet, add plain_user text;
             insert into user_logins (plain_user, ip)
             select 'user-' || n % 5, ('10.9.0.' || n % 7)::inet from generate_series(1, 70) n;
             insert into user_logins (plain_user, device_type) values
                 (repeat('x', 129), 'long'), (repeat(U&'\\+01F600', 128), 'longest')",
        )
        .await;
    let args =
        ["backfill", "--ip-column", "ip", "--user-id-column", "plain_user", "--format", "json"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = summary(&output);
    assert_eq!(
        (&report["rows_masked"], &report["rows_not_masked"]),
        (&71.into(), &1.into()),
        "{report}"
    );
    let left = "select from user_logins where plain_user is not null or ip is not null";
    assert_eq!(world.database.count(left).await, 1);
    let long = "select from user_logins where device_type = 'long' and length(plain_user) = 129
                and masked_user_id is null and user_id_hash is null";
    assert_eq!(world.database.count(long).await, 1, "it stays as it is");
    let masked = "select from user_logins where masked_user_id like 'usr1.1.%'";
    assert_eq!(world.database.count(masked).await, 71);
    let tokens = "select distinct masked_user_id from user_logins where masked_ip is not null";
    assert_eq!(world.database.count(tokens).await, 5);
    assert!(!text(&output).contains("user-1"), "{}", text(&output));
}
