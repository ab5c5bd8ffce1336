"""Uploads are cut off at the limit while they arrive; Django itself has no limit for files."""

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.utils.module_loading import import_string

from finetuning.errors import Invalid, TooLarge


class UploadTooLarge(TooLarge):
    code = "upload_too_large"


class FileMissing(Invalid):
    code = "file_missing"


class FileInfected(Invalid):
    code = "file_infected"


class CappedUploadHandler(TemporaryFileUploadHandler):
    """Streams a file to a temporary file; past the limit it stops and notes that on the request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received > settings.UPLOAD_MAX_BYTES:
            self.request.upload_too_large = True  # type: ignore[union-attr]
            raise StopUpload(connection_reset=True)
        super().receive_data_chunk(raw_data, start)


def uploaded_files(request: HttpRequest) -> "list[UploadedFile[bytes]]":
    """The one file of the form field `file`, or all of `files`. Raises UploadTooLarge or FileMissing."""
    single, several = request.FILES.getlist("file"), request.FILES.getlist("files")
    if getattr(request, "upload_too_large", False):
        limit = settings.UPLOAD_MAX_BYTES // (1024 * 1024)
        raise UploadTooLarge(
            f"The file is larger than {limit} MB. Split it, or remove examples.", pointer="/file"
        )
    if len(single) != (not several):
        message = "Send exactly one file in the form field `file`, or all of several in `files`."
        raise FileMissing(message, pointer="/file")
    return single or several


def scan_upload(file: "UploadedFile[bytes]") -> None:
    """Show the file to the operator's virus scanner, if there is one: the callable that UPLOAD_SCANNER names
    gets the file and returns the name of what it found, or nothing. Raises FileInfected.
    """
    if not settings.UPLOAD_SCANNER:
        return
    finding = import_string(settings.UPLOAD_SCANNER)(file)
    file.seek(0)
    if finding:
        raise FileInfected(f"The virus scanner refuses this file: {finding}.", pointer="/file")
