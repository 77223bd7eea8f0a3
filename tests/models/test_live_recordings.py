# SPDX-License-Identifier: Apache-2.0
"""Each recorded live conversation, held again: the real SDKs send what was recorded, and the same comes of it."""

from pathlib import Path
from typing import Any

import pytest

from runwright.testing.wire import read_messages
from tests.models.live_messages import Realtime
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


SOUND = {"noise_reduction": {"type": "near_field"}, "turn_detection": {"type": "semantic_vad", "eagerness": "low"}}
SEARCH = {"type": "mcp", "server_label": "m", "server_url": "https://example.com/mcp"}


@pytest.mark.parametrize(
    "more",
    [
        {"instructions": "Be kind.", "max_output_tokens": 100, "tracing": "auto"},
        {"sound": SOUND, "truncation": "auto"},
        {"tools": [SEARCH]},
        {"model": "gpt-realtime-mini", "prompt": {"id": "p"}},
    ],
    ids=["settings", "sound", "provider's tools", "names"],
)
async def test_a_session_of_any_kind_is_held_again(more: dict[str, Any]) -> None:
    messages = [*Realtime.setup("text", **more), *Realtime.turn("Hi"), Realtime.BEGUN, Realtime.text("Hello")]
    scene = LiveScene([*messages, Realtime.done()])
    responses = await scene.play()
    assert given(responses) == recorded_outcome(scene)
    assert given(responses).text == "Hello"
