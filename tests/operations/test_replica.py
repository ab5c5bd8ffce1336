"""Reads come from a real streaming replica where that loses nothing, and from the primary otherwise."""

import signal

import pytest

from tests.operations.cluster import streaming_cluster
from tests.operations.web import SECRET_KEY, first_owner, serving, sign_in
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def cluster():
    with streaming_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def environment(cluster, tmp_path_factory):
    return {
        "DATABASE_URL": cluster.primary.url,
        "REPLICA_DATABASE_URL": cluster.replica.url,
        "REPLICA_RETRY_SECONDS": "0",
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
        "SECRET_KEY": SECRET_KEY,
        "SERVED_OVER_HTTPS": "false",
    }


@pytest.fixture(scope="module")
def account(environment, tmp_path_factory):
    return first_owner(environment, tmp_path_factory.mktemp("owner"))


@pytest.fixture(scope="module")
def url(environment, account):
    with serving(environment) as url:
        yield url


@pytest.fixture
def writer(url, account, cluster):
    """Somebody who works while the replica shows the past, as one that lags does."""
    wait_until(lambda: has_caught_up(cluster))
    cluster.replica.query("SELECT pg_wal_replay_pause()")
    yield sign_in(url, account)
    if cluster.replica.answers():
        cluster.replica.query("SELECT pg_wal_replay_resume()")


def has_caught_up(cluster):
    (position,) = cluster.primary.query("SELECT pg_current_wal_insert_lsn()::text")
    return cluster.replica.query("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position)[0]


def upload(client, name):
    answer = client.request("POST", "/datasets", data={"name": name}, files={"file": ("a.jsonl", b"{}\n")})
    assert answer.status_code == 201


def names(client):
    return {dataset["name"] for dataset in client.request("GET", "/datasets").json()["data"]}


def test_whoever_has_written_sees_it_at_once(writer):
    upload(writer, "My own")

    assert "My own" in names(writer)


def test_others_read_from_the_replica(writer, url, account, cluster):
    other = sign_in(url, account)
    upload(writer, "Somebody else's")
    assert "Somebody else's" not in names(other)

    cluster.replica.query("SELECT pg_wal_replay_resume()")
    wait_until(lambda: has_caught_up(cluster))

    assert "Somebody else's" in names(other)


def test_the_primary_answers_while_the_replica_is_away(writer, url, account, cluster):
    upload(writer, "While it is away")
    cluster.replica.query("SELECT pg_wal_replay_resume()")
    cluster.replica.stop(signal.SIGKILL)

    assert "While it is away" in names(sign_in(url, account))

    cluster.replica.start()
