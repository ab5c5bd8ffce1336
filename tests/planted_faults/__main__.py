"""`make planted-faults`: exit status 0 when every fault turned its test red, and none was red before."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.planted_faults.faults import FAULTS

CODE = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".data*", "__pycache__", ".*_cache", "node_modules")


def main() -> int:
    """Run as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted_faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these faults")
    names = parser.parse_args().names
    wanted = [fault for fault in FAULTS if not names or fault.name in names]
    with tempfile.TemporaryDirectory(prefix="attune-planted-") as name:
        copy = Path(name) / "code"
        shutil.copytree(CODE, copy, ignore=LEFT_OUT)
        if not passes(copy, *dict.fromkeys(fault.test for fault in wanted)):
            print("The tests are red without any fault.")
            return 2
        unnoticed = [fault.name for fault in wanted if not is_noticed(copy, fault)]
    print(f"{len(wanted) - len(unnoticed)} of {len(wanted)} noticed. {', '.join(unnoticed)}")
    return 1 if unnoticed else 0


def is_noticed(copy: Path, fault) -> bool:
    """Whether the test turns red with the fault; the copy is mended afterwards."""
    file = copy / fault.file
    sound = file.read_text()
    assert sound.count(fault.old) == 1, f"{fault.name}: its place in {fault.file} has changed"
    file.write_text(sound.replace(fault.old, fault.new))
    noticed = not passes(copy, fault.test)
    file.write_text(sound)
    print(f"{'noticed ' if noticed else 'UNNOTICED'} {fault.name} ({fault.test})", flush=True)
    return noticed


def passes(copy: Path, *tests: str) -> bool:
    """Whether these tests pass there. Raises when they could not be run at all."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
    ended = subprocess.run([*command, *tests], cwd=copy, capture_output=True, text=True)
    if ended.returncode not in (0, 1):
        raise RuntimeError(ended.stdout + ended.stderr)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
