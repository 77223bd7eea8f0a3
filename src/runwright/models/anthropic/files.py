# SPDX-License-Identifier: Apache-2.0
"""Images, PDFs and texts as Claude takes them, by their bytes or by where they lie."""

import base64
import binascii
import mimetypes
from typing import Any
from urllib.parse import unquote_to_bytes

from runwright.errors import ModelBadRequestError
from runwright.models.anthropic.failures import PROVIDER
from runwright.types import Blob, FileData

_IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
_TEXTS = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml"}
)


def blob_block(blob: Blob) -> dict[str, Any]:
    """The block of a file that is in the message itself.

    Raises:
        ModelBadRequestError: Claude reads no such files.
    """
    mime = (blob.mime_type or "application/octet-stream").partition(";")[0].strip().lower()
    data = blob.data or b""
    mime = "image/jpeg" if mime == "image/jpg" else mime
    if mime in _IMAGES:
        return {"type": "image", "source": _base64(data, mime)}
    if mime == "application/pdf":
        return _titled({"type": "document", "source": _base64(data, mime)}, blob.display_name)
    if mime.startswith("text/") or mime in _TEXTS:
        source = {"type": "text", "media_type": "text/plain", "data": data.decode("utf-8", "replace")}
        return _titled({"type": "document", "source": source}, blob.display_name)
    raise _unreadable(mime)


def file_block(file: FileData) -> dict[str, Any]:
    """The block of a file that lies elsewhere: on the web, or among those uploaded to the provider (``file_...``).

    Raises:
        ModelBadRequestError: Claude cannot read it there, or reads no such files.
    """
    uri = file.file_uri or ""
    mime = file.mime_type or mimetypes.guess_type(uri.partition("?")[0])[0] or ""
    if uri.startswith("data:"):
        return blob_block(_inline(uri, file))
    if uri.startswith(("http://", "https://")):
        source: dict[str, Any] = {"type": "url", "url": uri}
    elif uri.startswith("file_"):
        source = {"type": "file", "file_id": uri}
    else:
        raise ModelBadRequestError(
            f"Claude cannot read {uri!r}: give a web address, the id of an uploaded file (file_...), or the bytes",
            provider=PROVIDER,
        )
    if mime.startswith("image/"):
        return {"type": "image", "source": source}
    if mime and mime != "application/pdf" and source["type"] == "url":
        raise ModelBadRequestError(
            f"Claude reads images and PDFs from the web, not {mime}: give the file's bytes", provider=PROVIDER
        )
    return _titled({"type": "document", "source": source}, file.display_name)


def _base64(data: bytes, mime: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": mime, "data": base64.b64encode(data).decode()}


def _titled(block: dict[str, Any], title: str | None) -> dict[str, Any]:
    if title:
        block["title"] = title
    return block


def _inline(uri: str, file: FileData) -> Blob:
    head, _, body = uri.partition(",")
    mime = file.mime_type or head.removeprefix("data:").partition(";")[0] or "text/plain"
    try:
        data = base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error as error:
        raise ModelBadRequestError(f"A data: URI is no base64: {error}", provider=PROVIDER) from error
    return Blob(data=data, mime_type=mime, display_name=file.display_name)


def _unreadable(mime: str) -> ModelBadRequestError:
    return ModelBadRequestError(
        f"Claude reads images (JPEG, PNG, GIF, WebP), PDFs and texts, not {mime}: leave the file out, or turn it into "
        "one of these",
        provider=PROVIDER,
    )
