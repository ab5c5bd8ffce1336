"""The tokenizers of OpenAI's models, read from files in this folder: no network, ever.

The rank files, their hashes and the two split patterns are OpenAI's (README.md beside this file).
"""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import tiktoken

EncodingName = Literal["cl100k_base", "o200k_base"]

_BYTES_PER_ID = 4
FOLDER = Path(__file__).parent

# File names are the SHA-1 of the address tiktoken would download from, so the folder also serves as
# its TIKTOKEN_CACHE_DIR. The hashes are the ones tiktoken itself expects (tiktoken_ext/openai_public.py).
RANK_FILES: dict[EncodingName, tuple[str, str]] = {
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}

_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

PATTERNS: dict[EncodingName, str] = {
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k_base": "|".join(
        [
            rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
            rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
}

# splintr's regex engine never goes back, so it has no quantifiers that forbid it.
_POSSESSIVE = re.compile(r"([+*?}])\+")

# gpt-4 itself and gpt-4-turbo, but not gpt-4o, gpt-4.1 or gpt-4.5; Azure writes gpt-35.
_CL100K_MODEL = re.compile(r"(gpt-3\.?5|gpt-4(?![\w.])|davinci-002|babbage-002)")

# On a million spaces in a row tiktoken's regex engine panics, or takes minutes before a newline, so such
# runs are cut out first. Python alone takes \x1c to \x1f for spaces.
_LONG_SPACE = re.compile(r"[^\S\r\n\x1c-\x1f]{10000,}")


class RankFileError(RuntimeError):
    """A rank file in this folder is missing, or is not the one that was published."""


def encoding_for(base_model: str | None) -> EncodingName:
    """The name of the encoding that `base_model` uses; without a model, that of all newer models.

    `ft:gpt-4.1-mini-2025-04-14:acme::x` counts like the model it was made from.
    """
    name = (base_model or "").removeprefix("ft:")
    return "cl100k_base" if _CL100K_MODEL.match(name) else "o200k_base"


@cache
def encoding(name: EncodingName) -> tiktoken.Encoding:
    """tiktoken's encoding with this name; the first call takes about half a second, later ones nothing.

    It knows no special tokens: `<|endoftext|>` in a text is encoded as the text it is.
    Raises `RankFileError`.
    """
    return tiktoken.Encoding(name, pat_str=PATTERNS[name], mergeable_ranks=_ranks(name), special_tokens={})


def count_tokens(text: str, name: EncodingName) -> int:
    """How many tokens `text` has in the encoding with this name, exactly as tiktoken counts them."""
    return counter(name)(text)


@cache
def counter(name: EncodingName) -> Callable[[str], int]:
    """What counts the tokens of one text; the first call takes half a second. Raises `RankFileError`."""
    try:
        return _splintr_counter(name)
    except ImportError:
        return _tiktoken_counter(name)


def _splintr_counter(name: EncodingName) -> Callable[[str], int]:
    # There is no wheel of it for every machine; tiktoken takes twice as long.
    import splintr

    # Not `from_pretrained`, which knows special tokens, and not its batch calls, whose threads hang in a
    # process that was forked after one.
    pattern = _POSSESSIVE.sub(r"\1", PATTERNS[name])
    encode = splintr.Tokenizer.from_bytes(_rank_file(name), pattern, {}).encode_flat
    return lambda text: len(encode(text)) // _BYTES_PER_ID


def _tiktoken_counter(name: EncodingName) -> Callable[[str], int]:
    """Exact, except that next to 10,000 spaces in a row with a newline beside them it may be a token more or
    less."""
    encoder = encoding(name)

    def count(text: str) -> int:
        total, start = 0, 0
        for run in _LONG_SPACE.finditer(text):
            # Both patterns leave the last space to the word that follows.
            end = run.end() if run.end() == len(text) else run.end() - 1
            total += len(encoder.encode_ordinary(text[start : run.start()]))
            total += len(encoder._encode_single_piece(text[run.start() : end]))
            start = end
        return total + len(encoder.encode_ordinary(text[start:]))

    return count


def _ranks(name: EncodingName) -> dict[bytes, int]:
    pairs = (line.split() for line in _rank_file(name).splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _rank_file(name: EncodingName) -> bytes:
    file_name, expected_sha256 = RANK_FILES[name]
    try:
        content = (FOLDER / file_name).read_bytes()
    except OSError as error:
        raise RankFileError(f"The rank file of {name} cannot be read: {error}.") from error
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise RankFileError(f"The rank file of {name}, {file_name}, has been changed. Restore it from git.")
    return content
