#!/usr/bin/env bash
# Makes before.sql and tokens.txt: a database in the middle of its life, as an earlier build leaves it.
#
#     make.sh LOGINETL    LOGINETL is the binary of that build; PostgreSQL and LocalStack are those of `make up`
#
# It holds rows, a rotation of all keys that is finished, one that stands in the middle of its sweep, messages in the
# quarantine that `retry` can load and one that it cannot, and a log with signatures. All of it is made up.
# The KMS keys (keys.txt) have fixed ids and material, which LocalStack takes from tags: the wraps open in any LocalStack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly loginetl=${1:?the binary of an earlier build}
readonly programs=${LOGINETL_TEST_PG_BIN:?set by make up}
readonly admin=${LOGINETL_TEST_DATABASE_URL:?set by make up}
readonly database=upgrade_fixture_$$
readonly url=${admin%/*}/$database?${admin##*\?}

main() {
    make_keys
    sql "$admin" "create database $database"
    trap 'sql "$admin" "drop database if exists $database with (force)"' EXIT
    export LOGINETL_DATABASE_URL=$url
    "$loginetl" init
    {
        echo '# Tokens and hashes of each time, and the value behind: made by make.sh.'
        events 0 160 | load
        tokens 'under a key that is retired'
        { events 400 1; wrapped 900 3; echo 'no event'; } | load --envelope none
        "$loginetl" rotate-keys --compromised --duty 100% >&2
        tokens 'under a key that the sweep replaces'
        events 160 160 | load
        { events 401 1; wrapped 950 2; } | load --envelope none
        unmask
        stop_in_the_middle
        tokens 'in the middle of the sweep'
    } >tokens.txt
    "$loginetl" audit verify >&2
    dump >before.sql
    sql "$url" "select field, watermark, finished_at from vault.rotation; select reason, count(*) from ingest.quarantine group by 1;
                select field, key_id, row_count from vault.census; select key_id, purpose, state from vault.data_keys order by 1" >&2
}

answer() { "$programs/psql" -X -qAt -F ' ' -d "$url" -c "$1"; }

sql() { "$programs/psql" -X -q -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }

make_keys() {
    local holder id spec usage material
    while read -r holder id spec usage material; do
        export "LOGINETL_${holder^^}_KEY=arn:aws:kms:us-east-1:000000000000:key/$id"
        aws kms describe-key --key-id "$id" >/dev/null 2>&1 || aws kms create-key --key-spec "$spec" --key-usage "$usage" \
            --tags "TagKey=_custom_id_,TagValue=$id" "TagKey=_custom_key_material_,TagValue=$material" >/dev/null
    done <keys.txt
}

# events FROM COUNT: ten addresses and devices, each of which comes again.
events() {
    local n
    for ((n = $1; n < $1 + $2; n++)); do
        printf '{"user_id": "u-%d", "app_version": "2.3.0", "device_type": "ios", "ip": "10.9.0.%d", "locale": "DE", "device_id": "device-%d"}\n' \
            "$n" $((n % 10)) $((n % 10))
    done
}

# wrapped FROM COUNT: the same in envelopes of SNS.
wrapped() {
    events "$1" "$2" | sed 's/"/\\"/g; s/.*/{"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Message": "&"}/'
}

load() { "$loginetl" load --file - "$@" >&2; }

# tokens WHEN: all that stand there, with their hashes and values. A user's last digit is that of the address and the device.
tokens() {
    echo "# $1"
    answer "select distinct masked_ip, ip_hash, '10.9.0.' || right(user_id, 1) as value from user_logins
            union select distinct masked_device_id, device_id_hash, 'device-' || right(user_id, 1) from user_logins order by value"
}

unmask() {
    local token
    token=$(answer "select masked_ip from user_logins where user_id = 'u-3'")
    "$loginetl" unmask --token "$token" --reason 'a ticket of long ago' >&2
}

# Rotates a few rows at a time, slowly, and kills it when a watermark has left the beginning.
stop_in_the_middle() {
    local pid tries
    "$loginetl" rotate-keys --duty 1% --step-rows 100 >&2 &
    pid=$!
    for ((tries = 0; tries < 600; tries++)); do
        if [ "$(answer "select count(*) from vault.rotation where finished_at is null and watermark not in
                        ('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff')")" = 1 ]; then break; fi
        sleep 0.02
    done
    kill -KILL "$pid"
    wait "$pid" || true
}

# Without what only this version of the server's programs writes and reads.
dump() { "$programs/pg_dump" "$url" | sed -E '/^--/d; /^SET transaction_timeout/d; /^\\(un)?restrict/d' | cat -s; }

main
