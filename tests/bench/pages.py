"""`make bench-pages`: what each page costs a browser that comes for the first time, the database and the server.

Every page of the product is asked for as it is served in production, with 100 and with 100,000 rows behind its
lists and numbers, but no more than a dataset keeps of its problems. The last line is JSON:

- `max_transfer_kb`  most kilobytes (1,000 bytes) on the wire for a page with all styles, scripts, images and fonts
- `max_queries`      most statements that a page sends to the database
- `large_vs_small`   worst ratio of the server's shortest time, with many rows by with few
"""

import argparse
import http.client
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

_files = tempfile.TemporaryDirectory(prefix="attune-bench-pages-")
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
    "SERVED_OVER_HTTPS": "true",
    "STATIC_ROOT": f"{_files.name}/static",
    "MEDIA_ROOT": f"{_files.name}/media",
    "JOBS_PER_HOUR": "1000000",
    "UPLOADS_PER_HOUR": "1000000",
}

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from datasets.problems import KEPT_PER_CODE
from finetuning.models import Organization
from tests.bench.copies import copy_row, count_again, give_models
from tests.bench.harness import ADDRESS, print_json, timed, web_server
from tests.browser.pages import PUBLIC, addresses
from tests.browser.world import build_world
from tests.conftest import Clock, Sandbox, running_sandbox
from tests.factories import OrganizationFactory, ProviderAccountFactory, UserFactory

FEW = 100
WARM_UP = 3
# As the proxy in front of the server says it.
HTTPS = {"X-Forwarded-Proto": "https", "Host": "localhost"}
# What a page loads by itself, by the element that names it.
LOADED = {"link": "href", "script": "src", "img": "src", "use": "href", "iframe": "src"}
# The curves of jobs, which the script of the chart asks for.
FETCHED = "data-curve"
CSS_URL = re.compile(rb"url\(\s*[\"']?([^\"')]+)")
NOT_OURS = ["admin", "django_celery_beat", "drf_spectacular_sidecar", "rest_framework"]
MEASURED = """jsonb_build_object(
    'step', 1000 + nth, 'train_loss', 1 / nth + random(), 'train_mean_token_accuracy', random()
)"""
EARLIER = "to_jsonb(now() - nth * interval '5 minutes')"


@dataclass(kw_only=True)
class Page:
    """One page with so many rows behind it, and what it took."""

    name: str
    address: str
    cookie: str
    html_bytes: int = 0
    transfer_bytes: int = 0
    queries: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        # What else the machine does can only add to it.
        return 1000 * min(self.seconds)


class Loaded(HTMLParser):
    """Collects in `found` the addresses of what a browser loads together with the page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        for address in (named.get(LOADED.get(tag, "")), named.get(FETCHED)):
            if address and not address.startswith(("#", "data:")):
                self.found.add(urlsplit(address).path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30, help="answers of each page whose time is taken")
    options = parser.parse_args()
    timed("migrate", lambda: call_command("migrate", verbosity=0))
    timed("collectstatic", collect)
    few: list[Page] = []
    many: list[Page] = []
    with sandbox() as provider:
        timed(f"{FEW:,} rows", lambda: few.extend(pages_with(FEW, provider, "Few")))
        timed(f"{options.rows:,} rows", lambda: many.extend(pages_with(options.rows, provider, "Many")))
        with connection.cursor() as cursor:
            timed("vacuum", lambda: cursor.execute("VACUUM ANALYZE"))
        timed("queries", lambda: count_queries([*few, *many]))
        with web_server() as port:
            transferred = Transferred(port)
            for page in [*few, *many]:
                transferred.measure(page)
            timed("time", lambda: take_time(few, many, port, options.rounds))
    print_table(few, many)
    print_json(figures(few, many))


def collect() -> None:
    """The static files as they are served, without those of the admin and the API's documentation."""
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=NOT_OURS)


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """A provider whose time passes as `build_world` wants it."""
    with running_sandbox(Path(_files.name) / "sandbox", clock=Clock(now=time.time())) as running:
        # For this process, and for the server that it starts.
        os.environ["SANDBOX_URL"] = settings.SANDBOX_URL = running.url
        yield running


def pages_with(count: int, provider: Sandbox, name: str) -> list[Page]:
    """Every page of an organization that has `count` of everything that there can be many of."""
    organization = OrganizationFactory(name=name)
    user = UserFactory(email=f"user@{name.lower()}.example.com", member_of=organization)
    account = ProviderAccountFactory(organization=organization, name="sandbox", is_default=True)
    account.set_api_key("sk-of-no-value")
    account.save()
    world = build_world(organization, user, provider)
    fill(organization, world, count)
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return [
        Page(
            name=name,
            address=address,
            cookie="" if name in PUBLIC else f"{settings.SESSION_COOKIE_NAME}={session}",
        )
        for name, address in addresses(world).items()
    ]


def fill(organization: Organization, world: dict[str, Any], count: int) -> None:
    """Copies of what is in `world`, everything that is listed or counted on a page."""
    dated = {"created_at": EARLIER, "name": "'Copy ' || nth"}
    copy_row(world["dataset"], count, series_id="new.id", **dated)
    copy_row(world["job"], count, provider_job_id="'ftjob-' || new.id", **dated)
    give_models(world["model"])
    copy_row(world["conversation"], count, external_id="new.id", created_at=EARLIER, occurred_at=EARLIER)
    copy_row(
        world["job"].events.metrics().last(),
        count,
        provider_event_id="new.id",
        created_at=EARLIER,
        metadata=MEASURED,
    )
    copy_row(world["delivery"], count, created_at=EARLIER)
    copy_row(organization.agents.first(), count, name="'Agent ' || nth", created_at=EARLIER)
    copy_row(organization.api_keys.first(), count, prefix="right(new.id::text, 11)", created_at=EARLIER)
    copy_content(world, count)
    count_again(organization)


def copy_content(world: dict[str, Any], count: int) -> None:
    """Examples, problems and changes of datasets, and the sums on their rows."""
    example, flawed, version = (world[name] for name in ("dataset", "invalid_dataset", "version"))
    copy_row(example.examples.first(), count, position="1000 + nth", line="1000 + nth")
    for code in flawed.problem_counts:
        copy_row(flawed.problems.filter(code=code).first(), min(count, KEPT_PER_CODE), line="1000 + nth")
    copy_row(version.changes.first(), count, number="1000 + nth", line="1000 + nth")
    example.total_examples += count
    example.save(update_fields=["total_examples"])


def count_queries(pages: list[Page]) -> None:
    """The statements of each page, once what lasts longer than a request is known."""
    for page in pages:
        client = Client(headers=HTTPS | {"Accept": "text/html", "Cookie": page.cookie})
        client.get(page.address)
        with CaptureQueriesContext(connection) as sent:
            client.get(page.address)
        page.queries = len(sent)


class Transferred:
    """Asks as a browser does, and remembers what each file takes on the wire."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection(ADDRESS, port, timeout=60)
        self.sizes: dict[str, int] = {}
        self.named: dict[str, set[str]] = {}

    def measure(self, page: Page) -> None:
        plain = Loaded()
        text = ask(self.connection, page.address, page.cookie, encodings="identity")
        plain.feed(text.decode())
        page.html_bytes = len(text)
        on_the_wire = ask(self.connection, page.address, page.cookie, encodings="br, gzip")
        page.transfer_bytes = len(on_the_wire) + sum(
            self._size(path, page.cookie) for path in self._closure(plain.found)
        )

    def _closure(self, paths: set[str]) -> set[str]:
        """With what the styles among them load in their turn."""
        return paths | {
            urljoin(path, name) for path in paths if path.endswith(".css") for name in self._names_in(path)
        }

    def _names_in(self, path: str) -> set[str]:
        if path not in self.named:
            text = ask(self.connection, path, "", encodings="identity")
            found = {name.decode().split("#")[0] for name in CSS_URL.findall(text)}
            self.named[path] = {name for name in found if name and not name.startswith("data:")}
        return self.named[path]

    def _size(self, path: str, cookie: str) -> int:
        if path not in self.sizes:
            self.sizes[path] = len(ask(self.connection, path, cookie, encodings="br, gzip"))
        return self.sizes[path]


def ask(connection: http.client.HTTPConnection, path: str, cookie: str, *, encodings: str) -> bytes:
    """The body as it comes. Only the page for what is not there may say that something is not there."""
    headers = HTTPS | {"Accept": "text/html, */*", "Accept-Encoding": encodings, "Cookie": cookie}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in {200, 400, 404} or (answer.status == 404 and path.startswith("/static/")):
        raise SystemExit(f"{path}: {answer.status} {body[:500]!r}")
    return body


def take_time(few: list[Page], many: list[Page], port: int, rounds: int) -> None:
    """Pages take turns, so that a busy moment of the machine meets both of a pair, and all of them."""
    pages = list(chain.from_iterable(zip(few, many, strict=True)))
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=60)
    for number in range(WARM_UP + rounds):
        for page in pages:
            began = time.perf_counter()
            ask(connection, page.address, page.cookie, encodings="br, gzip")
            if number >= WARM_UP:
                page.seconds.append(time.perf_counter() - began)


def print_table(few: list[Page], many: list[Page]) -> None:
    columns = ("HTML kB", "wire kB", "queries", f"ms, {FEW}", "ms, many", "ratio")
    print(f"{'':<24}" + "".join(f"{column:>10}" for column in columns))
    for small, large in zip(few, many, strict=True):
        print(
            f"{large.name:<24}{large.html_bytes / 1000:>10.1f}{large.transfer_bytes / 1000:>10.1f}"
            f"{large.queries:>10}{small.milliseconds:>10.1f}{large.milliseconds:>10.1f}{_ratio(small, large):>10.2f}"
        )


def _ratio(small: Page, large: Page) -> float:
    return large.milliseconds / small.milliseconds


def figures(few: list[Page], many: list[Page]) -> dict[str, object]:
    pairs = list(zip(few, many, strict=True))

    def worst(of: Callable[[Page], float]) -> float:
        return max(of(page) for page in [*few, *many])

    return {
        "max_transfer_kb": round(worst(lambda page: page.transfer_bytes / 1000), 1),
        "max_queries": worst(lambda page: page.queries),
        "large_vs_small": round(max(_ratio(small, large) for small, large in pairs), 3),
        "pages": {
            large.name: {
                "html_kb": round(large.html_bytes / 1000, 1),
                "transfer_kb": round(large.transfer_bytes / 1000, 1),
                "queries": max(small.queries, large.queries),
                "ms_few": round(small.milliseconds, 2),
                "ms_many": round(large.milliseconds, 2),
            }
            for small, large in pairs
        },
    }


if __name__ == "__main__":
    main()
