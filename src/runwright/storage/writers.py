# SPDX-License-Identifier: Apache-2.0
"""Who writes to a store, and whether a writer is gone; the leases that a service has given out.

No wall clock decides. A writer of this machine is gone when its process is. Any other is gone when its sign of life was
not renewed for as long as a lease lasts, measured on the steady clock of the one who waits.
"""

import os
import platform
import sys
import time
import weakref
from pathlib import Path
from typing import Any, Self

import msgspec

_PROC = Path("/proc")


class WriterIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which service instance of which process writes.

    Attributes:
        machine: The machine and its boot; empty where processes cannot be told from another machine's.
        processes: The space of process ids, as each container has one.
        process: The process id.
        started: When the process started, by the kernel's count: ids are used again. Empty where it is not known.
        instance: Random; the service among those of the process.
    """

    machine: str
    processes: str
    process: int
    started: str
    instance: str

    def encoded(self) -> str:
        """As a store keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decoded(cls, text: str) -> Self:
        """What :meth:`encoded` gave."""
        return msgspec.json.decode(text, type=cls)


class Lease:
    """The right to write to one session. What has it in hand is alive; one that nobody holds any more is gone.

    Attributes:
        session: Which session, as the store counts them.
        epoch: How many leases the session had; 0 until it is given.
        writer: Whose it is, as the store counts writers.
    """

    __slots__ = ("__weakref__", "epoch", "session", "writer")

    def __init__(self, session: int, writer: int) -> None:
        self.session = session
        self.writer = writer
        self.epoch = 0

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # a copy of a session is the same writer

    def __repr__(self) -> str:
        return f"Lease(session={self.session}, epoch={self.epoch}, writer={self.writer})"


class Leases:
    """The leases that one service has given out, as long as somebody holds them."""

    def __init__(self) -> None:
        self._given: weakref.WeakValueDictionary[tuple[int, int], Lease] = weakref.WeakValueDictionary()

    def __bool__(self) -> bool:
        return bool(len(self._given))

    def give(self, lease: Lease, epoch: int) -> None:
        """Notes that a lease was given. One that was then not stored is in nobody's way: its epoch is another."""
        lease.epoch = epoch
        self._given[lease.session, epoch] = lease

    def forget(self, lease: Lease) -> None:
        """Notes that nobody writes with a lease any more, though an error's traceback, say, still holds it."""
        if self._given.get((lease.session, lease.epoch)) is lease:
            del self._given[lease.session, lease.epoch]

    def is_held(self, session: int, epoch: int) -> bool:
        """Whether somebody holds the lease of a session with this epoch."""
        return (session, epoch) in self._given


class Sightings:
    """What one service has seen of the other writers, to know which of them are gone.

    Args:
        lease_seconds: After how long without a sign of life a writer is.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._seen: dict[int, tuple[int, float]] = {}

    def is_gone(self, writer: int, identity: str, beat: int) -> bool:
        """Whether a writer is known to be gone.

        Args:
            writer: Which one, as the store counts them.
            identity: Who it is, encoded.
            beat: Its sign of life: a number that it changes at least three times as often as a lease lasts.
        """
        if process_is_gone(WriterIdentity.decoded(identity)):
            self._seen.pop(writer, None)
            return True
        now = time.monotonic()
        seen = self._seen.get(writer)
        if seen is None or seen[0] != beat:
            self._seen[writer] = (beat, now)
            return False
        return now - seen[1] >= self._lease_seconds


def new_identity() -> WriterIdentity:
    """The identity of a new service of this process. Give it to :func:`retire` when the service is closed."""
    process = os.getpid()
    identity = WriterIdentity(
        machine=_machine(),
        processes=_process_space(),
        process=process,
        started=_process_start(process) or "",
        instance=os.urandom(8).hex(),
    )
    _instances.add(identity.instance)
    return identity


def retire(identity: WriterIdentity) -> None:
    """Notes that a service of this process writes no more."""
    _instances.discard(identity.instance)


def process_is_gone(identity: WriterIdentity) -> bool:
    """Whether it can be seen from here that a writer is gone: its process is, or it is a closed service of this one."""
    if not identity.machine or identity.machine != _machine() or identity.processes != _process_space():
        return False
    started = _process_start(identity.process)
    if started is None:
        return True
    if started and started != identity.started:
        return True
    if identity.process == os.getpid():
        return identity.instance not in _instances
    try:
        os.kill(identity.process, 0)  # asks only whether there is such a process
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's, so it lives
    return False


_instances: set[str] = set()


def _machine() -> str:
    if sys.platform == "linux":
        try:
            return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""
    if sys.platform == "win32":
        return ""  # there, os.kill ends the process that it asks for
    return platform.node()


def _process_space() -> str:
    try:
        return str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _process_start(process: int) -> str | None:
    """When a process started, in the kernel's ticks: empty where that cannot be seen, None where it has ended."""
    try:
        text = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = text[text.rindex(")") + 2 :].split()
    return None if state in ("Z", "X") else fields[18]
