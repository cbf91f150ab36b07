#!/usr/bin/env bash
# Is a restored database whole, and may the service start on it? One line each: ok, note, warn or FAIL, a remedy beside it.
#
#   restore-check.sh [--expect-rows N] [--expect-digest HEX] [--expect-head SEQ:HASH]
#                    [--key-ids-above N] [--key-ids-raised N]
#   restore-check.sh --state     prints the three expectations of the server that it is given, and changes nothing
#
#   --expect-…          what stood there at the time that was restored, as --state printed it, here or on another server
#   --key-ids-above N   the highest number of a data key that is known from elsewhere: CloudTrail, exports, tickets
#   --key-ids-raised N  an earlier run on this very copy has raised the numbers to N: they are compared, not raised again
#
# Settings: LOGINETL_DATABASE_URL (or …_FILE) of a superuser or a member of loginetl_owner, the password in it or in
# PGPASSFILE; LOGINETL_UNMASK_URL of an unmasker, where that login may not unmask; what loginetl needs for KMS. LOGINETL_BIN
# names the program, else it is loginetl on PATH. Needs bash and psql.
#
# Invariant: it changes two things and no other. It appends the records of one recovery to the audit log, and it raises
# vault.key_ids, which it then reads back. It prints no value of anybody. Exit codes are loginetl's: 0 all is well,
# 1 a person should look, 2 settings, 3 refused, 4 not reached, 5 what stands there is not what should; the gravest wins.
set -euo pipefail

readonly LOGINETL=${LOGINETL_BIN:-loginetl}
# Data keys that may have been made after the time that was restored: their records are gone, while tokens in exports, wraps
# in other backups and KMS' own log still name them. A rotation takes one number to three, a failed one too; so this is
# years of monthly rotations, or a week of one each half hour, and a 4,000,000th part of the numbers that there are.
readonly MARGIN=1000
readonly HIGHEST=4294967295
readonly PAGE=docs/disaster-recovery.md

expect_rows='' expect_digest='' expect_head='' above='' raised='' state='' exits='' can_write=1

main() {
    options "$@"
    tools
    look_at_server
    if [ -n "$state" ]; then
        print_state
        exit 0
    fi
    # Whatever is found, all of it is looked at; the numbers are raised even on a copy that is not whole.
    compare_rows
    compare_wraps
    run_check
    verify_log
    unmask_one_row
    raise_key_ids
    speak_of_the_queue
    finish
}

# --- what is said --------------------------------------------------------------------------------

say() { printf '%-5s %-11s %s\n' "$1" "$2" "$3"; }
remedy() { printf '                  → %s\n' "$1"; }
ok() { say ok "$1" "$2"; }

note() {
    say note "$1" "$2"
    remedy "$3"
}

# fail LINE TEXT REMEDY EXIT
fail() {
    say FAIL "$1" "$2"
    remedy "$3"
    exits+=" $4"
}

finish() {
    local code
    for code in 5 3 2 4 1; do
        if [[ " $exits " == *" $code "* ]]; then
            printf 'not as it should be: see the lines above (exit code %s)\n' "$code"
            exit "$code"
        fi
    done
    echo 'whole: the service may start on it'
}

usage() {
    sed -n '2,/^# Invariant/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
    [ -z "${1:-}" ] || printf 'error: %s\n' "$1" >&2
    exit 2
}

# --- settings ------------------------------------------------------------------------------------

options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --state) state=1 && shift && continue ;;
            -h | --help) usage ;;
            --expect-rows | --expect-digest | --expect-head | --key-ids-above | --key-ids-raised) ;;
            *) usage "no such option: $1" ;;
        esac
        [ $# -ge 2 ] || usage "$1 needs a value"
        case $1 in
            --expect-rows) expect_rows=$(like '[0-9]{1,18}' "$@") ;;
            --expect-digest) expect_digest=$(like '[0-9a-f]{64}' "$@") ;;
            --expect-head) expect_head=$(like '[0-9]{1,18}:[0-9a-f]{64}' "$@") ;;
            --key-ids-above) above=$(like '[1-9][0-9]{0,9}' "$@") ;;
            --key-ids-raised) raised=$(like '[1-9][0-9]{0,9}' "$@") ;;
        esac
        shift 2
    done
    if [ -z "${LOGINETL_DATABASE_URL:-}" ] && [ -r "${LOGINETL_DATABASE_URL_FILE:-}" ]; then
        read -r LOGINETL_DATABASE_URL <"$LOGINETL_DATABASE_URL_FILE" || true
        export LOGINETL_DATABASE_URL
        unset LOGINETL_DATABASE_URL_FILE
    fi
    [ -n "${LOGINETL_DATABASE_URL:-}" ] || usage 'LOGINETL_DATABASE_URL is not set, nor is LOGINETL_DATABASE_URL_FILE'
    keep_password_off_command_lines
    verify_by_default
}

# like PATTERN OPTION VALUE…
like() {
    [[ $3 =~ ^$1$ ]] || usage "$2 takes another form than $3"
    printf '%s' "$3"
}

# Others on this machine see the arguments of psql, and not its environment.
keep_password_off_command_lines() {
    local password
    url=$LOGINETL_DATABASE_URL
    if [[ $url =~ ^(postgres(ql)?://[^/@:?#]*):([^/@?#]*)@(.*)$ ]]; then
        url="${BASH_REMATCH[1]}@${BASH_REMATCH[4]}" password=${BASH_REMATCH[3]//\\/\\\\}
        PGPASSWORD=$(printf '%b' "${password//%/\\x}")
        export PGPASSWORD
    fi
    [[ ! $url =~ [?\&\ ]password|^password ]] ||
        usage 'LOGINETL_DATABASE_URL has a password in a place where others would see it: write postgres://NAME:PASSWORD@…'
}

# What the URL leaves out about TLS means to psql what it means to loginetl: encrypted, and verified.
verify_by_default() {
    [[ $url == *sslmode=* ]] || export PGSSLMODE=verify-full
    [[ $url =~ sslmode=(disable|require)|sslrootcert= ]] || export PGSSLROOTCERT=system
}

tools() {
    local tool
    for tool in psql "$LOGINETL"; do
        [ -z "$state" ] || [ "$tool" = psql ] || continue
        command -v "$tool" >/dev/null || usage "$tool is not on PATH (LOGINETL_BIN names loginetl)"
    done
    errors=$(mktemp)
    trap 'rm -f "$errors"' EXIT
}

# --- the database --------------------------------------------------------------------------------

# Answers a statement; what psql has to say about a failure is in $errors. Nothing that somebody has set for the login or
# the server changes an answer; row-level security that hides rows is an error.
ask() {
    {
        echo "set statement_timeout = 0; set datestyle = 'ISO, YMD'; set client_encoding = 'UTF8'; set row_security = off;"
        echo "set search_path = pg_catalog; set lock_timeout = '10s'; set idle_in_transaction_session_timeout = 0;"
        cat
    } | PGAPPNAME=restore-check PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-15} \
        psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$url" 2>"$errors"
}

why() { head -n 1 "$errors" | sed -E 's/^psql:<stdin>:[0-9]+: //'; }

# psql ends with 2 where it was not connected, with 3 where a statement failed.
fail_to_ask() {
    if grep -qiE 'authentication failed|no password|permission denied' "$errors"; then
        fail "$1" "$(why)" 'use a login that is a superuser or a member of loginetl_owner' 3
    elif grep -qE 'connection to server|could not translate|server closed' "$errors"; then
        fail "$1" "$(why)" 'see that the server runs and that LOGINETL_DATABASE_URL is right, then run it again' 4
    elif grep -q '^psql: error' "$errors"; then
        fail "$1" "$(why)" 'this psql cannot do what LOGINETL_DATABASE_URL asks for; sslrootcert=FILE needs no newer one' 2
    else
        fail "$1" "$(why)" 'the schema is not the one that this script knows: run loginetl init, then this again' 2
    fi
}

look_at_server() {
    local answer version recovering archive replayed waits vault
    answer=$(ask <<'SQL'
select current_setting('server_version'), pg_is_in_recovery(), current_setting('archive_mode'),
       coalesce(to_char(pg_last_xact_replay_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
       current_setting('synchronous_standby_names') <> ''
         and not exists (select from pg_stat_replication where coalesce(sync_state, 'sync') in ('sync', 'quorum')),
       to_regclass('vault.key_ids') is not null and to_regclass('audit.head') is not null
         and to_regclass('vault.fields') is not null;
SQL
    ) || { fail_to_ask server && finish; }
    IFS='|' read -r version recovering archive replayed waits vault <<<"$answer"
    if [ "$vault" = f ]; then
        fail server 'has no vault of this version' \
            "name the right database; where it is the backup of an earlier build, run loginetl init first" 2
        finish
    elif [ -n "$state" ]; then
        return
    elif [ "$recovering" = t ]; then
        fail server 'is still in recovery: it takes no changes' 'wait for its end, or promote it: select pg_promote()' 4
        finish
    fi
    ok server "PostgreSQL $version${replayed:+, the last transaction that came back is of $replayed}"
    if [ "$archive" != off ]; then
        note archive "archive_mode is $archive: a copy that archives to where its original did spoils that archive" \
            'give it an archive of its own, or set archive_mode = off'
    fi
    if [ "$waits" = t ]; then
        can_write=''
        fail standby 'synchronous_standby_names is set and no such standby is there: every commit would wait for ever' \
            "alter system set synchronous_standby_names = ''; select pg_reload_conf(); then run this again" 2
    fi
}

# Rows, their digest, the highest number in a token, and the head of the log, all as of one moment. The digest is the sum of
# the SHA-256 of all rows, in four parts, so it does not depend on their order. It tells what was lost or changed by a fault;
# it is no seal against somebody who may write to the table and has time.
read_rows() {
    local columns numbers
    columns=$(ask <<'SQL'
select string_agg(format(', l.%I, l.%I', 'masked_' || field, field || '_hash'), '' order by position) from vault.fields;
SQL
    ) && numbers=$(ask <<'SQL'
select string_agg(format($$case when l.%1$I ~ '^%2$s[1-9][0-9]{0,9}[.]' then split_part(l.%1$I, '.', 2)::bigint end$$,
                         'masked_' || field, replace(token_prefix, '.', '[.]')), ', ' order by position) from vault.fields;
SQL
    ) && ask <<SQL
begin isolation level repeatable read read only;
select count(*),
       encode(sha256(convert_to(concat_ws('|', '$columns', count(*), sum(a), sum(b), sum(c), sum(d)), 'UTF8')), 'hex'),
       coalesce(max(number) filter (where number <= $HIGHEST), 0), (select seq || ':' || encode(hash, 'hex') from audit.head)
from (
    select greatest($numbers) as number, sha256(convert_to(
               row(l.user_id, l.device_type, l.locale, l.app_version, l.create_date$columns)::text, 'UTF8')) as h
    from public.user_logins l offset 0
) as r, lateral (
    select ('x' || encode(substr(h, 1, 8), 'hex'))::bit(64)::bigint as a,
           ('x' || encode(substr(h, 9, 8), 'hex'))::bit(64)::bigint as b,
           ('x' || encode(substr(h, 17, 8), 'hex'))::bit(64)::bigint as c,
           ('x' || encode(substr(h, 25, 8), 'hex'))::bit(64)::bigint as d
) as parts;
commit;
SQL
}

print_state() {
    local found rows digest head
    found=$(read_rows) || { fail_to_ask rows && finish; }
    IFS='|' read -r rows digest _ head <<<"$found"
    printf -- '--expect-rows %s --expect-digest %s --expect-head %s\n' "$rows" "$digest" "$head"
}

compare_rows() {
    local found rows digest
    in_tokens=0
    found=$(read_rows) || {
        if grep -q 'relation "public.user_logins" does not exist' "$errors"; then
            fail rows 'there is no table user_logins' 'restore to a time before it was dropped' 5
        else
            fail_to_ask rows
        fi
        return
    }
    IFS='|' read -r rows digest in_tokens _ <<<"$found"
    compare rows "$rows" "$expect_rows" \
        'rows are missing or too many: restore to the right time; see that no WAL file is missing'
    compare digest "$digest" "$expect_digest" \
        'a row is another than it was, or the time is another: compare with a replica, another backup or an export'
}

# compare LINE FOUND EXPECTED REMEDY
compare() {
    if [ -z "$3" ]; then
        note "$1" "$2" "nothing to compare it with: --expect-$1"
    elif [ "$2" = "$3" ]; then
        ok "$1" "$2, as expected"
    else
        fail "$1" "$2, and expected was $3" "$4" 5
    fi
}

# --- the keys ------------------------------------------------------------------------------------

# `check` opens each wrap that is there; whether one is missing, the table tells.
compare_wraps() {
    local missing
    missing=$(ask <<'SQL'
select k.key_id || ' (' || h.holder || ')' from vault.data_keys k cross join (values ('ingest'), ('recovery')) as h (holder)
where k.state <> 'destroyed' and not exists (select from vault.wraps w where w.key_id = k.key_id and w.holder = h.holder)
order by k.key_id, h.holder;
SQL
    ) || { fail_to_ask wraps && return; }
    if [ -n "$missing" ]; then
        fail wraps "these data keys lack a wrap: $(paste -sd ' ' <<<"$missing")" \
            'take the rows of vault.wraps from another backup' 5
    else
        ok wraps "each data key that is not destroyed has both"
    fi
}

# The queue is no part of what was restored. All KMS keys are: `check` has KMS open every wrap of both holders, and compares
# each data key with its check value. Of warnings, which a copy without owners has by the hundred, the first few are shown.
run_check() {
    local output code=0 line arn seen='' warnings=0
    output=$(env -u LOGINETL_QUEUE_URL "$LOGINETL" check 2>"$errors" </dev/null) || code=$?
    if [ -z "$output" ]; then
        fail check "$(why)" 'run loginetl check by itself' "$code"
        return
    fi
    while IFS= read -r line; do
        case $line in
            'warn  queue '*) seen=queue ;; # none was named to it
            'ok '* | 'note '*)
                seen=ok
                [[ $line != *' unwrap to their check values' ]] || printf '%s\n' "$line"
                ;;
            'warn '*)
                warnings=$((warnings + 1)) seen=hidden
                [ "$warnings" -gt 8 ] || { seen=bad && printf '%s\n' "${line:0:200}"; }
                ;;
            'FAIL '*)
                seen=bad
                arn=$(arn_of "$line")
                printf '%s%s\n' "$line" "${arn:+: $arn}"
                ;;
            *) [ "$seen" != bad ] || printf '%s\n' "$line" ;;
        esac
    done <<<"$output"
    [ "$code" -ne 1 ] || grep -vE '^warn  queue ' <<<"$output" | grep -q '^warn ' || code=0
    if [ "$code" -eq 0 ]; then
        ok check "all of its lines but that about the queue"
    else
        fail check "ended with $code, $warnings warnings" \
            'see its lines above, or run loginetl check; init repairs what it can' "$code"
    fi
}

# The KMS key around the data key that a line of `check` names.
arn_of() {
    [[ $1 =~ ^FAIL\ +(ingest|recovery)\ +data\ key\ ([0-9]+)\  ]] || return 0
    ask <<<"select kms_key_arn from vault.wraps where holder = '${BASH_REMATCH[1]}' and key_id = ${BASH_REMATCH[2]}" || true
}

# --- the log and the gate ------------------------------------------------------------------------

verify_log() {
    local output code=0
    output=$("$LOGINETL" audit verify ${expect_head:+--expect-head "$expect_head"} 2>"$errors" </dev/null) || code=$?
    case $code in
        0) ok 'audit log' "$(grep -v '^head ' <<<"$output" | tail -n 1)${expect_head:+; it holds the head that was kept}" ;;
        1 | 5) fail_log "$output" "$code" ;;
        *) fail 'audit log' "$(why)" "see that KMS and the audit key can be reached" "$code" ;;
    esac
}

# A head that is newer than the time that was restored is missing by design: the log ends before it, or has gone another way
# since. No program can tell that from a log that was cut or written anew; heads and exports from before that time can.
fail_log() {
    local findings
    findings=$(grep -vE '^(head|attention:|tampered:)' <<<"$1") || true
    [ -z "$findings" ] || head -n 20 <<<"$findings"
    if [ "$2" -eq 1 ]; then
        fail 'audit log' "$(grep '^attention:' <<<"$1")" \
            'a recovery was under way at that time: ask its login (docs/audit-log.md)' 1
    elif [ -n "$expect_head" ] && ! grep -qv 'the head that was kept' <<<"$findings"; then
        fail 'audit log' "does not hold the head that was kept (${expect_head%%:*}); nothing else was found" \
            "by design, where that head is newer than the time that was restored: compare with one from before it ($PAGE)" 5
    else
        fail 'audit log' "$(grep '^tampered:' <<<"$1")" \
            'the lines above say where; compare with an export (docs/audit-log.md)' 5
    fi
}

# A real recovery, of all that is masked in one row: request, signature, release, KMS, token, hash. Its values go nowhere.
unmask_one_row() {
    local selectors output code=0 may=t problems
    [ -n "$can_write" ] || return 0
    if [ -z "${LOGINETL_UNMASK_URL:-}" ]; then
        may=$(ask <<<"select pg_has_role(session_user, 'loginetl_unmasker', 'member')") || may=f
    fi
    if [ "$may" = f ]; then
        fail unmask 'not tried: this login may not recover values' 'set LOGINETL_UNMASK_URL to the URL of an unmasker' 3
        return
    fi
    selectors=$(selectors_of_one_row) || { fail_to_ask unmask && return; }
    if [ -z "$selectors" ]; then
        note unmask 'not tried: no row has a hash' 'load something, then unmask it'
        return
    fi
    output=$(LOGINETL_DATABASE_URL=${LOGINETL_UNMASK_URL:-$LOGINETL_DATABASE_URL} "$LOGINETL" unmask --from - --format json \
        --reason 'restore check: does one row of the restored table open?' 2>"$errors" <<<"$selectors") || code=$?
    # No more of it than the codes of problems.
    problems=$(grep -oE '"problem":"[a-z_]+"' <<<"$output" | cut -d'"' -f4 | sort -u | paste -sd ' ') || true
    output=''
    if [ "$code" -eq 0 ]; then
        ok unmask "one row opens ($(wc -l <<<"$selectors" | tr -d ' ') values, on record, not shown); $(grep '^audit head' "$errors")"
    else
        fail unmask "one row does not open: ${problems:-$(grep -E '^error' "$errors" | head -n 1)}" \
            "docs/commands/unmask.md has the meaning; compare the row with another backup" "$code"
    fi
}

# Any row: that of a random place in the index, or where nothing follows it, the first.
selectors_of_one_row() {
    local hashes
    hashes=$(ask <<'SQL'
select string_agg(format('%L || l.%I', replace(field, '_', '-') || '-hash ', field || '_hash'), ', ' order by position)
from vault.fields;
SQL
    ) && ask <<SQL
(select concat_ws(E'\n', $hashes) from public.user_logins l where ip_hash >= (select gen_random_uuid()) order by ip_hash limit 1)
union all (select concat_ws(E'\n', $hashes) from public.user_logins l where ip_hash is not null limit 1) limit 1;
SQL
}

# --- the numbers of data keys --------------------------------------------------------------------

# Two keys with one number would be fatal: the tokens of one would be taken for those of the other, and its wraps too. So
# the sequence goes past each number that is known, and past those that may have been used since.
raise_key_ids() {
    local found keys bodies records stood highest target now known
    found=$(ask <<'SQL'
select (select coalesce(max(key_id), 0) from (select key_id from vault.data_keys union all select key_id from vault.wraps) as k),
       (select coalesce(max(seal_key_id), 0) from ingest.quarantine),
       (select coalesce(max((n #>> '{}')::bigint), 0)
        from audit.log l, lateral (
            select jsonb_path_query(l.record::jsonb, '$.key_id') union all select jsonb_path_query(l.record::jsonb, '$.key_ids[*]')
            union all select jsonb_path_query(l.record::jsonb, '$.keys.*.*')
            union all select jsonb_path_query(l.record::jsonb, '$.retired[*]')
            union all select jsonb_path_query(l.record::jsonb, '$.left_over[*]')) as p (n)
        where l.kind ~ '^(key|rotate|unmask|find)[.]' and jsonb_typeof(n) = 'number'),
       (select last_value from vault.key_ids);
SQL
    ) || { fail_to_ask 'key ids' && return; }
    IFS='|' read -r keys bodies records stood <<<"$found"
    highest=$(printf '%s\n' "$keys" "$bodies" "$records" "$in_tokens" "$stood" "${above:-0}" | sort -n | tail -n 1)
    known="keys and wraps $keys, tokens $in_tokens, quarantine $bodies, records $records${above:+, known from elsewhere $above}"
    if [ -n "$raised" ] && [ "$stood" -ge "$raised" ] && [ "$stood" -ge "$highest" ]; then
        ok 'key ids' "stand at $stood since an earlier run ($known): not raised again"
        return
    elif [ -n "$raised" ]; then
        fail 'key ids' "stand at $stood ($known): no earlier run has raised them to $raised and past all of these" \
            'leave --key-ids-raised out' 2
        return
    elif [ -z "$can_write" ]; then
        fail 'key ids' "not raised: they stand at $stood ($known)" 'see the line standby' 2
        return
    fi
    target=$((highest + MARGIN))
    if [ "$target" -ge "$HIGHEST" ]; then
        fail 'key ids' "not raised: past $highest ($known) no $MARGIN numbers are left of $HIGHEST" \
            'see whether that number is of loginetl; what names it may have been put there' 5
        return
    fi
    now=$(ask <<SQL
start transaction read write;
select from setval('vault.key_ids', greatest((select last_value from vault.key_ids), $target));
commit;
select last_value from vault.key_ids;
SQL
    ) || { fail_to_ask 'key ids' && return; }
    if [ "$now" -lt "$target" ]; then
        fail 'key ids' "stand at $now, and not at $target" 'run it again' 4
        return
    fi
    ok 'key ids' "raised from $stood to $now: the next data key gets $((now + 1)). Known: $known; $MARGIN more for keys made since"
    remedy "to look at this copy again: --key-ids-raised $now"
}

speak_of_the_queue() {
    note queue 'what was deleted from the queue since the time that was restored is neither there nor here' \
        "load it from an archive of the queue, with the ids of its messages ($PAGE)"
}

main "$@"
