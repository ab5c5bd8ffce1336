"""Waiting for what other processes do."""

import time


def wait_until(condition, *, seconds=120):
    """What `condition()` says as soon as it is true. Fails after so long that it will never be."""
    give_up_at = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < give_up_at, f"waited {seconds} s for {condition}"
        time.sleep(0.05)
    return answer
