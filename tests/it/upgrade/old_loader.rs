//! What a loader of the build before says to the database, word for word: it may run
//! beside a newer schema until it is replaced.

use jiff::civil::Date;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::support::Login;

const FENCE: &str = include_str!("fence.sql");
const PLAN: &str = include_str!("plan.sql");
const INSERT: &str = include_str!("insert.sql");

/// Where two values are in the order of hashes: before a watermark in the middle, and
/// behind it.
const PLACES: [Uuid; 2] = [Uuid::nil(), Uuid::max()];

/// What the guarded insert answered: whether it accepted the batch, and how
/// many rows it wrote.
pub type Answer = (bool, i64);

/// The keys in force, as an old loader reads them; none: it stops and says that there are
/// no keys.
pub async fn plan(loader: &Login) -> Option<Row> {
    loader.client().await.query_opt(PLAN, &[]).await.expect("an answer")
}

/// Inserts two rows under the keys of a plan, as an old loader does. `shift` is added to
/// the number of each key.
pub async fn insert(loader: &Login, plan: &Row, shift: i64) -> Answer {
    let mut client = loader.client().await;
    let day: Date = "2026-11-28".parse().expect("a day");
    client.execute("select ingest.ensure_day($1)", &[&day]).await.expect("a day");
    let transaction = client.transaction().await.expect("a transaction");
    transaction.batch_execute(FENCE).await.expect("the fence");
    // Of one field: the columns of its plan begin at `first`.
    let keys = |first: usize| -> Vec<i64> {
        let watermark: Uuid = plan.get(first + 4);
        let key = |place: &Uuid| {
            plan.get::<_, i64>(if *place <= watermark { first + 2 } else { first }) + shift
        };
        PLACES.iter().map(key).collect()
    };
    let tokens = |prefix: &str, keys: &[i64]| -> Vec<String> {
        keys.iter().map(|key| format!("{prefix}.{key}.old")).collect()
    };
    let (ip_keys, device_id_keys) = (keys(0), keys(5));
    let (ips, devices) = (tokens("ip1", &ip_keys), tokens("dev1", &device_id_keys));
    let (days, versions) = (vec![day; 2], vec![2_003_000_i32; 2]);
    let ids: Vec<Uuid> = PLACES.iter().map(|_| Uuid::from_u128(rand_128())).collect();
    let users = ["old-1", "old-2"];
    let nothing: [Option<&str>; 2] = [None, None];
    let (ip_order_keys, device_id_order_keys) =
        (vec![plan.get::<_, i64>(1); 2], vec![plan.get::<_, i64>(6); 2]);
    let (no_days, no_ids, no_texts, no_numbers) =
        (Vec::<Date>::new(), Vec::<Uuid>::new(), Vec::<&str>::new(), Vec::<i64>::new());
    let (no_times, no_counts, no_bodies) =
        (Vec::<jiff::Timestamp>::new(), Vec::<i32>::new(), Vec::<Vec<u8>>::new());
    let places = PLACES.to_vec();
    let users = users.as_slice();
    let nothing = nothing.as_slice();
    let answer = transaction
        .query_one(
            INSERT,
            &[
                &days,
                &ids,
                &users,
                &nothing,
                &ips,
                &devices,
                &nothing,
                &versions,
                &days,
                &ids,
                &ids,
                &ip_keys,
                &device_id_keys,
                &places,
                &places,
                &ip_order_keys,
                &device_id_order_keys,
                &no_days,
                &no_ids,
                &no_texts,
                &no_times,
                &no_times,
                &no_counts,
                &no_days,
                &no_texts,
                &no_texts,
                &no_numbers,
                &no_numbers,
                &no_bodies,
            ],
        )
        .await
        .expect("an answer");
    transaction.commit().await.expect("committed");
    (answer.get(0), answer.get(2))
}

fn rand_128() -> u128 {
    u128::from(crate::rotate::rand()) << 64 | u128::from(crate::rotate::rand())
}
