"""Who may call what: asked of the database at most a few times a second, known for less than one.

A key that was revoked, an agent that was switched and a refusal that holds no more all act within a second.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import Error, InterfaceError, OperationalError, connections

from models_registry.gateway.errors import UNAVAILABLE, GatewayError, unavailable
from models_registry.gateway.routes import Caller, Reader, Route, read_models
from models_registry.models.api_keys import digest_of

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Question = Callable[[], Answer]
# Counted from before the database was asked. Between the two, the answer is used and asked for anew.
FRESH_SECONDS = 0.4
KNOWN_SECONDS = 0.9
# For an answer of the database; after that the application is told to try again.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Known(Generic[Answer]):
    """What the database said, a refusal included, and when it was asked, in seconds of the event loop."""

    answer: Answer | GatewayError
    asked_at: float

    def given(self) -> Answer:
        """Raises the refusal, if it is one."""
        if isinstance(self.answer, GatewayError):
            raise self.answer.again()
        return self.answer


class Answers(Generic[Answer]):
    """The answers to questions of one kind. Those who ask the same at the same time ask once."""

    def __init__(self, ask: Callable[[Question[Answer]], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._known: OrderedDict[Hashable, Known[Answer]] = OrderedDict()
        self._asking: dict[Hashable, tuple[float, asyncio.Task[Known[Answer]]]] = {}

    async def find(
        self, entry: Hashable, question: Question[Answer], *, as_of: float | None = None
    ) -> Known[Answer]:
        """The answer to `question`, which is called `entry`. Raises GatewayError 503 while there is none.

        `as_of` is when that was read on which the question itself rests; the answer is as old.
        """
        now = asyncio.get_running_loop().time()
        known = self._known.get(entry)
        age = KNOWN_SECONDS if known is None else now - known.asked_at
        if known and age < FRESH_SECONDS:
            return known
        asking = self._joinable(entry, now) or self._start(entry, question, now if as_of is None else as_of)
        return known if known and age < KNOWN_SECONDS else await asyncio.shield(asking)

    def _joinable(self, entry: Hashable, now: float) -> "asyncio.Task[Known[Answer]] | None":
        """A question that was asked so lately that its answer will not be too old."""
        asked_at, task = self._asking.get(entry, (now - KNOWN_SECONDS, None))
        return task if now - asked_at < KNOWN_SECONDS else None

    def _start(
        self, entry: Hashable, question: Question[Answer], asked_at: float
    ) -> "asyncio.Task[Known[Answer]]":
        task = asyncio.create_task(self._learn(entry, question, asked_at))
        self._asking[entry] = (asked_at, task)
        task.add_done_callback(lambda done: self._ended(entry, done))
        return task

    def _ended(self, entry: Hashable, done: "asyncio.Task[Known[Answer]]") -> None:
        if self._asking.get(entry, (0, None))[1] is done:
            del self._asking[entry]
        if not done.cancelled():
            # Whoever waits for it hears of it; without anybody, asyncio would log it.
            done.exception()

    async def _learn(self, entry: Hashable, question: Question[Answer], asked_at: float) -> Known[Answer]:
        answer: Answer | GatewayError
        try:
            answer = await self._ask(question)
        except GatewayError as error:
            if error.code == UNAVAILABLE:
                raise
            answer = error.again()
        known, before = Known(answer, asked_at), self._known.get(entry)
        if before is None or before.asked_at <= asked_at:
            self._known[entry] = known
            self._known.move_to_end(entry)
        self._forget_old()
        return known

    def _forget_old(self) -> None:
        """One thread asks: what it learns in the time that an answer can be used is never much."""
        now = asyncio.get_running_loop().time()
        while self._known and now - next(iter(self._known.values())).asked_at >= KNOWN_SECONDS:
            self._known.popitem(last=False)


class Directory:
    """Asks the database in one thread of its own, which keeps its connection: no call ever holds one."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-directory")
        self._reader = Reader()
        self._callers: Answers[Caller] = Answers(self.ask)
        self._routes: Answers[Route] = Answers(self.ask)
        self._models: Answers[list[dict[str, object]]] = Answers(self.ask)

    async def find_caller(self, clear_key: str) -> Known[Caller]:
        """Whose key this is. Raises GatewayError 401, 403, 503."""
        digest = digest_of(clear_key)
        known = await self._callers.find(digest, lambda: self._reader.read_caller(clear_key))
        known.given()
        return known

    async def find_route(self, caller: Known[Caller], name: str) -> Route:
        """Where the caller's calls of `name` go. Raises GatewayError 404, 503."""
        who = caller.given()
        found = self._routes.find(
            (who.key.pk, name), lambda: self._reader.read_route(who, name), as_of=caller.asked_at
        )
        return (await found).given()

    async def find_models(self, caller: Known[Caller]) -> list[dict[str, object]]:
        """What the caller may call. Raises GatewayError 503."""
        who = caller.given()
        found = self._models.find(who.key.pk, lambda: read_models(who), as_of=caller.asked_at)
        return (await found).given()

    async def ask(self, question: Question[Answer]) -> Answer:
        """The answer to a question to the database. Raises GatewayError 503 while it is away."""
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._thread, _again_if_broken, question)
            return await asyncio.wait_for(asked, PATIENCE_SECONDS)
        except (Error, TimeoutError) as error:
            # The words of other errors may be those of users.
            is_away = isinstance(error, InterfaceError | OperationalError)
            logger.warning("the database does not answer: %s", error if is_away else type(error).__name__)
            raise unavailable("Keys cannot be checked right now. Try again.") from error

    def close(self) -> None:
        self._thread.submit(connections.close_all)
        self._thread.shutdown()


def _again_if_broken(question: Question[Answer]) -> Answer:
    """A connection that broke since the last question is found out by asking."""
    try:
        return question()
    except (InterfaceError, OperationalError):
        connections.close_all()
        return question()
