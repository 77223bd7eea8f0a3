# SPDX-License-Identifier: Apache-2.0
"""Vectors as they are kept, and the exact search among them that needs nothing but Python.

A kept vector has the length one, so that a product of two is the cosine of the angle between them. It is bytes: its
numbers as 32-bit floats, the lowest byte first, which is also how ``sqlite-vec`` reads them.
"""

import heapq
import importlib
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Any

from runwright.errors import ConfigurationError


def packed(vector: Sequence[float], dimensions: int, *, embedder: str) -> bytes | None:
    """``vector`` as it is kept; None where it points nowhere, as that of a text without meaning.

    Raises:
        ConfigurationError: It has not ``dimensions`` numbers, or one that is not finite.
    """
    if len(vector) != dimensions:
        raise ConfigurationError(
            f"Embedder {embedder!r} says that its vectors have {dimensions} dimensions and gave one of {len(vector)}: "
            "set its dimensions to what its model gives"
        )
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise ConfigurationError(f"Embedder {embedder!r} gave a vector with a number that is not finite")
    return array_of([number / length for number in vector]) if length else None


def unpacked(vector: bytes) -> list[float]:
    """The numbers of a kept vector."""
    return _numbers(vector).tolist()


def array_of(numbers: Sequence[float]) -> bytes:
    """Numbers of a kept vector as its bytes."""
    return _bytes(array("f", numbers))


def nearest(asked: bytes, kept: Iterable[tuple[int, bytes]], *, count: int, least: float) -> list[int]:
    """The keys of the ``count`` vectors that are most like ``asked``, the most alike first.

    Args:
        kept: Keys and vectors. Each is looked at: the search is exact, and takes as long as there are many.
        least: Vectors whose cosine with ``asked`` is not above it are left out.
    """
    rows = list(kept)
    found = ((likeness, -key) for likeness, (key, _) in zip(_likenesses(asked, rows), rows, strict=True))
    best = heapq.nlargest(count, (pair for pair in found if pair[0] > least))
    return [-key for _, key in best]


def _likenesses(asked: bytes, rows: list[tuple[int, bytes]]) -> list[float]:
    if not rows:
        return []
    numpy = _numpy()
    if numpy is not None:
        table = numpy.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(len(rows), -1)
        return (table @ numpy.frombuffer(asked, dtype="<f4")).tolist()
    numbers = _numbers(asked)
    return [sum(map(mul, numbers, _numbers(vector))) for _, vector in rows]


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def _numbers(data: bytes) -> "array[float]":
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _bytes(numbers: "array[float]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
