#!/usr/bin/env python3
"""Sends the lines of a JSON Lines file to $LOGINETL_QUEUE_URL, in order, ten a call. Needs boto3: $LOGINETL_TEST_PYTHON has it.

    send.py FILE

Invariant: every line that is not blank becomes one message, byte for byte as it stands, or the program fails.
"""

import os
import sys

import boto3


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        bodies = [line.rstrip("\n") for line in file if line.strip()]
    sqs, queue = boto3.client("sqs"), os.environ["LOGINETL_QUEUE_URL"]
    for start in range(0, len(bodies), 10):
        batch = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start:start + 10], start + 1)]
        refused = sqs.send_message_batch(QueueUrl=queue, Entries=batch).get("Failed", [])
        if refused:
            # Not the message itself, which holds personal data.
            sys.exit(f"line {refused[0]['Id']} was refused: {refused[0]['Code']}")
    print(f"{len(bodies)} messages sent to {queue}")


if __name__ == "__main__":
    main()
