"""Names of browsers, for people; what a browser says of itself is not to be relied on."""

import re

# The first that is found: most call themselves by the names of those before them, too.
BROWSERS = {
    r"Edg(e|A|iOS)?/": "Edge",
    r"OPR/": "Opera",
    r"Firefox/|FxiOS/": "Firefox",
    r"Chrome/|CriOS/": "Chrome",
    r"Safari/": "Safari",
}
SYSTEMS = {
    r"iPhone|iPad": "iOS",
    r"Android": "Android",
    r"Windows": "Windows",
    r"Mac OS X": "macOS",
    r"CrOS": "ChromeOS",
    r"Linux": "Linux",
}
MAX_LENGTH = 60


def browser_of(user_agent: str) -> str:
    """`Firefox on Linux`; the beginning of the header where it is of no browser that is known here."""
    browser, system = _named(BROWSERS, user_agent), _named(SYSTEMS, user_agent)
    if not browser:
        return user_agent[:MAX_LENGTH] or "Unknown"
    return f"{browser} on {system}" if system else browser


def _named(patterns: dict[str, str], user_agent: str) -> str:
    return next((name for pattern, name in patterns.items() if re.search(pattern, user_agent)), "")
