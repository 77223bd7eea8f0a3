# SPDX-License-Identifier: Apache-2.0
"""Who writes to a store, and whether a writer is gone."""

import copy
import gc
import subprocess
import sys
import time

import msgspec
import pytest

from runwright.storage.writers import (
    Lease,
    Leases,
    Sightings,
    WriterIdentity,
    new_identity,
    process_is_gone,
    retire,
)

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows when a process started, in /proc")
TELL_WHO = (
    "import sys; from runwright.storage.writers import new_identity; print(new_identity().encoded(), flush=True); "
    "sys.stdin.read()"
)


def test_an_identity_comes_back_as_it_was() -> None:
    identity = new_identity()
    assert WriterIdentity.decoded(identity.encoded()) == identity
    retire(identity)


def test_a_service_is_gone_when_it_is_closed_and_others_of_its_process_are_not() -> None:
    one, other = new_identity(), new_identity()
    assert one != other
    assert not process_is_gone(one)
    retire(one)
    assert process_is_gone(one)
    assert not process_is_gone(other)
    retire(other)
    retire(other)
    assert process_is_gone(other)


@needs_proc
def test_a_killed_process_is_gone_at_once_even_before_it_was_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", TELL_WHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    identity = WriterIdentity.decoded(process.stdout.readline().decode())
    assert identity.process == process.pid
    assert not process_is_gone(identity)
    process.kill()
    process.stdout.read()  # ends when the process has
    for _ in range(1000):
        if process_is_gone(identity):
            break
        time.sleep(0.01)
    assert process_is_gone(identity)
    process.communicate(timeout=30)
    assert process_is_gone(identity)


@needs_proc
def test_another_process_with_the_same_id_is_not_the_writer() -> None:
    identity = new_identity()
    assert process_is_gone(msgspec.structs.replace(identity, started="1"))
    retire(identity)


@pytest.mark.parametrize("change", [{"machine": "another"}, {"machine": ""}, {"processes": "another"}])
def test_of_another_machine_or_container_nothing_is_known(change: dict[str, str]) -> None:
    identity = msgspec.structs.replace(new_identity(), process=2**22 + 1, **change)
    assert not process_is_gone(identity)


def test_a_writer_elsewhere_is_gone_when_its_sign_of_life_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = msgspec.structs.replace(new_identity(), machine="another").encoded()
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sightings = Sightings(15.0)
    assert not sightings.is_gone(1, elsewhere, 7)
    now += 14.9
    assert not sightings.is_gone(1, elsewhere, 7)
    assert not sightings.is_gone(2, elsewhere, 7)  # seen for the first time
    now += 0.1
    assert sightings.is_gone(1, elsewhere, 7)
    assert not sightings.is_gone(1, elsewhere, 8)  # it lives after all
    now += 14.9
    assert not sightings.is_gone(1, elsewhere, 8)
    assert not Sightings(15.0).is_gone(1, elsewhere, 8)  # who has just come knows nothing yet


def test_a_lease_is_held_as_long_as_somebody_has_it() -> None:
    leases = Leases()
    assert not leases
    lease = Lease(session=3, writer=1)
    leases.give(lease, 5)
    assert leases
    assert leases.is_held(3, 5)
    assert not leases.is_held(3, 4)
    assert not leases.is_held(4, 5)
    twin = copy.deepcopy(lease)
    assert copy.copy(lease) is twin is lease
    del lease
    assert leases.is_held(3, 5)
    del twin
    gc.collect()
    assert not leases.is_held(3, 5)
    assert not leases
