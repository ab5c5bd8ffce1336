#!/bin/sh
# The replica: a copy of the primary at its first start, then whatever the primary writes.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA"
    PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup --pgdata "$PGDATA" --write-recovery-conf --checkpoint fast \
        --host postgres --username replicator --no-password
fi
exec postgres
