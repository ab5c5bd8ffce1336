"""Answers that decline to answer."""

# As models write them; compared in lower case with straight apostrophes.
_SORRY = (
    "i'm sorry, but ",
    "i am sorry, but ",
    "i'm sorry, ",
    "sorry, but ",
    "sorry, ",
    "unfortunately, ",
    "",
)
_CANNOT = (
    "i can't ",
    "i cannot ",
    "i'm unable to ",
    "i am unable to ",
    "i'm not able to ",
    "i am not able to ",
)
_OTHER_OPENINGS = (
    "i won't be able to ",
    "i must decline",
    "es tut mir leid, aber ich kann",
    "ich kann dir dabei nicht",
    "je suis désolé, mais je ne peux",
    "lo siento, pero no puedo",
)
_OPENINGS = (*(sorry + cannot for sorry in _SORRY for cannot in _CANNOT), *_OTHER_OPENINGS)
_ANYWHERE = ("as an ai language model", "as a large language model", "as an ai assistant, i can")
_INITIALS = {opening[0] for opening in _OPENINGS}
_LOOKED_AT_CHARACTERS = 200


def is_refusal(text: str) -> bool:
    """Whether an answer begins the way models decline."""
    start = text[:_LOOKED_AT_CHARACTERS].lstrip().lower()
    if not start.isascii():
        start = start.replace("\u2019", "'")
    # The cheap questions first: nearly every answer is none.
    opens = start[:1] in _INITIALS and start.startswith(_OPENINGS)
    return opens or ("as a" in start and any(phrase in start for phrase in _ANYWHERE))
