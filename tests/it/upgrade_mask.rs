//! Once the user's id is masked, a loader of a build that knows nothing of it writes no
//! more, and loses nothing.

use crate::support::text;
use crate::upgrade::{old_loader, restored, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_of_the_build_before_writes_nothing_once_the_user_id_is_masked() {
    let world = restored().await;
    let finished = run(&world, &["init"]);
    assert_eq!(finished.status.code(), Some(0), "{}", text(&finished));
    let rotated = run(&world, &["rotate-keys", "--duty", "100%"]);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated));
    let loader = world.database.login("loginetl_loader").await;
    // It has read the keys a moment before.
    let stale = old_loader::plan(&loader).await.expect("the keys in force");
    let before = world.database.count("select from ingest.ledger").await;

    let masked = run(&world, &["init", "--mask-user-id"]);
    assert_eq!(masked.status.code(), Some(0), "{}", text(&masked));
    assert!(old_loader::plan(&loader).await.is_none(), "no keys are in force for it");
    assert_eq!(old_loader::insert(&loader, &stale, 0).await, (false, 0), "the guard refuses it");
    assert_eq!(world.database.count("select from user_logins where user_id like 'old-%'").await, 0);
    assert_eq!(
        world.database.count("select from ingest.ledger").await,
        before,
        "its messages are still to be loaded"
    );
}
