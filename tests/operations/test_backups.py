"""A backup of an installation in the middle of its work, and what comes back of it."""

import hashlib
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from config.storage import s3_storage
from datasets.models import Dataset
from finetuning.models import Installation
from tests.browser.world import build_world
from tests.factories import DatasetFactory
from tests.operations.stack import ObjectStore
from tests.operations.web import CODE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(organization, user, provider_account, sandbox):
    provider_account.set_api_key("sk-canary-of-the-key")
    provider_account.save()
    Installation.load()
    return build_world(organization, user, sandbox)


@pytest.fixture
def backup(world, tmp_path):
    call_command("back_up", str(tmp_path / "backup"), stdout=StringIO())
    return tmp_path / "backup"


class Elsewhere:
    """An empty database on the same server and an empty storage, where another copy of the product runs."""

    def __init__(self, media):
        # Each worker of the tests has a place of its own.
        self.name = f"{connection.settings_dict['NAME']}_elsewhere"
        self.media = media
        self.variables = {"MEDIA_ROOT": str(media)}

    def session(self):
        return psycopg.connect(
            **(connection.get_connection_params() | {"dbname": self.name}), autocommit=True
        )

    def manage(self, *arguments):
        with self.session() as session:
            place = session.info.get_parameters()
        address = f"postgres://{place['user']}@{place['host'].replace('/', '%2F')}/{self.name}"
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
        return subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=CODE,
            env=os.environ | settings | {"DATABASE_URL": address} | self.variables,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def elsewhere(tmp_path, db):
    elsewhere = Elsewhere(tmp_path / "media")
    name = sql.Identifier(elsewhere.name)
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        session.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield elsewhere
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def content(session):
    """Of each table, how many rows it has and a checksum of all that they say."""
    tables = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    rows = "SELECT count(*), md5(string_agg(row::text, E'\\n' ORDER BY row::text)) FROM {} row"
    return {
        table: session.execute(sql.SQL(rows).format(sql.Identifier(table))).fetchone() for (table,) in tables
    }


def guards(session):
    """What keeps the rows right: constraints, triggers and indexes, by table and name."""
    return session.execute(
        """
        SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2
        """
    ).fetchall()


def digests(media):
    return {
        path.relative_to(media).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(media).rglob("*")
        if path.is_file()
    }


def named_files():
    found = {}
    for name in Dataset.with_deleted.exclude(file="").values_list("file", flat=True):
        with default_storage.open(name) as stored:
            found[name] = hashlib.file_digest(stored, "sha256").hexdigest()
    return found


def test_brings_back_every_row_and_every_file(world, backup, elsewhere):
    with connection.cursor() as cursor:
        before, guarded = content(cursor.connection), guards(cursor.connection)

    done = elsewhere.manage("restore", backup)

    assert done.returncode == 0, done.stderr
    with elsewhere.session() as session:
        after = content(session)
        assert guards(session) == guarded
    assert after.pop("installation")[0] == before.pop("installation")[0] == 1
    assert after == before
    assert {
        table
        for table in (
            "fine_tuning_datasets",
            "training_examples",
            "fine_tuning_jobs",
            "fine_tuning_events",
            "fine_tuned_models",
            "conversations",
            "usage_days",
        )
        if not before[table][0]
    } == set()
    assert digests(elsewhere.media) == named_files() != {}


@pytest.fixture
def object_store():
    server = ObjectStore()
    server.start()
    yield server
    server.kill()


def test_brings_the_files_of_a_bucket_back_into_another(
    object_store, organization, user, elsewhere, tmp_path, settings
):
    place = {"endpoint_url": object_store.url, "region": "us-east-1"}
    keys = {"access_key": "key", "secret_key": "secret"}
    objects = object_store.client()
    for bucket in ("ours", "restored"):
        objects.create_bucket(Bucket=bucket)
    settings.STORAGES = settings.STORAGES | {
        "default": s3_storage(bucket="ours", encryption="AES256", **place, **keys)
    }
    DatasetFactory(organization=organization, created_by=user, file=ContentFile(b"{}\n" * 9, name="a.jsonl"))
    elsewhere.variables = {
        f"S3_{name}".upper(): value for name, value in {"bucket": "restored", **place, **keys}.items()
    }

    call_command("back_up", str(tmp_path / "backup"), stdout=StringIO())
    done = elsewhere.manage("restore", tmp_path / "backup")

    assert done.returncode == 0, done.stderr
    assert bodies(objects, "restored") == bodies(objects, "ours") != {}


def bodies(objects, bucket):
    names = [found["Key"] for found in objects.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {name: objects.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


def test_a_restored_database_starts_nothing_until_somebody_says_what_it_is(backup, elsewhere):
    elsewhere.manage("restore", backup)
    with elsewhere.session() as session:
        quarantined = session.execute("SELECT place FROM installation").fetchone()

    confirmed = elsewhere.manage("confirm_installation", "--restored")

    assert quarantined == ("",)
    assert "unfinished jobs are looked for at the provider" in confirmed.stdout
    with elsewhere.session() as session:
        assert session.execute("SELECT place <> '' FROM installation").fetchone() == (True,)


def test_refuses_a_database_that_has_tables(world, backup):
    with connection.cursor() as cursor:
        before = content(cursor.connection)

        with pytest.raises(CommandError, match="Restore into an empty one"):
            call_command("restore", str(backup))

        assert content(cursor.connection) == before


@pytest.mark.parametrize("damage", ["dump", "file", "manifest"])
def test_refuses_a_damaged_backup_and_leaves_the_database_empty(backup, elsewhere, damage):
    damaged = {
        "dump": backup / "database.dump",
        "file": next(path for path in (backup / "files").rglob("*") if path.is_file()),
        "manifest": backup / "manifest.json",
    }[damage]
    damaged.write_bytes(damaged.read_bytes()[:-1])

    done = elsewhere.manage("restore", backup)

    assert done.returncode == 1
    assert "backup" in done.stderr
    assert "Traceback" not in done.stderr
    with elsewhere.session() as session:
        assert content(session) == {}


def test_a_dump_that_breaks_off_half_way_changes_nothing_and_can_be_tried_again(backup, elsewhere):
    manifest = json.loads((backup / "manifest.json").read_text())
    dump = backup / "database.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) * 3 // 4])
    manifest["database"]["sha256"] = hashlib.sha256(dump.read_bytes()).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))

    broken_off = elsewhere.manage("restore", backup)

    assert "PostgreSQL refused the dump" in broken_off.stderr
    with elsewhere.session() as session:
        assert content(session) == {}
    dump.write_bytes(whole)
    manifest["database"]["sha256"] = hashlib.sha256(whole).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))
    assert elsewhere.manage("restore", backup).returncode == 0
    assert digests(elsewhere.media) == named_files()


def test_says_which_files_the_storage_has_lost(world, tmp_path):
    name = world["dataset"].file.name
    default_storage.delete(name)
    complaints = StringIO()

    call_command("back_up", str(tmp_path / "backup"), stdout=StringIO(), stderr=complaints)

    assert f"no longer has {name}" in complaints.getvalue()
    assert json.loads((tmp_path / "backup" / "manifest.json").read_text())["missing"] == [name]


def test_writes_over_no_other_backup(backup):
    with pytest.raises(CommandError, match="Name a new folder"):
        call_command("back_up", str(backup))


def test_is_readable_by_its_owner_only(backup):
    assert backup.stat().st_mode & 0o777 == 0o700


def test_has_no_secret_in_clear(world):
    with connection.cursor() as cursor:
        tables = content(cursor.connection)
        rows = sql.SQL("SELECT count(*) FROM {} row WHERE row::text LIKE '%%canary-of-the-key%%'")
        told = [
            table
            for table in tables
            if cursor.connection.execute(rows.format(sql.Identifier(table))).fetchone() != (0,)
        ]

    assert told == []
