//! The guard decides in SQL (`ingest.accepts`), and a plan in Rust, which key a value is
//! under. Here both judge the same rows by the same plan, on random plans and rows around
//! their watermarks: they never differ.

use std::collections::BTreeMap;

use loginetl::login::{FieldPlan, MaskedField, MaskedLogin, Plan, ValueKeys};
use loginetl::token::{Field, Fields, KeyId, Token};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::World;

const WORLDS: usize = 40;
const BATCHES: usize = 60;
/// Keys that tokens may name, and keys that may order; 1, 2 and 3 are those in force
/// while no rotation runs.
const MASK_KEYS: [u32; 3] = [1, 7, 9];
const HASH_KEYS: [u32; 2] = [2, 8];
const SEAL_KEY: u32 = 3;

/// Random numbers that are the same in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn key(&mut self, of: &[u32]) -> KeyId {
        KeyId::new(of[self.roll(of.len())]).expect("not zero")
    }
}

/// The plan of a world; a field whose two keys are one is in no rotation.
fn plan(dice: &mut Dice, fields: Fields) -> Plan {
    let quiet = ValueKeys { mask: key(1), hash: key(2) };
    let field = |_, ()| {
        let to = ValueKeys { mask: dice.key(&MASK_KEYS), hash: dice.key(&HASH_KEYS) };
        let from = ValueKeys { mask: dice.key(&MASK_KEYS), hash: dice.key(&HASH_KEYS) };
        if from.mask == to.mask {
            return FieldPlan { from: quiet, to: quiet, watermark: Uuid::nil() };
        }
        let places = [0, 1, u128::MAX / 2, u128::MAX - 1, u128::MAX];
        FieldPlan { from, to, watermark: Uuid::from_u128(places[dice.roll(places.len())]) }
    };
    Plan { fields: fields.map(field), seal: key(SEAL_KEY) }
}

fn key(id: u32) -> KeyId {
    KeyId::new(id).expect("not zero")
}

/// A row under any of the keys, with an order at the watermark or beside it.
fn login(dice: &mut Dice, plan: &Plan, fields: Fields) -> MaskedLogin {
    let value = |field: Field, ()| {
        let watermark = plan.fields.get(field).map_or(0, |plan| plan.watermark.as_u128());
        let orders = [watermark.saturating_sub(1), watermark, watermark.saturating_add(1)];
        let order = Uuid::from_u128(orders[dice.roll(orders.len())]);
        // Mostly as it should be, so that one thing alone is wrong.
        let (mut mask_key, mut order_key) = (dice.key(&MASK_KEYS), dice.key(&HASH_KEYS));
        if let Some(plan) = plan.fields.get(field) {
            mask_key = if dice.roll(8) > 0 { plan.keys_of(order).mask } else { mask_key };
            order_key = if dice.roll(8) > 0 { plan.from.hash } else { order_key };
        }
        let token = Token::parse(&format!("{}{mask_key}.{}", field.prefix(), "A".repeat(43)));
        MaskedField { token: token.expect("a token's shape"), hash: order, order, order_key }
    };
    let masked = fields.map(value);
    let (device_type, locale, app_version, create_date) = Default::default();
    let user_id = (!fields.contains(Field::UserId)).then(String::new);
    MaskedLogin { masked, user_id, device_type, locale, app_version, create_date }
}

/// Puts the plan into the vault, past its triggers.
async fn write(client: &Client, plan: &Plan) {
    let mut sql = "set session_replication_role = replica; delete from vault.rotation;".to_owned();
    for (field, FieldPlan { from, to, watermark }) in
        plan.fields.iter().filter(|(_, plan)| plan.from != plan.to)
    {
        sql += &format!(
            "insert into vault.rotation (field, from_key, to_key, from_hash_key, to_hash_key, \
               watermark) \
             values ('{field}', {}, {}, {}, {}, '{watermark}');",
            from.mask, to.mask, from.hash, to.hash
        );
    }
    client.batch_execute(&sql).await.expect("a plan");
}

/// What the guard says to these rows.
async fn accepts(
    client: &Client,
    logins: &[MaskedLogin],
    has_clear_user_id: bool,
    seals: &[i64],
) -> bool {
    let mut spans: BTreeMap<(&str, i64, i64), (Uuid, Uuid)> = BTreeMap::new();
    for (field, one) in logins.iter().flat_map(|login| login.masked.iter()) {
        let span = (field.name(), one.token.key_id().to_i64(), one.order_key.to_i64());
        let (lowest, highest) = spans.entry(span).or_insert((one.order, one.order));
        (*lowest, *highest) = ((*lowest).min(one.order), (*highest).max(one.order));
    }
    let fields: Vec<&str> = spans.keys().map(|span| span.0).collect();
    let keys: Vec<i64> = spans.keys().map(|span| span.1).collect();
    let order_keys: Vec<i64> = spans.keys().map(|span| span.2).collect();
    let lowest: Vec<Uuid> = spans.values().map(|orders| orders.0).collect();
    let highest: Vec<Uuid> = spans.values().map(|orders| orders.1).collect();
    let statement = "select ingest.accepts($1, $2, $3, $4, $5, $6, $7)";
    let answer = client
        .query_one(
            statement,
            &[&fields, &keys, &order_keys, &lowest, &highest, &has_clear_user_id, &seals],
        )
        .await;
    answer.expect("an answer").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_judges_as_the_plan_does() {
    let two = Fields::always();
    let three = two.with(Field::UserId);
    for (masked, flag) in [(two, None), (three, Some("--mask-user-id"))] {
        let world = World::new().await;
        let flags: Vec<&str> = ["init"].into_iter().chain(flag).collect();
        assert!(world.run(&flags).status.success());
        let (client, mut dice) =
            (world.database.client().await, Dice(masked.fields().count() as u64));
        let (mut yes, mut no) = (0, 0);
        for _ in 0..WORLDS {
            let plan = plan(&mut dice, masked);
            write(&client, &plan).await;
            for _ in 0..BATCHES {
                let fields = if dice.roll(8) == 0 { [two, three][dice.roll(2)] } else { masked };
                let many = 1 + dice.roll(2);
                let logins: Vec<MaskedLogin> =
                    (0..many).map(|_| login(&mut dice, &plan, fields)).collect();
                let wanted = logins.iter().all(|login| plan.allows(login));
                let said = accepts(&client, &logins, false, &[]).await;
                assert_eq!(said, wanted, "{plan:?}\n{logins:?}");
                *(if said { &mut yes } else { &mut no }) += 1;
                if said {
                    let is_clear = accepts(&client, &logins, true, &[]).await;
                    assert_eq!(
                        is_clear,
                        !masked.contains(Field::UserId),
                        "a clear user id, where it is masked"
                    );
                    assert!(
                        accepts(&client, &logins, false, &[3]).await
                            && !accepts(&client, &logins, false, &[3, 4]).await
                    );
                }
            }
        }
        assert!(yes > 100 && no > 100, "{yes} accepted, {no} refused");
        assert!(accepts(&client, &[], false, &[3]).await, "rejections alone");
        let rows = client
            .query("select field, token_prefix from vault.fields order by position", &[])
            .await
            .expect("fields");
        let named: Vec<(&str, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(
            named,
            masked.fields().map(|field| (field.name(), field.prefix())).collect::<Vec<_>>()
        );
    }
}
