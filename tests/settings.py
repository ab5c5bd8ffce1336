"""The product's own settings, with what a test run must not share: key, folder, seconds of hashing."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("SECRET_KEY", "used-by-tests-only-and-of-no-value-to-anybody-0123456789")
os.environ.setdefault("SERVED_OVER_HTTPS", "false")
os.environ.setdefault("POLL_INTERVAL_SECONDS", "1")
os.environ.setdefault("PROVIDER_TIMEOUT_SECONDS", "5")
os.environ.setdefault("UPLOADS_PER_HOUR", "1000000")
os.environ.setdefault("JOBS_PER_HOUR", "1000000")
os.environ.setdefault("REQUESTS_PER_MINUTE", "1000000")
os.environ.setdefault("SIGN_INS_PER_ACCOUNT", "1000000")
os.environ.setdefault("SIGN_INS_PER_NETWORK", "1000000")

from config.settings import *  # noqa: F403 - reads the environment, which is set above

_media = TemporaryDirectory(prefix="attune-test-media-")
_static = TemporaryDirectory(prefix="attune-test-static-")
# Its `flush` is faster.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.emptying"]  # noqa: F405
MIDDLEWARE = ["tests.documented.DocumentedStatusMiddleware", *MIDDLEWARE]  # noqa: F405
MEDIA_ROOT = _media.name
GATEWAY_FOLDER = Path(_media.name) / "usage"
STATIC_ROOT = _static.name
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each client would otherwise look at every static file when it is made.
WHITENOISE_AUTOREFRESH = True
