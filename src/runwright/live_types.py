# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of live conversations: how they are set up, and the signals that go in beside what is said.

The names and fields are those of the Gemini Live API (https://ai.google.dev/api/live). Every name is one of
``runwright.types`` too, which loads this module when one of them is first used.
"""

from collections.abc import Mapping
from typing import Any, cast

from runwright.generation_types import (
    AudioTranscriptionConfig,
    HttpOptions,
    SafetySetting,
    SpeechConfig,
    ThinkingConfig,
)
from runwright.record import OpenEnum, Record


class ActivityHandling(OpenEnum):
    """What the user's speech does to an answer that is under way."""

    ACTIVITY_HANDLING_UNSPECIFIED = "ACTIVITY_HANDLING_UNSPECIFIED"
    START_OF_ACTIVITY_INTERRUPTS = "START_OF_ACTIVITY_INTERRUPTS"
    NO_INTERRUPTION = "NO_INTERRUPTION"


class TurnCoverage(OpenEnum):
    """What of the input belongs to the user's turn."""

    TURN_COVERAGE_UNSPECIFIED = "TURN_COVERAGE_UNSPECIFIED"
    TURN_INCLUDES_ONLY_ACTIVITY = "TURN_INCLUDES_ONLY_ACTIVITY"
    TURN_INCLUDES_ALL_INPUT = "TURN_INCLUDES_ALL_INPUT"
    TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO = "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"


class StartSensitivity(OpenEnum):
    START_SENSITIVITY_UNSPECIFIED = "START_SENSITIVITY_UNSPECIFIED"
    START_SENSITIVITY_HIGH = "START_SENSITIVITY_HIGH"
    START_SENSITIVITY_LOW = "START_SENSITIVITY_LOW"


class EndSensitivity(OpenEnum):
    END_SENSITIVITY_UNSPECIFIED = "END_SENSITIVITY_UNSPECIFIED"
    END_SENSITIVITY_HIGH = "END_SENSITIVITY_HIGH"
    END_SENSITIVITY_LOW = "END_SENSITIVITY_LOW"


# --- signals of the user's side --------------------------------------------------------------------------------


class ActivityStart(Record, kw_only=True):
    """The user begins to speak. Only where the provider does not listen for that itself."""


class ActivityEnd(Record, kw_only=True):
    """The user has spoken, and it is the model's turn. Only where the provider does not listen for that itself."""


class AudioStreamEnd(Record, kw_only=True):
    """No more audio comes for now: the microphone is off. What was heard so far is answered."""


# --- how a conversation is set up ------------------------------------------------------------------------------


class AutomaticActivityDetection(Record, kw_only=True):
    """How the provider tells by itself when the user speaks."""

    disabled: bool | None = None
    start_of_speech_sensitivity: StartSensitivity | None = None
    end_of_speech_sensitivity: EndSensitivity | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(Record, kw_only=True):
    """How what is heard becomes turns of the user's."""

    automatic_activity_detection: AutomaticActivityDetection | None = None
    activity_handling: ActivityHandling | None = None
    turn_coverage: TurnCoverage | None = None


class SessionResumptionConfig(Record, kw_only=True):
    """Asks for handles to go on with later; ``handle`` goes on with a conversation."""

    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(Record, kw_only=True):
    target_tokens: int | None = None


class ContextWindowCompressionConfig(Record, kw_only=True):
    """How a conversation that grows too long is shortened."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


class ProactivityConfig(Record, kw_only=True):
    """Whether the model may stay silent where it was not meant, and speak unasked."""

    proactive_audio: bool | None = None
    proactive_video: bool | None = None


class HistoryConfig(Record, kw_only=True):
    initial_history_in_client_content: bool | None = None


class LiveConnectConfig(Record, kw_only=True):
    """How a live conversation goes. What a provider does not know is left out of what it is sent."""

    http_options: HttpOptions | None = None
    generation_config: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    media_resolution: str | None = None
    seed: int | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    enable_affective_dialog: bool | None = None
    system_instruction: Any = None
    tools: list[Any] | None = None
    session_resumption: SessionResumptionConfig | None = None
    input_audio_transcription: AudioTranscriptionConfig | None = None
    output_audio_transcription: AudioTranscriptionConfig | None = None
    realtime_input_config: RealtimeInputConfig | None = None
    context_window_compression: ContextWindowCompressionConfig | None = None
    proactivity: ProactivityConfig | None = None
    explicit_vad_signal: bool | None = None
    history_config: HistoryConfig | None = None
    avatar_config: dict[str, Any] | None = None
    safety_settings: list[SafetySetting] | None = None
    translation_config: dict[str, Any] | None = None
    labels: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Takes its parts as dicts too, as programs write them."""
        for name, kind in _PARTS.items():
            value: Any = getattr(self, name)
            if isinstance(value, Mapping):
                setattr(self, name, kind.model_validate(value))
            elif isinstance(value, list):
                setattr(self, name, [kind.model_validate(item) for item in cast("list[Any]", value)])


_PARTS: dict[str, type[Record]] = {
    "http_options": HttpOptions,
    "speech_config": SpeechConfig,
    "thinking_config": ThinkingConfig,
    "session_resumption": SessionResumptionConfig,
    "input_audio_transcription": AudioTranscriptionConfig,
    "output_audio_transcription": AudioTranscriptionConfig,
    "realtime_input_config": RealtimeInputConfig,
    "context_window_compression": ContextWindowCompressionConfig,
    "proactivity": ProactivityConfig,
    "history_config": HistoryConfig,
    "safety_settings": SafetySetting,
}
