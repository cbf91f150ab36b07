//! A receive's answer: the messages with the attributes that were asked for.
//!
//! Invariant: standard queues show no attributes of FIFO queues.

use super::protocol::{Answer, Receive};
use super::receipt;
use super::shelf::Shelf;

/// Which attributes of messages a receive shows, as bits: the place of each in
/// [`Shown::NAMES`].
#[derive(Clone, Copy)]
pub struct Shown(u8);

impl Shown {
    const NAMES: [&str; 7] = [
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SenderId",
        "MessageGroupId",
        "MessageDeduplicationId",
        "SequenceNumber",
    ];

    pub fn of(request: &Receive<'_>) -> Self {
        let asked = request
            .message_system_attribute_names
            .iter()
            .chain(&request.attribute_names)
            .map(String::as_str);
        let bits = asked.map(|name| {
            let place = Self::NAMES.iter().position(|known| *known == name);
            if name == "All" { u8::MAX } else { place.map_or(0, |place| 1 << place) }
        });
        Self(bits.fold(0, |all, bit| all | bit))
    }

    pub fn answer(self, shelf: &Shelf, slots: &[u32]) -> Answer {
        let mut answer = Answer::with_capacity(1024 * slots.len());
        answer.text(r#"{"Messages":["#);
        let mut first = true;
        for slot in slots {
            let message = &shelf.messages[*slot as usize];
            answer.comma(&mut first);
            answer.text("{");
            message.content.write(message.id, &mut answer);
            answer.text(r#","ReceiptHandle":""#);
            receipt::write(*slot, message.receipt, &mut answer);
            answer.text("\"");
            self.attributes(shelf, *slot, &mut answer);
            answer.text("}");
        }
        answer.text("]}");
        answer
    }

    fn attributes(self, shelf: &Shelf, slot: u32, answer: &mut Answer) {
        let message = &shelf.messages[slot as usize];
        let group = shelf.order.group_name(message.group);
        let (mut first, shown) = (true, if group.is_some() { self.0 } else { self.0 & 0b1111 });
        for (place, name) in
            Self::NAMES.iter().enumerate().filter(|(place, _)| shown & (1 << place) != 0)
        {
            answer.text(if std::mem::take(&mut first) { r#","Attributes":{""# } else { r#",""# });
            answer.text(name);
            answer.text(r#"":"#);
            match place {
                0 => answer.add(format_args!("\"{}\"", message.sent)),
                1 => answer.add(format_args!("\"{}\"", message.receive_count)),
                2 => answer.add(format_args!("\"{}\"", message.first_received)),
                3 => answer.text("\"AIDAINSTRUMENT\""),
                4 => answer.json(group.unwrap_or_default()),
                5 if message.deduplication.is_some() => answer.json(&message.deduplication),
                5 => answer.add(format_args!("\"{}\"", message.id)),
                _ => answer.add(format_args!("\"{slot:020}\"")),
            }
        }
        if !first {
            answer.text("}");
        }
    }
}
