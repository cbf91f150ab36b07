//! The policies as an operator has them: made by `keys/create-keys.sh`, not by this test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use serde_json::{Value, json};

use crate::policy::{Policy, Principal};
use crate::support::text;

pub const ROLES: [&str; 7] =
    ["loader", "unmasker", "rotator", "init", "auditor", "admin", "masker"];
/// The three keys.
pub const HOLDERS: [&str; 3] = ["ingest", "recovery", "audit"];
const ACCOUNT: &str = "000000000000";
pub const HOME: &str = "us-east-1";
/// Where the replicas are.
pub const AWAY: &str = "eu-west-1";
pub const ISSUER: &str = "oidc.eks.us-east-1.amazonaws.com/id/A1B2";
pub const CLUSTER: &str = "arn:aws:eks:us-east-1:000000000000:cluster/logins";

/// What the script made.
#[derive(Clone)]
pub struct Shipped {
    /// The ARN of each key.
    pub keys: BTreeMap<String, String>,
    /// Three others, multi-Region keys with replicas in [`AWAY`] and the same policies:
    /// for `keys rewrap`, and for what runs there.
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

/// The alias of the other key, in both regions.
pub fn other_alias(holder: &str) -> String {
    format!("alias/rights-other-{holder}-{}", std::process::id())
}

/// The ARN of a multi-Region key in another region.
pub fn at(region: &str, arn: &str) -> String {
    arn.replace(&format!(":{HOME}:"), &format!(":{region}:"))
}

impl Shipped {
    /// Runs the script for three new keys, and for three replicas.
    pub async fn make(queue: String, dead_letters: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        run_script(folder.path(), HOME, alias, &queue, &dead_letters);
        let iam = documents(folder.path());
        let trust = documents(&folder.path().join("trust"));
        let (home, away) = (client(HOME).await, client(AWAY).await);
        let (mut keys, mut key_policies) = (BTreeMap::new(), BTreeMap::new());
        let mut others = BTreeMap::new();
        for holder in HOLDERS {
            let found = home.describe_key().key_id(alias(holder)).send().await.expect("a key");
            let arn = found.key_metadata.expect("a key").arn.expect("an ARN");
            let policy = policy_of(&home, &arn).await;
            others.insert(holder.to_owned(), other(&home, &away, holder, &policy).await);
            key_policies.insert(holder.to_owned(), policy);
            keys.insert(holder.to_owned(), arn);
        }
        // Where the replicas are, the script finds them under their aliases.
        let folder = tempfile::tempdir().expect("a folder");
        run_script(folder.path(), AWAY, other_alias, &queue, &dead_letters);
        for (holder, other) in &others {
            let policy = policy_of(&away, &at(AWAY, other)).await;
            assert_eq!(policy, key_policies[holder], "a replica has a policy of its own");
        }
        let shipped = Self { keys, others, key_policies, iam, trust, queue, dead_letters };
        let expected = shipped.iam.values().map(|policy| shipped.for_others(policy));
        let found = documents(folder.path()).into_values();
        assert!(found.eq(expected), "one IAM policy for both regions");
        shipped
    }

    /// Whether an ARN is that of one of a holder's keys.
    pub fn is_of(&self, holder: &str, arn: &str) -> bool {
        self.find(arn) == Some(holder)
    }

    /// The IAM policy of a role, for the other keys: in whichever region.
    fn for_others(&self, policy: &Value) -> Value {
        let mut text = policy.to_string();
        for (holder, other) in &self.others {
            text = text.replace(&self.keys[holder], &at("*", other));
        }
        serde_json::from_str(&text).expect("JSON")
    }

    /// Which of the three keys an ARN is, or is the other of.
    pub fn holder(&self, arn: &str) -> &str {
        self.find(arn).unwrap_or_else(|| panic!("no key of ours: {arn}"))
    }

    fn find(&self, arn: &str) -> Option<&str> {
        let arn = arn.replace(&format!(":{AWAY}:"), &format!(":{HOME}:"));
        let named = self.keys.iter().chain(&self.others).find(|(_, key)| **key == arn);
        named.map(|(holder, _)| holder.as_str())
    }

    /// What hangs on a role: its policy, and the same for the other keys.
    pub fn identity(&self, name: &str) -> Vec<Policy> {
        let Some(document) = self.iam.get(name) else { return Vec::new() };
        let all = [document.clone(), self.for_others(document)];
        all.iter().map(|one| Policy::identity(one).expect("known")).collect()
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

async fn client(region: &'static str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region));
    Client::new(&config.load().await)
}

async fn policy_of(kms: &Client, arn: &str) -> Value {
    let request = kms.get_key_policy().key_id(arn).policy_name("default");
    let policy = request.send().await.expect("a policy").policy.expect("a policy");
    serde_json::from_str(&policy).expect("a policy")
}

/// A multi-Region key with this policy, and a replica that has the default one; an alias
/// in both regions.
async fn other(home: &Client, away: &Client, holder: &str, policy: &Value) -> String {
    let mut request = home.create_key().multi_region(true).policy(policy.to_string());
    if holder == "audit" {
        request = request.key_usage(KeyUsageType::SignVerify).key_spec(KeySpec::EccNistP256);
    }
    let key = request.send().await.expect("a key").key_metadata.expect("a key");
    let request = home.replicate_key().key_id(&key.key_id).replica_region(AWAY);
    request.send().await.expect("a replica");
    for client in [home, away] {
        let request = client.create_alias().alias_name(other_alias(holder));
        request.target_key_id(&key.key_id).send().await.expect("an alias");
    }
    key.arn.expect("an ARN")
}

/// Runs the script, with all that it can be told.
fn run_script(
    folder: &Path,
    region: &str,
    alias: fn(&str) -> String,
    queue: &str,
    dead_letters: &str,
) {
    let mut script = Command::new("bash");
    script.env("AWS_REGION", region);
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/keys/create-keys.sh"));
    script.arg("--print-iam").arg(folder);
    script.args(["--account", ACCOUNT, "--queue-arn", queue]);
    script.args(["--dead-letter-queue-arn", dead_letters, "--task-regions", HOME]);
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
