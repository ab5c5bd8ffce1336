"""Every token that others may make up is refused, and none of them breaks anything."""

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rest_framework.test import APIClient

from finetuning.api.token_signing import signing_key
from finetuning.api.tokens import issue_tokens

pytestmark = pytest.mark.django_db
DIGESTS = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}


class Forger:
    """Knows the claims of a good token, and the key; says what is different in a bad one."""

    def __init__(self, pair, passphrase):
        self.pair = pair
        self.key = signing_key(passphrase)
        self.header = self.key.header

    def claims(self, kind="access"):
        return jwt.decode(self.pair[kind], options={"verify_signature": False})

    def token(self, header=None, payload=None, secret=None, **claims):
        """A token that is good but for what is given."""
        header = self.header | (header or {})
        payload = payload or json.dumps(self.claims() | claims).encode()
        signed = f"{encode(json.dumps(header).encode())}.{encode(payload)}".encode()
        digest = DIGESTS.get(header["alg"], hashlib.sha256)
        return f"{signed.decode()}.{encode(hmac.digest(secret or self.key.secret, signed, digest))}"

    def without(self, *names):
        kept = {name: value for name, value in self.claims().items() if name not in names}
        return self.token(payload=json.dumps(kept).encode())


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(forger):
    token = forger.token(header={"alg": "none"})
    return token[: token.rindex(".") + 1]


def by_the_public_key(forger):
    """As if the server, told HS256, took the public RSA key for the secret."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return forger.token(secret=pem)


def by_a_key_of_its_own(forger):
    private = rsa.generate_private_key(65537, 2048)
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    return jwt.encode(forger.claims(), private, "RS256", headers={"kid": forger.key.kid, "jwk": key})


def with_a_claim_twice(forger):
    body = json.dumps(forger.claims())
    return forger.token(payload=f'{body[:-1]}, "user_id": "{forger.claims()["user_id"]}"}}'.encode())


def nested_deep(forger):
    return forger.token(payload=b"[" * 900 + b"]" * 900)


def with_a_header_nested_deep(forger):
    return f"{encode(b'[' * 2500)}.e30.AAAA"


FORGERIES = {
    "none": unsigned,
    "None": lambda forger: forger.token(header={"alg": "None"}),
    "HS512 with the same key": lambda forger: forger.token(header={"alg": "HS512"}),
    "RS256 as HS256": by_the_public_key,
    "jwk": by_a_key_of_its_own,
    "jku": lambda forger: forger.token(header={"jku": "https://example.com/keys"}),
    "x5u": lambda forger: forger.token(header={"x5u": "https://example.com/chain"}),
    "crit": lambda forger: forger.token(header={"crit": ["exp"]}),
    "kid of a file": lambda forger: forger.token(header={"kid": "../../../dev/null"}, secret=b"\0"),
    "kid of a query": lambda forger: forger.token(header={"kid": "x' UNION SELECT 'key"}, secret=b"key"),
    "kid of a list": lambda forger: forger.token(header={"kid": [forger.key.kid]}),
    "no kid": lambda forger: jwt.encode(forger.claims(), forger.key.secret, "HS256"),
    "another type of header": lambda forger: forger.token(header={"typ": "id+jwt"}),
    "another key": lambda forger: forger.token(secret=b"another key, with thirty-two bytes"),
    "refresh as access": lambda forger: forger.pair["refresh"],
    "id token as access": lambda forger: forger.token(token_type="id"),
    "expired": lambda forger: forger.token(exp=int(time.time()) - 1),
    "never expires": lambda forger: forger.without("exp"),
    "not yet good": lambda forger: forger.token(nbf=int(time.time()) + 60),
    "issued tomorrow": lambda forger: forger.token(iat=int(time.time()) + 86_400),
    "another audience": lambda forger: forger.token(aud="another-api"),
    "several audiences": lambda forger: forger.token(aud=["attune-api", "another-api"]),
    "another issuer": lambda forger: forger.token(iss="https://example.com"),
    "no issuer": lambda forger: forger.without("iss"),
    "no audience": lambda forger: forger.without("aud"),
    "no jti": lambda forger: forger.without("jti"),
    "no family": lambda forger: forger.without("family_id"),
    "family that never was": lambda forger: forger.token(family_id=str(uuid4())),
    "family of an odd type": lambda forger: forger.token(family_id=["x"]),
    "family with NUL": lambda forger: forger.token(family_id="\0"),
    "cut signature": lambda forger: forger.pair["access"][:-4],
    "no signature": lambda forger: forger.pair["access"].rpartition(".")[0] + ".",
    "two parts": lambda forger: forger.pair["access"].rpartition(".")[0],
    "a claim twice": with_a_claim_twice,
    "claims nested deep": nested_deep,
    "header nested deep": with_a_header_nested_deep,
    "claims of no object": lambda forger: forger.token(payload=b"[]"),
    "claims in UTF-16": lambda forger: forger.token(payload=json.dumps(forger.claims()).encode("utf-16")),
    "100 kB": lambda forger: forger.token(filling="x" * 100_000),
    "non-ASCII": lambda forger: forger.pair["access"][:-1] + "é",
    "NUL": lambda forger: forger.pair["access"][:-1] + "\0",
    "user_id of a list": lambda forger: forger.token(user_id=[forger.claims()["user_id"]]),
    "user_id of 10^30": lambda forger: forger.token(user_id=10**30),
    "user_id of another user": lambda forger: forger.token(user_id=str(uuid4())),
    "another organization": lambda forger: forger.token(organization_id=str(uuid4())),
    "no organization": lambda forger: forger.token(organization_id=None),
    "another password": lambda forger: forger.token(hash_password="D41D8CD98F00B204E9800998ECF8427E"),
    "exp of 10^30": lambda forger: forger.token(exp=10**30),
    "exp of a word": lambda forger: forger.token(exp="soon"),
    "exp of an object": lambda forger: forger.token(exp={}),
    "iat of NaN": lambda forger: forger.token(iat=float("nan")),
    "nothing": lambda forger: "x",
    "no base64": lambda forger: "!.!.!",
}


@pytest.fixture
def forger(user, settings):
    return Forger(issue_tokens(user.memberships.get()), settings.JWT_KEYS[0])


def me(token):
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {token}").get("/api/auth/me")


def renew(token):
    return APIClient().post("/api/auth/token/refresh", {"refresh": token}, format="json")


def revoke(token):
    return APIClient().post("/api/auth/token/revoke", {"refresh": token}, format="json")


def test_takes_the_forgers_token_when_nothing_is_wrong_with_it(forger):
    assert me(forger.token()).status_code == 200
    assert renew(forger.token(**forger.claims("refresh"))).status_code == 200


@pytest.mark.parametrize("name", FORGERIES)
def test_refuses_a_forged_access_token(forger, name):
    answer = me(FORGERIES[name](forger))

    assert (answer.status_code, answer.json()["status"]) == (401, 401)


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "refresh as access"])
def test_refuses_a_forged_refresh_token(forger, name):
    forger.pair = forger.pair | {"access": forger.pair["refresh"]}

    answer = renew(FORGERIES[name](forger))

    # A text that no token can be, for one with NUL, is refused as the field of a form is.
    assert answer.status_code in (400, 401)
    assert renew(forger.pair["refresh"]).status_code == 200


@pytest.mark.parametrize("jti", [None, "\0", "x", ["x"], 5, 10**30, ""])
def test_refuses_a_refresh_token_with_an_odd_id(forger, jti):
    odd = forger.token(**forger.claims("refresh") | {"jti": jti})

    assert renew(odd).status_code == 401


def test_does_not_take_an_access_token_as_refresh(forger):
    assert renew(forger.pair["access"]).status_code == 401
    assert revoke(forger.pair["access"]).status_code == 401
    assert me(forger.pair["access"]).status_code == 200
