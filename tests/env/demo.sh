#!/usr/bin/env bash
# The main job from end to end, told step by step: events on a queue become masked rows in which duplicates still match;
# one value comes back, for a reason, and the log that tells of it cannot be changed unnoticed.
# Run by `make demo` inside servers.py, which brings PostgreSQL, LocalStack, the keys and the queue, and takes them away.
#
# Invariant: every step does what its headline says on real parts, or the demo stops there with an error.
set -euo pipefail

readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly SAMPLE=$HERE/sample.jsonl
readonly LOGINETL=${LOGINETL_BIN:-$HERE/../../target/debug/loginetl}
readonly OWNER_URL=$LOGINETL_DATABASE_URL
readonly PSQL=$LOGINETL_TEST_PG_BIN/psql
readonly REASON='five users, one address'

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
    refuse_the_analyst
    unmask
    look_into_the_log
    edit_a_record
    cut_the_tail
    what_next
}

prepare() {
    step "Prepare the database: schema, roles, and data keys wrapped by KMS"
    loginetl init
    owner "create role demo_loader   login in role loginetl_loader"
    owner "create role demo_analyst  login in role loginetl_analyst"
    owner "create role demo_unmasker login in role loginetl_unmasker"
    owner "create role demo_auditor  login in role loginetl_auditor"
    say
    say "Four people join: demo_loader may load, demo_analyst may only read the masked rows, demo_unmasker may recover"
    say "a value for a reason, demo_auditor may read the log of it all."
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

refuse_the_analyst() {
    step "Who is behind the address that most users share? An analyst finds its hash, and is refused its value"
    be demo_analyst
    query "select ip_hash, count(*) as logins, count(distinct user_id) as users
  from user_logins group by ip_hash order by users desc limit 1"
    address=$(owner "select ip_hash from user_logins group by ip_hash order by count(distinct user_id) desc limit 1")
    expect 3 loginetl unmask --ip-hash "$address" --reason "$REASON"
}

unmask() {
    step "An unmasker gives a reason and sees it; first the question whether this login can do its work here"
    be demo_unmasker
    loginetl check
    loginetl unmask --ip-hash "$address" --reason "$REASON" --ticket SEC-17
    kept_head=$(owner "select seq || ':' || encode(hash, 'hex') from audit.head")
    say
    say "Before the value was shown, the request and what came of it were committed, and signed by KMS. The audit head is"
    say "for keeping: it is evidence of all records up to this one."
}

look_into_the_log() {
    step "What the log says of it, the refusal included; is the log whole and genuine?"
    be demo_auditor
    if [ -t 1 ]; then
        loginetl audit list --kind unmask
    else
        loginetl audit list --kind unmask | page
    fi
    loginetl audit verify
    loginetl status
}

edit_a_record() {
    step "Somebody with all rights on the database gives the request another reason"
    local request edit
    request=$(owner "select max(seq) from audit.log where kind = 'unmask.request'")
    edit="update audit.log set record = replace(record, '$REASON', 'a routine test') where seq = $request"
    expect 1 superuser "$edit"
    say
    say "Triggers stop honest mistakes. A superuser can go around them:"
    superuser "set session_replication_role = replica;
$edit"
    expect 5 loginetl audit verify
    say
    say "To forge the hash too would not help: the next record carries the old one, and KMS has signed it. The reason goes back:"
    superuser "set session_replication_role = replica;
update audit.log set record = replace(record, 'a routine test', '$REASON') where seq = $request"
    loginetl audit verify
}

cut_the_tail() {
    step "Somebody makes the log end before the request; only a head that was kept tells"
    local last
    last=$(owner "select max(seq) - 1 from audit.log where kind = 'unmask.request'")
    superuser "set session_replication_role = replica;
delete from audit.signatures where seq > $last;
delete from audit.log where seq > $last;
update audit.head set (seq, hash) = (select seq, hash from audit.log where seq = $last)"
    loginetl audit verify
    expect 5 loginetl audit verify --expect-head "$kept_head"
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
    loginetl unmask --find-ip - --reason …    which rows hold an address that you know? reads it from standard input
    loginetl audit list --format json         every record in full; --user, --since, --kind, --ticket, --hash choose
    loginetl audit export --out audit.jsonl   the log as a file; audit verify --file checks it with the public key alone
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
    local word line='$ loginetl'
    for word; do
        case $word in *\ *) line+=" '$word'" ;; *) line+=" $word" ;; esac
    done
    show "$line"
    "$LOGINETL" "$@"
}

# A command that has to end with this status; with any other the demo stops.
expect() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    say "(exit code $status)"
    [ "$status" -eq "$wanted" ] || { say "error: exit code $wanted was due here" >&2; exit 1; }
}

# Lines cut to the width of a page, for output that only a terminal makes fit.
page() { LC_ALL=C.UTF-8 sed -E 's/^(.{119}).+/\1…/'; }

owner() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=terse -c "$1" "$OWNER_URL"; }

superuser() {
    show "$1"
    owner "$1"
}

query() {
    show "$1"
    table "$1"
}

table() {
    "$PSQL" -Xq -v ON_ERROR_STOP=1 -P pager=off -P linestyle=unicode -P footer=off -P null=null \
        -c "$1" "$LOGINETL_DATABASE_URL" | sed -e '${' -e '/^$/d' -e '}'
}

main "$@"
