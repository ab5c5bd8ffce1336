"""The ten principals, what each of them may, and how they ask."""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from finetuning.api.tokens import AccessToken, issue_tokens
from finetuning.models import Organization, User
from tests.factories import OrganizationFactory, UserFactory
from tests.isolation.policy import Id, Level, Upload
from tests.isolation.routes import routes
from tests.isolation.rows import contents, furnish

CANARY = "Canary"
EACH_TIME_ANOTHER = re.compile(
    r'"requestId": ?"[^"]*"|X-Request-Id: [0-9a-f-]+|name="csrfmiddlewaretoken" value="[^"]*"|Expires: .*|X-RateLimit-(?:Remaining|Reset): [0-9]+'
)
UUID_PATTERN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# All but the last of each kind are members of the organization whose rows the matrix is about.
INSIDE = {
    "viewer": Level.VIEWER,
    "member": Level.MEMBER,
    "admin": Level.ADMIN,
    "owner": Level.OWNER,
    # A workspace is a filter, not a wall: who works in another one has the same rights.
    "other workspace": Level.MEMBER,
}
# What the API tells those that it does not let in at all; a page sends all but the removed one to sign in.
LOCKED_OUT = {
    "anonymous": "not_authenticated",
    "removed": "token_revoked",
    "deactivated": "token_revoked",
    "expired": "token_not_valid",
}
PRINCIPALS = (*INSIDE, "foreign owner", *LOCKED_OUT)


@dataclass(frozen=True)
class Principal:
    user: User | None = None
    token: str = ""
    session: str = ""

    def client(self, *, is_api):
        """A client of its own for each request, so that no cookie of an earlier answer comes along."""
        client = Client(headers={"Authorization": f"Bearer {self.token}"} if is_api and self.token else None)
        if self.session and not is_api:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        return client


@dataclass(frozen=True)
class World:
    """Two organizations with the same kinds of row: Acme, and Rivals, to whom Acme must not exist."""

    acme: Organization
    rivals: Organization
    acme_rows: dict
    rivals_rows: dict
    principals: dict
    before: dict = field(default_factory=dict)

    def rows_for(self, principal):
        return self.rivals_rows if principal == "foreign owner" else self.acme_rows

    def changed_tables(self, organization):
        """The tables of which a row of `organization` is not as it was at first."""
        now = contents(organization)
        return [table for table in now if now[table] != self.before[organization.pk][table]]

    def leaks(self, answer, operation):
        """What `answer` tells of Acme, besides what the request itself named."""
        text = told(answer, besides=given_ids(operation, self.acme_rows)).lower()
        return [word for word in (CANARY.lower(), *self.acme_ids) if word in text]

    @property
    def acme_ids(self):
        return {str(row.pk) for row in self.acme_rows.values()}


@contextmanager
def rolled_back():
    """Whatever happens inside is undone. A service's durable transaction may be inside, as in a TestCase."""
    outermost = transaction.atomic()
    outermost._from_testcase = True
    with outermost:
        yield
        transaction.set_rollback(True)


def build_world():
    """Both organizations, their rows and everybody's tokens and sessions; then some are removed or expire."""
    acme = OrganizationFactory(name=f"{CANARY} Acme")
    rivals = OrganizationFactory(name="Rivals")
    acme_rows, rivals_rows = furnish(acme, mark=CANARY), furnish(rivals, mark="Rival")
    principals = {"anonymous": Principal()}
    for name, level in INSIDE.items():
        principals[name] = sign_in(_user(f"{CANARY}-{name}", acme, level), acme)
    principals["foreign owner"] = sign_in(_user("rival", rivals, Level.OWNER), rivals)
    for name in ("removed", "deactivated", "expired"):
        principals[name] = sign_in(_user(name, acme, Level.OWNER), acme)
    principals["removed"].user.memberships.all().delete()
    User.objects.filter(pk=principals["deactivated"].user.pk).update(is_active=False)
    principals["expired"] = _expire(principals["expired"])
    world = World(acme, rivals, acme_rows, rivals_rows, principals)
    world.before.update({organization.pk: contents(organization) for organization in (acme, rivals)})
    return world


def _user(name, organization, level):
    email = f"{name.replace(' ', '-')}@example.com"
    return UserFactory(email=email, member_of=organization, member_of__role=level.name.lower())


def sign_in(user, organization):
    """The user with a token and a session for `organization`."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return Principal(user, issue_tokens(user.memberships.get(organization=organization))["access"], session)


def _expire(principal):
    token = AccessToken(principal.token)
    token.set_exp(lifetime=-timedelta(minutes=1))
    Session.objects.filter(pk=principal.session).update(expire_date=timezone.now() - timedelta(minutes=1))
    return Principal(principal.user, str(token), principal.session)


def filled(value, rows):
    """`value` with the ids of `rows` in place of each `Id`, and files in place of each `Upload`."""
    if isinstance(value, dict):
        return {name: filled(item, rows) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, rows) for item in value]
    if isinstance(value, Id):
        return str(getattr(rows[value.kind], value.attribute))
    return SimpleUploadedFile(value.name, value.content) if isinstance(value, Upload) else value


def path_of(operation, named):
    """The operation's path with the ids in `named`."""
    names = re.findall(r"<(?:\w+:)?(\w+)>", routes()[operation.route])
    assert len(names) == len(operation.kinds), f"{operation}: say in `of` which rows its path names: {names}."
    return reverse(operation.route, kwargs=dict(zip(names, named, strict=True)))


def named_by(operation, rows):
    return ["text" if kind == "text" else rows[kind].pk for kind in operation.kinds]


def ask(principal, operation, *, named, rows, send=None, query=None, headers=None):
    """Make the request of `operation`: about the ids `named`, referring to `rows` in its body and its query.

    `send` and `query` take the place of the operation's own.
    """
    body = filled(operation.send if send is None else send, rows)
    parameters = filled(operation.query if query is None else query, rows)
    is_form = not operation.is_api or any(isinstance(value, SimpleUploadedFile) for value in body.values())
    if is_form:
        encoded = {"data": body} if operation.method == "POST" else {}
    else:
        encoded = {"data": json.dumps(body), "content_type": "application/json"}
    if operation.is_safe:
        encoded = {}
    return getattr(principal.client(is_api=operation.is_api), operation.method.lower())(
        path_of(operation, named), query_params=parameters, headers=headers, **encoded
    )


def outcome(answer):
    """Status and what else tells one refusal from another: the code, or whither a page sends."""
    if answer.status_code == 302:
        return 302, "sign in" if answer["Location"].startswith(reverse(settings.LOGIN_URL)) else ""
    is_problem = answer.status_code >= 400 and answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"] if is_problem else ""


def expected(operation, principal):
    """What `outcome` is to be."""
    is_turned_away = operation.reads_token and principal in LOCKED_OUT and principal != "anonymous"
    if operation.level is Level.PUBLIC and not is_turned_away:
        return operation.allowed
    if principal == "foreign owner":
        return _refused(operation, 404, "not_found") if operation.kinds else operation.allowed
    if principal in INSIDE:
        may = INSIDE[principal] >= operation.level
        return operation.allowed if may else _refused(operation, 403, "role_too_low")
    if operation.is_api:
        return 401, LOCKED_OUT[principal]
    if principal == "removed":
        if operation.level is Level.SIGNED_IN:
            return (404, "") if operation.kinds else operation.allowed
        return 403, ""
    return 302, "sign in"


def _refused(operation, status, code):
    return status, code if operation.is_api else ""


def told(answer, *, besides=()):
    """All that an answer tells: its text and its headers, without the ids that the request itself gave."""
    headers = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
    text = headers + answer.content.decode(errors="replace")
    for given in besides:
        text = text.replace(str(given), "")
    return text


def given_ids(operation, rows):
    """The ids that a request of `operation` sends when it is about these rows and refers to them."""
    sent = json.dumps(filled({**operation.query, **operation.send}, rows), default=str)
    return {*map(str, named_by(operation, rows)), *re.findall(UUID_PATTERN, sent)}


def without_ids(answer, named):
    """What `answer` tells, without the ids `named` and what is new with each answer of the same kind."""
    return EACH_TIME_ANOTHER.sub("", told(answer, besides=named))
