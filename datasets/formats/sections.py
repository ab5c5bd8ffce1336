"""A part of a file as a file of its own."""

import io
import os
from typing import IO, Any


class Section(io.RawIOBase):
    """The `size` bytes of `file` from `start` on. It may be read beside other sections of the same file."""

    def __init__(self, file: IO[bytes], *, start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        wanted = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._start + self._position)
        content = self._file.read(wanted)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
