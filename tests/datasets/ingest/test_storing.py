import json
import random

import pytest
from django.db import connection

from datasets import storing
from datasets.models import TrainingExample
from datasets.problems import Problem
from datasets.tally import Accepted
from tests.factories import DatasetFactory

pytestmark = pytest.mark.django_db
VALUES = [
    [{"role": "user", "content": "Grüße \U0001f600 \u2028 \\ \" / \x1f"}, {"role": "assistant", "content": "x" * 9_000}],
    [],
    {"weight": 1, "big": 10**400, "small": 1e-300, "nothing": None, "true": True, "": {"~/": [1.5]}},
    "text",
]  # fmt: skip


def columns(example):
    names = [
        field.attname for field in TrainingExample._meta.fields if field.attname not in {"id", "dataset_id"}
    ]
    return {name: getattr(example, name) for name in names}


def raw_columns(dataset):
    """As PostgreSQL has them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT position, line, token_count, messages::text, attributes::text, conversation_id, element"
            " FROM training_examples WHERE dataset_id = %s ORDER BY position",
            [dataset.pk],
        )
        return cursor.fetchall()


def accepted(line, messages, attributes, tokens, element=None):
    return Accepted(
        line=line,
        messages=json.dumps(messages, ensure_ascii=False).encode(),
        attributes=json.dumps(attributes).encode(),
        tokens=tokens,
        element=element,
    )


def store(dataset, rows, *, first_position=0, positions=None, conversation_ids=None):
    return storing.replace_examples(
        dataset,
        rows,
        first_position=first_position,
        positions=len(rows) if positions is None else positions,
        conversation_ids=conversation_ids or {},
    )


def test_stores_what_the_orm_would(organization):
    talk, _ = organization.conversations.record(messages=[])
    copied, made = DatasetFactory(organization=organization), DatasetFactory(organization=organization)
    chance = random.Random(1)
    rows = [
        (
            *(position + 1, chance.choice(VALUES), chance.choice(VALUES), chance.randrange(2**31)),
            chance.choice((None, 0, position)),
        )
        for position in range(500)
    ]

    store(copied, [accepted(*row) for row in rows], conversation_ids={3: talk.pk})
    for position, (line, messages, attributes, tokens, element) in enumerate(rows):
        made.examples.create(
            position=position,
            line=line,
            messages=messages,
            attributes=attributes,
            token_count=tokens,
            conversation=talk if line == 3 else None,
            element=element,
        )

    assert raw_columns(copied) == raw_columns(made)
    by_position = copied.examples.order_by("position"), made.examples.order_by("position")
    assert list(map(columns, by_position[0])) == list(map(columns, by_position[1]))


def test_replaces_its_own_positions_only(organization):
    dataset = DatasetFactory(organization=organization, examples=9)

    store(dataset, [accepted(44, [], {}, 1)], first_position=3, positions=4)

    assert list(dataset.examples.order_by("position").values_list("position", "line")) == [
        (0, 1), (1, 2), (2, 3), (3, 44), (7, 8), (8, 9)
    ]  # fmt: skip


def test_stores_nothing_of_nothing(organization):
    dataset = DatasetFactory(organization=organization, examples=2)

    store(dataset, [], positions=2)

    assert not dataset.examples.exists()


def test_tells_how_many_rows_the_database_has_taken(organization):
    dataset = DatasetFactory(organization=organization)
    rows = [accepted(1, [], {}, 1), accepted(2, [], {}, 1)]
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
            "CREATE TRIGGER drop_row BEFORE INSERT ON training_examples FOR EACH ROW"
            " WHEN (NEW.line = 2) EXECUTE FUNCTION drop_row()"
        )

    assert store(dataset, rows) == 1


def test_stores_problems_as_the_orm_would(organization):
    copied, made = DatasetFactory(organization=organization), DatasetFactory(organization=organization)
    odd = "a\tb\nc\\N \\ \u2028 \U0001f600"
    problems = [
        Problem(code="bom", severity="warning", line=1, message=odd, pointer="/a~1b", found=odd, fix="\\."),
        Problem(code="no_examples", message="None.", expected=""),
    ]

    storing.store_problems(copied, problems)
    storing.store_problems(copied, [])
    for problem in problems:
        made.problems.create(**vars(problem))

    names = list(vars(problems[0]))
    stored = [list(dataset.problems.order_by("id").values_list(*names)) for dataset in (copied, made)]
    assert stored[0] == stored[1]
    assert len(stored[0]) == 2
