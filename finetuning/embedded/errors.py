"""What stops a start."""


class StartRefused(Exception):
    """Something outside must change first. The message is one line: what is wrong and what to do."""
