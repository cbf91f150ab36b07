//! `sqs-instrument`: the instrument on its own, for measurements. Prints one line of JSON
//! with its addresses when it serves, and one with its numbers when standard input has
//! ended; SIGTERM ends it at once.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it prints two lines, and stops at the first surprise"
)]

#[path = "mod.rs"]
mod instrument;

use std::time::Duration;

use clap::Parser;

use instrument::{Envelope, Faults, Instrument, Messages, Options, QueueOptions, duration};

/// An SQS endpoint on loopback for measurements. `GET /stats` tells its numbers, `POST
/// /control` changes its faults.
#[derive(Parser)]
struct Cli {
    /// Port on 127.0.0.1; 0: any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Queue name; one that ends in .fifo is a FIFO queue.
    #[arg(long, default_value = "login-queue")]
    queue: String,
    /// Messages to start with.
    #[arg(long, default_value_t = 0)]
    messages: u32,
    /// Length of each body, such as 256kB; as short as it gets unless given.
    #[arg(long, value_parser = size)]
    body: Option<usize>,
    /// Envelope of each event; none unless given.
    #[arg(long, value_enum)]
    envelope: Option<Envelope>,
    /// Distinct users; one a message unless given.
    #[arg(long)]
    users: Option<u32>,
    /// Distinct addresses; one a message unless given.
    #[arg(long)]
    ips: Option<u32>,
    /// Message groups of a FIFO queue.
    #[arg(long, default_value_t = 1)]
    fifo_groups: u32,
    /// Of messages and faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Visibility timeout of the queue.
    #[arg(long, value_parser = duration, default_value = "30s")]
    visibility_timeout: Duration,
    /// Receipts after which a message goes to the queue `<queue>-dead`.
    #[arg(long)]
    max_receives: Option<u32>,
    /// Simulated round trip.
    #[arg(long, value_parser = duration)]
    rtt: Option<Duration>,
    /// Share of messages handed out once more than they should be.
    #[arg(long)]
    duplicates: Option<f64>,
    /// Share of calls refused.
    #[arg(long)]
    refused: Option<f64>,
    /// Faults as JSON, by the names that `POST /control` knows.
    #[arg(long, default_value = "{}")]
    faults: String,
}

fn main() {
    let cli = Cli::parse();
    let faults: Faults =
        serde_json::from_str(&cli.faults).unwrap_or_else(|e| panic!("--faults: {e}"));
    let faults = Faults {
        rtt: cli.rtt.unwrap_or(faults.rtt),
        duplicates: cli.duplicates.unwrap_or(faults.duplicates),
        refused: cli.refused.unwrap_or(faults.refused),
        ..faults
    };
    let options = Options { port: cli.port, seed: cli.seed, faults };
    let instrument =
        Instrument::start(options).unwrap_or_else(|e| panic!("port {}: {e}", cli.port));
    let dead = match cli.queue.strip_suffix(".fifo") {
        Some(name) => format!("{name}-dead.fifo"),
        None => format!("{}-dead", cli.queue),
    };
    let queue = instrument.queue_with(
        &cli.queue,
        QueueOptions {
            visibility_timeout: cli.visibility_timeout,
            dead_letters: cli.max_receives.map(|max| (dead, max)),
            seed: cli.seed,
            ..QueueOptions::default()
        },
    );
    queue.fill(&Messages {
        count: cli.messages,
        seed: cli.seed,
        bytes: cli.body,
        users: cli.users,
        ips: cli.ips,
        groups: cli.fifo_groups,
        envelope: cli.envelope,
    });
    println!("{}", serde_json::json!({ "endpoint": instrument.url(), "queue_url": queue.url() }));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("standard input can be read");
    println!("{}", serde_json::to_string(&instrument.stats()).expect("numbers"));
}

/// `256kB`, `1MB`, `1000`.
fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = match text {
        _ if text.ends_with("kB") => (text.trim_end_matches("kB"), 1_000),
        _ if text.ends_with("KiB") => (text.trim_end_matches("KiB"), 1_024),
        _ if text.ends_with("MB") => (text.trim_end_matches("MB"), 1_000_000),
        _ => (text, 1),
    };
    number.parse().map(|number: usize| number * unit).map_err(|e| format!("{text}: {e}"))
}
