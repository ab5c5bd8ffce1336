import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPS = ("config", "finetuning", "datasets", "jobs", "models_registry")
# The sandbox is a server of its own behind HTTP, with a status of its own.
OTHER_WORLDS = ("finetuning/sandbox/", "finetuning/embedded/", "finetuning/providers/")
MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60


def sources():
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name:
                yield name, path.read_text()


SOURCES = dict(sources())


def nodes(source, kind):
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kind)]


def is_interface(name):
    return "/api/" in name or name.endswith(("/views.py", "/forms.py", "/admin.py"))


def writes_status(node):
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Attribute) and target.attr == "status" for target in node.targets)
    called = getattr(node.func, "attr", "")
    return called == "update" and any(keyword.arg == "status" for keyword in node.keywords)


@pytest.mark.parametrize("name", SOURCES)
def test_keeps_modules_and_functions_short(name):
    functions = nodes(SOURCES[name], ast.FunctionDef | ast.AsyncFunctionDef)

    assert SOURCES[name].count("\n") <= MAX_MODULE_LINES
    assert [f.name for f in functions if f.end_lineno - f.lineno + 1 > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("name", [name for name in SOURCES if is_interface(name)])
def test_starts_at_the_organization_in_interfaces(name):
    # A token stands for a user and an organization that are not known before it is read.
    allowed = {"TokenFamily"} if name == "finetuning/api/tokens.py" else set()

    unscoped = [
        node.value.id
        for node in nodes(SOURCES[name], ast.Attribute)
        if node.attr == "objects" and isinstance(node.value, ast.Name)
    ]

    assert set(unscoped) <= allowed


@pytest.mark.parametrize("name", SOURCES)
def test_has_no_signal_receivers(name):
    imported = [node.module or "" for node in nodes(SOURCES[name], ast.ImportFrom)]

    assert not [module for module in imported if module.endswith("signals") or module == "django.dispatch"]


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith(OTHER_WORLDS)])
def test_writes_a_status_in_models_only(name):
    writers = [node.lineno for node in nodes(SOURCES[name], ast.Assign | ast.Call) if writes_status(node)]

    assert writers == [] or name.endswith("/models.py") or "/models/" in name
