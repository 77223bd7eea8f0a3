# SPDX-License-Identifier: Apache-2.0
"""The Responses API: each recorded exchange replays to the same answer, the same calls, thoughts and usage."""

from pathlib import Path

import pytest

from runwright.errors import ModelBadRequestError
from tests.models.openai_recorded import conversation, said
from tests.models.openai_replay import replay
from tests.models.recordings import recorded


@pytest.mark.parametrize("path", recorded("openai_responses"))
async def test_a_recording_replays(path: Path) -> None:
    told = conversation(path)
    replayed = await replay(told)
    if told.fails:
        assert isinstance(replayed.error, ModelBadRequestError)
        assert replayed.error.status == told.exchanges[-1].answer.status
        return
    assert replayed.error is None
    assert len(replayed.answers) == len(told.exchanges)
    for event, exchange in zip(replayed.answers, told.exchanges, strict=True):
        then = said(exchange)
        assert then is not None and event.content is not None and event.usage_metadata is not None
        parts = event.content.parts or []
        assert "".join(part.text or "" for part in parts if not part.thought) == then.text
        assert "\n\n".join(part.text for part in parts if part.thought and part.text) == "\n\n".join(then.thoughts)
        assert [(call.name, call.args) for call in event.get_function_calls()] == then.calls
        usage = event.usage_metadata
        assert usage.prompt_token_count == then.usage["input_tokens"]
        thoughts = usage.thoughts_token_count or 0
        assert (usage.candidates_token_count or 0) + thoughts == then.usage["output_tokens"]
        assert thoughts == then.usage["output_tokens_details"]["reasoning_tokens"]
        assert (usage.cached_content_token_count or 0) == then.usage["input_tokens_details"]["cached_tokens"]
        assert usage.total_token_count == then.usage["total_tokens"]
    if told.body.get("stream"):
        assert replayed.text(partial=True) == replayed.text(partial=False)
