// A peer of `make bench` (bench_peers.py): forty consumers of sqs-consumer, and pg with one insert for each ten messages.
//
//     node peer_sqs_consumer.mjs QUEUE_URL DATABASE_URL     with the packages under $BENCH_PEER_NODE
//
// Invariant: says {"cpu": seconds} when it is connected, begins at a line on standard input, and runs until it is ended.
// sqs-consumer deletes messages only after their handler returned, which is after their rows are committed.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.BENCH_PEER_NODE, "package.json"));
const { SQSClient } = require("@aws-sdk/client-sqs");
const { Consumer } = require("sqs-consumer");
const { Pool } = require("pg");

const CONSUMERS = 40;
const INSERT = `
  insert into user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date)
  select *, current_date from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])`;

const [queueUrl, connectionString] = process.argv.slice(2);
const sqs = new SQSClient();
const pool = new Pool({ connectionString, max: 10 });

const masked = (value) => createHash("sha256").update(value).digest("hex");
const version = (text) => text.split(".").reduce((sum, part) => sum * 100 + Number(part), 0);

async function handleMessageBatch(messages) {
  const events = messages.map((message) => JSON.parse(message.Body));
  const column = (value) => events.map(value);
  await pool.query(INSERT, [
    column((event) => event.user_id), column((event) => event.device_type), column((event) => masked(event.ip)),
    column((event) => masked(event.device_id)), column((event) => event.locale), column((event) => version(event.app_version)),
  ]);
  return messages;
}

function consumer() {
  const made = Consumer.create({ queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1, handleMessageBatch });
  const fail = (error) => { console.error(error); process.exit(1); };
  return made.on("error", fail).on("processing_error", fail);
}

await pool.query("select 1");
const { user, system } = process.cpuUsage();
process.stdin.once("data", () => { for (let n = 0; n < CONSUMERS; n++) consumer().start(); });
console.log(JSON.stringify({ cpu: (user + system) / 1e6 }));
