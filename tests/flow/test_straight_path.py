# SPDX-License-Identifier: Apache-2.0
"""From the caller to the model there are few steps, and a person finds the line that runs next."""

import os
import sys

import pytest

import runwright
from runwright import Agent, InMemoryRunner, RunConfig, StreamingMode
from runwright.testing import FunctionModel

HERE = os.path.dirname(runwright.__file__)
KIT = os.path.join(HERE, "testing")
FRAMES = 8


class Deep(FunctionModel):
    """Notes which frames of ours stand above it."""

    async def generate_content_async(self, llm_request, stream=False):
        self.frames = []
        frame = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(HERE) and not name.startswith(KIT):
                self.frames.append(f"{name.removeprefix(HERE)}:{frame.f_code.co_name}")
            frame = frame.f_back
        async for response in super().generate_content_async(llm_request, stream):
            yield response


@pytest.mark.parametrize("config", [RunConfig(), RunConfig(streaming_mode=StreamingMode.SSE, model_timeout=60)])
async def test_few_frames_stand_above_a_model_call(config):
    model = Deep(lambda request: "hi")
    async with InMemoryRunner(Agent(name="a", model=model)) as runner:
        async for _ in runner.run_async(user_id="u", session_id="s", new_message="hi", run_config=config):
            pass
        assert 0 < len(model.frames) <= FRAMES, model.frames
        await runner.run(user_id="u", session_id="s", new_message="hi", run_config=config)
        assert 0 < len(model.frames) <= FRAMES, model.frames


def test_few_frames_stand_above_a_model_call_of_plain_code():
    model = Deep(lambda request: "hi")
    with InMemoryRunner(Agent(name="a", model=model)) as runner:
        assert runner.run(user_id="u", session_id="s", new_message="hi").text == "hi"
        assert 0 < len(model.frames) <= FRAMES, model.frames
