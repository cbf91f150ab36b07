//! The key script: three keys of the right kind, policies of least privilege, and no harm
//! in running it again.

use std::path::Path;
use std::process::{Command, Output};

use aws_sdk_kms::Client;
use serde_json::Value;

use crate::support::text;

/// The six that are needed.
const ROLES: [&str; 6] = ["loader", "unmasker", "rotator", "init", "auditor", "admin"];
const HOLDERS: [&str; 3] = ["ingest", "recovery", "audit"];

fn role(name: &str) -> String {
    format!("arn:aws:iam::000000000000:role/loginetl-{name}")
}

/// Runs the script for aliases of this test's own, with the six roles and others.
fn create_keys(suffix: &str, iam: &Path, others: &[&str]) -> Output {
    let mut command = Command::new("bash");
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh"))
        .arg("--print-iam")
        .arg(iam);
    for holder in HOLDERS {
        command.arg(format!("--{holder}-alias")).arg(alias(holder, suffix));
    }
    for name in ROLES.iter().chain(others) {
        command.arg(format!("--{name}-role")).arg(role(name));
    }
    command.output().expect("bash runs")
}

fn alias(holder: &str, suffix: &str) -> String {
    format!("alias/loginetl-{holder}-{suffix}")
}

/// The actions that a policy's statements of one effect give to a role (of a key policy)
/// or at all (of a role's policy).
fn actions(policy: &Value, effect: &str, principal: Option<&str>) -> Vec<String> {
    let list = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        other => other
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    };
    let statements = policy["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .filter(|s| s["Effect"] == effect);
    let meant = statements
        .filter(|s| principal.is_none_or(|p| list(&s["Principal"]["AWS"]).contains(&role(p))));
    meant.flat_map(|s| list(&s["Action"])).collect()
}

async fn kms() -> Client {
    Client::new(&aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await)
}

async fn key_policy(kms: &Client, key: &str) -> Value {
    let policy = kms.get_key_policy().key_id(key).policy_name("default").send().await;
    let policy = policy.expect("a policy").policy.expect("a policy");
    serde_json::from_str(&policy).expect("JSON")
}

/// The policies of the keys of a suffix, as KMS has them.
async fn key_policies(suffix: &str) -> Vec<Value> {
    let kms = kms().await;
    let mut policies = Vec::new();
    for holder in HOLDERS {
        let found = kms.describe_key().key_id(alias(holder, suffix)).send().await.expect("a key");
        policies.push(key_policy(&kms, found.key_metadata().expect("a key").key_id()).await);
    }
    policies
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_makes_three_keys_with_least_privilege_and_can_run_again() {
    let suffix = format!("t{}", std::process::id());
    let iam = tempfile::tempdir().expect("a folder");
    let first = create_keys(&suffix, iam.path(), &[]);
    assert!(first.status.success(), "{}", text(&first));
    let kms = kms().await;
    let mut policies = std::collections::HashMap::new();
    for (holder, spec, usage) in [
        ("ingest", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("recovery", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        ("audit", "ECC_NIST_P256", "SIGN_VERIFY"),
    ] {
        let described =
            kms.describe_key().key_id(alias(holder, &suffix)).send().await.expect("a key");
        let key = described.key_metadata().expect("a description");
        assert_eq!(
            (key.key_spec().map(|s| s.as_str()), key.key_usage().map(|u| u.as_str())),
            (Some(spec), Some(usage))
        );
        policies.insert(holder, key_policy(&kms, key.key_id()).await);
    }
    let allowed = |holder: &str, role: &str| actions(&policies[holder], "Allow", Some(role));
    assert!(allowed("ingest", "loader").contains(&"kms:Decrypt".to_owned()));
    for (holder, name, never) in [
        ("ingest", "loader", "kms:Encrypt"),
        ("recovery", "loader", "kms:Decrypt"),
        ("audit", "loader", "kms:Sign"),
        ("audit", "auditor", "kms:Sign"),
        ("ingest", "unmasker", "kms:Decrypt"),
        ("ingest", "admin", "kms:Decrypt"),
    ] {
        assert!(
            !allowed(holder, name).contains(&never.to_owned()),
            "{name} must not {never} with the {holder} key"
        );
    }
    assert!(allowed("recovery", "unmasker").contains(&"kms:Decrypt".to_owned()));
    for holder in ["ingest", "recovery"] {
        let conditions = policies[holder].to_string();
        assert!(
            conditions.contains("kms:EncryptionContext:app")
                && conditions.contains("kms:EncryptionContext:holder"),
            "{holder}"
        );
    }
    for name in ROLES.iter().filter(|name| **name != "admin") {
        let file = std::fs::read_to_string(iam.path().join(format!("{name}.json")))
            .expect("a policy for each role");
        let policy: Value = serde_json::from_str(&file).expect("JSON");
        assert!(!file.contains("${"), "{name}: every placeholder is filled in");
        assert!(
            actions(&policy, "Allow", None).iter().all(|action| !action.contains('*')),
            "{name}: no wildcard of actions"
        );
    }
    let again = create_keys(&suffix, iam.path(), &[]);
    assert!(again.status.success(), "{}", text(&again));
    let listed = kms.list_aliases().limit(1000).send().await.expect("aliases");
    let ours = listed
        .aliases()
        .iter()
        .filter(|a| a.alias_name().is_some_and(|n| n.ends_with(&suffix)))
        .count();
    assert_eq!(ours, 3, "a second run makes no more keys");
}

/// Who named six roles before there was a seventh gets the policies that there were; the
/// same keys take it up, and lose it again.
#[tokio::test(flavor = "multi_thread")]
async fn the_masker_stands_in_the_key_policies_of_those_alone_who_name_it() {
    let suffix = format!("m{}", std::process::id());
    let iam = tempfile::tempdir().expect("a folder");
    let mut seen = Vec::new();
    for others in [&[][..], &["masker"], &[]] {
        let output = create_keys(&suffix, iam.path(), others);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output).contains("no --masker-role"), others.is_empty());
        let printed = std::fs::read_to_string(iam.path().join("masker.json")).expect("a policy");
        assert!(printed.contains("UnwrapForMasking"), "{printed}");
        seen.push(key_policies(&suffix).await);
    }
    assert_eq!(seen[0], seen[2], "a run without it takes it away, and nothing else");
    let statements = |policy: &Value| policy["Statement"].as_array().expect("a list").clone();
    let mut added = Vec::new();
    for ((without, with), holder) in seen[0].iter().zip(&seen[1]).zip(HOLDERS) {
        let (its, others): (Vec<Value>, Vec<Value>) = statements(with)
            .into_iter()
            .partition(|statement| statement["Principal"]["AWS"] == role("masker"));
        assert_eq!(others, statements(without), "{holder}: all else stays");
        assert!(!without.to_string().contains(&role("masker")), "{holder}");
        assert_eq!(its.len(), 1, "{holder}");
        added.extend(its);
    }
    let sids: Vec<_> = added.iter().map(|its| its["Sid"].as_str().expect("a name")).collect();
    assert_eq!(sids, ["MaskerUnwraps", "MaskerNever", "MaskerNeverSigns"]);
    let purposes = &added[0]["Condition"]["StringEquals"]["kms:EncryptionContext:purpose"];
    assert_eq!(*purposes, serde_json::json!(["mask", "hash"]), "not what seals");
}

/// The seventh role goes with the six, and is none of them.
#[test]
fn the_script_refuses_a_masker_alone_and_one_that_is_another_role() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh");
    let refused = |masker: &str, others: &[&str], word: &str| {
        let mut command = Command::new("bash");
        command.arg(script).arg("--masker-role").arg(role(masker));
        for name in others {
            command.arg(format!("--{name}-role")).arg(role(name));
        }
        let output = command.output().expect("bash runs");
        assert_eq!(output.status.code(), Some(2), "{masker}: {}", text(&output));
        assert!(text(&output).contains(word), "{masker}: {}", text(&output));
    };
    refused("masker", &[], "also needed: --loader-role");
    for name in ROLES {
        refused(name, &ROLES, &format!("--masker-role and --{name}-role must differ"));
    }
}

/// What the script says of flags that it refuses before it asks AWS anything.
#[test]
fn the_script_refuses_by_name_what_it_would_not_use() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh");
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let cluster = "arn:aws:eks:us-east-1:000000000000:cluster/c";
    for (args, word) in [
        (&["--queue-arn", queue][..], "--queue-arn goes with --print-iam"),
        (&["--dead-letter-queue-arn", queue], "--dead-letter-queue-arn goes with --print-iam"),
        (&["--oidc-provider", "oidc.example.com/id/A"], "--oidc-provider goes with --print-iam"),
        (&["--cluster-arn", cluster], "--cluster-arn goes with --print-iam"),
        (&["--namespace", "x"], "--namespace goes with --print-iam"),
        (&["--scaler-service-account", "a/b"], "--scaler-service-account goes with --print-iam"),
        (&["--task-regions", "eu-west-1"], "--task-regions goes with --print-iam"),
        (&["--task-regions", "eu-west-1,"], "--task-regions: not REGION,REGION"),
        (&["--account", "000000000000\nx"], "--account: not twelve digits"),
        (&["--namespace", "x\ny"], "--namespace: not a namespace"),
        (&["--scaler-service-account", "keda"], "--scaler-service-account: not NAMESPACE/NAME"),
    ] {
        let output = Command::new("bash").arg(script).args(args).output().expect("bash runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(word), "{args:?}: {}", text(&output));
    }
}

/// Roles of another account: the keys by their ARNs, trust for that account, and what the
/// flags leave out.
#[test]
fn with_roles_in_another_account_the_script_prints_arns_and_trusts_that_account() {
    let suffix = format!("o{}", std::process::id());
    let folder = tempfile::tempdir().expect("a folder");
    let run = |queue: &str, unmaskers: &str| {
        let mut script = Command::new("bash");
        script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh"));
        script.args(["--account", "000000000000", "--queue-arn", queue, "--print-iam"]);
        script.arg(folder.path()).args(["--oidc-provider", "oidc.example.com/id/A"]);
        for holder in ["ingest", "recovery", "audit"] {
            script.arg(format!("--{holder}-alias")).arg(alias(holder, &suffix));
        }
        for name in ROLES {
            let account = if name == "unmasker" { unmaskers } else { "444455556666" };
            script.arg(format!("--{name}-role"));
            script.arg(role(name).replace("000000000000", account));
        }
        script.output().expect("bash runs")
    };
    let plain = "arn:aws:sqs:us-east-1:000000000000:q";
    let refused = run(plain, "777788889999");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("--unmasker-role of 777788889999"), "{}", text(&refused));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
    for (queue, dead) in
        [(plain.to_owned(), ":q-dlq\""), (format!("{plain}.fifo"), ":q-dlq.fifo\"")]
    {
        let output = run(&queue, "444455556666");
        assert!(output.status.success(), "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for holder in ["INGEST", "RECOVERY", "AUDIT"] {
            let named = format!("LOGINETL_{holder}_KEY=arn:aws:kms:us-east-1:000000000000:key/");
            assert!(said.contains(&named), "{said}");
        }
        assert!(read("loader.json").contains(dead), "{dead}");
    }
    let irsa = read("trust/loader-irsa.json");
    assert!(irsa.contains("iam::444455556666:oidc-provider"), "{irsa}");
    assert!(irsa.contains("system:serviceaccount:loginetl:loginetl-loader"), "{irsa}");
    let scaler = read("trust/scaler-irsa.json");
    assert!(scaler.contains("system:serviceaccount:keda:keda-operator"), "{scaler}");
    let tasks = read("trust/ecs-tasks.json");
    assert!(tasks.contains("arn:aws:ecs:us-east-1:444455556666:*"), "{tasks}");
}
