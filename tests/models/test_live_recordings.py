# SPDX-License-Identifier: Apache-2.0
"""Each recorded live conversation, held again: the real SDKs send what was recorded, and the same comes of it."""

from pathlib import Path

import pytest

from runwright.testing.wire import read_messages
from tests.models.live_replay import LiveScene, given, pieces, recorded_outcome
from tests.models.recordings import recorded


@pytest.mark.parametrize("path", recorded("realtime"))
async def test_a_recorded_conversation_comes_to_the_same(path: Path) -> None:
    scene = LiveScene(read_messages(path))
    responses = await scene.play()
    expected = recorded_outcome(scene)
    assert given(responses) == expected
    assert pieces(responses) == (expected.text, expected.thoughts)
    assert expected.turns >= 1


@pytest.mark.parametrize("path", recorded("realtime"))
async def test_what_a_recorded_conversation_cost_is_known(path: Path) -> None:
    responses = await LiveScene(read_messages(path)).play()
    usages = [response.usage_metadata for response in responses if response.usage_metadata is not None]
    assert usages
    assert all(usage.cost is not None and usage.cost > 0 for usage in usages)
