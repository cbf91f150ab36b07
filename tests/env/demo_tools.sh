# What demo.sh tells and does with: steps, commands as they are typed, queries, and programs that run beside it.
# Sourced by demo.sh, whose $LOGINETL, $PSQL, $OWNER_URL, $scratch and $running it uses.

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
be() {
    LOGINETL_DATABASE_URL=$(url_of "$1")
    export LOGINETL_DATABASE_URL
}

url_of() { printf '%s' "${OWNER_URL/:\/\/postgres@/://$1@}"; }

show_loginetl() {
    local word line='$ loginetl'
    for word; do
        case $word in *\ *) line+=" '$word'" ;; *) line+=" $word" ;; esac
    done
    show "$line"
}

loginetl() {
    show_loginetl "$@"
    "$LOGINETL" "$@"
}

# The same, with its lines cut to the width of a page where no terminal makes them fit.
fitted_loginetl() {
    show_loginetl "$@"
    if [ -t 1 ]; then "$LOGINETL" "$@"; else "$LOGINETL" "$@" 2>&1 | LC_ALL=C.UTF-8 sed -E 's/^(.{119}).+/\1…/'; fi
}

# A command that has to end with this status; with any other the demo stops.
expect() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    say "(exit code $status)"
    [ "$status" -eq "$wanted" ] || fail "exit code $wanted was due here"
}

fail() {
    say "error: $*" >&2
    exit 1
}

owner() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=terse -c "$1" "$OWNER_URL"; }

last_request() { owner "select max(seq) from audit.log where kind = 'unmask.request'"; }

# What the analyst is answered, bare.
answer() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -c "$1" "$(url_of demo_analyst)"; }

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

# --- programs beside this one --------------------------------------------------------------------

# Starts a command in a process group of its own, its output in a file of this name; $! is its number.
start() {
    local output=$scratch/$1
    shift
    set -m
    "$@" >"$output" 2>&1 </dev/null &
    set +m
    running+="$! "
}

# Waits for its end, says what it had to say, and passes its status on. Of a failure clean_up tells.
ended() {
    local status=0
    wait "$2" || status=$?
    running=${running/ $2 / }
    [ "$status" -ne 0 ] || cat "$scratch/$1"
    return "$status"
}

clean_up() {
    local status=$1 pid tries
    trap '' INT TERM HUP # one is enough
    for pid in $running; do kill -TERM -- "-$pid" 2>/dev/null || true; done
    for pid in $running; do
        for ((tries = 0; tries < 100; tries++)); do
            kill -0 -- "-$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -KILL -- "-$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        tail -n 5 "$scratch"/* >&2 2>/dev/null || true
        say "The demo stopped here with status $status; see the error above." >&2
    fi
    rm -rf "$scratch"
}
