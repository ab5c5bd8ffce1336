"""The OpenAI SDK's own tests, from its source distribution, against the sandbox in the `spec` dialect."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import running_sandbox

pytestmark = pytest.mark.conformance

SDK = "openai==3.54.0"
# What the SDK's tests import; from the `dev` group of its pyproject.toml, plus its build requirements.
REQUIREMENTS = [
    "pytest>=9.0.3",
    "pytest-asyncio",
    "pytest-xdist",
    "rich",
    "inline-snapshot",
    "aiohttp",
    "trio",
]
BUILD_REQUIREMENTS = ["hatchling", "hatch-fancy-pypi-readme"]
TEST_FILES = [
    "api_resources/fine_tuning/test_jobs.py",
    "api_resources/fine_tuning/jobs/test_checkpoints.py",
    "api_resources/fine_tuning/checkpoints/test_permissions.py",
    "api_resources/fine_tuning/alpha/test_graders.py",
    "lib/test_fine_tuning_positional_arguments.py",
    "api_resources/test_files.py",
    "api_resources/test_uploads.py",
    "api_resources/uploads/test_parts.py",
    "api_resources/test_models.py",
    "api_resources/test_webhooks.py",
    "api_resources/webhooks/test_event_types.py",
    "lib/test_webhooks.py",
    "lib/test_webhook_signature.py",
    "api_resources/chat/test_completions.py",
    "api_resources/chat/completions/test_messages.py",
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with an environment and the SDK's sources; CONFORMANCE_DIR keeps it for the next run."""
    kept = os.environ.get("CONFORMANCE_DIR")
    folder = Path(kept).resolve() if kept else tmp_path_factory.mktemp("conformance")
    if not (folder / "ready").exists():
        prepare(folder)
    return folder


def prepare(folder):
    """Download the sources and install what their tests import."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", *BUILD_REQUIREMENTS, *REQUIREMENTS, SDK], check=True)
    source_only = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*pip, "download", *source_only, SDK], check=True)
    with tarfile.open(next(folder.glob("openai-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    (folder / "ready").touch()


@pytest.fixture
def address(tmp_path):
    with running_sandbox(tmp_path / "sandbox", dialect="spec") as sandbox:
        yield sandbox.url


def test_passes_the_tests_of_the_sdk(workplace, address):
    sources = next(path for path in workplace.glob("openai-*") if path.is_dir())
    files = [f"tests/{name}" for name in TEST_FILES]
    command = [
        workplace / "venv" / "bin" / "python",
        "-m",
        "pytest",
        "-q",
        "-n2",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}

    result = subprocess.run(
        command, cwd=sources, env={**clean, "TEST_API_BASE_URL": address}, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
    assert " failed" not in result.stdout.splitlines()[-1]
