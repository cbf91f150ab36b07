#!/usr/bin/env bash
# The main job from end to end, told step by step: events on a queue become masked rows in which duplicates still match;
# one value comes back, for a reason; keys are replaced while events stream in, and duplicates go on matching; and the log
# that tells of it all cannot be changed unnoticed.
# Run by `make demo` inside servers.py, which brings PostgreSQL, LocalStack, the keys and the queue, and takes them away.
#
# Invariant: every step does what its headline says on real parts, or the demo stops there with an error. However it
# ends, no process that it started goes on.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly SAMPLE=$HERE/sample.jsonl
readonly LOGINETL=${LOGINETL_BIN:-$HERE/../../target/debug/loginetl}
readonly OWNER_URL=$LOGINETL_DATABASE_URL
readonly PSQL=$LOGINETL_TEST_PG_BIN/psql
readonly REASON='five users, one address'
readonly MORE=9000      # further logins, so that a rotation has something to do
readonly MOST_ROUNDS=30 # so often at most is the sample sent to make a stream

main() {
    scratch=$(mktemp -d) running=' '
    trap 'clean_up $?' EXIT
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
    rotate_while_events_stream_in
    open_an_old_token
    destroy_the_old_key
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
    owner "create role demo_rotator  login in role loginetl_rotator"
    owner "create role demo_auditor  login in role loginetl_auditor"
    say
    say "Five people join: demo_loader may load, demo_analyst may only read the masked rows, demo_unmasker may recover a"
    say "value for a reason, demo_rotator may replace keys, demo_auditor may read the log of it all."
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
    fitted_loginetl quarantine list
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
    request=$(last_request)
    say
    say "Before the value was shown, the request and what came of it were committed, and signed by KMS. The audit head is"
    say "for keeping: it is evidence of all records up to this one."
}

rotate_while_events_stream_in() {
    step "New keys for all rows while events stream in; an analyst groups by tokens before, meanwhile and afterwards"
    local groups whole before meanwhile='' now after loader sender rotator rows snapshots=0 latest=$((SECONDS + 90))
    groups="select left(masked_ip, 14), count(distinct user_id) from user_logins group by masked_ip
  having count(distinct user_id) > 1 order by count(distinct user_id) desc, min(ip_hash::text)"
    whole="select count(distinct masked_ip) = count(distinct ip_hash)
   and count(distinct masked_device_id) = count(distinct device_id_hash) from user_logins"
    say
    say "$MORE logins more, each of an address and a device of its own, so that there is something to do:"
    be demo_loader
    more_events | loginetl load --file -
    old_token=$(owner "select masked_ip from user_logins where ip_hash = '$address' limit 1")
    old_key=$(cut -d. -f2 <<<"$old_token")
    rows=$(owner "select count(*) from user_logins")
    before=$(answer "$groups")

    say
    say "From here on the sample is sent again and again. One program loads what comes, another rotates:"
    start sender keep_sending
    sender=$!
    show '$ loginetl load --follow &'
    start loader "$LOGINETL" load --follow
    loader=$!
    show '$ loginetl rotate-keys &'
    be demo_rotator
    start rotator "$LOGINETL" rotate-keys
    rotator=$!
    while kill -0 "$rotator" 2>/dev/null; do
        [ "$SECONDS" -lt "$latest" ] || fail "the rotation does not come to its end"
        [ "$(answer "$whole")" = t ] || fail "a value has two tokens"
        snapshots=$((snapshots + 1))
        if [ -z "$meanwhile" ]; then
            now=$(answer "$groups")
            if under_two_keys "$now"; then
                meanwhile=$now
                say
                say "It is under way: some of the groups have their new tokens. May the old key go?"
                expect 3 loginetl keys destroy "$old_key" --yes
            fi
        fi
        sleep 0.05 # for those who work
    done
    say
    ended rotator "$rotator"
    touch "$scratch/enough"
    ended sender "$sender" >/dev/null
    rows=$((rows + $(wc -l <"$scratch/sender") * $(grep -c '"user_id": "' "$SAMPLE")))
    await_rows "$rows"
    kill -TERM "$loader"
    say
    say "The sample was sent $(wc -l <"$scratch/sender" | tr -d ' ') times. The loader, stopped in order, has loaded every event once:"
    say
    ended loader "$loader"
    after=$(answer "$groups")

    show "$whole"
    say "was true in each of $snapshots snapshots, taken one after the other while the rotation ran. GROUP BY found the same groups:"
    show "$groups"
    [ -n "$meanwhile" ] || say "(no snapshot fell into the moment in which these groups were under two keys: it was too short)"
    side_by_side "$before" "${meanwhile:-$before}" "$after"
    be demo_rotator
    fitted_loginetl keys list
}

open_an_old_token() {
    step "A token that somebody copied before the rotation still opens"
    be demo_unmasker
    fitted_loginetl unmask --token "$old_token" --reason 'a list of last month'
}

destroy_the_old_key() {
    step "The old key is destroyed: not before its time, which is a month, and then for good"
    be demo_rotator
    expect 3 loginetl keys destroy "$old_key" --yes
    say
    say "Nobody has a list of last month here, so it may go at once:"
    loginetl keys destroy "$old_key" --after 0m --yes
    be demo_unmasker
    expect 1 fitted_loginetl unmask --token "$old_token" --reason 'a list of last month'
    say
    say "That token does not open any more, nor does one like it in an export; only a backup of the vault from before could"
    say "bring its key back. The rows of that address are under the new key, and open:"
    loginetl unmask --ip-hash "$address" --reason 'is it still there?'
    kept_head=$(owner "select seq || ':' || encode(hash, 'hex') from audit.head")
}

look_into_the_log() {
    step "What the log says of it all, the refusal included; is the log whole and genuine?"
    be demo_auditor
    fitted_loginetl audit list --kind unmask
    fitted_loginetl audit list --user demo_rotator
    loginetl audit verify
    loginetl status
}

edit_a_record() {
    step "Somebody with all rights on the database gives the first request another reason"
    local edit
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
    step "Somebody makes the log end before the last request; only a head that was kept tells"
    local last=$(($(last_request) - 1))
    superuser "set session_replication_role = replica;
delete from audit.signatures where seq > $last;
delete from audit.log where seq > $last;
update audit.head set (seq, hash) = (select seq, hash from audit.log where seq = $last)"
    loginetl audit verify
    expect 5 loginetl audit verify --expect-head "$kept_head"
}

what_next() {
    step "Now you: three commands"
    cat <<'TEXT'

    make up                    starts the same servers and leaves them running
    . target/env/env.sh        takes their settings over; loginetl, psql and aws are on PATH then
    loginetl init && loginetl load --file tests/env/sample.jsonl

And with these servers, as you like:

    "$LOGINETL_TEST_PYTHON" tests/env/send.py tests/env/sample.jsonl    sends events to the queue
    loginetl load --follow                    loads as messages arrive; Ctrl-C stops in order
    loginetl load --dry-run --max-messages 5  masked rows on the screen, nothing written
    loginetl rotate-keys --compromised        a key has leaked: new keys for tokens, hashes and the quarantine
    loginetl quarantine retry                 loads what parses now
    loginetl quarantine purge --all           deletes it for good, after asking
    loginetl unmask --find-ip - --reason …    which rows hold an address that you know? reads it from standard input
    loginetl audit list --format json         every record in full; --user, --since, --kind, --ticket, --hash choose
    loginetl audit export --out audit.jsonl   the log as a file; audit verify --file checks it with the public key alone
    make down                                 stops the servers and deletes their data

TEXT
}

# --- a rotation beside a stream ------------------------------------------------------------------

more_events() {
    awk -v count="$MORE" 'BEGIN {
        for (i = 0; i < count; i++)
            printf "{\"user_id\": \"user-%d\", \"app_version\": \"2.3\", \"device_type\": \"ios\", \"ip\": \"198.18.%d.%d\", " \
                "\"locale\": null, \"device_id\": \"000-%02d-%04d\"}\n", i, i / 256, i % 256, i / 10000, i % 10000
    }'
}

# A line for every round.
keep_sending() {
    local round
    for ((round = 0; round < MOST_ROUNDS; round++)); do
        [ ! -e "$scratch/enough" ] || break
        "$LOGINETL_TEST_PYTHON" "$HERE/send.py" "$SAMPLE"
    done
}

await_rows() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        [ "$(owner "select count(*) from user_logins")" -ne "$1" ] || return 0
        sleep 0.1
    done
    fail "$1 rows were due, and there are $(owner "select count(*) from user_logins")"
}

# Whether some of these groups are under the old key, and others are not.
under_two_keys() {
    local old all
    old=$(grep -c "^ip1\.$old_key\." <<<"$1") || true
    all=$(wc -l <<<"$1")
    [ "$old" -gt 0 ] && [ "$old" -lt "$all" ]
}

# Three answers to one question: other tokens, and the same counts, or the demo stops.
side_by_side() {
    local answer
    for answer in "$2" "$3"; do
        [ "$(cut -d'|' -f2 <<<"$answer")" = "$(cut -d'|' -f2 <<<"$1")" ] || fail "the groups differ"
    done
    printf '%-14s  users │ %-14s  users │ %-14s  users\n' before meanwhile afterwards
    paste -d'|' <(printf '%s\n' "$1") <(printf '%s\n' "$2") <(printf '%s\n' "$3") |
        awk -F'|' '{ printf "%-14s  %5s │ %-14s  %5s │ %-14s  %5s\n", $1, $2, $3, $4, $5, $6 }'
}

. "$HERE/demo_tools.sh"
main "$@"
