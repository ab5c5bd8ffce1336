"""docs/security.md answers every requirement of the standard, and with tests that there are."""

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (\d) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
TESTS = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def functions(path):
    tree = ast.parse((ROOT / path).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_answers_every_requirement_of_levels_1_and_2_once():
    with (ROOT / "tests" / "asvs_5_0_levels_1_and_2.csv").open() as file:
        wanted = [(row["requirement"], row["level"]) for row in csv.DictReader(file)]

    assert [(number, level) for number, level, _, _ in ROWS] == wanted
    assert len(wanted) == 253


@pytest.mark.parametrize(("number", "answer"), [(number, answer) for number, _, _, answer in ROWS])
def test_names_a_test_a_document_or_a_reason(number, answer):
    is_reason = re.match(r"(n/a|operator|open): .{5}", answer)
    documents = re.findall(r"docs/[\w.-]+", answer)
    commands = re.findall(r"`make (\w+)", answer)

    assert TESTS.search(answer) or is_reason or documents or commands or answer.startswith("above, ")
    assert all((ROOT / document.rstrip(".")).is_file() for document in documents)
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{command}:", makefile, re.MULTILINE) for command in commands)
    if answer.startswith("above, "):
        heading = re.match(r"above, ([A-Z][a-z ]+)", answer)[1].strip()
        assert f"\n## {heading}\n" in TEXT


@pytest.mark.parametrize(("path", "name"), sorted(set(TESTS.findall(TEXT))))
def test_names_only_tests_that_there_are(path, name):
    assert name in functions(path)


def test_guarantees_name_only_tests_that_there_are():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    known = {name for path in (ROOT / "tests").rglob("*.py") for name in functions(path.relative_to(ROOT))}

    assert set(re.findall(r"`(test_\w+)`", text)) - known == set()
    assert [path for path in re.findall(r"`(tests/[\w/]+\.py)`", text) if not (ROOT / path).is_file()] == []


def test_operations_names_every_setting():
    example = (ROOT / ".env.example").read_text()
    guide = (ROOT / "docs" / "operations.md").read_text()

    listed = set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE))
    assert {name for name in listed if f"`{name}`" not in guide} == set()
