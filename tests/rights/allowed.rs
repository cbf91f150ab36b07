//! What the commands ask of AWS is what the policies allow, and nothing that they allow
//! is needed by nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cases::{FOREIGN_KEY, all_of_kms, open_to_everybody};
use crate::policy::{Decision, Policy, Principal, Request, decide};
use crate::recording::{Recording, recording};
use crate::shipped::{AWAY, HOLDERS, Shipped, at, role};

/// The policies, read.
pub struct Rules {
    identity: BTreeMap<String, Vec<Policy>>,
    /// The same, with `kms:*` on everything beside.
    beside: BTreeMap<String, Vec<Policy>>,
    keys: BTreeMap<String, Policy>,
}

impl Rules {
    pub fn of(shipped: &Shipped) -> Self {
        let replicas = shipped.others.values().map(|arn| at(AWAY, arn));
        let ours = shipped.keys.values().chain(shipped.others.values()).cloned().chain(replicas);
        let keys = ours.map(|arn| (arn.clone(), shipped.key_policy(&arn)));
        let none = (String::new(), Vec::new());
        let roles = shipped.iam.keys().map(|role| (role.clone(), shipped.identity(role)));
        let identity: BTreeMap<_, _> = roles.chain([none]).collect();
        let mut beside = identity.clone();
        beside.values_mut().for_each(|policies| policies.push(all_of_kms()));
        let keys = keys.chain([(FOREIGN_KEY.to_owned(), open_to_everybody())]).collect();
        Self { identity, beside, keys }
    }

    /// The policies that hang on a role, or on one of no such name.
    pub fn identity(&self, role: &str, has_all: bool) -> &[Policy] {
        let policies = if has_all { &self.beside } else { &self.identity };
        policies.get(role).unwrap_or_else(|| &policies[""])
    }

    /// What they say of a request of whoever has these IAM policies.
    pub fn judge(&self, identity: &[Policy], request: &Request) -> Decision {
        decide(request, identity, self.keys.get(&request.resource)).expect("known")
    }

    fn allow(&self, role: &str, request: &Request) -> bool {
        self.judge(self.identity(role, false), request).is_allowed()
    }
}

/// What each role asked for, each once.
fn requests(recording: &Recording) -> Vec<(String, Request)> {
    let mut seen = BTreeSet::new();
    let calls = recording.calls.iter();
    let all = calls.flat_map(|call| {
        let requests = call.requests(&recording.shipped);
        requests.into_iter().map(|request| (call.role.clone(), request))
    });
    all.filter(|(_, request)| seen.insert(format!("{request:?}"))).collect()
}

#[test]
fn every_call_of_every_command_is_allowed() {
    let recording = recording();
    let shipped = &recording.shipped;
    for (name, shipped) in [("ours", shipped), ("the default's", &shipped.without_key_policies())] {
        let rules = Rules::of(shipped);
        for (role, request) in requests(recording) {
            let decision = rules.judge(rules.identity(&role, false), &request);
            assert!(
                decision.is_allowed(),
                "key policies: {name}; {role}: {request:?}: {decision:?}"
            );
        }
    }
    let roles: BTreeSet<&str> = recording.calls.iter().map(|call| call.role.as_str()).collect();
    let expected = ["auditor", "init", "loader", "masker", "rotator", "unmasker"];
    assert_eq!(roles, expected.into(), "who calls AWS");
    let analyst = recording.commands.iter().filter(|(role, _)| role == "analyst");
    assert_eq!(analyst.count(), 1, "an analyst runs a command and needs no AWS");
}

#[test]
fn with_our_key_policies_no_role_needs_an_iam_policy_for_the_keys() {
    let recording = recording();
    let rules = Rules::of(&recording.shipped);
    for (role, request) in requests(recording) {
        let is_of_key = request.action.starts_with("kms:");
        assert_eq!(rules.judge(&[], &request).is_allowed(), is_of_key, "{role}: {request:?}");
    }
}

/// The calls of KMS; the queue is then of either account, and not looked at. A call by an
/// alias cannot be made from there, so `create-keys.sh` prints ARNs; some were made so.
#[test]
fn with_the_roles_in_another_account_both_policies_are_needed_and_both_allow() {
    let recording = recording();
    let mut shipped = recording.shipped.clone();
    let away = |text: &str| text.replace("iam::000000000000:role", "iam::444455556666:role");
    for policy in shipped.key_policies.values_mut() {
        *policy = serde_json::from_str(&away(&policy.to_string())).expect("JSON");
    }
    let rules = Rules::of(&shipped);
    let (mut by_alias, mut by_arn) = (BTreeSet::new(), BTreeSet::new());
    for call in recording.calls.iter().filter(|call| call.target.starts_with("TrentService.")) {
        let Principal::Aws(arn) = role(&call.role) else { unreachable!("a role") };
        let principal = Principal::Aws(away(&arn));
        for request in call.requests_of(&shipped, &principal, false) {
            let seen = if call.is_by_alias(&shipped) { &mut by_alias } else { &mut by_arn };
            seen.insert(request.action.clone());
            let identity = rules.identity(&call.role, false);
            assert!(rules.judge(identity, &request).is_allowed(), "{request:?}");
            assert!(!rules.judge(&[], &request).is_allowed(), "{request:?}");
            // Every context key is of the caller's account, and none of the keys'.
            assert!(!format!("{request:?}").contains("iam::000000000000"), "{request:?}");
            assert_eq!(request.values("kms:CallerAccount"), ["444455556666"]);
        }
    }
    assert!(by_alias.contains("kms:Encrypt"), "{by_alias:?}");
    let both = by_alias.iter().filter(|action| !by_arn.contains(*action));
    assert_eq!(both.collect::<Vec<_>>(), ["kms:Encrypt"; 0], "each call was made by an ARN too");
}

/// A loader that is watched asks for this from time to time, so perhaps not in this run.
const BY_THE_CLOCK: &str = "SeeTheDeadLetters";
/// What is allowed though no command asks for it: file, statement, action, why.
const SPARE: [(&str, &str, &str, &str); 5] = [
    ("ingest", "AdministerNeverUse", "*", "for people, and for create-keys.sh"),
    ("recovery", "AdministerNeverUse", "*", "for people, and for create-keys.sh"),
    ("audit", "AdministerNeverUse", "*", "for people, and for create-keys.sh"),
    ("loader", BY_THE_CLOCK, "sqs:GetQueueAttributes", "how many messages nobody could load"),
    ("scaler", "SeeTheQueuesDepth", "sqs:GetQueueAttributes", "an autoscaler's call, not ours"),
];

/// Each thing that an Allow gives is taken out in turn: an action, from one principal
/// where there are several; a value of a condition. A recorded call must break.
#[test]
fn each_allow_is_needed_by_a_call_that_was_made() {
    let recording = recording();
    let requests = requests(recording);
    // Of whom, with which key: what else is asked has not been touched.
    let is_needed = |changed: &Shipped, of: Option<&str>, holder: Option<&str>| {
        let rules = Rules::of(changed);
        let mut all = requests.iter().filter(|(role, request)| {
            of.is_none_or(|of| of == role)
                && holder.is_none_or(|holder| changed.is_of(holder, &request.resource))
        });
        all.any(|(role, request)| !rules.allow(role, request))
    };
    // Our key policies decide alone, and without them IAM policies do.
    let shipped = Shipped { iam: BTreeMap::new(), ..recording.shipped.clone() };
    let without = recording.shipped.without_key_policies();
    let broken = HOLDERS.iter().any(|holder| is_needed(&shipped, None, Some(holder)));
    assert!(!broken && !is_needed(&without, None, None), "nothing is broken yet");
    let (mut wrong, mut used, mut tried) = (Vec::new(), BTreeSet::new(), 0);
    let mut look = |file: &str, change: &Change, is_needed: bool| {
        let spare = SPARE.iter().position(|(of, sid, action, _)| {
            *of == file && *sid == change.sid && (*action == "*" || *action == change.action)
        });
        tried += 1;
        match (spare, is_needed) {
            (None, false) => wrong.push(format!("{file}: no call needs {change}")),
            (Some(_), true) if change.sid != BY_THE_CLOCK => {
                wrong.push(format!("{file}: a call needs {change}: not spare"))
            }
            (spare, _) => used.extend(spare),
        }
    };
    for holder in HOLDERS {
        for change in changes(&shipped.key_policies[holder], "Allow") {
            let mut changed = shipped.clone();
            changed.key_policies.insert(holder.to_owned(), change.document.clone());
            look(holder, &change, is_needed(&changed, None, Some(holder)));
        }
    }
    for (role, document) in &without.iam {
        for change in changes(document, "Allow") {
            let mut changed = without.clone();
            changed.iam.insert(role.clone(), change.document.clone());
            look(role, &change, is_needed(&changed, Some(role), None));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), SPARE.len(), "what is spare stands in a policy: {used:?}");
    assert!(tried > 150, "{tried} things were taken out");
}

/// A policy from which one thing was taken.
pub struct Change {
    sid: String,
    action: String,
    what: String,
    pub document: Value,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {} {}", self.what, self.sid, self.action)
    }
}

fn list(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().expect("text").to_owned();
    value.as_array().map_or_else(|| vec![one(value)], |all| all.iter().map(one).collect())
}

/// All that can be taken from its statements of one effect.
pub fn changes(document: &Value, effect: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for (at, statement) in document["Statement"].as_array().expect("a list").iter().enumerate() {
        if statement["Effect"] != effect {
            continue;
        }
        let sid = statement["Sid"].as_str().expect("each has a name");
        let change = |action: &str, what: String, instead: Vec<Value>| {
            let mut document = document.clone();
            let statements = document["Statement"].as_array_mut().expect("a list");
            statements.splice(at..=at, instead);
            Change { sid: sid.to_owned(), action: action.to_owned(), what, document }
        };
        let principals = statement.get("Principal").map_or_else(Vec::new, |all| list(&all["AWS"]));
        for action in list(&statement["Action"]) {
            if principals.is_empty() {
                changes.push(change(&action, "it".to_owned(), but(statement, &action, None)));
            }
            for principal in &principals {
                let what = format!("the right of {principal}");
                changes.push(change(&action, what, but(statement, &action, Some(principal))));
            }
        }
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().expect("keys") {
                let values = values.as_array().map_or(&[][..], Vec::as_slice);
                for (left_out, value) in values.iter().enumerate() {
                    let mut less = statement.clone();
                    let list = less["Condition"][operator][key].as_array_mut().expect("a list");
                    list.remove(left_out);
                    let what = format!("{value} of {operator} {key}");
                    changes.push(change("", what, vec![less]));
                }
            }
        }
    }
    changes
}

/// A statement without an action, or without it for one principal.
fn but(statement: &Value, action: &str, principal: Option<&String>) -> Vec<Value> {
    let mut left = Vec::new();
    let mut less = statement.clone();
    let actions: Vec<String> =
        list(&statement["Action"]).into_iter().filter(|one| one != action).collect();
    less["Action"] = json!(actions);
    if !actions.is_empty() {
        left.push(less);
    }
    if let Some(principal) = principal {
        let others: Vec<String> = list(&statement["Principal"]["AWS"])
            .into_iter()
            .filter(|one| one != principal)
            .collect();
        if !others.is_empty() {
            let mut of_others = statement.clone();
            of_others["Action"] = json!([action]);
            of_others["Principal"] = json!({"AWS": others});
            left.push(of_others);
        }
    }
    left
}
