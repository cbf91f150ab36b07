#!/bin/bash
# The entry point of the stand-in for the image `postgres:18`: what the official one does with POSTGRES_USER,
# POSTGRES_PASSWORD and POSTGRES_DB when its folder is empty, and what a health check can see meanwhile.
#
# Invariant: nothing listens on TCP before the user, the password and the database are there.
set -euo pipefail

readonly DATA=/var/lib/postgresql/18/docker

main() {
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$DATA" /var/run/postgresql
        chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql
        chmod 700 "$DATA"
        exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
    fi
    [ -s "$DATA/PG_VERSION" ] || prepare
    exec "$@" -D "$DATA" -c listen_addresses='*'
}

prepare() {
    initdb --pgdata "$DATA" --username "$POSTGRES_USER" --auth-local trust --auth-host scram-sha-256 \
        --pwfile <(printf '%s\n' "$POSTGRES_PASSWORD")
    printf 'host all all all scram-sha-256\n' >> "$DATA/pg_hba.conf"
    pg_ctl -D "$DATA" -o "-c listen_addresses=''" -w start
    if [ "$POSTGRES_DB" != postgres ]; then
        psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres --set db="$POSTGRES_DB" <<< 'create database :"db"'
    fi
    pg_ctl -D "$DATA" -m fast -w stop
}

main "$@"
