#!/usr/bin/env bash
# Creates the three KMS keys of loginetl and their aliases, on AWS or on LocalStack.
#
# Invariant: an alias of ours never points at a half-made key. A key gets its policy and its
# rotation first and its alias last; whoever loses the race for an alias schedules the deletion of
# the key it made and uses the winner's. So any number of runs, one after another or at once, end
# in one key for each alias. A key that stands under its alias is checked, never replaced.
#
# stdout carries the export lines and nothing else; what happened goes to stderr.
set -euo pipefail
export LC_ALL=C AWS_PAGER=''

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

usage() {
    cat <<'HELP'
keys/create-keys.sh: create the KMS keys and aliases of loginetl; safe to run again.

  alias/loginetl-ingest     wraps data keys for loading      SYMMETRIC_DEFAULT, yearly rotation
  alias/loginetl-recovery   wraps data keys for unmasking    SYMMETRIC_DEFAULT, yearly rotation
  alias/loginetl-audit      signs the audit log              ECC_NIST_P256, SIGN_VERIFY

Usage: keys/create-keys.sh [options]

Key policies (the first six or none; without them a new key gets the account's default policy):
  --loader-role ARN         may unwrap with the ingest key
  --unmasker-role ARN       may unwrap with the recovery key, and sign
  --rotator-role ARN        may wrap, unwrap and re-wrap with both, and sign
  --init-role ARN           may wrap and unwrap with both, and sign
  --auditor-role ARN        may read the audit public key
  --admin-role ARN          may administer the keys, may not use them
  --masker-role ARN         beside the six, not needed: jobs outside of the database; may unwrap with
                            the ingest key what masks. Name it in each run: a run without it takes
                            the right away
  --account ID              account of the keys (default: asked from STS)

IAM policies of the roles:
  --print-iam DIR           write keys/iam/*.json, filled in, to DIR, and who may assume the
                            roles (keys/trust/*.json) to DIR/trust
  --queue-arn ARN           the queue they name (default: login-queue in this account and region);
                            with multi-Region keys, name it wherever the script runs
  --dead-letter-queue-arn ARN
                            where it sends what nobody can load (default: its name and -dlq)

Who may assume the roles, with --print-iam; ROLE runs as the service account loginetl-ROLE:
  --oidc-provider ISSUER    for IRSA: the cluster's issuer, without https://
  --cluster-arn ARN         for Pod Identity: the cluster
  --namespace NAME          of the service accounts (default: loginetl)
  --scaler-service-account NAMESPACE/NAME
                            who asks for the queue's depth (default: keda/keda-operator)
  --task-regions REGION,... where tasks of ECS run (default: this region)

Other names, for instance for `loginetl keys rewrap`:
  --ingest-alias NAME  --recovery-alias NAME  --audit-alias NAME

  -h, --help                this text

Environment: AWS_ENDPOINT_URL, AWS_REGION, AWS_PROFILE and the CLI's other variables. For a plain
http:// endpoint (an emulator) region and credentials default to us-east-1 and test/test.

Exit status: 0 done; 1 failed; 2 wrong flags or settings, or an alias that names a key of another
type; 3 refused, or the key is not enabled; 4 unreachable or throttled, safe to run again.

Examples:
  # LocalStack
  AWS_ENDPOINT_URL=http://localhost:4566 keys/create-keys.sh

  # AWS, the account's default key policy, settings taken over into this shell
  eval "$(AWS_REGION=eu-central-1 keys/create-keys.sh)"

  # AWS, least privilege, and the IAM policies to attach to the roles
  R=arn:aws:iam::111122223333:role/loginetl
  AWS_REGION=eu-central-1 keys/create-keys.sh --print-iam ./iam-filled \
      --loader-role $R-loader --unmasker-role $R-unmasker --rotator-role $R-rotator \
      --init-role $R-init --auditor-role $R-auditor --admin-role $R-admin

  # a second ingest key to move the wraps to
  AWS_REGION=eu-central-1 keys/create-keys.sh --ingest-alias alias/loginetl-ingest-b
HELP
}

main() {
    read_flags "$@"
    choose_cli
    work=$(mktemp -d "${TMPDIR:-/tmp}/loginetl-keys.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'stop_jobs; exit 130' INT TERM HUP
    if [ -n "$with_policies$iam_dir" ]; then know_account; know_role_account; fi
    if [ -n "$with_policies" ]; then fill_key_policies; fi

    # A CLI start costs more than the call it makes, so the three keys are made side by side.
    pids=
    ensure_key ingest   "$ingest_alias"   SYMMETRIC_DEFAULT ENCRYPT_DECRYPT & pids="$pids $!"
    ensure_key recovery "$recovery_alias" SYMMETRIC_DEFAULT ENCRYPT_DECRYPT & pids="$pids $!"
    ensure_key audit    "$audit_alias"    ECC_NIST_P256     SIGN_VERIFY     & pids="$pids $!"
    await_jobs

    if [ -n "$iam_dir" ]; then print_iam; fi
    if [ -z "$with_policies" ]; then
        say "no role ARNs given: new keys have the account's default policy, others were left as they are"
    elif [ -z "$masker_role" ]; then
        say "no --masker-role: the key policies let no job outside of the database unwrap"
    fi
    printf 'export LOGINETL_INGEST_KEY=%s\n'   "$(key_name ingest "$ingest_alias")"
    printf 'export LOGINETL_RECOVERY_KEY=%s\n' "$(key_name recovery "$recovery_alias")"
    printf 'export LOGINETL_AUDIT_KEY=%s\n'    "$(key_name audit "$audit_alias")"
}

# KMS takes an alias in the caller's own account alone.
key_name() { if [ -n "$foreign_roles" ]; then cat "$work/$1.arn"; else printf '%s\n' "$2"; fi; }

say()  { printf '%s\n' "$*" >&2; }
fail() { local status=$1; shift; say "error: $*"; exit "$status"; }

# --- flags and environment -----------------------------------------------------------------------

read_flags() {
    loader_role='' unmasker_role='' rotator_role='' init_role='' auditor_role='' admin_role=''
    masker_role=''
    account='' iam_dir='' queue_arn='' dead_letter_queue_arn='' with_policies=''
    oidc_provider='' cluster_arn='' namespace=loginetl scaler_service_account=keda/keda-operator
    service_account='' account_namespace='' task_regions='' foreign_roles='' only_with_iam=''
    ingest_alias=alias/loginetl-ingest
    recovery_alias=alias/loginetl-recovery
    audit_alias=alias/loginetl-audit
    local flag value
    while [ $# -gt 0 ]; do
        flag=$1; shift
        case $flag in
            -h|--help) usage; exit 0 ;;
            --*=*) value=${flag#*=}; flag=${flag%%=*} ;;
            --*) [ $# -gt 0 ] || fail 2 "$flag needs a value, or is unknown; see --help"
                 value=$1; shift ;;
            *) fail 2 "unexpected argument: $flag; see --help" ;;
        esac
        case $flag in
            --queue-arn|--dead-letter-queue-arn|--oidc-provider|--cluster-arn|--namespace|\
            --scaler-service-account|--task-regions) only_with_iam=$flag ;;
        esac
        case $flag in
            --loader-role)    loader_role=$value;    check_role "$flag" "$value" ;;
            --unmasker-role)  unmasker_role=$value;  check_role "$flag" "$value" ;;
            --rotator-role)   rotator_role=$value;   check_role "$flag" "$value" ;;
            --init-role)      init_role=$value;      check_role "$flag" "$value" ;;
            --auditor-role)   auditor_role=$value;   check_role "$flag" "$value" ;;
            --admin-role)     admin_role=$value;     check_role "$flag" "$value" ;;
            --masker-role)    masker_role=$value;    check_role "$flag" "$value" ;;
            --ingest-alias)   ingest_alias=$value;   check_alias "$flag" "$value" ;;
            --recovery-alias) recovery_alias=$value; check_alias "$flag" "$value" ;;
            --audit-alias)    audit_alias=$value;    check_alias "$flag" "$value" ;;
            --account)   account=$value
                         matches "$value" '^[0-9]{12}$' || fail 2 "--account: not twelve digits" ;;
            --queue-arn) queue_arn=$value; check_queue "$flag" "$value" ;;
            --dead-letter-queue-arn)
                         dead_letter_queue_arn=$value; check_queue "$flag" "$value" ;;
            --oidc-provider) oidc_provider=$value
                         matches "$value" '^[a-z0-9.-]+\.[a-z]+(/[A-Za-z0-9_-]+)*$' ||
                             fail 2 "--oidc-provider: not an issuer without https://" ;;
            --cluster-arn) cluster_arn=$value
                         matches "$value" '^arn:aws[a-z-]*:eks:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$' ||
                             fail 2 "--cluster-arn: not the ARN of an EKS cluster" ;;
            --namespace) namespace=$value
                         matches "$value" '^[a-z0-9-]+$' || fail 2 "--namespace: not a namespace" ;;
            --scaler-service-account) scaler_service_account=$value
                         matches "$value" '^[a-z0-9-]+/[a-z0-9.-]+$' ||
                             fail 2 "--scaler-service-account: not NAMESPACE/NAME" ;;
            --task-regions) task_regions=$value
                         matches "$value" '^[a-z]+(-[a-z]+)+-[0-9](,[a-z]+(-[a-z]+)+-[0-9])*$' ||
                             fail 2 "--task-regions: not REGION,REGION" ;;
            --print-iam) iam_dir=$value
                         [ -n "$value" ] || fail 2 "--print-iam: needs a folder" ;;
            *) fail 2 "unknown flag: $flag; see --help" ;;
        esac
    done
    if [ -n "$only_with_iam" ] && [ -z "$iam_dir" ]; then
        fail 2 "$only_with_iam goes with --print-iam, and does nothing without it"
    fi
    check_roles_complete
    if [ "$ingest_alias" = "$recovery_alias" ] || [ "$ingest_alias" = "$audit_alias" ] ||
       [ "$recovery_alias" = "$audit_alias" ]; then
        fail 2 "the three aliases must differ: a shared key would undo the separation of the roles"
    fi
}

# grep looks at each line by itself, so a value of several lines never fits.
matches() {
    case $1 in *$'\n'*) return 1 ;; esac
    printf '%s\n' "$1" | grep -Eqx -- "$2"
}

# These checks also keep every character that sed or JSON would read as its own out of the policies.
check_role() {
    matches "$2" '^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$' ||
        fail 2 "$1: not the ARN of an IAM role or user"
}

check_alias() {
    matches "$2" '^alias/[A-Za-z0-9/_-]+$' || fail 2 "$1: an alias looks like alias/loginetl-ingest"
}

check_queue() {
    matches "$2" '^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$' ||
        fail 2 "$1: not the ARN of an SQS queue"
}

check_roles_complete() {
    local role arn missing='' given=''
    for role in loader unmasker rotator init auditor admin; do
        eval "arn=\$${role}_role"
        if [ -n "$arn" ]; then given="$given $role"; else missing="$missing --$role-role"; fi
    done
    [ -n "$given$masker_role" ] || return 0
    [ -z "$missing" ] || fail 2 "key policies name every role; also needed:$missing"
    # The policies deny these four what the others need, and a loader that may unmask is what two keys prevent.
    local other other_arn
    for role in loader auditor admin masker; do
        eval "arn=\$${role}_role"
        [ -n "$arn" ] || continue
        for other in loader unmasker rotator init auditor admin; do
            eval "other_arn=\$${other}_role"
            if [ "$role" != "$other" ] && [ "$arn" = "$other_arn" ]; then
                fail 2 "--$role-role and --$other-role must differ"
            fi
        done
    done
    with_policies=yes
}

choose_cli() {
    if command -v aws >/dev/null 2>&1; then cli=aws
    elif command -v awslocal >/dev/null 2>&1; then cli=awslocal
    else fail 2 "neither aws nor awslocal is on PATH; install the AWS CLI"
    fi
    emulator=''
    case ${AWS_ENDPOINT_URL_KMS:-${AWS_ENDPOINT_URL:-}} in
        http://*) emulator=yes ;;
        '') if [ $cli = awslocal ]; then emulator=yes; fi ;;
    esac
    # Version 1 of the CLI reads AWS_DEFAULT_REGION only, the SDKs read AWS_REGION.
    local region_found=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
    if [ -n "$emulator" ]; then
        region_found=${region_found:-us-east-1}
        if [ -z "${AWS_ACCESS_KEY_ID:-}${AWS_PROFILE:-}" ]; then
            export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
        fi
    fi
    if [ -n "$region_found" ]; then
        export AWS_REGION=$region_found AWS_DEFAULT_REGION=$region_found
    fi
}

# --- the keys ------------------------------------------------------------------------------------

# ensure_key HOLDER ALIAS SPEC USAGE: afterwards ALIAS names an enabled key of that type, whose ARN
# stands in $work/HOLDER.arn. Runs as a background job of its own.
ensure_key() {
    local holder=$1 alias=$2 spec=$3 usage=$4
    if find_key "$holder" "$alias" "$spec" "$usage"; then
        say "$alias: exists, left as it is ($found_arn)"
        put_policy "$holder" "$alias"
        warn_about_rotation "$holder" "$alias"
    else
        make_key "$holder" "$alias" "$spec" "$usage"
    fi
    printf '%s\n' "$found_arn" >"$work/$holder.arn"
}

# Looks the alias up: true with $found_arn, false if there is none. A key of another type is an error.
find_key() {
    local holder=$1 alias=$2 spec=$3 usage=$4 found found_spec found_usage found_state
    found_arn=
    if ! found=$(call "$holder" kms describe-key --key-id "$alias" --output text \
            --query 'KeyMetadata.[Arn,KeySpec,KeyUsage,KeyState]'); then
        if said "$holder" NotFoundException; then return 1; fi
        give_up "$holder" "$alias: cannot look it up"
    fi
    read -r found_arn found_spec found_usage found_state <<<"$found"
    if [ "$found_spec/$found_usage" != "$spec/$usage" ]; then
        fail 2 "$alias names a key of type $found_spec, $found_usage, but $spec, $usage is needed" \
            "($found_arn); choose another name with --$holder-alias, or delete the alias"
    fi
    if [ "$found_state" != Enabled ]; then
        fail 3 "$alias names a key in state $found_state ($found_arn); enable it or cancel its deletion"
    fi
}

make_key() {
    local holder=$1 alias=$2 spec=$3 usage=$4 made tries
    made=
    # Ctrl-C must not leave a key behind that costs money and has no name.
    trap 'discard "$holder" "$made"; exit 130' INT TERM HUP
    set -- --key-spec "$spec" --key-usage "$usage" --description "$(description "$holder")" \
        --tags TagKey=app,TagValue=loginetl "TagKey=holder,TagValue=$holder"
    if [ -n "$with_policies" ]; then set -- "$@" --policy "file://$work/$holder.json"; fi
    made=$(call "$holder" kms create-key "$@" --output text --query KeyMetadata.Arn) ||
        give_up "$holder" "$alias: cannot create a key"
    if [ "$spec" = SYMMETRIC_DEFAULT ] && [ -z "$emulator" ]; then
        call "$holder" kms enable-key-rotation --key-id "$made" >/dev/null ||
            discard_then_give_up "$holder" "$made" "$alias: cannot enable rotation"
    fi
    # From here on the key may have its name already, and must not be discarded for a signal's sake.
    trap '' INT TERM HUP
    if call "$holder" kms create-alias --alias-name "$alias" --target-key-id "$made" >/dev/null; then
        found_arn=$made
        say "$alias: created ($made)"
        return
    fi
    said "$holder" AlreadyExistsException ||
        discard_then_give_up "$holder" "$made" "$alias: cannot create the alias"

    say "$alias: another run was faster, its key is used"
    discard "$holder" "$made"
    trap - INT TERM HUP
    for tries in 1 2 3 4 5; do
        # KMS answers are consistent only after a moment.
        if find_key "$holder" "$alias" "$spec" "$usage"; then
            put_policy "$holder" "$alias"
            return
        fi
        sleep "$tries"
    done
    fail 4 "$alias: exists, but cannot be seen yet; run again"
}

description() {
    case $1 in
        ingest)   echo "loginetl: wraps data keys for loaders" ;;
        recovery) echo "loginetl: wraps data keys for unmaskers" ;;
        audit)    echo "loginetl: signs the audit log" ;;
    esac
}

discard() {
    [ -n "$2" ] || return 0
    if call "$1" kms schedule-key-deletion --key-id "$2" --pending-window-in-days 7 >/dev/null; then
        say "$2: has no alias, deleted in 7 days"
    else
        say "warning: $2 has no alias and its deletion could not be scheduled; do it by hand"
    fi
}

discard_then_give_up() {
    cp "$work/$1.err" "$work/$1.first"
    discard "$1" "$2"
    mv "$work/$1.first" "$work/$1.err"
    give_up "$1" "$3"
}

put_policy() {
    [ -n "$with_policies" ] || return 0
    call "$1" kms put-key-policy --key-id "$found_arn" --policy-name default \
        --policy "file://$work/$1.json" >/dev/null || give_up "$1" "$2: cannot set the key policy"
    say "$2: key policy set"
}

warn_about_rotation() {
    if [ "$1" = audit ] || [ -n "$emulator" ]; then return 0; fi
    local on
    on=$(call "$1" kms get-key-rotation-status --key-id "$found_arn" --output text \
        --query KeyRotationEnabled) || return 0
    if [ "$on" = False ]; then
        say "warning: $2: yearly rotation is off; aws kms enable-key-rotation --key-id $found_arn"
    fi
}

# --- policies ------------------------------------------------------------------------------------

know_account() {
    if [ -z "$account" ]; then
        account=$(call account sts get-caller-identity --output text --query Account) ||
            give_up account "cannot ask STS for the account; name it with --account"
    fi
    region=${AWS_REGION:-}
    if [ -z "$region" ]; then region=$("$cli" configure get region 2>/dev/null || true); fi
    [ -n "$region" ] || fail 2 "no region: set AWS_REGION"
    case $region in
        cn-*) partition=aws-cn ;;
        us-gov-*) partition=aws-us-gov ;;
        us-iso-*) partition=aws-iso ;;
        us-isob-*) partition=aws-iso-b ;;
        eu-isoe-*) partition=aws-iso-e ;;
        us-isof-*) partition=aws-iso-f ;;
        eusc-*) partition=aws-eusc ;;
        *) partition=aws ;;
    esac
    # A partition that is newer than this list stands in the ARN of each role.
    if [ -n "$loader_role" ]; then partition=${loader_role#arn:}; partition=${partition%%:*}; fi
    queue_given=$queue_arn
    queue_arn=${queue_arn:-arn:$partition:sqs:$region:$account:login-queue}
    case $queue_arn in
        # A queue in order has one of its kind for what is dead.
        *.fifo) dead_letter_queue_arn=${dead_letter_queue_arn:-${queue_arn%.fifo}-dlq.fifo} ;;
        *) dead_letter_queue_arn=${dead_letter_queue_arn:-$queue_arn-dlq} ;;
    esac
}

# The account of the roles that run something: their trust policies name it.
know_role_account() {
    local role arn found
    role_account=
    for role in loader unmasker rotator init auditor masker; do
        eval "arn=\$${role}_role"
        [ -n "$arn" ] || continue
        found=${arn#arn:*:iam::}; found=${found%%:*}
        role_account=${role_account:-$found}
        if [ "$found" != "$account" ]; then foreign_roles=yes; fi
        if [ -n "$iam_dir" ] && [ "$found" != "$role_account" ]; then
            fail 2 "--print-iam: --loader-role is of account $role_account, --$role-role of $found;" \
                "trust policies are written for roles of one account"
        fi
    done
    role_account=${role_account:-$account}
    task_sources=$(printf '%s\n' "${task_regions:-$region}" | tr , '\n' |
        sed -e "s|.*|\"arn:$partition:ecs:&:$role_account:*\"|" | paste -sd, - )
    task_sources=${task_sources#\"} task_sources=${task_sources%\"}
}

fill_key_policies() {
    local holder
    for holder in ingest recovery audit; do
        without_masker "$HERE/policies/$holder.json" >"$work/$holder.template"
        fill "$work/$holder.template" "$work/$holder.json"
    done
}

# The template, without the statements about the masker where there is no such role. A statement
# stands between two lines of a brace each; the last one, which has no comma, is about everybody.
without_masker() {
    if [ -n "$masker_role" ]; then cat "$1"; return; fi
    awk '
        /^    \{$/    { statement = ""; is_inside = 1 }
        !is_inside    { print; next }
                      { statement = statement $0 "\n" }
        /^    \},?$/  { if (!index(statement, "${MASKER_ROLE_ARN}")) printf "%s", statement
                        is_inside = 0 }
    ' "$1"
}

print_iam() {
    local file
    mkdir -p "$iam_dir" || fail 2 "--print-iam: cannot make the folder $iam_dir"
    for file in "$HERE"/iam/*.json; do
        fill "$file" "$iam_dir/$(basename "$file")"
    done
    print_trust
    if [ -z "$queue_given" ] && grep -q ':key/mrk-' "$work"/*.arn; then
        say "warning: multi-Region keys, and the policies name the queue of this region ($queue_arn);" \
            "--queue-arn names another"
    fi
    say "IAM policies of the roles written to $iam_dir"
}

# Who may assume each role: one file a role and a way, for the ways that the flags name.
print_trust() {
    local role
    mkdir -p "$iam_dir/trust" || fail 2 "--print-iam: cannot make the folder $iam_dir/trust"
    fill "$HERE/trust/ecs-tasks.json" "$iam_dir/trust/ecs-tasks.json"
    for role in loader unmasker rotator init auditor masker scaler; do
        account_namespace=$namespace service_account=loginetl-$role
        if [ "$role" = scaler ]; then
            account_namespace=${scaler_service_account%%/*}
            service_account=${scaler_service_account#*/}
        fi
        if [ -n "$oidc_provider" ]; then
            fill "$HERE/trust/irsa.json" "$iam_dir/trust/$role-irsa.json"
        fi
        if [ -n "$cluster_arn" ]; then
            fill "$HERE/trust/pod-identity.json" "$iam_dir/trust/$role-pod-identity.json"
        fi
    done
}

# fill TEMPLATE TARGET: a placeholder that nobody fills is an error, never a policy.
fill() {
    sed -e "s|\${ACCOUNT}|$account|g" \
        -e "s|\${PARTITION}|$partition|g" \
        -e "s|\${ROLE_ACCOUNT}|$role_account|g" \
        -e "s|\${TASK_SOURCES}|$task_sources|g" \
        -e "s|\${QUEUE_ARN}|$queue_arn|g" \
        -e "s|\${DEAD_LETTER_QUEUE_ARN}|$dead_letter_queue_arn|g" \
        -e "s|\${OIDC_PROVIDER}|$oidc_provider|g" \
        -e "s|\${CLUSTER_ARN}|$cluster_arn|g" \
        -e "s|\${NAMESPACE}|$account_namespace|g" \
        -e "s|\${SERVICE_ACCOUNT}|$service_account|g" \
        -e "s|\${LOADER_ROLE_ARN}|$loader_role|g" \
        -e "s|\${UNMASKER_ROLE_ARN}|$unmasker_role|g" \
        -e "s|\${ROTATOR_ROLE_ARN}|$rotator_role|g" \
        -e "s|\${INIT_ROLE_ARN}|$init_role|g" \
        -e "s|\${AUDITOR_ROLE_ARN}|$auditor_role|g" \
        -e "s|\${ADMIN_ROLE_ARN}|$admin_role|g" \
        -e "s|\${MASKER_ROLE_ARN}|$masker_role|g" \
        -e "s|\${INGEST_KEY_ARN}|$(key_anywhere ingest)|g" \
        -e "s|\${RECOVERY_KEY_ARN}|$(key_anywhere recovery)|g" \
        -e "s|\${AUDIT_KEY_ARN}|$(key_anywhere audit)|g" \
        "$1" >"$2" || fail 1 "cannot write $2"
    if grep -q "\${" "$2"; then fail 1 "$1: a placeholder was left unfilled"; fi
}

# The ARN of a key; of a multi-Region key, in whichever region: a policy that named one region,
# and a Deny above all, would say nothing of the replicas. No two keys have one such id.
key_anywhere() {
    [ -f "$work/$1.arn" ] || return 0
    sed -E 's|^(arn:[^:]+:kms:)[^:]+(:[0-9]+:key/mrk-)|\1*\2|' "$work/$1.arn"
}

# --- calls and jobs ------------------------------------------------------------------------------

# call JOB SERVICE OPERATION...: stdout is the answer, the error text stays in $work/JOB.err.
call() { local job=$1; shift; "$cli" "$@" 2>"$work/$job.err"; }

said() { grep -Eq -- "$2" "$work/$1.err"; }

# One place turns what the CLI said into an exit status.
give_up() {
    local status=1
    if said "$1" 'AccessDenied|NotAuthorized|UnrecognizedClient|InvalidClientTokenId|KMSInvalidState'; then status=3
    elif said "$1" 'Unable to locate credentials|ExpiredToken|You must specify a region|could not be found'; then status=2
    elif said "$1" 'Could not connect|Connection|timed? ?out|DependencyTimeout'; then status=4
    elif said "$1" 'Throttl|LimitExceeded|ServiceUnavailable|InternalException|InternalFailure'; then status=4
    fi
    say "error: $2: $(tr -s '\n' ' ' <"$work/$1.err")"
    exit $status
}

# Waits for all jobs, also when one has failed, and ends with the first failure's status.
await_jobs() {
    local pid status=0 one
    for pid in $pids; do
        one=0; wait "$pid" || one=$?
        if [ $status -eq 0 ]; then status=$one; fi
    done
    pids=
    [ $status -eq 0 ] || exit $status
}

stop_jobs() {
    local pid
    for pid in ${pids:-}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${pids:-}; do wait "$pid" 2>/dev/null || true; done
}

main "$@"
