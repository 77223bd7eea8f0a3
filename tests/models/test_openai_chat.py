# SPDX-License-Identifier: Apache-2.0
"""Chat Completions: each recorded exchange replays to the same answer, the same calls and the same usage."""

from pathlib import Path

import pytest

from runwright.testing.wire import read_recording
from tests.models.openai_replay import check
from tests.models.recordings import recorded


@pytest.mark.parametrize("path", recorded("openai"))
async def test_a_recording_replays(path: Path) -> None:
    await check(read_recording(path))
