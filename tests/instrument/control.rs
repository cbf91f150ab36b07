//! `POST /control`: the faults and gates of a running instrument, and more
//! messages, as JSON.
//!
//! Invariant: a request with anything unknown in it changes nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::faults::{Faults, Stage};
use super::messages::Messages;
use super::protocol::{Answer, Operation};

/// What a request may have besides the members of [`Faults`].
#[derive(Default, Deserialize)]
#[serde(default)]
struct Control {
    /// Hold the answers of these.
    hold: Vec<Operation>,
    /// Hold these calls, with nothing done yet.
    hold_calls: Vec<Operation>,
    release: Vec<Operation>,
    /// Messages for queues, by name.
    fill: BTreeMap<String, Messages>,
}

/// Does it; the status and the faults as they are now, or what is wrong with the request.
pub fn control(shared: &Shared, body: &[u8]) -> (u16, Answer) {
    let (status, value) = match change(shared, body) {
        Ok(faults) => (200, json!(faults)),
        Err(error) => (400, json!({ "error": error })),
    };
    let mut answer = Answer::default();
    answer.json(&value);
    (status, answer)
}

fn change(shared: &Shared, body: &[u8]) -> Result<Faults, String> {
    let request: Map<String, Value> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let is_fault =
        |name: &String| !matches!(name.as_str(), "hold" | "hold_calls" | "release" | "fill");
    let (faults, control): (Map<_, _>, Map<_, _>) =
        request.into_iter().partition(|(name, _)| is_fault(name));
    let control: Control = serde_json::from_value(control.into()).map_err(|e| e.to_string())?;
    let fill = control
        .fill
        .iter()
        .map(|(name, messages)| Ok((shared.find(name).ok_or("there is no such queue")?, messages)));
    let fill = fill.collect::<Result<Vec<_>, String>>()?;
    let faults = shared.faults(|now| {
        let mut all = json!(now);
        all.as_object_mut().expect("a struct is an object").extend(faults);
        *now = serde_json::from_value(all).map_err(|e| e.to_string())?;
        Ok::<_, String>(now.clone())
    })?;
    for (operations, stage) in [(control.hold, Stage::Answer), (control.hold_calls, Stage::Call)] {
        operations.iter().for_each(|operation| shared.gates[*operation as usize].hold(stage));
    }
    control.release.iter().for_each(|operation| shared.gates[*operation as usize].release());
    fill.into_iter().for_each(|(queue, messages)| queue.fill(messages));
    Ok(faults)
}
