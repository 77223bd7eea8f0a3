# SPDX-License-Identifier: Apache-2.0
"""What of a run may be written into a log: values without secrets and without the bytes of files."""

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

HIDDEN = "[hidden]"

_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|credential|authorization|cookie|apikey|privatekey|token$|^(auth|sig)$"
)


def redacted(value: Any) -> Any:
    """A JSON value like ``value``, with the values of keys that name a secret hidden, and bytes as their number.

    Secrets are known by their keys (``api_key``, ``accessToken``, ``X-Auth-Token``, ...). What somebody wrote into a
    text is left as it is.
    """
    return _shown(msgspec.to_builtins(value, builtin_types=(bytes, bytearray), enc_hook=repr, str_keys=True))


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return {key: HIDDEN if item and names_secret(key) else _shown(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in cast("list[Any]", value)]
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return value


def names_secret(key: Any) -> bool:
    """Whether a key says that its value is a secret."""
    name = re.sub(r"[^a-z0-9]", "", str(key).lower())
    return _SECRET.search(name) is not None
