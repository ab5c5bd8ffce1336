"""What a container is started with."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_web_server_lets_calls_end_and_counts_the_rest_before_it_is_killed():
    command = json.loads(re.search(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1])
    web = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["web"]

    for_calls = int(command[command.index("--timeout-graceful-shutdown") + 1])
    in_all = int(web["stop_grace_period"].removesuffix("s"))

    assert 0 < for_calls <= in_all - 10


def test_an_empty_folder_of_the_gateway_is_the_one_beside_the_media(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.GATEWAY_FOLDER)"],
        env=os.environ
        | {"GATEWAY_FOLDER": "", "MEDIA_ROOT": str(tmp_path / "media"), "SECRET_KEY": "x" * 60},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.strip() == str(tmp_path / "usage")
