import re
from pathlib import Path

import pytest
import yaml
from django.utils.encoding import force_bytes
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.validation import validate_schema

STORED = Path(__file__).parent.parent / "docs" / "openapi.yaml"
CHANGES = {"post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return [
        (method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def media_types(operation):
    # An example of a form with a file means nothing in OpenAPI; the answer of an upload has one.
    yield from (
        media_type
        for name, media_type in operation.get("requestBody", {}).get("content", {}).items()
        if not name.startswith("multipart/")
    )
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            yield from answer.get("content", {}).values()


def property_names(schema):
    for shape in schema["components"]["schemas"].values():
        yield from shape.get("properties", {})


def test_is_valid_openapi(schema):
    validate_schema(schema)


def test_is_the_stored_one(schema):
    stored = yaml.safe_load(STORED.read_text())

    # Where this fails, run `manage.py spectacular --file docs/openapi.yaml` and read the difference.
    assert yaml.safe_load(yaml.safe_dump(stored)) == yaml.safe_load(
        yaml.safe_dump(plain(schema), allow_unicode=True)
    )


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_has_27_operations(schema):
    # PATCH is PUT with every field optional and counts with it.
    counted = [
        (method, path)
        for method, path, _ in operations(schema)
        if path.startswith("/api/fine-tuning/") and method != "patch"
    ]

    assert len(counted) == 27


def test_writes_every_property_in_camel_case(schema):
    hyperparameters = schema["components"]["schemas"]["HyperparametersRequest"]["properties"]

    odd = [
        name
        for name in property_names(schema)
        if name not in hyperparameters and not re.fullmatch(r"[a-z][a-zA-Z0-9]*", name)
    ]

    assert odd == []


def test_shows_an_example_of_every_body(schema):
    bare = [
        f"{method} {path}"
        for method, path, operation in operations(schema)
        for media_type in media_types(operation)
        if not media_type.get("examples")
    ]

    assert bare == []


def test_has_no_path_with_a_slash_at_its_end(schema):
    assert [path for path in schema["paths"] if path.endswith("/")] == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc", "/api/docs?script="])
def test_shows_the_description_with_local_files_only(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert "//" not in re.sub(r"^\s*//.*$", "", answer.content.decode(), flags=re.MULTILINE).replace("</", "")


@pytest.mark.django_db
def test_loosens_the_content_policy_on_these_pages_only(client):
    docs, elsewhere = client.get("/api/docs"), client.get("/login")

    assert "'unsafe-inline'" in docs["Content-Security-Policy"]
    assert "unsafe" not in elsewhere["Content-Security-Policy"]


@pytest.mark.parametrize("renderer", [OpenApiJsonRenderer2, OpenApiYamlRenderer2])
def test_is_made_once_for_everybody(client, schema, monkeypatch, renderer):
    headers = {"accept": renderer.media_type}
    first = client.get("/api/schema", headers=headers)
    monkeypatch.delattr(SchemaGenerator, "get_schema")

    again = client.get("/api/schema?version=2", headers=headers)

    assert first.content == force_bytes(renderer().render(schema))
    assert (again.content, again.headers["Content-Type"]) == (first.content, first.headers["Content-Type"])
    assert again.headers["Content-Type"].startswith(renderer.media_type)
