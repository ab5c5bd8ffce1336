"""A server does not start with settings that are right on a laptop only."""

import logging
import os
import subprocess
import sys
import time

import pytest
from django.conf import global_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from config import settings as own
from tests.operations.web import CODE

SAFE = {"SECRET_KEY": "x" * 60, "SERVED_OVER_HTTPS": "true", "DEBUG": "false"}


def start(name="SECRET_KEY", **variables):
    return subprocess.run(
        [sys.executable, "-c", f"from config import settings; print(settings.{name})"],
        env={"PATH": os.environ["PATH"]} | SAFE | variables,
        cwd=CODE,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"SECRET_KEY": ""}, "Set SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "Set SECRET_KEY"),
        ({"DEBUG": "true"}, "DEBUG shows everybody"),
        ({"ALLOWED_HOSTS": "attune.example.com,*"}, "Name the hosts"),
        ({"JWT_KEYS": "short"}, "JWT_KEYS takes 32 or more"),
    ],
)
def test_refuses_to_start(variables, reason):
    started = start(**variables)

    assert started.returncode == 1
    assert f"ImproperlyConfigured: {reason}" in started.stderr.replace("Each of ", "")


def test_starts_with_what_the_example_asks_for():
    assert start().stdout.strip() == SAFE["SECRET_KEY"]


def test_a_laptop_needs_no_key():
    started = start(DEBUG="true", SECRET_KEY="", SERVED_OVER_HTTPS="false")

    assert started.stdout.startswith("unsafe-development-key")


@pytest.mark.parametrize("name", ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"])
def test_cookies_are_bound_to_the_host_that_set_them(name):
    assert start(name).stdout.startswith("__Host-")


def test_hashes_passwords_slowly():
    assert not hasattr(own, "PASSWORD_HASHERS")
    assert global_settings.PASSWORD_HASHERS[0].endswith(".PBKDF2PasswordHasher")
    assert PBKDF2PasswordHasher.iterations >= 600_000


def test_logs_and_stores_times_in_utc():
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, "a", None, None)

    assert (own.USE_TZ, own.TIME_ZONE) == (True, "UTC")
    assert logging.Formatter().converter(record.created) == time.gmtime(record.created)
