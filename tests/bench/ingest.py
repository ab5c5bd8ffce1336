"""`make bench-ingest`: from an uploaded file to examples that are validated, counted and stored.

All methods read the same file of natural text, one after the other, in each of several rounds:

- `cookbook`  OpenAI's published way to check and count a file: json and tiktoken, no database
- `django`    json, tiktoken and `bulk_create`
- `product`   this product, from the call that stores the upload to the verdict, by Celery workers that were
              started and warm before; with duplicates, near-duplicates and personal data
- `floor`     the exact tokenizer alone on all cores, and then the binary COPY of the same rows alone

Medians of the rounds, in seconds on the clock and in CPU seconds, the database server's included: on a machine
that others use, only the latter say much. The last line is JSON. `--sizes 1,10,100,1000` also measures the product on files of so
many megabytes, and `flatness` is then the dearest megabyte by the cheapest one.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
os.environ["UPLOADS_PER_HOUR"] = "1000000"
_media = tempfile.TemporaryDirectory(prefix="attune-bench-")
os.environ["MEDIA_ROOT"] = _media.name

import django

django.setup()

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.management import call_command
from django.db import connection

from datasets import services, tasks
from datasets.models import Dataset
from finetuning.models import Organization, User
from tests.bench.corpus import write_corpus
from tests.bench.cpu import cpu_seconds, postgres_seconds
from tests.bench.harness import print_json
from tests.chaos.stack import children_of
from tests.waiting import wait_until

MEGABYTE = 1_000_000
WARM_UP_SEED = 2
METHODS = ("product", "cookbook", "django", "floor")
WORKERS = 2
RING_EVERY = 100
LONGEST_SECONDS = 3_600


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="", help="megabytes, separated by commas")
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = corpus(folder, options.mb)
        warm_up = corpus(folder, max(1, options.mb // 5), seed=WARM_UP_SEED)
        figures = compare(file, warm_up, rounds=options.rounds)
        figures["two_workers_vs_one"] = two_workers_vs_one(file, warm_up, figures["product_seconds"])
        if options.sizes:
            sizes = [int(size) for size in options.sizes.split(",")]
            figures |= by_size(folder, warm_up, sizes)
    report(figures, options.mb)


def corpus(folder: Path, mb: int, *, seed: int = 1) -> Path:
    path = folder / f"{mb}-{seed}.jsonl"
    lines = write_corpus(path, size=mb * MEGABYTE, seed=seed)
    print(f"{path.stat().st_size / MEGABYTE:.1f} MB of natural text, {lines:,} examples", flush=True)
    return path


def compare(file: Path, warm_up: Path, *, rounds: int) -> dict[str, float]:
    """What each method took, and the product's peak of memory."""
    figures: dict[str, list[float]] = {}
    with workers(WORKERS, warm_up) as worker:
        for number in range(rounds):
            for method in METHODS:
                empty_tables()
                took = ingest(file, worker) if method == "product" else run_method(method, file, warm_up)
                for name, value in took.items():
                    figures.setdefault(f"{method}_{name}", []).append(value)
            shown = (f"{name} {values[-1]:.2f} s" for name, values in figures.items())
            print(f"round {number + 1}:", *shown, sep="\n    ", flush=True)
        medians = {name: statistics.median(values) for name, values in figures.items()}
        return medians | {"peak_rss_mb": peak_rss_mb(worker)}


def run_method(method: str, file: Path, warm_up: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.methods", method, str(file), str(warm_up)]
    took: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return took


@contextmanager
def workers(concurrency: int, warm_up: Path) -> Iterator[subprocess.Popen]:
    """A Celery worker with so many processes, all of which have read a file before."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "config",
        "worker",
        "--without-mingle",
        "--without-gossip",
    ]
    command += ["--concurrency", str(concurrency), "--loglevel", "WARNING"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            small = warm_up.with_name("small.jsonl")
            small.write_bytes(b"".join(warm_up.open("rb").readlines()[:200]))
            for path in [*[small] * 4 * concurrency, *[warm_up] * concurrency]:
                upload(path)
            wait()
            yield worker
        finally:
            worker.terminate()


def ingest(path: Path, worker: subprocess.Popen) -> dict[str, float]:
    """From the call that takes the upload to the verdict."""
    file = uploaded(path)
    began, cpu = time.perf_counter(), cpu_of_all(worker)
    dataset = upload(path, file)
    wait()
    took = {"seconds": time.perf_counter() - began, "cpu": cpu_of_all(worker) - cpu}
    dataset.refresh_from_db()
    if not dataset.validated:
        raise SystemExit(f"The file was found {dataset.status}: {dataset.problem_counts}")
    return took


def cpu_of_all(worker: subprocess.Popen) -> float:
    """CPU seconds of this process, the worker's processes and the database server."""
    return time.process_time() + cpu_seconds(worker.pid) + postgres_seconds()


def uploaded(path: Path) -> TemporaryUploadedFile:
    """The file as it is when a request has been received: in the folder for temporary files."""
    file = TemporaryUploadedFile(path.name, "application/jsonl", path.stat().st_size, None)
    with path.open("rb") as source:
        shutil.copyfileobj(source, file.file)
    file.flush()
    file.seek(0)
    return file


def upload(path: Path, file: TemporaryUploadedFile | None = None) -> Dataset:
    # A new one each time, for which the file is new, too: what is stored already is compared, not stored.
    organization = Organization.objects.create(name="Bench")
    user, _ = User.objects.get_or_create(email="bench@example.com")
    file = file or uploaded(path)
    dataset = services.upload_dataset(organization, by=user, file=file, name=path.name)
    # The storage has moved it away, of which only this tells the file.
    file.close()
    return dataset


def wait() -> None:
    """Until nothing is being read. Rings now and then, as Beat does: a message can be lost."""
    asked = itertools.count(1)

    def is_all_read() -> bool:
        if next(asked) % RING_EVERY == 0:
            tasks.validate_due_datasets()
        return not Dataset.objects.filter(status=Dataset.Status.PROCESSING).exists()

    wait_until(is_all_read, seconds=LONGEST_SECONDS)


def empty_tables() -> None:
    """Between two measurements: nothing is left to be cleaned up or written back by the server."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE training_examples, dataset_problems")
        cursor.execute("CHECKPOINT")


def peak_rss_mb(worker: subprocess.Popen) -> float:
    """The highest peak of any process of the worker."""
    peaks = [
        int(line.split()[1])
        for pid in children_of(worker.pid)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(peaks) / 1024


def two_workers_vs_one(file: Path, warm_up: Path, two: float) -> float:
    with workers(1, warm_up) as worker:
        empty_tables()
        one = ingest(file, worker)["seconds"]
    print(f"one process: {one:.2f} s", flush=True)
    return one / two


def by_size(folder: Path, warm_up: Path, sizes: list[int]) -> dict[str, object]:
    """Seconds for each megabyte of files of several sizes, and the peak of memory of the largest."""
    with workers(WORKERS, warm_up) as worker:
        per_mb = {}
        for size in sizes:
            empty_tables()
            per_mb[size] = ingest(corpus(folder, size, seed=3), worker)["seconds"] / size
            print(f"{size} MB: {1000 * per_mb[size]:.1f} ms a megabyte", flush=True)
        return {
            "ms_per_mb": {size: round(1000 * seconds, 1) for size, seconds in per_mb.items()},
            "flatness": max(per_mb.values()) / min(per_mb.values()),
            "peak_rss_mb_largest": peak_rss_mb(worker),
        }


def report(figures: dict, mb: int) -> None:
    seconds = figures["product_seconds"]
    ratios = {
        "vs_cookbook": figures["cookbook_seconds"] / seconds,
        "vs_django": figures["django_seconds"] / seconds,
        "vs_floor": seconds / figures["floor_seconds"],
        "mb_per_s": mb / seconds,
        "cpu_vs_floor": figures["product_cpu"] / figures["floor_cpu"],
    }
    rounded = {name: round(value, 2) for name, value in (ratios | figures).items() if name != "ms_per_mb"}
    print_json(rounded | {"ms_per_mb": figures.get("ms_per_mb", {})})


if __name__ == "__main__":
    main()
