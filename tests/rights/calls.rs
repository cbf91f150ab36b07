//! The calls of AWS that the commands made, and what each asks for.
//!
//! A call that this test cannot name is a failure: nothing is left out.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::policy::Request;
use crate::shipped::{HOLDERS, Shipped, alias, queue_arn, role};
use crate::support::{Action, Proxy, proxy::header};

/// A call, as it went over the wire.
#[derive(Clone)]
pub struct Call {
    /// Whose credentials signed it.
    pub role: String,
    /// The command that made it.
    pub command: String,
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
        let id = credential.split('/').next().expect("an access key id");
        let (role, command) = id.split_once('.').expect("an id of this test");
        noted.lock().expect("it").push(Call {
            role: role.to_owned(),
            command: command.replace('_', " "),
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
        let (service, operation) = self.target.split_once('.').expect("a target");
        match service {
            "AmazonSQS" => vec![self.of_queue(operation)],
            "TrentService" if operation == "ReEncrypt" => vec![
                self.of_key(shipped, "ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext"),
                self.of_key(
                    shipped,
                    "ReEncryptTo",
                    "DestinationKeyId",
                    "DestinationEncryptionContext",
                ),
            ],
            "TrentService" => vec![self.of_key(shipped, operation, "KeyId", "EncryptionContext")],
            other => panic!("{}: what right does a call of {other} take?", self.target),
        }
    }

    fn of_queue(&self, operation: &str) -> Request {
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
        Request::new(&role(&self.role), &format!("sqs:{right}"), &queue)
    }

    fn of_key(&self, shipped: &Shipped, right: &str, key: &str, context: &str) -> Request {
        let named = self.body[key].as_str().unwrap_or_else(|| panic!("{right} names no key"));
        let holder = HOLDERS.into_iter().find(|holder| alias(holder) == named);
        let arn = holder.map_or(named, |holder| &shipped.keys[holder]);
        let mut request = Request::new(&role(&self.role), &format!("kms:{right}"), arn);
        if holder.is_some() {
            request = request.with("kms:RequestAlias", named).expect("known");
        }
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
