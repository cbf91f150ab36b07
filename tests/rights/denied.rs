//! What must not happen does not, and each Deny is what prevents it.

use serde_json::{Value, json};

use crate::allowed::{Rules, changes};
use crate::cases::{all_of_kms, cases};
use crate::policy::{Decision, Policy, Principal, Request, decide};
use crate::recording::recording;
use crate::shipped::{HOLDERS, ROLES, role};

#[test]
fn with_our_key_policies_nothing_of_the_table_is_allowed() {
    let shipped = &recording().shipped;
    let rules = Rules::of(shipped);
    for case in cases(shipped) {
        let outcome = case.outcome(&rules);
        assert!(!outcome.contains("allowed**"), "{}: {outcome}", case.text);
    }
}

/// Each action of each Deny, for each whom it names, is taken out in turn: the table must
/// say something else, in one of its columns.
#[test]
fn each_deny_is_what_a_row_of_the_table_says() {
    let shipped = &recording().shipped;
    let without = shipped.without_key_policies();
    let rules = [Rules::of(shipped), Rules::of(&without)];
    let cases = cases(shipped);
    let (mut unseen, mut tried) = (Vec::new(), 0);
    for holder in HOLDERS {
        for change in changes(&shipped.key_policies[holder], "Deny") {
            let mut changed = shipped.clone();
            changed.key_policies.insert(holder.to_owned(), change.document.clone());
            let after = Rules::of(&changed);
            let is_meant = |_: &str, request: &Request| shipped.is_of(holder, &request.resource);
            tried += 1;
            if !cases.iter().any(|case| case.differs((&rules[0], &after), is_meant)) {
                unseen.push(format!("{holder}: {change}"));
            }
        }
    }
    for (role, document) in &shipped.iam {
        for change in changes(document, "Deny") {
            tried += 1;
            let differs = [shipped, &without].into_iter().zip(&rules).any(|(shipped, before)| {
                let mut changed = shipped.clone();
                changed.iam.insert(role.clone(), change.document.clone());
                let after = Rules::of(&changed);
                cases.iter().any(|case| case.differs((before, &after), |like, _| like == role))
            });
            if !differs {
                unseen.push(format!("{role}: {change}"));
            }
        }
    }
    assert!(unseen.is_empty(), "no row is about\n{}", unseen.join("\n"));
    assert!(tried > 50, "{tried} things were taken out");
}

/// Each Deny beside policies that allow everything: it denies, and without it nothing
/// does.
#[test]
fn each_deny_denies_whatever_else_allows() {
    let shipped = &recording().shipped;
    let mut tried = 0;
    for holder in HOLDERS {
        let key = &shipped.keys[holder];
        for deny in denies(&shipped.key_policies[holder]) {
            let principals = match &deny["Principal"]["AWS"] {
                Value::String(all) if all == "*" => ROLES.map(role).to_vec(),
                named => texts(named).into_iter().map(Principal::Aws).collect(),
            };
            for principal in principals {
                for request in requests(&deny, &principal, key, holder) {
                    let with = Policy::key(&document(&[open(), deny.clone()])).expect("known");
                    assert_denied(&request, &deny, &[all_of_kms()], &with, &[all_of_kms()]);
                    tried += 1;
                }
            }
        }
    }
    let open = Policy::key(&document(&[open()])).expect("known");
    for (name, iam) in &shipped.iam {
        for deny in denies(iam) {
            let key = deny["Resource"].as_str().expect("one key").to_owned();
            let own = Policy::identity(&document(std::slice::from_ref(&deny))).expect("known");
            for request in requests(&deny, &role(name), &key, shipped.holder(&key)) {
                assert_denied(
                    &request,
                    &deny,
                    &[all_of_kms(), own.clone()],
                    &open,
                    &[all_of_kms()],
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried} requests were tried");
}

fn assert_denied(
    request: &Request,
    deny: &Value,
    identity: &[Policy],
    key: &Policy,
    without: &[Policy],
) {
    let sid = deny["Sid"].as_str().expect("each has a name").to_owned();
    let decision = decide(request, identity, Some(key)).expect("known");
    assert_eq!(decision, Decision::Denied(sid), "{request:?}");
    let open = Policy::key(&document(&[open()])).expect("known");
    let decision = decide(request, without, Some(&open)).expect("known");
    assert!(decision.is_allowed(), "without it: {request:?}");
}

/// What a Deny is about: each of its actions, with a context that is as it should be but
/// for what the condition asks.
fn requests(deny: &Value, principal: &Principal, key: &str, holder: &str) -> Vec<Request> {
    let right = [("app", "loginetl"), ("purpose", "mask"), ("key_id", "7"), ("holder", holder)];
    let condition = deny.get("Condition").map(|c| c["StringNotEquals"].clone());
    let wrong = condition.map(|names| {
        let names = names.as_object().expect("keys").keys().next().expect("one").clone();
        names.rsplit(':').next().expect("a name").to_owned()
    });
    let contexts = wrong.map_or_else(
        || vec![right.to_vec()],
        |wrong| {
            let changed = right.map(|(n, v)| if n == wrong { (n, "other") } else { (n, v) });
            let missing = right.into_iter().filter(|(n, _)| *n != wrong).collect();
            vec![changed.to_vec(), missing, Vec::new()]
        },
    );
    let actions = texts(&deny["Action"]);
    let all = actions.iter().flat_map(|action| {
        contexts.iter().map(|pairs| {
            let request = Request::new(principal, action, key);
            request.with_encryption_context(pairs.iter().copied()).expect("known")
        })
    });
    all.collect()
}

/// A statement of a key policy that lets everybody do everything.
fn open() -> Value {
    json!({"Sid": "Open", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*",
           "Resource": "*"})
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn denies(policy: &Value) -> Vec<Value> {
    let statements = policy["Statement"].as_array().expect("a list").iter();
    statements.filter(|statement| statement["Effect"] == "Deny").cloned().collect()
}

fn texts(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().expect("text").to_owned();
    value.as_array().map_or_else(|| vec![one(value)], |all| all.iter().map(one).collect())
}

/// Each condition of each Allow counts: a request that breaks it alone is not allowed by
/// the statement, and is without it.
#[test]
fn each_condition_of_each_allow_keeps_something_out() {
    let shipped = &recording().shipped;
    let mut tried = 0;
    let keys = HOLDERS.map(|holder| (holder, &shipped.key_policies[holder], true));
    let roles = shipped.iam.iter().map(|(name, policy)| (name.as_str(), policy, false));
    for (name, policy, is_key) in keys.into_iter().chain(roles) {
        for statement in policy["Statement"].as_array().expect("a list") {
            if statement["Effect"] != "Allow" || statement.get("Condition").is_none() {
                continue;
            }
            for (operator, key) in conditions(statement) {
                // "Null" stands beside what says the same; see keys/README.md.
                if operator == "Null" {
                    continue;
                }
                let mut loose = statement.clone();
                let block = loose["Condition"][&operator].as_object_mut().expect("keys");
                block.remove(&key);
                // What is of Sign alone has no context.
                let request = violating(shipped, name, statement, &operator, &key);
                let allows = |statement: &Value| {
                    let whole = document(std::slice::from_ref(statement));
                    let decision = if is_key {
                        decide(&request, &[], Some(&Policy::key(&whole).expect("known")))
                    } else {
                        let open = Policy::key(&document(&[json!({"Effect": "Allow",
                            "Principal": {"AWS": "000000000000"}, "Action": "kms:*",
                            "Resource": "*"})]))
                        .expect("known");
                        decide(&request, &[Policy::identity(&whole).expect("known")], Some(&open))
                    };
                    decision.expect("known").is_allowed()
                };
                assert!(!allows(statement), "{name}: {operator} {key}: {request:?}");
                assert!(allows(&loose), "{name}: {operator} {key} alone keeps it: {request:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried} conditions were tried");
}

fn conditions(statement: &Value) -> Vec<(String, String)> {
    let block = statement["Condition"].as_object().expect("conditions").iter();
    block
        .flat_map(|(operator, keys)| {
            let keys = keys.as_object().expect("keys").keys();
            keys.map(|key| (operator.clone(), key.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// A request as the statement wants it, but for one condition.
fn violating(
    shipped: &crate::shipped::Shipped,
    name: &str,
    statement: &Value,
    operator: &str,
    key: &str,
) -> Request {
    let principal = match statement.get("Principal") {
        Some(all) => Principal::Aws(texts(&all["AWS"])[0].clone()),
        None => role(name),
    };
    let resource = match statement["Resource"].as_str().expect("one") {
        "*" => shipped.keys[name].clone(),
        arn => arn.to_owned(),
    };
    let action = &texts(&statement["Action"])[0];
    let request = Request::new(&principal, action, &resource);
    if action == "kms:Sign" {
        let odd = |of: &str, right: &'static str| if key == of { "OTHER" } else { right };
        let algorithm = odd("kms:SigningAlgorithm", "ECDSA_SHA_256");
        let request = request.with("kms:SigningAlgorithm", algorithm).expect("known");
        return request.with("kms:MessageType", odd("kms:MessageType", "DIGEST")).expect("known");
    }
    let holder = shipped.holder(&resource);
    let right = [("app", "loginetl"), ("purpose", "mask"), ("key_id", "7"), ("holder", holder)];
    let odd = key.rsplit(':').next().expect("a name");
    let instead = if operator == "StringLike" { "" } else { "other" };
    let mut pairs = right.map(|(n, v)| if n == odd { (n, instead) } else { (n, v) }).to_vec();
    if operator.starts_with("ForAllValues") {
        pairs.push(("more", "x"));
    }
    request.with_encryption_context(pairs).expect("known")
}
