//! Events for the tests: one at a time with a number in each field, and the
//! sample of the demo.

/// A valid event, different for each number.
pub fn event(n: u32) -> String {
    let [_, b, c, d] = n.to_be_bytes();
    format!(
        "{{\"user_id\": \"u-{n}\", \"app_version\": \"2.3.0\", \"device_type\": \"ios\", \
         \"ip\": \"10.{b}.{c}.{d}\", \"locale\": null, \"device_id\": \"device-{n}\"}}"
    )
}

/// The lines of the demo's sample.
pub fn sample() -> Vec<String> {
    include_str!("../../env/sample.jsonl").lines().map(str::to_owned).collect()
}
