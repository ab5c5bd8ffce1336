"""Files of any size as an answer: made while they are sent, saved by a browser and never shown by it."""

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify


class Download(StreamingHttpResponse):
    """`pieces` as a file. Whatever the name is, its file name is harmless."""

    def __init__(self, pieces: Iterable[bytes], *, name: str, suffix: str, content_type: str) -> None:
        file_name = f"{slugify(name) or 'download'}.{suffix}"
        disposition = content_disposition_header(as_attachment=True, filename=file_name)
        super().__init__(
            pieces,
            content_type=content_type,
            headers={"Content-Disposition": disposition or "", "X-Content-Type-Options": "nosniff"},
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # Django's own would collect the whole file in memory first.
        pieces: Iterator[bytes] = iter(self.streaming_content)  # type: ignore[arg-type]
        following = sync_to_async(lambda: next(pieces, None))
        while (piece := await following()) is not None:
            yield piece
