"""Hostile training files, made on the fly. Each case: its number, the file's name, its bytes, the codes."""

import io
import json
import stat
import zipfile
from gzip import compress

GOOD_ROW = '{"messages": [{"role": "user", "content": "Hi %d"}, {"role": "assistant", "content": "Hello"}]}'
GOOD_LINES = [(GOOD_ROW % number).encode() for number in range(12)]
GOOD_FILE = b"\n".join(GOOD_LINES) + b"\n"


def lines(*bad: bytes) -> bytes:
    """Twelve good lines with the bad ones in their middle."""
    return b"\n".join([*GOOD_LINES[:6], *bad, *GOOD_LINES[6:]]) + b"\n"


def row(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def chat(*messages: object, **fields: object) -> bytes:
    return row(messages=list(messages), **fields)


def user(content: object = "Hi") -> dict[str, object]:
    return {"role": "user", "content": content}


def assistant(content: object = "Hello", **fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": content, **fields}


def with_value(json_text: str) -> bytes:
    """A chat row with `json_text` as the user's content."""
    return chat(user("@"), assistant()).replace(b'"@"', json_text.encode())


def table(*records: str, header: str = "prompt,completion", end: str = "\n") -> bytes:
    return end.join([header, *[f"question {n},answer" for n in range(10)], *records, ""]).encode()


def zip_of(name: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, GOOD_FILE)
    return archive.getvalue()


def zip_of_link() -> bytes:
    """An archive whose one entry is a symbolic link out of it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("a.jsonl")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    return archive.getvalue()


REFUSED = [
    ("01 empty", "a.jsonl", b"", "empty"),
    ("13 gzip", "a.jsonl", compress(GOOD_FILE), "compressed"),
    ("14 gzip bomb", "a.jsonl", compress(bytes(100_000_000)), "compressed"),
    ("15 gzip in gzip", "a.jsonl", compress(compress(GOOD_FILE)), "compressed"),
    ("16 zip", "a.jsonl", zip_of("../../a.jsonl"), "compressed"),
    ("16 zip of a link", "a.jsonl", zip_of_link(), "compressed"),
    ("16 empty zip", "a.jsonl", b"PK\x05\x06" + bytes(18), "compressed"),
    ("17 zstd", "a.jsonl", b"\x28\xb5\x2f\xfd\x04\x00", "compressed"),
    ("17 bz2", "a.jsonl", b"BZh91AY&SY\x00", "compressed"),
    ("17 xz", "a.jsonl", b"\xfd7zXZ\x00\x00", "compressed"),
    ("17 7z", "a.jsonl", b"7z\xbc\xaf\x27\x1c\x00", "compressed"),
    ("17 tar", "a.jsonl", b"a.jsonl".ljust(257, b"\0") + b"ustar\x0000", "compressed"),
    ("18 pdf", "a.jsonl", b"%PDF-1.7\n", "not_text"),
    ("18 png", "a.jsonl", b"\x89PNG\r\n\x1a\n", "not_text"),
    ("18 elf", "a.jsonl", b"\x7fELF\x02\x01", "not_text"),
    ("18 exe", "a.jsonl", b"MZ\x90\x00\x03\x00", "not_text"),
    ("19 gif and script", "a.jsonl", b"GIF89a/*" + b"\0" * 9 + b"*/=1;alert(1)", "not_text"),
    ("19 pdf and jsonl", "a.jsonl", b"%PDF-1.7\n" + GOOD_FILE, "not_text"),
    ("21 xlsx", "a.csv", zip_of("[Content_Types].xml"), "not_text"),
    ("34 no extension", "a", GOOD_FILE, "extension"),
    ("34 double extension", "a.jsonl.exe", GOOD_FILE, "extension"),
]

INVALID = [
    ("02 only newlines", "a.jsonl", b"\n" * 50, {"blank", "no_examples"}),
    ("20 html", "a.jsonl", b"<html>\n<script>alert(1)</script>\n", {"invalid_json", "no_examples"}),
    ("20 svg", "a.jsonl", b"<svg onload='alert(1)'/>\n", {"invalid_json", "no_examples"}),
    ("36 utf-16 le", "a.jsonl", GOOD_FILE.decode().encode("utf-16-le"), {"encoding", "no_examples"}),
    ("36 utf-16 be", "a.jsonl", GOOD_FILE.decode().encode("utf-16-be"), {"encoding", "no_examples"}),
    (
        "36 utf-16 be bom",
        "a.jsonl",
        b"\xfe\xff" + GOOD_FILE.decode().encode("utf-16-be"),
        {"encoding", "no_examples"},
    ),
    (
        "36 utf-16 bom",
        "a.json",
        b"\xff\xfe" + GOOD_FILE.decode().encode("utf-16-le"),
        {"encoding", "no_examples"},
    ),
    ("36 utf-16 csv", "a.csv", table().decode().encode("utf-16"), {"encoding", "no_examples"}),
    ("37 utf-32", "a.jsonl", GOOD_FILE.decode().encode("utf-32"), {"encoding", "no_examples"}),
    ("37 utf-32 be", "a.jsonl", GOOD_FILE.decode().encode("utf-32-be"), {"encoding", "no_examples"}),
    ("38 latin-1", "a.jsonl", lines(with_value('"é"').decode().encode("latin-1")), {"encoding"}),
    ("38 shift-jis", "a.jsonl", lines(with_value('"日本"').decode().encode("shift-jis")), {"encoding"}),
    ("39 overlong", "a.jsonl", lines(with_value('"@"').replace(b"@", b"\xc0\xaf")), {"encoding"}),
    ("40 surrogate bytes", "a.jsonl", lines(with_value('"@"').replace(b"@", b"\xed\xa0\x80")), {"encoding"}),
    ("41 raw nul", "a.jsonl", lines(with_value('"@"').replace(b"@", b"\0")), {"nul"}),
    ("42 nul in value", "a.jsonl", lines(with_value(r'"\u0000"')), {"nul"}),
    ("42 nul in key", "a.jsonl", lines(with_value(r'{"\u0000": 1}')), {"nul"}),
    ("43 high surrogate", "a.jsonl", lines(with_value(r'"\ud800"')), {"surrogate"}),
    ("43 low surrogate", "a.jsonl", lines(with_value(r'"\udc00"')), {"surrogate"}),
    ("43 reversed pair", "a.jsonl", lines(with_value(r'"\udc00\ud800"')), {"surrogate"}),
    ("45 nan", "a.jsonl", lines(with_value("NaN")), {"non_finite"}),
    ("45 infinity", "a.jsonl", lines(with_value("Infinity")), {"non_finite"}),
    ("45 minus infinity", "a.jsonl", lines(with_value("-Infinity")), {"non_finite"}),
    ("46 1e400", "a.jsonl", lines(with_value("1e400")), {"non_finite"}),
    ("47 long integer", "a.jsonl", lines(with_value("9" * 4_400)), {"number"}),
    ("48 longer integer", "a.jsonl", lines(with_value("9" * 140_000)), {"number"}),
    ("49 duplicate key", "a.jsonl", lines(with_value('{"a": 1, "a": 2}')), {"duplicate_key"}),
    ("50 role twice", "a.jsonl", lines(with_value('"a", "role": "system"')), {"duplicate_key"}),
    ("51 depth 33", "a.jsonl", lines(with_value("[" * 30 + "]" * 30)), {"depth"}),
    ("52 depth 1,100", "a.jsonl", lines(with_value("[" * 1_100 + "]" * 1_100)), {"depth"}),
    ("53 depth 100,000", "a.jsonl", lines(with_value('{"a":' * 100_000 + "1" + "}" * 100_000)), {"depth"}),
    ("54 a million keys", "a.jsonl", lines(row(**{f"k{n}": 1 for n in range(500_000)})), {"line_too_long"}),
    ("55 5 MB key", "a.jsonl", lines(row(**{"k" * 5_000_000: 1})), {"line_too_long"}),
    ("56 trailing comma", "a.jsonl", lines(b'{"messages": [],}'), {"invalid_json"}),
    ("56 single quotes", "a.jsonl", lines(b"{'messages': []}"), {"invalid_json"}),
    ("56 comment", "a.jsonl", lines(b'{"messages": [] /* none */}'), {"invalid_json"}),
    ("56 hexadecimal", "a.jsonl", lines(with_value("0x1F")), {"invalid_json"}),
    ("56 plus sign", "a.jsonl", lines(with_value("+1")), {"invalid_json"}),
    ("56 leading zero", "a.jsonl", lines(with_value("01")), {"invalid_json"}),
    ("57 two on a line", "a.jsonl", lines(GOOD_LINES[0] + b" " + GOOD_LINES[1]), {"invalid_json"}),
    ("58 pretty array", "a.jsonl", b"[\n" + b",\n".join(GOOD_LINES) + b"\n]", {"not_jsonl", "no_examples"}),
    ("58 array on a line", "a.jsonl", b"[" + b",".join(GOOD_LINES) + b"]", {"not_jsonl", "no_examples"}),
    ("59 object over lines", "a.jsonl", lines(b'{\n"messages": []\n}'), {"invalid_json"}),
    ("60 raw tab", "a.jsonl", lines(with_value('"\t"')), {"invalid_json"}),
    ("60 raw line feed", "a.jsonl", lines(with_value('"\n"')), {"invalid_json"}),
    ("62 form feed between", "a.jsonl", lines(b"\f", b"\v", b"\x1c"), {"invalid_json"}),
    ("63 proto", "a.jsonl", lines(chat(user(), assistant(), __proto__={})), {"unknown_field"}),
    ("63 constructor", "a.jsonl", lines(chat(user(), assistant(constructor=1))), {"unknown_field"}),
    ("64 null", "a.jsonl", lines(b"null"), {"not_object"}),
    ("64 list", "a.jsonl", lines(b"[1]"), {"not_object"}),
    ("64 list first", "a.jsonl", b"[1]\n" + GOOD_FILE, {"not_object"}),
    ("64 list of objects", "a.jsonl", lines(b"[{}]"), {"not_object"}),
    ("64 number", "a.jsonl", lines(b"7"), {"not_object"}),
    ("65 no messages", "a.jsonl", lines(b"{}"), {"messages"}),
    ("65 empty messages", "a.jsonl", lines(chat()), {"messages"}),
    ("65 messages no list", "a.jsonl", lines(row(messages="Hi")), {"messages"}),
    ("66 unknown role", "a.jsonl", lines(chat({"role": "bot", "content": "a"}, assistant())), {"role"}),
    ("66 no assistant last", "a.jsonl", lines(chat(assistant(), user())), {"role"}),
    ("67 content a number", "a.jsonl", lines(chat(user(7), assistant())), {"content"}),
    ("67 content null", "a.jsonl", lines(chat(user(None), assistant())), {"content"}),
    ("68 10,000 messages", "a.jsonl", lines(chat(*[user(), assistant()] * 5_000)), {"too_many_messages"}),
    ("69 nine examples", "a.jsonl", b"\n".join(GOOD_LINES[:9]), {"min_examples"}),
    ("76 csv nul", "a.csv", table("a\0,b"), {"nul"}),
    ("77 csv long field", "a.csv", table(f"a,{'b' * 131_073}"), {"field_size"}),
    ("78 csv open quote", "a.csv", table('a,"b', "c,d"), {"csv_quote"}),
    ("79 csv header twice", "a.csv", table(header="prompt,prompt"), {"header", "no_examples"}),
    ("79 csv other header", "a.csv", table(header="this,that"), {"header", "no_examples"}),
    (
        "79 csv a million columns",
        "a.csv",
        ",".join(f"{n:x}" for n in [*range(600_000), 599_999]).encode(),
        {"header", "no_examples"},
    ),
    ("80 csv extra column", "a.csv", table("a,b,c"), {"columns"}),
    ("80 csv missing column", "a.csv", table("a"), {"columns"}),
    ("82 csv semicolons", "a.csv", b"prompt;completion\na;b\n", {"dialect", "no_examples"}),
    ("82 csv tabs", "a.csv", b"prompt\tcompletion\na\tb\n", {"dialect", "no_examples"}),
    ("38 csv latin-1", "a.csv", table("é,b").decode().encode("latin-1"), {"encoding"}),
    ("json cut off", "a.json", b"[" + b",".join(GOOD_LINES), {"invalid_json"}),
    ("json text behind", "a.json", b"[" + b",".join(GOOD_LINES) + b"] x", {"invalid_json"}),
    ("json trailing comma", "a.json", b"[" + b",".join(GOOD_LINES) + b",]", {"invalid_json"}),
    (
        "json broken element",
        "a.json",
        b"[" + b",".join([*GOOD_LINES, b"{]", b"[1}"]) + b"]",
        {"invalid_json"},
    ),
    ("json not an array", "a.json", b'"text"', {"not_array", "no_examples"}),
]

VALID = [
    ("33 formula", "a.jsonl", lines(chat(user("=cmd()"), assistant())), set()),
    ("34 upper case extension", "A.JSONL", GOOD_FILE, set()),
    ("35 bom", "a.jsonl", b"\xef\xbb\xbf" + GOOD_FILE, {"bom"}),
    ("35 bom json", "a.json", b"\xef\xbb\xbf [" + b",\n".join(GOOD_LINES) + b"]", {"bom"}),
    ("44 emoji", "a.jsonl", lines(with_value('"\uffff 👩\u200d💻 \\ud83d\\ude00"')), set()),
    ("61 line separators", "a.jsonl", lines(with_value('"\u2028\u0085"')), set()),
    ("44 noncharacter", "a.jsonl", lines(with_value(r'"\uffff"')), set()),
    ("74 no last newline", "a.jsonl", GOOD_FILE.rstrip(), set()),
    ("75 blank lines", "a.jsonl", lines(b"", b"  \t"), {"blank"}),
    ("75 crlf", "a.jsonl", GOOD_FILE.replace(b"\n", b"\r\n"), set()),
    ("81 csv bom", "a.csv", b"\xef\xbb\xbf" + table(), {"bom"}),
    ("82 csv cr only", "a.csv", table(end="\r"), set()),
    ("82 csv crlf", "a.csv", table(end="\r\n"), set()),
    ("83 csv formula", "a.csv", table("=1+1,@x"), set()),
    ("84 csv quoted newline", "a.csv", table('"a\nb","c ""d"", e"'), set()),
    ("88 escapes and bidi", "a.jsonl", lines(with_value(r'"\u001b[31m \u202e"')), set()),
    (
        "json pretty",
        "a.json",
        json.dumps(json.loads(b"[" + b",".join(GOOD_LINES) + b"]"), indent=2).encode(),
        set(),
    ),
    ("json named lines", "a.json", GOOD_FILE, set()),
]

# Rows that are judged together with others, or by their tokens, which the readers and rules alone do not do.
READ = [
    (
        "70 over the context",
        "a.jsonl",
        lines(chat(user("a b " * 65_000), assistant())),
        "invalid",
        {"tokens"},
    ),
    ("70 over the limit", "a.jsonl", lines(chat(user("a b " * 40_000), assistant())), "valid", {"truncated"}),
    ("89 key", "a.jsonl", lines(chat(user("sk-proj-" + "a1B2" * 10), assistant())), "valid", {"secret"}),
    ("89 address", "a.jsonl", lines(chat(user("ann@acme.io"), assistant())), "valid", {"personal_data"}),
    ("90 duplicates", "a.jsonl", GOOD_FILE * 100, "valid", {"duplicate"}),
]
