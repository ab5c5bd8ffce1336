"""What Django has no words for: SQL of migrations (docs/decisions/0005 and 0006), a session of our own."""

from collections.abc import Sequence

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.operations import RunSQL


def new_session() -> psycopg.Connection:
    """A session with the database that no pooler gives to others between two transactions; it autocommits."""
    if settings.DIRECT_DATABASE_URL:
        return psycopg.connect(settings.DIRECT_DATABASE_URL, autocommit=True)
    return psycopg.connect(**connection.get_connection_params(), autocommit=True)


def fixed_organization(table: str) -> RunSQL:
    """No row of `table` moves to another organization. The checks between rows rely on it."""
    name = f"{table}_organization_is_fixed"
    return RunSQL(
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a row of {table} stays in its organization'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END $$;
        CREATE TRIGGER {name} BEFORE UPDATE OF organization_id ON {table} FOR EACH ROW
            WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id) EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def same_organization(table: str, column: str, target: str) -> RunSQL:
    """A row of `table` refers by `column` to a row of `target` in its own organization only.

    A composite foreign key beside Django's own; `target` needs a unique constraint on (organization_id, id).
    """
    name = f"{table}_{column}_same_organization"
    return RunSQL(
        f"""
        ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (organization_id, {column})
            REFERENCES {target} (organization_id, id) DEFERRABLE INITIALLY DEFERRED;
        """,
        f"ALTER TABLE {table} DROP CONSTRAINT {name};",
    )


def same_organization_as(table: str, owner: tuple[str, str], column: str, target: str) -> RunSQL:
    """The same for a `table` without `organization_id`: the row that `owner` names says whose it is.

    `owner` is a column and the table that it refers to. Both tables must have a `fixed_organization`.
    """
    owner_column, owner_table = owner
    name = f"{table}_{column}_same_organization"
    return RunSQL(
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM {owner_table} owner, {target} target
                WHERE owner.id = NEW.{owner_column} AND target.id = NEW.{column}
                    AND owner.organization_id <> target.organization_id
            ) THEN
                RAISE EXCEPTION '{column} % of {table} belongs to another organization', NEW.{column}
                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}', TABLE = '{table}';
            END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER {name} AFTER INSERT OR UPDATE OF {owner_column}, {column} ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.{column} IS NOT NULL)
            EXECUTE FUNCTION {name}();
        """,  # nosec B608 - names from migrations
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def counted(table: str, *, subject: str, counts: str, only_if: str, columns: Sequence[str]) -> RunSQL:
    """Keep the numbers of `table` in `stat_changes`, under `subject`, whoever writes its rows and how.

    `counts` are rows of (measure, key, amount): what the one row `$1` adds to the numbers, `only_if` that
    holds for it. `columns` are those that both read and that may change.
    """
    name = f"{table}_counts"
    number = "organization_id, workspace_id, subject, measure, key"
    return RunSQL(
        f"""
        CREATE FUNCTION {name}({table}) RETURNS TABLE (measure text, key text, amount numeric)
        LANGUAGE sql STABLE AS $$
            SELECT counts.measure, counts.key, counts.amount::numeric
            FROM (VALUES {counts}) counts (measure, key, amount) WHERE counts.amount <> 0 AND {only_if}
        $$;
        CREATE FUNCTION {name}_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO stat_changes ({number}, amount)
            SELECT {number}, sum(amount) FROM (
                SELECT OLD.organization_id, OLD.workspace_id, '{subject}' AS subject, measure, key,
                    -amount AS amount
                FROM {name}(OLD) WHERE TG_OP <> 'INSERT'
                UNION ALL
                SELECT NEW.organization_id, NEW.workspace_id, '{subject}', measure, key, amount
                FROM {name}(NEW) WHERE TG_OP <> 'DELETE'
            ) change
            GROUP BY {number} HAVING sum(amount) <> 0;
            RETURN NULL;
        END $$;
        CREATE TRIGGER {name} AFTER INSERT OR DELETE OR UPDATE OF {", ".join(columns)} ON {table}
            FOR EACH ROW EXECUTE FUNCTION {name}_change();
        INSERT INTO stat_changes ({number}, amount)
            SELECT organization_id, workspace_id, '{subject}', measure, key, sum(amount)
            FROM {table}, {name}({table}) GROUP BY organization_id, workspace_id, measure, key;
        """,  # nosec B608 # noqa: S608 - names from migrations
        f"""
        DROP TRIGGER {name} ON {table};
        DROP FUNCTION {name}_change();
        DROP FUNCTION {name}({table});
        DELETE FROM stat_changes WHERE subject = '{subject}';
        """,  # nosec B608 # noqa: S608 - likewise
    )
