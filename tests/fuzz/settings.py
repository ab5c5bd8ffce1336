"""The settings of the tests, with addresses for the fuzzer beside the product's own."""

import os

os.environ.setdefault("LOG_LEVEL", "ERROR")

from tests.settings import *  # noqa: F403 - reads the environment, which is set above

ROOT_URLCONF = "tests.fuzz.urls"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
EMAIL_IS_SENT = False
# Refusals are what the fuzzer looks for.
LOGGING["loggers"]["django"] = {"level": "ERROR"}  # noqa: F405
