# SPDX-License-Identifier: Apache-2.0
"""What a recording holds: requests and answers as JSON, without secrets, and the file with them."""

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from runwright import clock
from runwright.errors import ConfigurationError, CorruptedDataError, UnsupportedTypeError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.plugins.redaction import HIDDEN, names_secret
from runwright.record import Record
from runwright.schema import json_schema

_VERSION = 1
_NOTE = (
    "What models answered, as runwright.testing.RecordingModel replays it: one line a request. To record it anew, "
    'delete this file, or make the models with mode="record".'
)
_SHORTEST_SECRET = 12
"""How long a value is at least that is taken for a key wherever it stands, rather than for a word."""
_SCHEMAS = frozenset({"functionDeclarations", "responseSchema", "responseJsonSchema"})
"""Settings whose keys are names that a program gave, not what they hold."""

_writing = threading.Lock()


class Failure(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How an answer failed."""

    type: str
    message: str
    status: int | None = None
    provider: str | None = None
    retry_after: float | None = None


class Exchange(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A request and all that came of it, in JSON values: a line of the file."""

    model: str
    stream: bool = False
    request: dict[str, Any]
    responses: list[dict[str, Any]]
    error: Failure | None = None


class _Header(msgspec.Struct, kw_only=True):
    recording: int
    id: str
    note: str = ""


class RecordingFile:
    """The file of a recording: a line that says what it is, then one for each exchange.

    Several may write to one file. The first that writes replaces the recording that all of them found when they were
    made; what each writes from then on is added.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found = self._id()

    def read(self) -> list[Exchange]:
        """The exchanges, in order.

        Raises:
            ConfigurationError: There is no file.
            CorruptedDataError: A line of it is damaged; the message says which.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            raise ConfigurationError(
                f"There is no recording {str(self.path)!r}: make it with RecordingModel(model, path, "
                'mode="record") and a key, once'
            ) from None
        exchanges: list[Exchange] = []
        for number, line in enumerate(lines, start=1):
            try:
                if number == 1:
                    _check(msgspec.json.decode(line, type=_Header))
                elif line.strip():
                    exchanges.append(msgspec.json.decode(line, type=Exchange))
            except (msgspec.DecodeError, ValueError) as error:
                raise CorruptedDataError(
                    f"Line {number} of the recording {str(self.path)!r} cannot be read ({error}): record it anew, "
                    'with mode="record"'
                ) from error
        return exchanges

    def append(self, exchange: Exchange) -> None:
        """Adds an exchange; the first one begins the recording."""
        line = msgspec.json.encode(exchange) + b"\n"
        with _writing:
            now = self._id()
            if now is None or now == self._found:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._found = None
                header = _Header(recording=_VERSION, id=clock.new_id(), note=_NOTE)
                self.path.write_bytes(msgspec.json.encode(header) + b"\n" + line)
                return
            with self.path.open("ab") as file:
                file.write(line)

    def _id(self) -> str | None:
        """What tells the recording that is there from earlier and later ones in the same place."""
        try:
            with self.path.open("rb") as file:
                first = file.readline()
        except FileNotFoundError:
            return None
        if not first.strip():
            return None
        try:
            return msgspec.json.decode(first, type=_Header).id
        except msgspec.DecodeError:
            raise ConfigurationError(
                f"{str(self.path)!r} is no recording of RecordingModel: give another path, or delete it"
            ) from None


def _check(header: _Header) -> None:
    if header.recording != _VERSION:
        raise ValueError(f"it has version {header.recording}, and this Runwright reads version {_VERSION}")


class Cleaner:
    """Takes the secrets out of what is written: by the names of keys, and wherever a key of ``model`` stands in a text.

    Keys are those that the adapter was given and those in the environment.
    """

    def __init__(self, model: BaseLlm) -> None:
        given = {*_secrets_of(model, set()), *_secrets_of(os.environ, set())}
        self._secrets = sorted((one for one in given if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)

    def request(self, request: LlmRequest) -> dict[str, Any]:
        """A request as it is written and compared: files and signatures by their hash, calls' ids by their order."""
        config = request.config.model_copy(update={"http_options": None})
        contents = cast("list[Any]", _builtins(list(request.contents), keep_bytes=True))
        _number_calls(contents)
        return {"config": self._config(_builtins(config, keep_bytes=True)), "contents": self._message(contents)}

    def response(self, response: LlmResponse) -> dict[str, Any]:
        """A response as it is written."""
        return self._message(_builtins(response, keep_bytes=False))

    def text(self, text: str) -> str:
        """A text without the keys."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def _config(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return self._each(value, self._config)
        entries = cast("dict[str, Any]", value)
        return {
            key: self._plain(item) if key in _SCHEMAS else HIDDEN if _hides(key, item) else self._config(item)
            for key, item in entries.items()
        }

    def _message(self, value: Any) -> Any:
        """A message: what is in a call's arguments and in its result is looked at by its names."""
        if not isinstance(value, dict):
            return self._each(value, self._message)
        entries = cast("dict[str, Any]", value)
        return {
            key: self._config(item) if key in ("functionCall", "functionResponse") else self._message(item)
            for key, item in entries.items()
        }

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in cast("dict[str, Any]", value).items()}
        return self._each(value, self._plain)

    def _each(self, value: Any, clean: Any) -> Any:
        if isinstance(value, list):
            return [clean(item) for item in cast("list[Any]", value)]
        if isinstance(value, bytes | bytearray):
            return f"sha256:{hashlib.sha256(value).hexdigest()[:32]} ({len(value)} bytes)"
        return self.text(value) if isinstance(value, str) else value


def _builtins(value: Any, *, keep_bytes: bool) -> Any:
    kinds = (bytes, bytearray) if keep_bytes else ()
    return msgspec.to_builtins(value, builtin_types=kinds, enc_hook=_described, str_keys=True)


def _described(value: Any) -> Any:
    """What stands for an object that is no JSON: nothing of it may differ from process to process."""
    try:
        return json_schema(value, where="response_schema")
    except UnsupportedTypeError:
        named: Any = value if hasattr(value, "__qualname__") else cast("Any", type(value))
        return f"<{named.__module__}.{named.__qualname__}>"


def _number_calls(contents: list[Any]) -> None:
    """Names calls by their order: the ids that the engine gives are others in each run."""
    names: dict[str, str] = {}
    for content in contents:
        for part in content.get("parts") or ():
            for kind in ("functionCall", "functionResponse"):
                if (call := part.get(kind)) and call.get("id"):
                    call["id"] = names.setdefault(call["id"], f"call-{len(names) + 1}")


def _hides(key: str, value: Any) -> bool:
    """Whether a value is a secret by its key. Tokens that name a page of a list are none."""
    is_page = key.lower().replace("_", "").replace("-", "").endswith(("pagetoken", "synctoken"))
    return isinstance(value, str) and bool(value) and not is_page and names_secret(key)


def _secrets_of(value: Any, seen: set[int]) -> list[str]:
    """The values in settings whose names say that they are secrets."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, list | tuple):
        return [one for item in cast("list[Any]", value) for one in _secrets_of(item, seen)]
    if isinstance(value, BaseLlm):
        value = vars(value)
    elif isinstance(value, Record):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if not isinstance(value, Mapping):
        return []
    found: list[str] = []
    for key, item in cast("Mapping[Any, Any]", value).items():
        if isinstance(item, str):
            found.extend([item] if names_secret(key) else [])
        else:
            found.extend(_secrets_of(item, seen))
    return found
