//! The calls of AWS that the commands made, and what each asks for.
//!
//! A call that this test cannot name is a failure: nothing is left out.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::policy::{Principal, Request};
use crate::shipped::{HOLDERS, Shipped, alias, at, other_alias, queue_arn, role};
use crate::support::{Action, Proxy, proxy::header};

/// A call, as it went over the wire.
#[derive(Clone)]
pub struct Call {
    /// Whose credentials signed it.
    pub role: String,
    /// The command that made it.
    pub command: String,
    /// The region that was asked.
    pub region: String,
    /// `TrentService.Decrypt`
    pub target: String,
    pub body: Value,
}

/// A proxy that notes each call. The access key id says who makes it, and for which
/// command: `loader/quarantine list` without the blanks, see [`access_key`].
pub fn recorder() -> (Proxy, Arc<Mutex<Vec<Call>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let proxy = Proxy::start_with(move |call| {
        let signed = header(call.head, "authorization").expect("each call is signed");
        let (_, credential) = signed.split_once("Credential=").expect("a credential");
        // ID/DATE/REGION/SERVICE/aws4_request
        let scope: Vec<&str> = credential.split('/').collect();
        let (id, region) = (scope[0], scope[2].to_owned());
        let (role, command) = id.split_once('.').expect("an id of this test");
        noted.lock().expect("it").push(Call {
            role: role.to_owned(),
            command: command.replace('_', " "),
            region,
            target: call.target.to_owned(),
            body: serde_json::from_slice(call.body).expect("JSON"),
        });
        Action::Forward
    });
    (proxy, calls)
}

/// The credentials of a role for one command.
pub fn access_key(role: &str, args: &[&str]) -> String {
    let words: Vec<&str> = args
        .iter()
        .enumerate()
        .filter(|(at, word)| *at == 0 || word.starts_with("--") || word.bytes().all(is_lower))
        .map(|(_, word)| *word)
        .collect();
    format!("{role}.{}", words.join("_"))
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'-'
}

impl Call {
    /// What AWS decides before it does what the call asks for: mostly one request, two of
    /// ReEncrypt.
    pub fn requests(&self, shipped: &Shipped) -> Vec<Request> {
        self.requests_of(shipped, &role(&self.role), true)
    }

    /// The same, had somebody else made it; and by the ARN of the key where there is no
    /// alias to name it by.
    pub fn requests_of(
        &self,
        shipped: &Shipped,
        principal: &Principal,
        by_alias: bool,
    ) -> Vec<Request> {
        let of_key = |right: &str, side: &str| {
            let (key, context) = (format!("{side}KeyId"), format!("{side}EncryptionContext"));
            let (arn, alias) = self.named(shipped, &key);
            let mut request = Request::new(principal, &format!("kms:{right}"), &arn);
            if let (Some(alias), true) = (alias, by_alias) {
                request = request.with("kms:RequestAlias", alias).expect("known");
            }
            self.with_context(request, &context)
        };
        let (service, operation) = self.target.split_once('.').expect("a target");
        match service {
            "AmazonSQS" => vec![self.of_queue(principal, operation)],
            "TrentService" if operation == "ReEncrypt" => {
                let is_one = self.named(shipped, "SourceKeyId").0
                    == self.named(shipped, "DestinationKeyId").0;
                let both = [("ReEncryptFrom", "Source"), ("ReEncryptTo", "Destination")];
                both.map(|(right, side)| of_key(right, side).with_same_key(is_one)).to_vec()
            }
            "TrentService" => vec![of_key(operation, "")],
            other => panic!("{}: what right does a call of {other} take?", self.target),
        }
    }

    /// Whether it names a key by an alias, which KMS takes in the caller's own account
    /// alone: docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt, `KeyId`, "To
    /// specify a KMS key in a different AWS account, you must use the key ARN or alias
    /// ARN."
    pub fn is_by_alias(&self, shipped: &Shipped) -> bool {
        let keys = ["KeyId", "SourceKeyId", "DestinationKeyId"].into_iter();
        let mut named = keys.filter(|key| self.body[*key].is_string());
        self.target.starts_with("TrentService.")
            && named.any(|k| self.named(shipped, k).1.is_some())
    }

    fn of_queue(&self, principal: &Principal, operation: &str) -> Request {
        // docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
        // sqs-api-permissions-reference: the right to one covers a batch.
        let right = match operation {
            "DeleteMessageBatch" => "DeleteMessage",
            "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
            other if other.ends_with("Batch") => panic!("{other}: which right covers it?"),
            other => other,
        };
        let text = |name: &str| self.body[name].as_str();
        let name = text("QueueName").or_else(|| text("QueueUrl")?.rsplit('/').next());
        let queue = queue_arn(name.unwrap_or_else(|| panic!("{operation} names no queue")));
        Request::new(principal, &format!("sqs:{right}"), &queue)
    }

    /// The ARN of the key that it names, and its alias if it names that.
    fn named(&self, shipped: &Shipped, key: &str) -> (String, Option<&str>) {
        let named = self.body[key].as_str();
        let named = named.unwrap_or_else(|| panic!("{}: no {key}", self.target));
        let arn = match HOLDERS.into_iter().find(|holder| alias(holder) == named) {
            Some(holder) => shipped.keys[holder].clone(),
            None => match HOLDERS.into_iter().find(|holder| other_alias(holder) == named) {
                Some(holder) => at(&self.region, &shipped.others[holder]),
                None => named.to_owned(),
            },
        };
        let region = format!(":{}:", self.region);
        assert!(arn.contains(&region), "{}: {arn} in {region}", self.target);
        (arn, named.starts_with("alias/").then_some(named))
    }

    fn with_context(&self, mut request: Request, context: &str) -> Request {
        for name in ["SigningAlgorithm", "MessageType"] {
            if let Some(value) = self.body[name].as_str() {
                request = request.with(&format!("kms:{name}"), value).expect("known");
            }
        }
        let pairs = self.body[context].as_object().into_iter().flatten();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
        request.with_encryption_context(pairs).expect("known")
    }
}
