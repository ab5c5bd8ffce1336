"""What migrations say in SQL, because Django has no words for it. See docs/decisions/0005."""

from django.db.migrations.operations import RunSQL


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
        """,
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )
