"""What a container is started with."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.settings import CELERY_TASK_QUEUES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "attune"]


def test_the_web_server_lets_calls_end_and_counts_the_rest_before_it_is_killed():
    command = json.loads(re.search(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1])
    web = SERVICES["web"]

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


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "prepare"])
def test_every_service_that_stays_says_whether_it_is_well(name):
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", SERVICES)
def test_waits_for_what_it_needs_to_be_ready_not_only_started(name):
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        ready = "service_completed_successfully" if needed == "prepare" else "service_healthy"
        assert how["condition"] == ready


def test_two_web_processes_stand_behind_the_only_open_ports():
    assert SERVICES["web"]["deploy"]["replicas"] == 2
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert "name web" in (ROOT / "deploy" / "Caddyfile").read_text()


def test_workers_take_from_every_queue_and_grow_up_to_a_limit():
    commands = [SERVICES[name]["command"] for name in OURS if name.startswith("worker-")]

    taken = [re.search(r"--queues (\S+)", command)[1] for command in commands]
    limits = [re.search(r"--autoscale (\d+),(\d+)", command).groups() for command in commands]
    assert sorted(taken) == sorted(queue.name for queue in CELERY_TASK_QUEUES)
    assert all(int(most) > int(fewest) >= 1 for most, fewest in limits)


def test_there_is_one_beat():
    beats = [name for name in SERVICES if " beat" in str(SERVICES[name].get("command", ""))]

    assert beats == ["beat"]
    assert "deploy" not in SERVICES["beat"]


@pytest.mark.parametrize("name", OURS)
def test_runs_as_nobody_in_particular_and_gains_no_rights(name):
    last_user = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]

    assert last_user == "attune"
    assert "user" not in SERVICES[name]
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_password_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()

    secrets = re.findall(r"\$\{(\w*(?:KEY|PASSWORD)\w*)(:[?-][^}]*)?\}", text)
    with_default = {name for name, how in secrets if how.startswith(":-") and how != ":-"}
    demanded = {name for name, how in secrets if how.startswith(":?")}
    assert with_default == set()
    assert demanded == {"SECRET_KEY", "POSTGRES_PASSWORD", "REPLICATION_PASSWORD", "S3_SECRET_KEY"}


def test_files_that_are_mounted_are_there_and_scripts_can_be_run():
    mounted = re.findall(r"^ +- \./(\S+?):", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)

    assert mounted
    for name in mounted:
        assert (ROOT / name).is_file()
        assert not name.endswith(".sh") or os.access(ROOT / name, os.X_OK)


def test_names_only_settings_that_there_are():
    listed = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    # This one is prometheus_client's, which reads the environment and no file.
    assert set(SERVICES["web"]["environment"]) - {"PROMETHEUS_MULTIPROC_DIR"} <= listed


def test_leaves_source_control_out_of_the_image():
    left_out = (ROOT / ".dockerignore").read_text().split()

    assert {".git", ".env", ".data*", "tests"} <= set(left_out)
