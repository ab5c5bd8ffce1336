import re
from pathlib import Path

from datasets.problem_codes import CONVERSATION, FILE, KINDS, READING, ROW
from datasets.validation.repairs import REPAIRABLE

ROOT = Path(__file__).parents[2]
ROW_OF_TABLE = re.compile(r"\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) ?\|$", re.MULTILINE)
NAMED = re.compile(r'(?:code=|_note\(|wrong\(\s*)"([a-z_]+)"')


def test_the_documentation_lists_every_code():
    text = (ROOT / "docs/data-problems.md").read_text().replace("\\|", "|")

    documented = ROW_OF_TABLE.findall(text)

    assert documented == [
        (code, kind.severity, kind.meaning, kind.repair)
        for kinds in (FILE, READING, ROW, CONVERSATION)
        for code, kind in kinds.items()
    ]


def test_every_code_in_use_is_listed():
    # The API names what is wrong with a request by other codes.
    files = [path for path in (ROOT / "datasets").rglob("*.py") if path.parent.name != "api"]
    sources = [path.read_text() for path in files if "services" not in path.name]

    used = {code for source in sources for code in NAMED.findall(source)}

    assert used - KINDS.keys() - CONVERSATION.keys() == set()


def test_says_of_exactly_what_can_be_repaired_how():
    assert {code for code, kind in KINDS.items() if kind.repair} == REPAIRABLE
