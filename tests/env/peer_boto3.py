"""A peer of `make bench` (bench_peers.py): the loop of common public solutions, with boto3 and psycopg2.

    peer_boto3.py QUEUE_URL DATABASE_URL one|ten     delete_message for each message, or delete_message_batch for ten

Invariant: says `{"cpu": seconds}` when it is connected, begins at a line on standard input, and runs until it is ended. Rows
are committed before their messages are deleted.
"""

import datetime
import hashlib
import json
import sys
import time

import boto3
import psycopg2

INSERT = (
    "insert into user_logins (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date) "
    "values (%s, %s, %s, %s, %s, %s, %s)"
)


def main(queue_url, database_url, delete):
    sqs = boto3.client("sqs")
    connection = psycopg2.connect(database_url)
    print(json.dumps({"cpu": time.process_time()}), flush=True)
    sys.stdin.readline()
    while True:
        messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        with connection.cursor() as cursor:
            for message in messages:
                cursor.execute(INSERT, row(json.loads(message["Body"])))
        connection.commit()
        if delete == "one":
            for message in messages:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        elif messages:
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def row(event):
    major, minor, patch = (int(part) for part in event["app_version"].split("."))
    return (
        event["user_id"], event["device_type"], masked(event["ip"]), masked(event["device_id"]), event["locale"],
        major * 10000 + minor * 100 + patch, datetime.date.today(),
    )


def masked(value):
    return hashlib.sha256(value.encode()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
