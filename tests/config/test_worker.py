"""What a worker loads: each of its processes has it in memory, and each start waits for it."""

import os
import subprocess
import sys

STARTED = """
import sys
from config.celery import app
import django
django.setup()
app.loader.import_default_modules()
assert "jobs.tasks" in sys.modules
print(*sorted({"openai", "config.urls", "rest_framework.views"} & sys.modules.keys()))
"""


def test_a_worker_loads_neither_the_pages_nor_the_providers_sdk():
    told = subprocess.run(
        [sys.executable, "-c", STARTED],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"DEBUG": "true"},
    )

    assert told.stdout.split() == []
