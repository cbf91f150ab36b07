#!/usr/bin/env bash
# The main job from end to end, told step by step: events on a queue become masked rows in which duplicates still match.
# Run by `make demo` inside servers.py, which brings PostgreSQL, LocalStack, the keys and the queue, and takes them away.
#
# Invariant: every step does what its headline says on real parts, or the demo stops there with an error.
set -euo pipefail

readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SAMPLE=$HERE/sample.jsonl
readonly LOGINETL=${LOGINETL_BIN:-$HERE/../../target/debug/loginetl}
readonly OWNER_URL=$LOGINETL_DATABASE_URL
readonly PSQL=$LOGINETL_TEST_PG_BIN/psql

main() {
    trap 'status=$?; [ $status -eq 0 ] || say "The demo stopped here with status $status; see the error above." >&2' EXIT
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
    prepare
    send
    load
    look
    find_duplicates
    recognise_spellings
    look_into_quarantine
    load_a_file_twice
    what_next
}

prepare() {
    step "Prepare the database: schema, roles, and data keys wrapped by KMS"
    loginetl init
    owner "create role demo_loader  login in role loginetl_loader"
    owner "create role demo_analyst login in role loginetl_analyst"
    say
    say "Two people join: demo_loader may load, demo_analyst may only read the masked rows."
}

send() {
    step "Send $(wc -l <"$SAMPLE" | tr -d ' ') login events to the queue; three of them:"
    say
    sed -n '1,2p;41p' "$SAMPLE" | fold -s -w 112 | sed 's/^/    /; s/ $//'
    say
    "$LOGINETL_TEST_PYTHON" "$HERE/send.py" "$SAMPLE"
}

load() {
    step "Load: receive, mask, write, delete, until the queue is empty"
    be demo_loader
    loginetl load --drain
}

look() {
    step "What an analyst sees"
    be demo_analyst
    query "select left(user_id, 8) as user, masked_ip, masked_device_id
  from user_logins order by user_id limit 5"
    query "select device_type, locale, app_version, create_date, ip_hash
  from user_logins order by user_id limit 5"
}

find_duplicates() {
    step "Duplicates: equal values carry equal tokens, so one GROUP BY finds them"
    query "select masked_ip, count(*) as logins, count(distinct user_id) as users
  from user_logins group by masked_ip having count(distinct user_id) > 1 order by users desc, masked_ip"
    query "select masked_device_id, count(*) as logins, count(distinct user_id) as users
  from user_logins group by masked_device_id having count(distinct user_id) > 1 order by users desc, masked_device_id"
}

recognise_spellings() {
    step "One address in several spellings is one address"
    local sent
    sent=$(grep -iE '"ip": "(2001:[^"]*a1|192\.0\.2\.7|::ffff:[^"]*)"' "$SAMPLE" |
        sed -E "s/.*\"user_id\": \"([^\"]*)\".*\"ip\": \"([^\"]*)\".*/('\1', '\2')/" | paste -sd, -)
    show "select sent_as, masked_ip from (values ('user', 'as it was sent'), …) as sent (user_id, sent_as)
  join user_logins using (user_id) order by masked_ip, sent_as"
    table "select sent_as, masked_ip from (values $sent) as sent (user_id, sent_as)
  join user_logins using (user_id) order by masked_ip, sent_as"
}

look_into_quarantine() {
    step "What was no login event waits in the quarantine, sealed"
    be demo_loader
    loginetl quarantine list
}

load_a_file_twice() {
    step "The same events from a file: loaded once, however often the file is given"
    loginetl load --file "${SAMPLE#"$PWD/"}"
    loginetl load --file "${SAMPLE#"$PWD/"}"
}

what_next() {
    step "What to try next"
    cat <<'TEXT'

    make up                                   the same servers, left running; prints the settings for your shell
    tests/env/send.py tests/env/sample.jsonl  sends events, with the Python that $LOGINETL_TEST_PYTHON names
    loginetl load --follow                    loads as messages arrive; Ctrl-C stops in order
    loginetl load --dry-run --max-messages 5  masked rows on the screen, nothing written
    loginetl quarantine retry                 loads what parses now
    loginetl quarantine purge --all           deletes it for good, after asking
    make down                                 stops the servers and deletes their data

TEXT
}

# --- telling and doing ---------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }

number=0
step() {
    number=$((number + 1))
    printf '\n\n%s%d. %s%s\n' "$bold" "$number" "$*" "$plain"
}

# What is typed; what comes of it follows.
show() { printf '\n%s%s%s\n' "$dim" "$*" "$plain"; }

# From here on commands and queries run as this database user.
be() { export LOGINETL_DATABASE_URL=${OWNER_URL/:\/\/postgres@/://$1@}; }

loginetl() {
    show "\$ loginetl $*"
    "$LOGINETL" "$@"
}

owner() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -c "$1" "$OWNER_URL"; }

query() {
    show "$1"
    table "$1"
}

table() {
    "$PSQL" -Xq -v ON_ERROR_STOP=1 -P pager=off -P linestyle=unicode -P footer=off -P null=null \
        -c "$1" "$LOGINETL_DATABASE_URL" | sed -e '${' -e '/^$/d' -e '}'
}

main "$@"
