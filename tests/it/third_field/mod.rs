//! `user_id` as a third masked field: who chooses it, what changes from then
//! on, and what stays.

mod canary;
mod choice;
mod load;
mod old_rows;
mod recovery;
mod rotation;
mod table;

use std::process::Output;

use crate::rotate;
use crate::support::{World, event, text};

/// The columns of a table whose user ids are not masked.
const NINE_COLUMNS: [&str; 9] = [
    "app_version",
    "create_date",
    "device_id_hash",
    "device_type",
    "ip_hash",
    "locale",
    "masked_device_id",
    "masked_ip",
    "user_id",
];

/// Rows that show a user id, and rows that show none and have no token either.
const CLEAR: &str = "select from user_logins where user_id is not null";
const UNMASKED: &str =
    "select from user_logins where masked_user_id is null or user_id_hash is null";

/// Whether each user id has one token, and each token one user id.
const ONE_USER_TOKEN: &str = "select not exists (
        select from user_logins group by user_id_hash having min(masked_user_id) <>
          max(masked_user_id))
    and (select count(distinct masked_user_id) = count(distinct user_id_hash) from user_logins)";

/// An installation that masks user ids from the start.
async fn world() -> World {
    let world = World::bare().await;
    mask(&world);
    world
}

/// `init --mask-user-id`, which must succeed.
fn mask(world: &World) -> Output {
    let output = world.run(&["init", "--mask-user-id"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    output
}

/// Events whose users, addresses and devices repeat. Each is another: a file that is
/// known is not loaded again.
fn events(count: u32, values: u32, from: u32) -> Vec<String> {
    let of_user = |(n, event): (u32, String)| {
        let user = format!("\"user-{}\"", n % values);
        let event = event.replace(&format!("\"u-{n}\""), &user);
        event.replace("\"ios\"", &format!("\"ios {n}\""))
    };
    (from..).zip(rotate::events(count, values, from)).map(of_user).collect()
}

/// An event of this user.
fn event_of(n: u32, user: &str) -> String {
    let named = serde_json::to_string(user).expect("JSON");
    event(n).replace(&format!("\"u-{n}\""), &named)
}

async fn columns(world: &World) -> Vec<String> {
    let columns = "select column_name::text from information_schema.columns
                   where table_name = 'user_logins' order by 1";
    world.database.query(columns).await.iter().map(|row| row.get(0)).collect()
}

/// Whether no value is split in any of the three fields.
async fn is_whole(world: &World) -> bool {
    rotate::is_whole(world).await && world.database.query(ONE_USER_TOKEN).await[0].get::<_, bool>(0)
}

fn verify(world: &World) {
    let output = world.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
