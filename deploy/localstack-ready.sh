#!/usr/bin/env bash
# LocalStack's ready-hook in docker-compose.yml: makes the KMS keys, the queue with its dead-letter queue, and
# sends the sample events.
#
# Invariant: ends 0 only when all of it is there; the container is healthy exactly then, and what waits for it
# finds everything. LocalStack starts empty each time, so there is nothing to tidy up.
set -euo pipefail

readonly FILES=${LOGINETL_FILES:-/opt/loginetl}
readonly QUEUE=login-queue
# LocalStack runs hooks with an environment of its own, so all of it is set here.
export AWS_ENDPOINT_URL=${LOCALSTACK_URL:-http://localhost:4566}
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
unset AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_SQS AWS_PROFILE AWS_SESSION_TOKEN

main() {
    "$FILES/keys/create-keys.sh"
    sqs create-queue --queue-name "$QUEUE-dlq"
    sqs create-queue --queue-name "$QUEUE" --attributes "$(redrive_policy)"
    send_sample
}

# Version 1 of the CLI heeds AWS_ENDPOINT_URL for every service but this one.
sqs() { aws --endpoint-url "$AWS_ENDPOINT_URL" sqs "$@" --output text; }

# After five receives without a delete a message goes to the dead-letter queue.
redrive_policy() {
    local target=arn:aws:sqs:us-east-1:000000000000:$QUEUE-dlq
    printf '{"RedrivePolicy": "{\\"deadLetterTargetArn\\":\\"%s\\",\\"maxReceiveCount\\":\\"5\\"}"}' "$target"
}

# One message a line, the line as it is, in tens. Python because a CLI start for each ten takes a second.
send_sample() {
    python3 - "$AWS_ENDPOINT_URL" "$QUEUE" "$FILES/sample.jsonl" <<'PYTHON'
import json, sys, urllib.request

endpoint, queue, path = sys.argv[1:]
with open(path, encoding="utf-8", newline="\n") as lines:
    bodies = [line.rstrip("\n") for line in lines if line.strip()]
for start in range(0, len(bodies), 10):
    entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start:start + 10])]
    request = urllib.request.Request(
        endpoint,
        json.dumps({"QueueUrl": f"{endpoint}/000000000000/{queue}", "Entries": entries}).encode(),
        {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "AmazonSQS.SendMessageBatch",
            # Not a signature: LocalStack reads the account and the region from it and checks nothing.
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, "
                             "SignedHeaders=host, Signature=0",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        if json.load(answer).get("Failed"):
            sys.exit("sample: the queue refused a message")
print(f"sample: {len(bodies)} messages sent to {queue}")
PYTHON
}

main "$@"
