//! What the commands ask of AWS is what the policies allow, and nothing that they allow
//! is needed by nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::policy::{Decision, Policy, Principal, Request, decide};
use crate::recording::{Recording, recording};
use crate::shipped::{HOLDERS, Shipped};

/// The policies, read.
pub struct Rules {
    identity: BTreeMap<String, Vec<Policy>>,
    keys: BTreeMap<String, Policy>,
}

impl Rules {
    pub fn of(shipped: &Shipped) -> Self {
        let keys = shipped.keys.values().chain(shipped.others.values());
        Self {
            identity: shipped.iam.keys().map(|r| (r.clone(), shipped.identity(r))).collect(),
            keys: keys.map(|arn| (arn.clone(), shipped.key_policy(arn))).collect(),
        }
    }

    /// The policies that hang on a role.
    pub fn identity(&self, role: &str) -> Vec<Policy> {
        self.identity.get(role).cloned().unwrap_or_default()
    }

    /// What they say of a request of whoever has these IAM policies.
    pub fn judge(&self, identity: &[Policy], request: &Request) -> Decision {
        decide(request, identity, self.keys.get(&request.resource)).expect("known")
    }

    fn allow(&self, role: &str, request: &Request) -> bool {
        let none = Vec::new();
        self.judge(self.identity.get(role).unwrap_or(&none), request).is_allowed()
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
            let decision = rules.judge(&rules.identity(&role), &request);
            assert!(
                decision.is_allowed(),
                "key policies: {name}; {role}: {request:?}: {decision:?}"
            );
        }
    }
    let roles: BTreeSet<&str> = recording.calls.iter().map(|call| call.role.as_str()).collect();
    assert_eq!(roles, ["auditor", "init", "loader", "rotator", "unmasker"].into(), "who calls AWS");
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

#[test]
fn with_the_roles_in_another_account_both_policies_are_needed_and_both_allow() {
    let recording = recording();
    let mut shipped = recording.shipped.clone();
    let away = |text: &str| text.replace("iam::000000000000:role", "iam::444455556666:role");
    for policy in shipped.key_policies.values_mut() {
        *policy = serde_json::from_str(&away(&policy.to_string())).expect("JSON");
    }
    let rules = Rules::of(&shipped);
    for (role, mut request) in requests(recording) {
        let Principal::Aws(arn) = &request.principal else { unreachable!("a role") };
        request.principal = Principal::Aws(away(arn));
        if request.action.starts_with("kms:") {
            assert!(rules.judge(&rules.identity(&role), &request).is_allowed(), "{request:?}");
            assert!(!rules.judge(&[], &request).is_allowed(), "{request:?}");
        }
    }
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
    let is_needed = |shipped: &Shipped, service: &str| {
        let rules = Rules::of(shipped);
        let mut all = requests.iter().filter(|(_, request)| request.action.starts_with(service));
        all.any(|(role, request)| !rules.allow(role, request))
    };
    // Our key policies decide alone, and without them IAM policies do.
    let shipped = Shipped { iam: BTreeMap::new(), ..recording.shipped.clone() };
    let without = recording.shipped.without_key_policies();
    assert!(!is_needed(&shipped, "kms:") && !is_needed(&without, ""), "nothing is broken yet");
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
        for change in changes(&shipped.key_policies[holder]) {
            let mut changed = shipped.clone();
            changed.key_policies.insert(holder.to_owned(), change.document.clone());
            look(holder, &change, is_needed(&changed, "kms:"));
        }
    }
    for (role, document) in &without.iam {
        for change in changes(document) {
            let mut changed = without.clone();
            changed.iam.insert(role.clone(), change.document.clone());
            look(role, &change, is_needed(&changed, ""));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), SPARE.len(), "what is spare stands in a policy: {used:?}");
    assert!(tried > 150, "{tried} things were taken out");
}

/// A policy from which one thing was taken.
struct Change {
    sid: String,
    action: String,
    what: String,
    document: Value,
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

fn changes(document: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for (at, statement) in document["Statement"].as_array().expect("a list").iter().enumerate() {
        if statement["Effect"] != "Allow" {
            continue;
        }
        let sid = statement["Sid"].as_str().expect("each has a name");
        let change = |action: &str, what: String, instead: Vec<Value>| {
            let mut document = document.clone();
            let statements = document["Statement"].as_array_mut().expect("a list");
            statements.splice(at..=at, instead);
            Change { sid: sid.to_owned(), action: action.to_owned(), what, document }
        };
        let principals = statement.get("Principal").map_or(Vec::new(), |all| list(&all["AWS"]));
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
