"""The page for integrators is read here and run from its first line to its last, so it cannot grow old."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from tests import curl
from tests.background import working
from tests.factories import PASSWORD
from tests.operations.web import free_port

PAGE = (settings.BASE_DIR / "docs" / "api-in-ten-minutes.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
LEFT_OUT = re.compile(r",\s*\.\.\.\s*}")
GIVE_UP_SECONDS = 300


@dataclass(frozen=True)
class Step:
    """Some lines for a shell, and what the page says that they print."""

    script: str
    kind: str = ""
    answer: str = ""


def steps():
    """The page's shell blocks, each with the block behind it if that is an answer."""
    blocks = BLOCK.findall(PAGE)
    return [
        Step(text, *(following if following[0] in ("json", "http", "") else ("", "")))
        for (language, text), following in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if language == "sh"
    ]


def programs():
    """The page's Python, by the name of the file that it is to be saved as."""
    found = [text for language, text in BLOCK.findall(PAGE) if language == "python"]
    return {re.match(r"# (\w+\.py)\n", text)[1]: text for text in found}


@pytest.fixture
def installation(live_server, owner, provider_account, sandbox, settings):
    """The address of what stands for `make run`."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.POLL_INTERVAL_SECONDS = 0.1
    provider_account.set_api_key("sk-test")
    provider_account.save()
    with working(sandbox.clock, seconds=1):
        yield live_server.url


@pytest.fixture(params=["curl", "stand-in"])
def folder(request, tmp_path):
    """Where the page is run, with the programs that it calls in `bin`."""
    if request.param == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed; the page is also run with the one in tests/curl.py.")
    (tmp_path / "bin").mkdir()
    (tmp_path / "datasets").symlink_to(settings.BASE_DIR / "datasets")
    put_program(tmp_path / "bin" / "python3", f'exec "{sys.executable}" "$@"')
    put_program(tmp_path / "bin" / "sleep", "PATH=/usr/bin:/bin exec sleep 0.1")
    if request.param == "stand-in":
        stand_in = Path(__file__).parent / "curl.py"
        put_program(tmp_path / "bin" / "curl", f'exec "{sys.executable}" "{stand_in}" "$@"')
    return tmp_path


def put_program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run(folder, installation):
    """What each step printed."""
    here = {
        "http://localhost:8000": installation,
        "the password that was shown": PASSWORD,
        "9000": str(free_port()),
    }
    for name, text in programs().items():
        (folder / name).write_text(replaced(text, here))
    script = "".join(f"{{\n{step.script}}} > {number}.out\n" for number, step in enumerate(steps()))
    (folder / "page.sh").write_text("set -eu\n" + replaced(script, here))
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["sh", "page.sh"]
    with subprocess.Popen(command, cwd=folder, env={"PATH": path}, start_new_session=True) as shell:
        try:
            assert shell.wait(GIVE_UP_SECONDS) == 0
        finally:
            end_group(shell.pid)
    return [(folder / f"{number}.out").read_text() for number in range(len(steps()))]


def replaced(text, replacements):
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def end_group(group):
    """End what the page left in the background, if it failed on its way."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def differences(step, printed):
    """What the page shows otherwise than it is: names and kinds of values, statuses, the names of headers."""
    if step.kind == "json":
        return list(compared(shown_json(step.answer), json.loads(printed)))
    if step.kind == "http":
        return list(compared_http(step.answer, printed))
    return [] if step.answer in ("", printed) else [f"shown {step.answer!r}, printed {printed!r}"]


def shown_json(text):
    """`text` as JSON; an object that ends with `...` is shown in part."""
    return json.loads(LEFT_OUT.sub(', "...": 0}', text))


def compared_http(shown, printed):
    shown_head, _, shown_body = shown.partition("\n\n")
    head, _, body = printed.replace("\r\n", "\n").partition("\n\n")
    status, *headers = shown_head.strip().split("\n")
    given = names(head.split("\n")[1:])
    yield from (f"there is no {name}" for name in names(headers) - given)
    if status.split()[1] != head.split()[1]:
        yield f"shown {status}, got {head}"
    if shown_body:
        yield from compared(shown_json(shown_body), json.loads(body))


def names(headers):
    return {line.partition(":")[0].lower() for line in headers}


def compared(shown, real, place=""):
    if isinstance(shown, dict) and isinstance(real, dict):
        is_part = shown.pop("...", None) is not None
        lone = shown.keys() - real.keys() if is_part else shown.keys() ^ real.keys()
        yield from (f"{place}/{name} is on one side only" for name in lone)
        for name in shown.keys() & real.keys():
            yield from compared(shown[name], real[name], f"{place}/{name}")
    elif isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        for index, (one, other) in enumerate(zip(shown, real, strict=True)):
            yield from compared(one, other, f"{place}/{index}")
    elif kind(shown) != kind(real) or isinstance(shown, list):
        yield f"{place}: shown {shown!r}, got {real!r}"


def kind(value):
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def test_every_request_of_the_page_is_answered_as_shown(installation, folder):
    printed = run(folder, installation)

    found = [differences(step, text) for step, text in zip(steps(), printed, strict=True)]
    assert {steps()[n].script: problems for n, problems in enumerate(found) if problems} == {}


def test_no_request_of_the_page_is_left_out():
    scripts = "".join(step.script for step in steps())
    others = "".join(text for language, text in BLOCK.findall(PAGE) if language != "sh")

    assert "curl" in scripts
    assert "curl" not in others
    assert [name for name in programs() if f"python3 {name}" not in scripts] == []


@pytest.mark.parametrize("option", ["--fail", "-L", "--insecure"])
def test_the_stand_in_for_curl_refuses_what_it_does_not_know(option, capsys):
    with pytest.raises(SystemExit):
        curl.main(["-s", option, "http://127.0.0.1:9"])

    assert "unrecognized arguments" in capsys.readouterr().err
