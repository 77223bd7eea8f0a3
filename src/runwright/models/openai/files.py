# SPDX-License-Identifier: Apache-2.0
"""Images, sounds and files as OpenAI's two APIs take them, by their bytes or by where they lie."""

import base64
import binascii
import mimetypes
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from runwright.errors import ModelBadRequestError
from runwright.models.openai.names import PROVIDER
from runwright.types import Blob, FileData, FunctionResponse

_IMAGES = frozenset({"image/gif", "image/jpeg", "image/jpg", "image/png", "image/webp"})
_SOUND_FORMATS = {
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/x-wav": "wav",
}
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")


class File(NamedTuple):
    """A file of a message, with its bytes or its address.

    Attributes:
        kind: What comes before the slash of its type; ``text`` for all that can be read as text.
        name: What to call it.
        url: Where it lies: a web address, or its bytes in a ``data:`` URL.
        file_id: Its id among the files uploaded to the provider.
    """

    kind: str
    mime_type: str
    name: str
    data: bytes | None = None
    url: str | None = None
    file_id: str | None = None


def file_of(given: Blob | FileData) -> File:
    """A file of a part.

    Raises:
        ModelBadRequestError: It lies where the provider cannot read it.
    """
    if isinstance(given, Blob):
        mime = given.mime_type or "application/octet-stream"
        data = given.data or b""
        return File(_kind(mime), mime, name_of(given), data=data, url=_data_url(data, mime))
    uri = given.file_uri or ""
    mime, name = _type_of(given), name_of(given)
    if uri.startswith(("file-", "openai://")):
        return File(_kind(mime), mime, name, file_id=uri.removeprefix("openai://"))
    if uri.startswith("data:"):
        head, _, body = uri.partition(",")
        mime = given.mime_type or head.removeprefix("data:").partition(";")[0] or "text/plain"
        try:
            data = base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
        except binascii.Error as error:
            raise ModelBadRequestError(f"A data: URI is no base64: {error}", provider=PROVIDER) from error
        return File(_kind(mime), mime, given.display_name or _name(mime), data=data, url=_data_url(data, mime))
    if not uri.startswith(("http://", "https://")):
        raise ModelBadRequestError(
            f"OpenAI cannot read {uri!r}: give the file's bytes (types.Part.from_bytes), a web address, or the id of "
            "an uploaded file ('file-...')",
            provider=PROVIDER,
        )
    return File(_kind(mime), mime, name, url=uri)


def name_of(given: Blob | FileData) -> str:
    """What to call a file."""
    return given.display_name or _name(_type_of(given))


def files_of(answer: FunctionResponse) -> list[Blob | FileData]:
    """The files that a function answered with."""
    given = [part.inline_data or part.file_data for part in answer.parts or ()]
    return [one for one in given if one is not None]


def input_item(file: File) -> dict[str, Any]:
    """A file in a message of the Responses API.

    Raises:
        ModelBadRequestError: The API takes no such file.
    """
    if file.kind == "image":
        _check_image(file)
        where = {"file_id": file.file_id} if file.file_id else {"image_url": file.url}
        return {"type": "input_image", "detail": "auto", **where}
    if file.kind == "audio" and file.data is not None:
        return _sound(file)
    if file.file_id:
        return {"type": "input_file", "file_id": file.file_id}
    _check_kind(file)
    if file.data is None:
        return {"type": "input_file", "file_url": file.url}
    return {"type": "input_file", "filename": file.name, "file_data": file.url}


def message_part(file: File, *, compatible: bool) -> dict[str, Any]:
    """A file in a message of Chat Completions.

    Args:
        compatible: Whether it goes to another server that speaks the language, some of which take more than OpenAI.

    Raises:
        ModelBadRequestError: The API takes no such file, or not by its address.
    """
    if file.kind == "image" and file.url:
        if not compatible:
            _check_image(file)
        return {"type": "image_url", "image_url": {"url": file.url}}
    if file.kind == "audio" and file.data is not None:
        return _sound(file)
    if compatible and file.kind in ("audio", "video"):
        return {"type": f"{file.kind}_url", f"{file.kind}_url": {"url": file.url}}
    if file.kind == "text" and file.data is not None:
        text = file.data.decode("utf-8", "replace")
        return {"type": "text", "text": f"The file {file.name} ({file.mime_type}):\n\n{text}"}
    if file.file_id:
        return {"type": "file", "file": {"file_id": file.file_id}}
    _check_kind(file)
    if file.data is None:
        raise ModelBadRequestError(
            f"Chat Completions takes no {file.mime_type or 'file'} by its address ({file.url}): give its bytes "
            "(types.Part.from_bytes), or use the Responses API (OpenAI(api='responses'))",
            provider=PROVIDER,
        )
    return {"type": "file", "file": {"filename": file.name, "file_data": file.url}}


def _check_image(file: File) -> None:
    if file.data is not None and file.mime_type.partition(";")[0].lower() not in _IMAGES:
        raise ModelBadRequestError(
            f"OpenAI takes images as PNG, JPEG, WebP or GIF, not as {file.mime_type}", provider=PROVIDER
        )


def _check_kind(file: File) -> None:
    if file.kind in ("audio", "video"):
        raise ModelBadRequestError(
            f"OpenAI takes no {file.mime_type}: give images, sound by its bytes, PDFs and texts", provider=PROVIDER
        )


def _sound(file: File) -> dict[str, Any]:
    form = _SOUND_FORMATS.get(file.mime_type.partition(";")[0])
    if form is None:
        raise ModelBadRequestError(
            f"OpenAI takes sound as audio/wav or audio/mpeg, not as {file.mime_type}", provider=PROVIDER
        )
    data = base64.b64encode(file.data or b"").decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": form}}


def _type_of(given: Blob | FileData) -> str:
    if isinstance(given, Blob):
        return given.mime_type or "application/octet-stream"
    return given.mime_type or mimetypes.guess_type((given.file_uri or "").partition("?")[0])[0] or ""


def _kind(mime_type: str) -> str:
    if mime_type.startswith("text/") or mime_type.partition(";")[0] in _TEXTS:
        return "text"
    return mime_type.partition("/")[0]


def _name(mime_type: str) -> str:
    return f"file{mimetypes.guess_extension(mime_type.partition(';')[0]) or ''}"


def _data_url(data: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"
