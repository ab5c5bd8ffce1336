"""The product's settings as in production, over plain HTTP, with a bare view beside its own."""

import os

os.environ.setdefault("SECRET_KEY", "used-by-measurements-only-and-of-no-value-0123456789")
os.environ.setdefault("SERVED_OVER_HTTPS", "false")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("REQUESTS_PER_MINUTE", "1000000000")

from config.settings import *  # noqa: F403 - reads the environment, which is set above

ROOT_URLCONF = "tests.bench.urls"
# Each refusal that is measured would be a line.
LOGGING["loggers"]["django"] = {"level": "ERROR"}  # noqa: F405
