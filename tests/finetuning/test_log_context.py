import json
import logging
import logging.config

import pytest

from config.celery import app
from finetuning.log_context import ContextFilter, log_context
from finetuning.models import Membership, Organization
from finetuning.tenancy import set_membership

logger = logging.getLogger("tests.log_context")


@pytest.fixture
def lines(settings):
    """What is logged, by the handler of the settings, as the objects that JSON lines hold."""
    formatter = settings.LOGGING["formatters"]["json"]
    configurator = logging.config.DictConfigurator({})
    handler = Lines()
    handler.addFilter(ContextFilter())
    handler.setFormatter(configurator.configure_formatter(dict(formatter)))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        text = self.format(record)
        assert "\n" not in text
        self.lines.append(json.loads(text))


def test_a_line_says_what_it_is_about(lines):
    with log_context(request_id="r1"), log_context(job_id="j1"):
        logger.info("inside")
    logger.info("outside")

    assert (lines[0]["request_id"], lines[0]["job_id"]) == ("r1", "j1")
    assert "request_id" not in lines[1]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31mred", "\u202eabc", "\u2028"])
def test_text_of_users_stays_in_one_line(lines, text):
    logger.info("The name is %s", text)

    assert lines[0]["message"] == f"The name is {text}"


def test_a_task_names_itself_and_the_rows_that_it_was_given(lines):
    @app.task(name="tests.log", shared=False)
    def log(*, job_id):
        logger.info("at work")

    log.apply(kwargs={"job_id": "j1"}, task_id="t1")

    assert (lines[0]["task"], lines[0]["task_id"], lines[0]["job_id"]) == ("tests.log", "t1", "j1")


def test_a_request_names_its_lines(lines, client, monkeypatch):
    monkeypatch.setattr("config.health.connection", LoggingConnection())

    client.get("/readyz", HTTP_X_REQUEST_ID="r-1")

    assert lines[0]["request_id"] == "r-1"


def test_says_whose_request_it_is_from_when_that_is_known(lines, rf):
    membership = Membership(organization=Organization())

    with log_context(request_id="r1"):
        logger.info("before")
        set_membership(rf.get("/"), membership)
        logger.info("after")
    set_membership(rf.get("/"), membership)
    logger.info("outside")

    assert [line.get("organization_id") for line in lines] == [None, str(membership.organization_id), None]


class LoggingConnection:
    def cursor(self):
        logger.info("asked")
        from django.db import DatabaseError

        raise DatabaseError
