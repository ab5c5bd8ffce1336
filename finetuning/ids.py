"""Identifiers."""

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    """A version 7 UUID: 48 bits of Unix milliseconds, 12 bits of their fraction, then 62 random bits.

    The fraction (RFC 9562, section 6.2, method 3) keeps ids that one process makes in a row in their order.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random_bits = int.from_bytes(os.urandom(8)) >> 2
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random_bits)


def lowest_uuid7(moment: datetime) -> uuid.UUID:
    """No version 7 UUID that is made at `moment` or later, to the millisecond, is below this one."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)
