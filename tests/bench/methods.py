"""What `make bench-ingest` compares the product with. Each runs in a process of its own:
`python -m tests.bench.methods cookbook|django|floor FILE WARM_UP_FILE` prints what it took as JSON:
`seconds` on the clock, and of CPU, the database server's included.
"""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")

import django

django.setup()

import tiktoken
from django.db import connection, transaction

from datasets import storing
from datasets.layouts import Plan
from datasets.models import TrainingExample
from datasets.tally import Tally, judged
from datasets.validation.plain import read_blocks
from finetuning.models import Organization
from finetuning.tokenizer import FOLDER, counter
from tests.bench.cpu import postgres_seconds

BATCH_SIZE = 1_000


def main() -> None:
    method, path, warm_up = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    print(json.dumps({"cookbook": cookbook, "django": plain_django, "floor": floor}[method](path, warm_up)))


def reference_encoding() -> tiktoken.Encoding:
    os.environ["TIKTOKEN_CACHE_DIR"] = str(FOLDER)
    encoding = tiktoken.get_encoding("o200k_base")
    encoding.encode("warm")
    return encoding


def cookbook(path: Path, _: Path) -> dict[str, float]:
    """OpenAI's cookbook, "Data preparation and analysis for chat model fine-tuning", without its printing."""
    encoding = reference_encoding()
    began, cpu = time.perf_counter(), time.process_time()
    with path.open(encoding="utf-8") as file:
        dataset = [json.loads(line) for line in file]
    cookbook_format_errors(dataset)
    missing_system, missing_user = 0, 0
    n_messages, lengths, assistant_lengths = [], [], []
    for example in dataset:
        messages = example["messages"]
        missing_system += not any(message["role"] == "system" for message in messages)
        missing_user += not any(message["role"] == "user" for message in messages)
        n_messages.append(len(messages))
        lengths.append(num_tokens_from_messages(messages, encoding))
        assistant_lengths.append(num_assistant_tokens_from_messages(messages, encoding))
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def cookbook_format_errors(dataset: list[dict]) -> dict[str, int]:
    errors: dict[str, int] = {}

    def count(name: str) -> None:
        errors[name] = errors.get(name, 0) + 1

    for example in dataset:
        if not isinstance(example, dict):
            count("data_type")
            continue
        messages = example.get("messages", None)
        if not messages:
            count("missing_messages_list")
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                count("message_missing_key")
            if any(key not in ("role", "content", "name", "function_call", "weight") for key in message):
                count("message_unrecognized_key")
            if message.get("role", None) not in ("system", "user", "assistant", "function"):
                count("unrecognized_role")
            content = message.get("content", None)
            if (not content and not message.get("function_call", None)) or not isinstance(content, str):
                count("missing_content")
        if not any(message.get("role", None) == "assistant" for message in messages):
            count("example_missing_assistant_message")
    return errors


def num_tokens_from_messages(messages: list[dict], encoding: tiktoken.Encoding) -> int:
    num_tokens = 0
    for message in messages:
        num_tokens += 3
        for key, value in message.items():
            num_tokens += len(encoding.encode(value))
            if key == "name":
                num_tokens += 1
    return num_tokens + 3


def num_assistant_tokens_from_messages(messages: list[dict], encoding: tiktoken.Encoding) -> int:
    return sum(len(encoding.encode(m["content"])) for m in messages if m["role"] == "assistant")


def plain_django(path: Path, _: Path) -> dict[str, float]:
    """json, tiktoken and `bulk_create` in one transaction, with the rules that the cookbook has."""
    encoding = reference_encoding()
    dataset = new_dataset()
    began, cpu = time.perf_counter(), time.process_time() + postgres_seconds()
    batch = []
    with path.open("rb") as file, transaction.atomic():
        for position, line in enumerate(file):
            example = json.loads(line)
            cookbook_format_errors([example])
            count = num_tokens_from_messages(example["messages"], encoding)
            batch.append(
                TrainingExample(
                    dataset=dataset,
                    position=position,
                    line=position + 1,
                    messages=example["messages"],
                    token_count=count,
                )
            )
            if len(batch) == BATCH_SIZE:
                TrainingExample.objects.bulk_create(batch)
                batch.clear()
        TrainingExample.objects.bulk_create(batch)
    spent = time.process_time() + postgres_seconds() - cpu
    return {"seconds": time.perf_counter() - began, "cpu": spent}


def new_dataset():
    organization = Organization.objects.create(name="Floor")
    return organization.datasets.create(name="Floor", format="jsonl", status="valid", next_check_at=None)


def floor(path: Path, warm_up: Path) -> dict[str, float]:
    """The exact tokenizer alone, on all cores and warm, and then the binary COPY of the same rows alone, into
    the same table with its keys: the text is in memory, and so are the rows."""
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    pipes, workers = [], []
    for number in range(cores):
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=count_when_told, args=(path, warm_up, number, cores, theirs)))
        workers[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    began = time.perf_counter()
    for pipe in pipes:
        pipe.send("go")
    tokenizer_cpu = sum(pipe.recv() for pipe in pipes)
    tokenizer_seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    copied = copy_alone(path)
    return {
        "seconds": tokenizer_seconds + copied["seconds"],
        "cpu": tokenizer_cpu + copied["cpu"],
        "tokenizer_seconds": tokenizer_seconds,
        "copy_seconds": copied["seconds"],
        "tokenizer_cpu": tokenizer_cpu,
        "copy_cpu": copied["cpu"],
    }


def count_when_told(path: Path, warm_up: Path, number: int, cores: int, pipe) -> None:
    count = counter("o200k_base")
    for text in texts_of(warm_up):
        count(text)
    texts = texts_of(path)[number::cores]
    pipe.send("ready")
    pipe.recv()
    cpu = time.process_time()
    for text in texts:
        count(text)
    pipe.send(time.process_time() - cpu)


def texts_of(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [message["content"] for line in file for message in json.loads(line)["messages"]]


def copy_alone(path: Path) -> dict[str, float]:
    dataset = new_dataset()
    with path.open("rb") as file:
        rows = list(judged(read_blocks(file), Tally(plan=Plan(format="jsonl"))))
    packed = b"".join(storing._packed(dataset, rows, 0, {}))
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    began, cpu = time.perf_counter(), time.process_time() + postgres_seconds()
    with transaction.atomic():
        storing._copy(iter([packed]))
    spent = time.process_time() + postgres_seconds() - cpu
    return {"seconds": time.perf_counter() - began, "cpu": spent}


if __name__ == "__main__":
    main()
