//! The policies as an operator has them: made by `keys/create-keys.sh`, not by this test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::policy::{Policy, Principal};
use crate::support::text;

pub const ROLES: [&str; 6] = ["loader", "unmasker", "rotator", "init", "auditor", "admin"];
/// The three keys.
pub const HOLDERS: [&str; 3] = ["ingest", "recovery", "audit"];
const ACCOUNT: &str = "000000000000";
pub const ISSUER: &str = "oidc.eks.us-east-1.amazonaws.com/id/A1B2";
pub const CLUSTER: &str = "arn:aws:eks:us-east-1:000000000000:cluster/logins";

/// What the script made.
#[derive(Clone)]
pub struct Shipped {
    /// The ARN of each key.
    pub keys: BTreeMap<String, String>,
    /// Other ingest and recovery keys, with the same policies: for `keys rewrap`.
    pub others: BTreeMap<String, String>,
    /// The policy of each key, as KMS has it.
    pub key_policies: BTreeMap<String, Value>,
    /// The IAM policy of each role.
    pub iam: BTreeMap<String, Value>,
    /// Who may assume which role, by the name of the file.
    pub trust: BTreeMap<String, Value>,
    pub queue: String,
    pub dead_letters: String,
}

pub fn role(name: &str) -> Principal {
    Principal::Aws(format!("arn:aws:iam::{ACCOUNT}:role/loginetl-{name}"))
}

pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

pub fn alias(holder: &str) -> String {
    format!("alias/rights-{holder}-{}", std::process::id())
}

impl Shipped {
    /// Runs the script, with all that it can be told.
    pub async fn make(queue: String, dead_letters: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        run_script(folder.path(), &queue, &dead_letters);
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let kms = aws_sdk_kms::Client::new(&config);
        let (mut keys, mut key_policies) = (BTreeMap::new(), BTreeMap::new());
        let mut others = BTreeMap::new();
        for holder in HOLDERS {
            let found = kms.describe_key().key_id(alias(holder)).send().await.expect("a key");
            let arn = found.key_metadata.expect("a key").arn.expect("an ARN");
            let request = kms.get_key_policy().key_id(&arn).policy_name("default");
            let policy = request.send().await.expect("a policy").policy.expect("a policy");
            if holder != "audit" {
                let other = kms.create_key().policy(&policy).send().await.expect("a key");
                let other = other.key_metadata.expect("a key").arn.expect("an ARN");
                others.insert(holder.to_owned(), other);
            }
            keys.insert(holder.to_owned(), arn);
            key_policies
                .insert(holder.to_owned(), serde_json::from_str(&policy).expect("a policy"));
        }
        let iam = documents(folder.path());
        let trust = documents(&folder.path().join("trust"));
        Self { keys, others, key_policies, iam, trust, queue, dead_letters }
    }

    /// Which of the three keys an ARN is, or is the other of.
    pub fn holder(&self, arn: &str) -> &str {
        let named = self.keys.iter().chain(&self.others).find(|(_, key)| *key == arn);
        named.unwrap_or_else(|| panic!("no key of ours: {arn}")).0
    }

    /// What hangs on a role: its policy, and the same for the other keys.
    pub fn identity(&self, name: &str) -> Vec<Policy> {
        let Some(document) = self.iam.get(name) else { return Vec::new() };
        let mut text = document.to_string();
        for (holder, other) in &self.others {
            text = text.replace(&self.keys[holder], other);
        }
        let other: Value = serde_json::from_str(&text).expect("JSON");
        [document, &other].into_iter().map(|one| Policy::identity(one).expect("known")).collect()
    }

    /// The policy that hangs on a key.
    pub fn key_policy(&self, arn: &str) -> Policy {
        Policy::key(&self.key_policies[self.holder(arn)]).expect("known")
    }

    /// The same without key policies of our own: each key has what a new one gets.
    /// docs.aws.amazon.com/kms/latest/developerguide/key-policy-default
    pub fn without_key_policies(&self) -> Self {
        let default = json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [
            {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Action": "kms:*",
             "Resource": "*", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]});
        let key_policies = HOLDERS.map(|holder| (holder.to_owned(), default.clone()));
        Self { key_policies: key_policies.into(), ..self.clone() }
    }
}

fn run_script(folder: &Path, queue: &str, dead_letters: &str) {
    let mut script = Command::new("bash");
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh"));
    script.arg("--print-iam").arg(folder);
    script.args(["--queue-arn", queue, "--dead-letter-queue-arn", dead_letters]);
    script.args(["--oidc-provider", ISSUER, "--cluster-arn", CLUSTER]);
    for holder in HOLDERS {
        script.arg(format!("--{holder}-alias")).arg(alias(holder));
    }
    for name in ROLES {
        let Principal::Aws(arn) = role(name) else { unreachable!("a role") };
        script.arg(format!("--{name}-role")).arg(arn);
    }
    let output = script.output().expect("bash runs");
    assert!(output.status.success(), "{}", text(&output));
}

/// The JSON files of a folder, by their name.
fn documents(folder: &Path) -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it").path());
    let json = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    json.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        (name, serde_json::from_str(&text).expect("JSON"))
    })
    .collect()
}
