"""The rules for content in parts: texts, refusals and images.

Source of the limits: OpenAI's guide to vision fine-tuning.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from datasets.problems import Problem
from datasets.validation.findings import of_type, unknown_fields, wrong

MAX_IMAGES = 10
DETAILS = ("auto", "low", "high")
PART_KEYS = {
    "text": frozenset({"type", "text"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url"}),
}
IMAGE_KEYS = frozenset({"url", "detail"})

_WEB_ADDRESS = re.compile(r"https?://[^\s/]")
_DATA_URL = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,")
_IMAGE_STARTS = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
# PNG specification, 11.2.2: the colour type is byte 25; 2 is RGB and 6 is RGBA.
_PNG_COLOURS = re.compile(rb"\x89PNG.{21}[\x02\x06]", re.DOTALL)
_HEAD_CHARACTERS = 64


def check_parts(parts: list[object], role: object, pointer: str) -> Iterator[Problem]:
    """What is wrong with each part of a message of `role`."""
    for index, part in enumerate(parts):
        here = f"{pointer}/{index}"
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind not in _allowed(role):
            message, expected = "This part is not read here.", " | ".join(_allowed(role))
            yield wrong("content", here, message, part, expected)
            continue
        yield from unknown_fields(part, PART_KEYS[kind], here)
        if kind == "image_url":
            yield from _check_image(part.get("image_url"), f"{here}/image_url")
        elif not isinstance(part.get(kind), str):
            yield wrong(
                "content", here, "The part has no text.", part, f'{{"type": "{kind}", "{kind}": ...}}'
            )


def check_image_count(messages: object, pointer: str) -> Iterator[Problem]:
    """Whether an example has more images than are taken."""
    images = sum(1 for _ in _images(messages))
    if images > MAX_IMAGES:
        message = "The example has too many images."
        yield wrong("too_many_images", pointer, message, f"{images} images", f"At most {MAX_IMAGES}")


def check_no_images(messages: object, pointer: str) -> Iterator[Problem]:
    """Each image of a row that may hold text only."""
    for place in _images(messages):
        message = "Preference pairs are trained on text only."
        yield wrong("image", f"{pointer}/{place}", message, "image_url", "text", fix="Remove the image.")


def has_images(messages: object) -> bool:
    """Whether any message shows an image."""
    return next(_images(messages), None) is not None


def _allowed(role: object) -> tuple[str, ...]:
    return {"user": ("text", "image_url"), "assistant": ("text", "refusal")}.get(str(role), ("text",))


def _images(messages: object) -> Iterator[str]:
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        content: Any = message.get("content") if isinstance(message, dict) else None
        for number, part in enumerate(content if isinstance(content, list) else []):
            if isinstance(part, dict) and part.get("type") == "image_url":
                yield f"{index}/content/{number}"


def _check_image(image: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        yield wrong("image", pointer, "The image has no address.", image, '{"url": "https://..."}')
        return
    yield from unknown_fields(image, IMAGE_KEYS, pointer)
    if image.get("detail", "auto") not in DETAILS:
        message = "The level of detail is not known."
        yield wrong("image", f"{pointer}/detail", message, image["detail"], " | ".join(DETAILS))
    if fault := _address_fault(image["url"]):
        expected = "An http or https address, or a data URL of a JPEG, PNG or WEBP image in RGB or RGBA"
        yield wrong("image", f"{pointer}/url", fault, image["url"], expected)


def _address_fault(url: str) -> str:
    if _WEB_ADDRESS.match(url):
        return ""
    start = _DATA_URL.match(url)
    if start is None:
        return "This is not the address of an image."
    try:
        head = base64.b64decode(url[start.end() : start.end() + _HEAD_CHARACTERS], validate=True)
    except binascii.Error:
        return "The data URL is not base64."
    if not _IMAGE_STARTS.match(head):
        return "The data URL holds neither JPEG, PNG nor WEBP."
    if head.startswith(b"\x89PNG") and not _PNG_COLOURS.match(head):
        return "The PNG image is neither RGB nor RGBA."
    return ""


def text_of(content: object) -> str:
    """The words of a message's content: the text itself, or its text parts one below the other."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in of_type(content, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))
