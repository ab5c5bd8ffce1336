"""What is known of keys and models for less than a second, and how seldom the database is asked."""

import asyncio
import gc

from models_registry import api_keys
from models_registry.gateway.bodies import Call
from models_registry.gateway.directory import FRESH_SECONDS, KNOWN_SECONDS, Answers
from models_registry.gateway.errors import no_such_model, unavailable
from models_registry.gateway.routes import Reader
from tests.waiting import wait_until


class Story:
    """An event loop whose clock a test sets, and a database that answers when the test says so."""

    def __init__(self):
        self.now = 0.0
        self.asked = []
        self.answers = Answers(self.ask)

    def tell(self, told):
        loop = asyncio.new_event_loop()
        loop.time = lambda: self.now
        loop.run_until_complete(told())
        loop.close()

    async def ask(self, question):
        future = asyncio.get_running_loop().create_future()
        self.asked.append(future)
        return await future

    def find(self):
        return asyncio.create_task(self.answers.find("entry", None))


def held_calls(prefix):
    gc.collect()
    calls = (one for one in gc.get_objects() if type(one) is Call)
    return [one for one in calls if one.model.startswith(prefix)]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def test_asks_once_for_those_who_come_together():
    story = Story()

    async def told():
        finding = [story.find() for _ in range(3)]
        await settle()
        story.asked[0].set_result("answer")
        assert [(await one).answer for one in finding] == ["answer"] * 3

    story.tell(told)
    assert len(story.asked) == 1


def test_uses_an_answer_while_it_asks_anew_and_not_after_that():
    story = Story()

    async def told():
        first = story.find()
        await settle()
        story.asked[0].set_result("old")
        await first
        story.now = FRESH_SECONDS
        assert (await story.find()).answer == "old"
        story.now = KNOWN_SECONDS
        late = story.find()
        await settle()
        assert not late.done()
        story.asked[1].set_result("new")
        assert (await late).answer == "new"

    story.tell(told)
    assert len(story.asked) == 2


def test_joins_nobody_whose_answer_would_be_too_old():
    """The database was slow: what it says at last, it may have read before the key was revoked."""
    story = Story()

    async def told():
        first = story.find()
        await settle()
        story.now = KNOWN_SECONDS
        second = story.find()
        await settle()
        assert len(story.asked) == 2
        story.asked[1].set_result("new")
        assert (await second).answer == "new"
        story.asked[0].set_result("old")
        assert (await first).answer == "old"
        assert (await story.find()).answer == "new"

    story.tell(told)


def test_knows_a_refusal_as_long_as_a_permission():
    story = Story()

    async def told():
        first = story.find()
        await settle()
        story.asked[0].set_exception(no_such_model("x"))
        for finding in (first, story.find()):
            assert (await finding).answer.http_status == 404

    story.tell(told)
    assert len(story.asked) == 1


def test_forgets_what_is_too_old_to_be_used():
    story = Story()

    async def told():
        for number in range(3):
            story.now = number * KNOWN_SECONDS
            finding = asyncio.create_task(story.answers.find(number, None))
            await settle()
            story.asked[number].set_result("answer")
            await finding

    story.tell(told)
    assert list(story.answers._known) == [2]


def test_holds_no_request_that_was_refused(gateway, make_model, key):
    """What is known of a refusal goes out to many calls; none of them may stay with it."""
    for number in range(3):
        body = {"model": f"unknown-{number}", "messages": []}
        assert gateway.post(key, body).status_code == 404

    wait_until(lambda: not held_calls("unknown-"))


def test_remembers_no_silence_of_the_database():
    story = Story()

    async def told():
        for _ in range(2):
            finding = story.find()
            await settle()
            story.asked[-1].set_exception(unavailable("Away."))
            assert (await asyncio.gather(finding, return_exceptions=True))[0].http_status == 503

    story.tell(told)
    assert len(story.asked) == 2


def test_reads_prices_and_the_months_spending_seldom(
    organization, member, make_model, make_agent, django_assert_num_queries
):
    organization.cap_spending(1, now=organization.created_at)
    make_agent(model=make_model(), falls_back_to_base=True)
    keys = [api_keys.issue_key(organization, by=member, name="Key")[1] for _ in range(2)]
    reader = Reader()
    reader.read_route(reader.read_caller(keys[0]), "support-bot")

    # The key, its agents, its workspaces; then the agent.
    with django_assert_num_queries(4):
        reader.read_route(reader.read_caller(keys[1]), "support-bot")
