# SPDX-License-Identifier: Apache-2.0
"""Time and identity: the one seam through which both come in.

Everything that stamps or names something calls ``clock.now()`` and ``clock.new_id()``. Tests and durable
engines, which must see the same values when a run is replayed, put their own in with :func:`replaced`.
No order is ever derived from the time.
"""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

_BATCH = 256
_pool: list[str] = []


def _uuid4() -> str:
    # One read of the system's generator serves many ids; list.pop is atomic, so threads may share the pool.
    try:
        return _pool.pop()
    except IndexError:
        digits = os.urandom(16 * _BATCH).hex()
        _pool.extend(_formatted(digits[start : start + 32]) for start in range(32, len(digits), 32))
        return _formatted(digits[:32])


def _formatted(digits: str) -> str:
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


# A forked child must not hand out the ids that its parent holds in store.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.clear)

_now: Callable[[], float] = time.time
_new_id: Callable[[], str] = _uuid4


def now() -> float:
    """Seconds since the epoch."""
    return _now()


def new_id() -> str:
    """A random UUID (version 4, RFC 9562) in its usual text form."""
    return _new_id()


@contextmanager
def replaced(*, now: Callable[[], float] | None = None, new_id: Callable[[], str] | None = None) -> Generator[None]:
    """Puts other sources of time and ids in place, for the whole process, until the block ends."""
    global _now, _new_id
    before = _now, _new_id
    _now, _new_id = now or _now, new_id or _new_id
    try:
        yield
    finally:
        _now, _new_id = before
