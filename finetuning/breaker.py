"""Leaves alone for a while what has just failed, so that not every request waits for it."""

import threading
import time


class Breaker:
    """Of many threads one at a time finds out, every `seconds`, whether it works again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._has_failed = False
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Whether to try now. Whoever was allowed says how it went, by `succeeded` or `failed`."""
        with self._lock:
            now = time.monotonic()
            if self._has_failed and now < self._closed_until:
                return False
            self._closed_until = now + self.seconds
            return True

    def succeeded(self) -> None:
        self._has_failed = False

    def failed(self) -> None:
        with self._lock:
            self._has_failed = True
            self._closed_until = time.monotonic() + self.seconds
