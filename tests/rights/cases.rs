//! What must not happen: each row of the table "What is denied" in `keys/README.md`.
//!
//! A row is a sentence and the requests that it means. The table says what denies them,
//! with our key policies and without; it is compared with what the evaluator says, and
//! LOGINETL_BLESS=1 writes it. With our key policies everything in it is denied.

use serde_json::json;

use crate::allowed::Rules;
use crate::policy::{Decision, Policy, Principal, Request};
use crate::shipped::{AWAY, Shipped, at, queue_arn, role};

/// Who asks: by which name, with which IAM policies.
#[derive(Clone)]
struct Asker {
    principal: Principal,
    /// Whose IAM policy hangs on it.
    like: &'static str,
    /// `kms:*` on everything beside.
    has_all: bool,
}

type Asked = (Asker, Request);

/// A row: a sentence, and what it means.
pub struct Case {
    pub text: &'static str,
    asked: Vec<Asked>,
}

/// The four pairs of a wrap.
type Pairs = Vec<(&'static str, &'static str)>;

fn pairs(holder: &'static str) -> Pairs {
    vec![("app", "loginetl"), ("purpose", "mask"), ("key_id", "7"), ("holder", holder)]
}

fn with(holder: &'static str, name: &str, value: &'static str) -> Pairs {
    let changed = pairs(holder).into_iter();
    changed.map(|(n, v)| if n == name { (n, value) } else { (n, v) }).collect()
}

fn asker(name: &'static str) -> Asker {
    Asker { principal: role(name), like: name, has_all: false }
}

fn with_all(name: &'static str) -> Asker {
    Asker { has_all: true, ..asker(name) }
}

/// Somebody with `kms:*` and no role here.
fn stranger(arn: &str) -> Asker {
    Asker { principal: Principal::Aws(arn.to_owned()), like: "", has_all: true }
}

/// A key of somebody else's account, which lets everybody in: a plan can be under it.
pub const FOREIGN_KEY: &str = "arn:aws:kms:us-east-1:444455556666:key/foreign";

pub fn open_to_everybody() -> Policy {
    Policy::key(&json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "All", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*",
         "Resource": "*"}]}))
    .expect("known")
}

/// Makes the requests.
struct Maker<'a>(&'a Shipped);

impl Maker<'_> {
    fn key(&self, asker: &Asker, action: &str, holder: &str, pairs: &Pairs) -> Asked {
        let action = format!("kms:{action}");
        let request = Request::new(&asker.principal, &action, &self.0.keys[holder]);
        (asker.clone(), request.with_encryption_context(pairs.iter().copied()).expect("known"))
    }

    /// With the context that belongs to the key.
    fn wrap(&self, asker: &Asker, actions: &[&str], holder: &'static str) -> Vec<Asked> {
        actions.iter().map(|action| self.key(asker, action, holder, &pairs(holder))).collect()
    }

    /// The same with the replica of the other recovery key.
    fn by_replica(&self, asker: &Asker, actions: &[&str]) -> Vec<Asked> {
        let mut all = self.wrap(asker, actions, "recovery");
        for (_, request) in &mut all {
            request.resource = at(AWAY, &self.0.others["recovery"]);
        }
        all
    }

    fn sign(&self, asker: &Asker, algorithm: &str, message: &str) -> Asked {
        let request = Request::new(&asker.principal, "kms:Sign", &self.0.keys["audit"]);
        let request = request.with("kms:SigningAlgorithm", algorithm).expect("known");
        (asker.clone(), request.with("kms:MessageType", message).expect("known"))
    }

    fn signs(&self, asker: &Asker) -> Vec<Asked> {
        vec![self.sign(asker, "ECDSA_SHA_256", "DIGEST")]
    }

    /// Everything that uses one of the keys.
    fn uses(&self, asker: &Asker) -> Vec<Asked> {
        let mut all = self.wrap(asker, &USES, "ingest");
        all.extend(self.wrap(asker, &USES, "recovery"));
        all.extend(self.signs(asker));
        all
    }

    /// A context that is not as it should be, for each role that may unwrap.
    fn odd(&self, odd: impl Fn(&'static str) -> Pairs) -> Vec<Asked> {
        let users: [(_, &[_]); 2] = [
            ("ingest", &["loader", "masker", "rotator", "init"]),
            ("recovery", &["unmasker", "rotator", "init"]),
        ];
        let mut all = Vec::new();
        for (holder, roles) in users {
            let pairs = odd(holder);
            let unwraps =
                roles.iter().map(|role| self.key(&asker(role), "Decrypt", holder, &pairs));
            all.extend(unwraps);
            for action in USES.into_iter().filter(|action| *action != "Decrypt") {
                all.push(self.key(&asker("rotator"), action, holder, &pairs));
            }
        }
        all
    }

    fn queue(&self, name: &'static str, actions: &[&str], queue: &str) -> Vec<Asked> {
        let asker = asker(name);
        let request = |action| Request::new(&asker.principal, &format!("sqs:{action}"), queue);
        actions.iter().map(|action| (asker.clone(), request(*action))).collect()
    }

    fn grants(&self, askers: &[Asker]) -> Vec<Asked> {
        let all = askers.iter().flat_map(|asker| {
            self.0.keys.values().map(move |key| {
                (asker.clone(), Request::new(&asker.principal, "kms:CreateGrant", key))
            })
        });
        all.collect()
    }
}

const USES: [&str; 8] = [
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
];
const WRAPS: [&str; 3] = ["Encrypt", "ReEncryptFrom", "ReEncryptTo"];
const ROOT: &str = "arn:aws:iam::000000000000:root";
const TAKES: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"];

/// All rows, in the order of the table.
pub fn cases(shipped: &Shipped) -> Vec<Case> {
    let make = Maker(shipped);
    let mut cases = of_roles(&make);
    cases.extend(of_the_masker(&make));
    cases.extend(of_strangers(&make));
    cases.extend(of_contexts(&make));
    cases.extend(of_queues(&make, shipped));
    cases
}

fn case(text: &'static str, asked: Vec<Asked>) -> Case {
    Case { text, asked }
}

fn of_roles(make: &Maker) -> Vec<Case> {
    let disguised = Asker { like: "unmasker", ..asker("loader") };
    let all_roles = ["loader", "masker", "unmasker", "rotator", "init", "auditor"];
    let generating = all_roles.iter().flat_map(|name| {
        let mut all = make.wrap(&asker(name), &USES[4..], "ingest");
        all.extend(make.wrap(&asker(name), &USES[4..], "recovery"));
        all
    });
    let loader = make.wrap(&with_all("loader"), &USES, "recovery");
    vec![
        case("the loader, with `kms:*` beside, uses the recovery key", loader),
        case(
            "the loader, with the unmasker's IAM policy instead of its own, uses the recovery key",
            make.wrap(&disguised, &USES, "recovery"),
        ),
        case("the loader, with `kms:*` beside, uses the recovery key by its replica elsewhere", {
            make.by_replica(&with_all("loader"), &USES)
        }),
        case("the loader, with `kms:*` instead of its own policy, signs", {
            make.signs(&Asker { like: "", ..with_all("loader") })
        }),
        case("the loader, with `kms:*` beside, signs", make.signs(&with_all("loader"))),
        case("the loader wraps, or moves a wrap", make.wrap(&asker("loader"), &WRAPS, "ingest")),
        case("the unmasker unwraps with the ingest key", {
            make.wrap(&asker("unmasker"), &["Decrypt"], "ingest")
        }),
        case("the unmasker wraps, or moves a wrap", {
            make.wrap(&asker("unmasker"), &WRAPS, "recovery")
        }),
        case("`init` moves a wrap", {
            let mut all = make.wrap(&asker("init"), &WRAPS[1..], "ingest");
            all.extend(make.wrap(&asker("init"), &WRAPS[1..], "recovery"));
            all
        }),
        case("the auditor uses a key, or signs", make.uses(&asker("auditor"))),
        case("the auditor, with `kms:*` beside, signs", make.signs(&with_all("auditor"))),
        case("the admin, with `kms:*`, signs", make.signs(&with_all("admin"))),
        case("the admin, with `kms:*`, wraps or unwraps", {
            let mut all = make.wrap(&with_all("admin"), &USES, "ingest");
            all.extend(make.wrap(&with_all("admin"), &USES, "recovery"));
            all
        }),
        case("any of the roles has KMS make a data key", generating.collect()),
    ]
}

fn of_the_masker(make: &Maker) -> Vec<Case> {
    let disguised = Asker { like: "unmasker", ..asker("masker") };
    vec![
        case("the masker unwraps a key that seals", {
            let pairs = with("ingest", "purpose", "seal");
            vec![make.key(&asker("masker"), "Decrypt", "ingest", &pairs)]
        }),
        case("the masker unwraps with a key of another account that lets everybody", {
            let mut all = make.wrap(&asker("masker"), &["Decrypt"], "ingest");
            all.iter_mut().for_each(|(_, request)| request.resource = FOREIGN_KEY.to_owned());
            all
        }),
        case("the masker wraps, or moves a wrap", make.wrap(&asker("masker"), &WRAPS, "ingest")),
        case("the masker, with `kms:*` beside, uses the recovery key", {
            make.wrap(&with_all("masker"), &USES, "recovery")
        }),
        case(
            "the masker, with the unmasker's IAM policy instead of its own, uses the recovery key",
            make.wrap(&disguised, &USES, "recovery"),
        ),
        case("the masker, with `kms:*` beside, uses the recovery key by its replica elsewhere", {
            make.by_replica(&with_all("masker"), &USES)
        }),
        case("the masker, with `kms:*` instead of its own policy, signs", {
            make.signs(&Asker { like: "", ..with_all("masker") })
        }),
        case("the masker, with `kms:*` beside, signs", make.signs(&with_all("masker"))),
        case("the masker, with `kms:*` beside, makes a grant", make.grants(&[with_all("masker")])),
    ]
}

fn of_strangers(make: &Maker) -> Vec<Case> {
    let granting = ["loader", "unmasker", "rotator", "init", "auditor", "admin"].map(with_all);
    let away = "arn:aws:iam::444455556666:role/loginetl-unmasker";
    vec![
        case("an analyst, with no IAM policy, uses a key, or signs", {
            make.uses(&Asker { like: "", ..asker("analyst") })
        }),
        case("another role of the account, with `kms:*`, uses a key, or signs", {
            make.uses(&stranger("arn:aws:iam::000000000000:role/other"))
        }),
        case("the root user of the account uses a key, or signs", make.uses(&stranger(ROOT))),
        case("the unmasker's name in another account, with `kms:*`, uses a key, or signs", {
            make.uses(&stranger(away))
        }),
        case("any other of the roles, with `kms:*`, makes a grant", make.grants(&granting)),
        case("the root user, or another role with `kms:*`, makes a grant", {
            make.grants(&[stranger(ROOT), stranger("arn:aws:iam::000000000000:role/other")])
        }),
    ]
}

fn of_contexts(make: &Maker) -> Vec<Case> {
    let without = |name: &'static str| {
        make.odd(move |holder| pairs(holder).into_iter().filter(|(n, _)| *n != name).collect())
    };
    let other = |holder| if holder == "ingest" { "recovery" } else { "ingest" };
    let beside = |asked: Vec<Asked>| {
        let with_all =
            asked.into_iter().map(|(asker, request)| (Asker { has_all: true, ..asker }, request));
        with_all.collect()
    };
    let signers = ["unmasker", "rotator", "init"].map(asker);
    let odd_signs = |algorithm: &str, message: &str| {
        signers.iter().map(|signer| make.sign(signer, algorithm, message)).collect()
    };
    vec![
        case("a wrap without a context", make.odd(|_| Vec::new())),
        case("a context without `app`", without("app")),
        case("a context without `holder`", without("holder")),
        case("a context without `purpose`", without("purpose")),
        case("a context without `key_id`", without("key_id")),
        case("a context with a fifth pair", {
            make.odd(|holder| pairs(holder).into_iter().chain([("more", "x")]).collect())
        }),
        case("a context with `APP` for `app`", {
            let upper = |(n, v)| if n == "app" { ("APP", v) } else { (n, v) };
            make.odd(|holder| pairs(holder).into_iter().map(upper).collect())
        }),
        case("another `app`", make.odd(|holder| with(holder, "app", "other"))),
        case("another `app`, for a role with `kms:*` beside", {
            beside(make.odd(|holder| with(holder, "app", "other")))
        }),
        case("the other `holder`", make.odd(|holder| with(holder, "holder", other(holder)))),
        case("the other `holder`, for a role with `kms:*` beside", {
            beside(make.odd(|holder| with(holder, "holder", other(holder))))
        }),
        case("another `purpose`", make.odd(|holder| with(holder, "purpose", "other"))),
        case("an empty `key_id`", make.odd(|holder| with(holder, "key_id", ""))),
        case("a signature by another algorithm", odd_signs("ECDSA_SHA_384", "DIGEST")),
        case("a signature of a whole message", odd_signs("ECDSA_SHA_256", "RAW")),
    ]
}

fn of_queues(make: &Maker, shipped: &Shipped) -> Vec<Case> {
    let (queue, dead) = (shipped.queue.as_str(), shipped.dead_letters.as_str());
    let others = ["masker", "unmasker", "init", "auditor", "admin"];
    let all = [&TAKES[..], &["GetQueueAttributes", "SendMessage"]].concat();
    vec![
        case("the loader sends to the queue, purges it or changes it", {
            make.queue("loader", &["SendMessage", "PurgeQueue", "SetQueueAttributes"], queue)
        }),
        case("the loader takes from the dead-letter queue, or moves it back", {
            let more = ["StartMessageMoveTask", "SendMessage", "PurgeQueue"];
            make.queue("loader", &[&TAKES[..], &more].concat(), dead)
        }),
        case("the loader takes from another queue", {
            make.queue("loader", &TAKES, &queue_arn("another"))
        }),
        case("the rotator or the scaler takes from the queue", {
            let mut all = make.queue("rotator", &TAKES, queue);
            all.extend(make.queue("scaler", &TAKES, queue));
            all
        }),
        case("the scaler looks at another queue, or uses a key", {
            let mut all = make.queue("scaler", &["GetQueueAttributes"], dead);
            all.extend(make.uses(&asker("scaler")));
            all
        }),
        case("masker, unmasker, `init`, auditor or admin does anything with the queue", {
            others.iter().flat_map(|name| make.queue(name, &all, queue)).collect()
        }),
    ]
}

impl Case {
    /// What denies it, for the table; **allowed** where something does not.
    pub fn outcome(&self, rules: &Rules) -> String {
        assert!(!self.asked.is_empty(), "{}: nothing is asked", self.text);
        let outcomes: Vec<String> = self.asked.iter().map(|asked| of_one(asked, rules)).collect();
        row(&outcomes)
    }

    /// Whether the table says something else when these rules become those, which differ
    /// for the requests that `is_meant` picks alone.
    pub fn differs(
        &self,
        (before, after): (&Rules, &Rules),
        is_meant: impl Fn(&str, &Request) -> bool,
    ) -> bool {
        if !self.asked.iter().any(|(asker, request)| is_meant(asker.like, request)) {
            return false;
        }
        let after = self.asked.iter().map(|asked| {
            of_one(asked, if is_meant(asked.0.like, &asked.1) { after } else { before })
        });
        row(&after.collect::<Vec<_>>()) != self.outcome(before)
    }
}

fn of_one((asker, request): &Asked, rules: &Rules) -> String {
    match rules.judge(rules.identity(asker.like, asker.has_all), request) {
        Decision::Allowed => "**allowed**".to_owned(),
        Decision::Denied(sid) => format!("`{sid}`"),
        Decision::NotAllowed(_) => "not allowed".to_owned(),
    }
}

/// Each outcome once, in the order of what is asked.
fn row(outcomes: &[String]) -> String {
    let mut each: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !each.contains(&outcome.as_str()) {
            each.push(outcome);
        }
    }
    each.join(", ")
}

pub fn all_of_kms() -> Policy {
    Policy::identity(&json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "All", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}))
    .expect("known")
}
