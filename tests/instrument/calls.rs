//! What each operation does to a queue, and its answer.
//!
//! Invariant: an entry of a batch is in the answer once, either as
//! successful or as failed.

use std::collections::{BTreeMap, HashSet};

use super::Shared;
use super::faults::Decision;
use super::protocol::{Answer, Batch, Entry, Operation, Receive, Refusal, Target, parse};
use super::queue::Queue;

/// What to do with one entry, whose receipt may have to be refused; the
/// members of its answer.
type Act = fn(&Queue, &Entry<'_>, bool) -> Result<String, Refusal>;

/// Does what a call asks for.
pub async fn carry_out(
    shared: &Shared,
    operation: Operation,
    body: &[u8],
    decision: Decision,
) -> Result<Answer, Refusal> {
    let target: Target<'_> = parse(body)?;
    let by_name = operation == Operation::GetQueueUrl;
    let name = if by_name { &target.queue_name } else { &target.queue_url };
    let queue =
        shared.find(name.rsplit('/').next().unwrap_or_default()).ok_or(Refusal::NO_QUEUE)?;
    match operation {
        Operation::ReceiveMessage => {
            queue.receive(&parse(body)?, decision.duplicates, &shared.counters).await
        }
        Operation::DeleteMessage => single(Queue::delete, &queue, body, decision),
        Operation::DeleteMessageBatch => batch(Queue::delete, &queue, body, decision),
        Operation::ChangeMessageVisibility => {
            single(Queue::change_visibility, &queue, body, decision)
        }
        Operation::ChangeMessageVisibilityBatch => {
            batch(Queue::change_visibility, &queue, body, decision)
        }
        Operation::SendMessage => single(Queue::accept, &queue, body, decision),
        Operation::SendMessageBatch => batch(Queue::accept, &queue, body, decision),
        Operation::GetQueueAttributes => attributes(&queue, &parse(body)?),
        Operation::GetQueueUrl => Ok(object(&format!(r#""QueueUrl":"{}""#, queue.url()))),
    }
}

fn object(members: &str) -> Answer {
    let mut answer = Answer::default();
    answer.add(format_args!("{{{members}}}"));
    answer
}

fn single(act: Act, queue: &Queue, body: &[u8], mut decision: Decision) -> Result<Answer, Refusal> {
    let stale = decision.random.chance(decision.stale_receipts);
    Ok(object(&act(queue, &parse(body)?, stale)?))
}

fn batch(act: Act, queue: &Queue, body: &[u8], mut decision: Decision) -> Result<Answer, Refusal> {
    let Batch { entries, .. } = parse(body)?;
    let ids: HashSet<_> = entries.iter().map(|entry| &entry.id).collect();
    match entries.len() {
        0 => {
            return Err(Refusal::new(
                400,
                "EmptyBatchRequest",
                "There should be at least one entry in the request.",
            ));
        }
        1..=10 => {}
        _ => {
            return Err(Refusal::new(
                400,
                "TooManyEntriesInBatchRequest",
                "There are more than 10 entries in the request.",
            ));
        }
    }
    if ids.len() < entries.len() {
        return Err(Refusal::new(
            400,
            "BatchEntryIdsNotDistinct",
            "Two or more entries have the same Id.",
        ));
    }
    let (mut answer, mut failed) = (Answer::default(), Answer::default());
    let (mut first, mut first_failed) = (true, true);
    answer.text(r#"{"Successful":["#);
    for entry in &entries {
        let fails = decision.random.chance(decision.partial);
        let stale = decision.random.chance(decision.stale_receipts);
        match if fails { Err(Refusal::INTERNAL) } else { act(queue, entry, stale) } {
            Ok(members) => {
                answer.comma(&mut first);
                answer.text(r#"{"Id":"#);
                answer.json(&entry.id);
                answer.text(if members.is_empty() { "" } else { "," });
                answer.add(format_args!("{members}}}"));
            }
            Err(Refusal { status, code, message }) => {
                failed.comma(&mut first_failed);
                failed.text(r#"{"Id":"#);
                failed.json(&entry.id);
                failed.add(format_args!(
                    r#","SenderFault":{},"Code":"{code}","Message":"{message}"}}"#,
                    status < 500
                ));
            }
        }
    }
    answer.text("]");
    if !first_failed {
        answer.text(r#","Failed":["#);
        answer.shared(&failed.into_bytes());
        answer.text("]");
    }
    answer.text("}");
    Ok(answer)
}

fn attributes(queue: &Queue, request: &Receive<'_>) -> Result<Answer, Refusal> {
    let asked =
        |name: &str| request.attribute_names.iter().any(|asked| asked == name || asked == "All");
    let shown: BTreeMap<_, _> =
        queue.attributes().into_iter().filter(|(name, _)| asked(name)).collect();
    let mut answer = Answer::default();
    answer.text(r#"{"Attributes":"#);
    answer.json(&shown);
    answer.text("}");
    Ok(answer)
}
