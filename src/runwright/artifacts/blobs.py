# SPDX-License-Identifier: Apache-2.0
"""A version as it is kept on disks and in buckets: a record, and apart from it the bytes, under their SHA-256.

The record is JSON, so that people can read it. It has a checksum of its own, and the bytes' size and hash: what comes
back is what was saved, or an error that names the damaged file.
"""

import hashlib
from typing import Any, Literal, NamedTuple

import msgspec

from runwright import clock
from runwright.artifact import ArtifactVersion
from runwright.artifacts.parts import encoded, mime_type_of
from runwright.errors import CorruptedDataError
from runwright.record import Record
from runwright.types import Part, to_parts


class KeptVersion(Record, kw_only=True):
    """The record of a version.

    Attributes:
        id: One for each save, so that a save which is repeated finds what it wrote itself.
        filename: The file's whole name.
        part: The part that was saved, without its bytes or text.
        payload: Which field of the part is kept apart, if one is.
        sha256: The hash of the bytes in hexadecimal; empty where there are none.
        size: How many bytes there are.
        blob: Where the bytes lie, for a store that does not know it from the version's own place.
    """

    id: str
    filename: str
    create_time: float
    part: Part
    mime_type: str | None = None
    custom_metadata: dict[str, Any] = {}
    payload: Literal["inlineData", "text"] | None = None
    sha256: str = ""
    size: int = 0
    blob: str = ""


class _Envelope(msgspec.Struct):
    checksum: str
    record: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(KeptVersion).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode


class Draft(NamedTuple):
    """A version that is about to be saved. What the caller does to the part from now on does not reach it."""

    record: KeptVersion
    payload: str | bytes | None


def draft_of(filename: str, artifact: Part, custom_metadata: dict[str, Any] | None) -> Draft:
    """The record and the bytes of a part.

    Raises:
        InputValidationError: There is nothing in the part to save, or JSON cannot hold what is with it.
    """
    (part,) = to_parts([artifact])
    mime_type = mime_type_of(filename, part)
    shell, payload, field = part.model_copy(), None, None
    if part.inline_data is not None and part.inline_data.data is not None:
        shell.inline_data = part.inline_data.model_copy(update={"data": None})
        payload, field = part.inline_data.data, "inlineData"
    elif part.inline_data is None and part.text is not None:
        shell.text, payload, field = None, part.text, "text"
    record = KeptVersion(
        id=clock.new_id(),
        filename=filename,
        create_time=clock.now(),
        part=shell,
        mime_type=mime_type,
        custom_metadata=custom_metadata or {},
        payload=field,
    )
    return Draft(_decode_record(encoded(filename, _encode, record)), payload)


def hashed(draft: Draft) -> bytes | None:
    """The draft's bytes, which its record is told the hash and size of. Takes long for a large file."""
    record, payload = draft
    if payload is None:
        return None
    data = encoded(record.filename, str.encode, payload) if isinstance(payload, str) else payload
    record.sha256, record.size = hashlib.sha256(data).hexdigest(), len(data)
    return data


def encode_record(record: KeptVersion) -> bytes:
    """The record with its checksum, as JSON."""
    data = _encode(record)
    return _encode(_Envelope(hashlib.sha256(data).hexdigest(), msgspec.Raw(data)))


def decode_record(data: bytes, where: str) -> KeptVersion:
    """The record that :func:`encode_record` wrote.

    Raises:
        CorruptedDataError: It is not what was written. The message names ``where``.
    """
    try:
        envelope = _decode_envelope(data)
        if hashlib.sha256(envelope.record).hexdigest() == envelope.checksum:
            return _decode_record(envelope.record)
        reason = "its checksum does not fit"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    raise damaged(where, reason)


def part_of(record: KeptVersion, data: bytes | None, where: str) -> Part:
    """The part as it was saved. Takes long for a large file, whose hash is looked at.

    Raises:
        CorruptedDataError: The bytes are not those that were saved. The message names ``where``.
    """
    part = record.part
    if record.payload is None:
        return part
    if data is None:
        raise damaged(where, "the bytes are not there")
    if len(data) != record.size:
        raise damaged(where, f"it has {len(data)} bytes in place of {record.size}")
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise damaged(where, "its SHA-256 does not fit")
    if record.payload == "text":
        part.text = data.decode()
    elif part.inline_data is not None:
        part.inline_data.data = data
    return part


def damaged(where: str, reason: str) -> CorruptedDataError:
    """The error for something in a store that is not what was written there."""
    return CorruptedDataError(
        f"The artifact store is damaged at {where}: {reason}. Put it back from a backup, or delete the artifact"
    )


def version_of(record: KeptVersion, number: int, uri: str) -> ArtifactVersion:
    """What callers are told of a version."""
    return ArtifactVersion(
        version=number,
        canonical_uri=uri,
        custom_metadata=record.custom_metadata,
        create_time=record.create_time,
        mime_type=record.mime_type,
    )
