//! The evaluator itself: who may do what by which policies, by the rules of AWS' pages.
//!
//! `EVAL`: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic
//! (and its pages on one account and on several); `PRINCIPAL`: …_elements_principal;
//! `RESOURCE`: …_elements_resource; `ACTION`: …_elements_action; `KEYS`:
//! docs.aws.amazon.com/kms/latest/developerguide/key-policies and key-policy-default.

use serde_json::{Value, json};

use crate::policy::{Decision, Policy, Principal, Request, Unknown, decide};

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1";
const QUEUE: &str = "arn:aws:sqs:eu-central-1:111122223333:login-queue";
const ROLE: &str = "arn:aws:iam::111122223333:role/loader";
const STRANGER: &str = "arn:aws:iam::444455556666:role/loader";

pub fn statement(fields: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [fields]})
}

fn identity(effect: &str, action: &str, resource: &str) -> Policy {
    let fields = json!({"Sid": "I", "Effect": effect, "Action": action, "Resource": resource});
    Policy::identity(&statement(&fields)).expect("known")
}

fn key(effect: &str, principal: &Value, action: &str) -> Policy {
    let fields = json!({"Sid": "K", "Effect": effect, "Principal": principal, "Action": action,
                        "Resource": "*"});
    Policy::key(&statement(&fields)).expect("known")
}

fn decrypt(arn: &str) -> Request {
    Request::new(&Principal::Aws(arn.to_owned()), "kms:Decrypt", KEY)
}

fn of_key(arn: &str, identity: &[Policy], key: &Policy) -> Decision {
    decide(&decrypt(arn), identity, Some(key)).expect("known")
}

#[test]
fn in_one_account_a_key_policy_that_names_the_role_is_enough() {
    // KEYS: a key policy may allow by itself; an IAM policy may not.
    let names = key("Allow", &json!({"AWS": ROLE}), "kms:Decrypt");
    assert!(of_key(ROLE, &[], &names).is_allowed());
    let other = key("Allow", &json!({"AWS": "arn:aws:iam::111122223333:role/x"}), "kms:Decrypt");
    let allows = identity("Allow", "kms:*", "*");
    assert_eq!(
        of_key(ROLE, std::slice::from_ref(&allows), &other),
        Decision::NotAllowed("the resource's policy"),
        "without leave of the key policy, IAM policies have no effect"
    );
    let everybody = key("Allow", &json!("*"), "kms:Decrypt");
    assert!(of_key(ROLE, &[], &everybody).is_allowed());
}

#[test]
fn a_key_policy_that_trusts_the_account_leaves_it_to_iam() {
    // KEYS, "Allows access to the AWS account and enables IAM policies".
    let allows = identity("Allow", "kms:Decrypt", KEY);
    for account in ["arn:aws:iam::111122223333:root", "111122223333"] {
        let trusts = key("Allow", &json!({"AWS": account}), "kms:*");
        assert!(of_key(ROLE, std::slice::from_ref(&allows), &trusts).is_allowed());
        assert_eq!(of_key(ROLE, &[], &trusts), Decision::NotAllowed("an IAM policy"));
        let root = "arn:aws:iam::111122223333:root";
        assert!(of_key(root, &[], &trusts).is_allowed(), "the root user is the account");
        let partly = key("Allow", &json!({"AWS": account}), "kms:DescribeKey");
        assert!(!of_key(ROLE, std::slice::from_ref(&allows), &partly).is_allowed());
    }
}

#[test]
fn another_account_needs_both_policies() {
    // EVAL, "Cross-account policy evaluation logic".
    let allows = identity("Allow", "kms:Decrypt", KEY);
    for principal in [STRANGER, "arn:aws:iam::444455556666:root"] {
        let lets = key("Allow", &json!({"AWS": principal}), "kms:Decrypt");
        assert!(of_key(STRANGER, std::slice::from_ref(&allows), &lets).is_allowed());
        assert_eq!(
            of_key(STRANGER, &[], &lets),
            Decision::NotAllowed("a policy of the other account")
        );
    }
    let own = key("Allow", &json!({"AWS": "111122223333"}), "kms:*");
    assert!(!of_key(STRANGER, &[allows], &own).is_allowed());
}

#[test]
fn a_deny_of_either_policy_wins() {
    // EVAL: "an explicit deny overrides an explicit allow".
    let allows = identity("Allow", "kms:*", "*");
    let names = key("Allow", &json!({"AWS": ROLE}), "kms:*");
    let denies = identity("Deny", "kms:Decrypt", KEY);
    assert_eq!(of_key(ROLE, &[allows.clone(), denies], &names), Decision::Denied("I".to_owned()));
    for principal in
        [json!("*"), json!({"AWS": "*"}), json!({"AWS": ROLE}), json!({"AWS": "111122223333"})]
    {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*", "Resource": "*"},
            {"Sid": "D", "Effect": "Deny", "Principal": principal, "Action": "kms:Decrypt",
             "Resource": "*"}]});
        let policy = Policy::key(&document).expect("known");
        let decision = of_key(ROLE, std::slice::from_ref(&allows), &policy);
        assert_eq!(decision, Decision::Denied("D".to_owned()), "{principal}");
    }
}

#[test]
fn a_queue_without_a_policy_is_for_iam_to_decide() {
    // EVAL, "Policy evaluation for requests within a single account".
    let request = Request::new(&Principal::Aws(ROLE.to_owned()), "sqs:ReceiveMessage", QUEUE);
    let decided = |policies: &[Policy]| decide(&request, policies, None).expect("known");
    assert!(decided(&[identity("Allow", "sqs:ReceiveMessage", QUEUE)]).is_allowed());
    for (action, resource) in
        [("sqs:DeleteMessage", QUEUE), ("sqs:*", &QUEUE.replace("login", "x"))]
    {
        assert!(!decided(&[identity("Allow", action, resource)]).is_allowed(), "{action}");
    }
    assert!(!decided(&[]).is_allowed(), "what nobody allows is denied");
}

#[test]
fn actions_match_without_regard_to_case_and_resources_part_by_part() {
    // ACTION and RESOURCE: wildcards * and ?; each part of an ARN by itself.
    let covers = |action: &str, resource: &str| {
        let policies = [identity("Allow", action, resource)];
        let trusts = key("Allow", &json!({"AWS": "111122223333"}), "kms:*");
        of_key(ROLE, &policies, &trusts).is_allowed()
    };
    for action in ["kms:Decrypt", "KMS:decrypt", "kms:*", "*", "kms:De*", "kms:?ecrypt"] {
        assert!(covers(action, "*"), "{action}");
    }
    for action in ["kms:Encrypt", "sqs:*", "kms:Decrypt?", "kms:Decryp"] {
        assert!(!covers(action, "*"), "{action}");
    }
    for resource in [KEY, "arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:*:*:*"] {
        assert!(covers("kms:Decrypt", resource), "{resource}");
    }
    for resource in [
        "arn:aws:kms:eu-central-1:111122223333:key/2",
        "arn:aws:kms:eu-central-1:111122223333:KEY/1",
        "arn:aws:kms:*:444455556666:key/1",
    ] {
        assert!(!covers("kms:Decrypt", resource), "{resource}");
    }
}

#[test]
fn not_action_is_all_but_these() {
    // docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction
    let fields = json!({"Sid": "N", "Effect": "Deny", "NotAction": "kms:Decrypt", "Resource": "*"});
    let deny = Policy::identity(&statement(&fields)).expect("known");
    let names = key("Allow", &json!({"AWS": ROLE}), "kms:*");
    assert!(of_key(ROLE, std::slice::from_ref(&deny), &names).is_allowed());
    let encrypt = Request::new(&Principal::Aws(ROLE.to_owned()), "kms:Encrypt", KEY);
    let decision = decide(&encrypt, &[deny], Some(&names)).expect("known");
    assert_eq!(decision, Decision::Denied("N".to_owned()));
}

#[test]
fn what_the_evaluator_does_not_know_it_refuses() {
    let refused = |place: fn(&Value) -> Result<Policy, Unknown>, fields: &Value| {
        assert!(place(&statement(fields)).is_err(), "{fields}");
    };
    let base = json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"});
    let with = |name: &str, value: Value| {
        let mut changed = base.clone();
        changed[name] = value;
        changed
    };
    for (name, value) in [
        ("NotResource", json!("*")),
        ("NotPrincipal", json!("*")),
        ("NotAction", json!("*")),
        ("Principal", json!("*")),
        ("Effect", json!("Maybe")),
        ("Resource", json!([])),
        ("Resource", json!("arn:aws:kms*key/1")),
        ("Resource", json!("arn:aws:kms:*")),
        ("Resource", json!("arn:aws:kms:eu-central-1:111122223333")),
        ("Resource", json!(["*", "key/1"])),
        ("Condition", json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*"}})),
        ("Condition", json!({"StringEquals": {"aws:PrincipalTag/team": "a"}})),
        ("Action", json!("kms:${aws:username}")),
        ("Resource", json!("arn:aws:kms:*:*:${aws:username}")),
        ("Condition", json!({"NumericEquals": {"aws:PrincipalArn": "1"}})),
        ("Condition", json!({"stringequals": {"aws:PrincipalArn": "1"}})),
        ("Condition", json!({"ForSomeValues:StringEquals": {"aws:TagKeys": "a"}})),
        ("Condition", json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}})),
        ("Condition", json!({"StringEquals": {"kms:EncryptionContextKeys": "app"}})),
        ("Condition", json!({"ForAllValues:StringEqualsIfExists": {"aws:TagKeys": "a"}})),
        ("Condition", json!({"NullIfExists": {"aws:TagKeys": "true"}})),
        ("Condition", json!({"Bool": {"kms:ReEncryptOnSameKey": "yes"}})),
        ("Condition", json!({"StringEquals": {"aws:PrincipalArn": []}})),
    ] {
        refused(Policy::identity, &with(name, value));
    }
    for principal in [
        json!({"AWS": "arn:aws:iam::111122223333:role/*"}),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/loader/s"}),
        json!({"AWS": "AROAEXAMPLE"}),
        json!({"CanonicalUser": "x"}),
    ] {
        refused(Policy::key, &with("Principal", principal));
    }
    refused(Policy::key, &base);
    let old = json!({"Version": "2008-10-17", "Statement": []});
    assert!(Policy::identity(&old).is_err(), "a version without variables");
    let request =
        Request::new(&Principal::Aws(ROLE.to_owned()), "s3:GetObject", "arn:aws:s3:::b/k");
    assert!(decide(&request, &[], None).is_err(), "a service that it does not know");
    assert!(decide(&decrypt(ROLE), &[], None).is_err(), "a key without its policy");
    assert!(decrypt(ROLE).with_encryption_context([("app", "a"), ("APP", "b")]).is_err());
    let names = key("Allow", &json!("*"), "kms:*");
    for principal in [
        "arn:aws:sts::111122223333:assumed-role/loader/s",
        "arn:aws:sts::111122223333:federated-user/x",
        "arn:aws:iam::444455556666:root",
        "loader",
    ] {
        assert!(decide(&decrypt(principal), &[], Some(&names)).is_err(), "{principal}");
    }
    assert!(decrypt(ROLE).with("aws:CurrentTime", "now").is_err());
}
