//! Who may assume a role: one service account of one cluster, or tasks of this account.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::{Policy, Principal, Request, decide};
use crate::recording::recording;
use crate::shipped::{CLUSTER, ISSUER, queue_arn, role};

fn trust(name: &str) -> Policy {
    Policy::trust(&recording().shipped.trust[name]).expect("known")
}

fn arn(name: &str) -> String {
    match role(name) {
        Principal::Aws(arn) => arn,
        _ => unreachable!("a role"),
    }
}

fn provider(issuer: &str) -> Principal {
    Principal::Federated(format!("arn:aws:iam::000000000000:oidc-provider/{issuer}"))
}

/// Whose pods a role is for.
fn service_account(name: &str) -> (&'static str, String) {
    match name {
        "scaler" => ("keda", "keda-operator".to_owned()),
        _ => ("loginetl", format!("loginetl-{name}")),
    }
}

const ASSUMED: [&str; 7] = ["loader", "unmasker", "rotator", "init", "auditor", "masker", "scaler"];

/// Whether a token of this cluster with these claims lets its bearer into the role.
fn lets_token(name: &str, issuer: &str, sub: Option<&str>, aud: Option<&str>) -> bool {
    let action = "sts:AssumeRoleWithWebIdentity";
    let mut request = Request::new(&provider(issuer), action, &arn(name));
    for (claim, value) in [("sub", sub), ("aud", aud)] {
        if let Some(value) = value {
            request = request.with(&format!("{issuer}:{claim}"), value).expect("known");
        }
    }
    let policy = trust(&format!("{name}-irsa"));
    decide(&request, &[], Some(&policy)).expect("known").is_allowed()
}

#[test]
fn by_irsa_one_service_account_of_one_cluster_may_assume_a_role() {
    for name in ASSUMED {
        let (namespace, account) = service_account(name);
        let sub =
            |namespace: &str, account: &str| format!("system:serviceaccount:{namespace}:{account}");
        let right = sub(namespace, &account);
        let sts = Some("sts.amazonaws.com");
        assert!(lets_token(name, ISSUER, Some(&right), sts), "{name}");
        let another = ISSUER.replace("A1B2", "C3D4");
        for (issuer, sub, aud, what) in [
            (ISSUER, Some(sub("default", &account)), sts, "another namespace"),
            (ISSUER, Some(sub(namespace, "default")), sts, "another service account"),
            (ISSUER, Some(sub(namespace, &format!("{account}x"))), sts, "a longer name"),
            (ISSUER, Some(sub(namespace, "*")), sts, "a star"),
            (ISSUER, Some(right.to_uppercase()), sts, "other letters"),
            (ISSUER, None, sts, "no sub"),
            (ISSUER, Some(right.clone()), Some("vault"), "another audience"),
            (ISSUER, Some(right.clone()), None, "no audience"),
            (another.as_str(), Some(right.clone()), sts, "another cluster"),
        ] {
            assert!(!lets_token(name, issuer, sub.as_deref(), aud), "{name}: {what}");
        }
        for other in ASSUMED.into_iter().filter(|other| *other != name) {
            assert!(!lets_token(other, ISSUER, Some(&right), sts), "{name} is not {other}");
        }
    }
}

#[test]
fn by_irsa_nobody_may_assume_a_role_without_a_token() {
    let policy = trust("loader-irsa");
    for principal in [
        role("loader"),
        role("admin"),
        Principal::Aws("arn:aws:iam::000000000000:root".to_owned()),
        Principal::Service("pods.eks.amazonaws.com".to_owned()),
    ] {
        let request = Request::new(&principal, "sts:AssumeRole", &arn("loader"));
        let decision = decide(&request, &[], Some(&policy)).expect("known");
        assert!(!decision.is_allowed(), "{principal:?}");
    }
}

/// Whether a service may do this for pods with these tags.
fn lets_pod(name: &str, service: &str, action: &str, tags: &[(&str, &str)]) -> bool {
    let principal = Principal::Service(service.to_owned());
    let request = Request::new(&principal, action, &arn(name)).with_tags(tags).expect("known");
    let policy = trust(&format!("{name}-pod-identity"));
    decide(&request, &[], Some(&policy)).expect("known").is_allowed()
}

#[test]
fn by_pod_identity_one_service_account_of_one_cluster_may_assume_a_role() {
    const EKS: &str = "pods.eks.amazonaws.com";
    for name in ASSUMED {
        let (namespace, account) = service_account(name);
        let right = [
            ("eks-cluster-arn", CLUSTER),
            ("kubernetes-namespace", namespace),
            ("kubernetes-service-account", account.as_str()),
        ];
        for action in ["sts:AssumeRole", "sts:TagSession"] {
            assert!(lets_pod(name, EKS, action, &right), "{name}: {action}");
            assert!(!lets_pod(name, "ec2.amazonaws.com", action, &right), "another service");
            assert!(!lets_pod(name, EKS, action, &[]), "no tags: the association has none");
            for at in 0..right.len() {
                let mut odd = right.to_vec();
                odd[at].1 = "default";
                assert!(!lets_pod(name, EKS, action, &odd), "{name}: another {}", right[at].0);
                odd.remove(at);
                assert!(!lets_pod(name, EKS, action, &odd), "{name}: no {}", right[at].0);
            }
        }
        assert!(!lets_pod(name, EKS, "sts:AssumeRoleWithWebIdentity", &right));
    }
}

#[test]
fn tasks_of_this_account_and_region_may_assume_a_role() {
    let policy = trust("ecs-tasks");
    let lets = |service: &str, account: Option<&str>, source: Option<&str>| {
        let principal = Principal::Service(service.to_owned());
        let mut request = Request::new(&principal, "sts:AssumeRole", &arn("loader"));
        for (key, value) in [("aws:SourceAccount", account), ("aws:SourceArn", source)] {
            if let Some(value) = value {
                request = request.with(key, value).expect("known");
            }
        }
        decide(&request, &[], Some(&policy)).expect("known").is_allowed()
    };
    let (ecs, own) = ("ecs-tasks.amazonaws.com", Some("000000000000"));
    let task = Some("arn:aws:ecs:us-east-1:000000000000:task/logins/1");
    assert!(lets(ecs, own, task));
    assert!(!lets("ec2.amazonaws.com", own, task), "another service");
    assert!(!lets(ecs, Some("444455556666"), task), "another account");
    assert!(!lets(ecs, None, task) && !lets(ecs, own, None), "nobody says for whom");
    for other in ["us-east-1:444455556666:task/1", "eu-west-1:000000000000:task/1"] {
        assert!(!lets(ecs, own, Some(&format!("arn:aws:ecs:{other}"))), "{other}");
    }
}

#[test]
fn no_trust_policy_takes_names_by_pattern() {
    let trust = &recording().shipped.trust;
    assert_eq!(trust.len(), ASSUMED.len() * 2 + 1, "{:?}", trust.keys());
    for (name, policy) in trust {
        for statement in policy["Statement"].as_array().expect("a list") {
            let operators = statement["Condition"].as_object().expect("conditions").keys();
            let known = ["StringEquals", "ArnLike"];
            assert!(operators.into_iter().all(|o| known.contains(&o.as_str())), "{name}");
            let stars = statement["Condition"]["StringEquals"].to_string().contains('*');
            assert!(!stars && !statement["Principal"].to_string().contains('*'), "{name}");
        }
    }
}

#[test]
fn the_scaler_may_ask_for_the_depth_of_the_queue_and_nothing_else() {
    let shipped = &recording().shipped;
    let identity = shipped.identity("scaler");
    let lets = |action: &str, queue: &str| {
        let request = Request::new(&role("scaler"), action, queue);
        decide(&request, &identity, None).expect("known").is_allowed()
    };
    assert!(lets("sqs:GetQueueAttributes", &shipped.queue));
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueUrl", "ListQueues", "SendMessage"] {
        assert!(!lets(&format!("sqs:{action}"), &shipped.queue), "{action}");
    }
    assert!(!lets("sqs:GetQueueAttributes", &queue_arn("another")));
}

/// What administers a key and uses it for nothing; of a signing key there is no rotation.
const ADMINISTRATION: [&str; 19] = [
    "DescribeKey",
    "GetKeyPolicy",
    "PutKeyPolicy",
    "ListKeyPolicies",
    "EnableKey",
    "DisableKey",
    "UpdateKeyDescription",
    "CreateAlias",
    "UpdateAlias",
    "DeleteAlias",
    "TagResource",
    "UntagResource",
    "ListResourceTags",
    "ReplicateKey",
    "UpdatePrimaryRegion",
    "ListGrants",
    "RevokeGrant",
    "ScheduleKeyDeletion",
    "CancelKeyDeletion",
];
const OF_ROTATION: [&str; 5] = [
    "EnableKeyRotation",
    "DisableKeyRotation",
    "GetKeyRotationStatus",
    "ListKeyRotations",
    "RotateKeyOnDemand",
];

#[test]
fn whoever_administers_keys_may_do_this_and_no_more() {
    let shipped = &recording().shipped;
    for (holder, policy) in &shipped.key_policies {
        let own = if holder == "audit" { &["GetPublicKey"][..] } else { &OF_ROTATION };
        let actions = ADMINISTRATION.iter().chain(own).map(|action| format!("kms:{action}"));
        let expected: BTreeSet<String> = actions.collect();
        let statements = policy["Statement"].as_array().expect("a list");
        let statement = statements.iter().find(|s| s["Sid"] == "AdministerNeverUse").expect("it");
        let said = statement["Action"].as_array().expect("a list").iter();
        let said: BTreeSet<String> =
            said.map(|action| action.as_str().expect("text").to_owned()).collect();
        assert_eq!(said, expected, "{holder}");
        let key = &shipped.keys[holder];
        for action in &expected {
            let lets = |principal: &Principal, identity: &[Policy]| {
                let request = Request::new(principal, action, key);
                let policy = shipped.key_policy(key);
                decide(&request, identity, Some(&policy)).expect("known").is_allowed()
            };
            assert!(lets(&role("admin"), &[]), "{holder}: {action}");
            let other = Principal::Aws("arn:aws:iam::000000000000:role/other".to_owned());
            assert!(!lets(&other, &[]), "{holder}: {action}: its IAM policies decide");
            assert!(lets(&other, &[crate::cases::all_of_kms()]), "{holder}: {action}");
        }
    }
    let documents: Vec<&Value> = shipped.iam.values().collect();
    assert_eq!(documents.len(), 7, "a policy for each role that runs something, and the scaler");
}
