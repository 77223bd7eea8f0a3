# SPDX-License-Identifier: Apache-2.0
"""The values of live conversations: names of ``runwright.types`` that are loaded when they are used."""

import subprocess
import sys

import pytest

from runwright import live_types, types
from runwright.record import Record


def test_each_is_a_name_of_types() -> None:
    own = [name for name, value in vars(live_types).items() if getattr(value, "__module__", "") == live_types.__name__]
    assert {"LiveConnectConfig", "ActivityStart", "AudioStreamEnd", "TurnCoverage"} <= set(own)
    for name in own:
        assert getattr(types, name) is getattr(live_types, name)
    with pytest.raises(AttributeError, match="no attribute 'LiveConfig'"):
        _ = types.LiveConfig
    with pytest.raises(AttributeError, match="no attribute '_PARTS'"):
        _ = types._PARTS


def test_nobody_pays_for_them_who_does_not_use_them() -> None:
    code = "import sys, runwright.runner, runwright.model; print('runwright.live_types' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_parts_are_taken_as_dicts_in_either_spelling() -> None:
    config = types.LiveConnectConfig.model_validate(
        {
            "responseModalities": ["AUDIO"],
            "realtime_input_config": {
                "automaticActivityDetection": {
                    "disabled": True,
                    "start_of_speech_sensitivity": "START_SENSITIVITY_NEW",
                },
                "activityHandling": "NO_INTERRUPTION",
            },
            "session_resumption": {"handle": "h"},
        }
    )
    made = types.LiveConnectConfig(
        response_modalities=["AUDIO"],
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(
                disabled=True, start_of_speech_sensitivity=types.StartSensitivity("START_SENSITIVITY_NEW")
            ),
            activity_handling=types.ActivityHandling.NO_INTERRUPTION,
        ),
        session_resumption={"handle": "h"},  # type: ignore[arg-type]
    )
    assert config.model_dump_json(exclude_none=True) == made.model_dump_json(exclude_none=True)
    assert isinstance(made.session_resumption, Record)
    assert types.ActivityStart() == types.ActivityStart()
