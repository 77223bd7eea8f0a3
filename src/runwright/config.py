# SPDX-License-Identifier: Apache-2.0
"""RunConfig: how one run goes; RunnerConfig: how a runner treats all of them."""

import enum
import os
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from runwright.budget import Budget, Spending
from runwright.errors import ConfigurationError
from runwright.record import Record
from runwright.session import GetSessionConfig
from runwright.types import AudioTranscriptionConfig, Content, HttpOptions, SpeechConfig


class StreamingMode(enum.Enum):
    """Whether a model's answer comes whole, in chunks, or in both directions at once."""

    NONE = None
    SSE = "sse"
    BIDI = "bidi"


WhenBusy = Literal["enqueue", "reject", "interrupt", "rollback"]


class ToolThreadPoolConfig(Record, kw_only=True):
    """How many plain ``def`` tools run at the same time, at the most, for one runner."""

    max_workers: int = 32

    def __post_init__(self) -> None:
        if self.max_workers < 1:
            raise ConfigurationError(f"ToolThreadPoolConfig.max_workers is at least 1, not {self.max_workers}")


def _default_max_llm_calls() -> int:
    return int(os.environ.get("ADK_MAX_LLM_CALLS", "500"))


class RunConfig(Record, kw_only=True):
    """How one run goes.

    Attributes:
        streaming_mode: ``NONE``: whole answers; ``SSE``: partial chunks, then the whole answer.
        max_llm_calls: Model calls in one run, at the most; no limit where it is 0 or less. The default is 500, or the
            environment's ``ADK_MAX_LLM_CALLS``.
        budget: What the run may use of tokens, money, model calls and time. The runner puts the books of the run, a
            :class:`~runwright.budget.Spending`, in its place, which the runs of its tools share.
        custom_metadata: Put on every event of the run.
        save_input_blobs_as_artifacts: Saves the files in the message as artifacts and puts a line of text in their
            place, as :class:`~runwright.plugins.SaveFilesAsArtifactsPlugin` does for all runs of an app.
        get_session_config: Loads only a part of the session's events.
        model_input_context: Messages that the model sees before the newest one, in this run only; never stored.
        response_modalities: What kinds of answer are wanted, for models that have several. A live run's default is
            ``["AUDIO"]``.
        output_audio_transcription: How a live run writes down what the model says; None: it does not, and the session
            does not tell what was said.
        input_audio_transcription: The same for what the user says.
        session_resumption: Lets a live run go on over a new connection when one ends; a ``handle`` in it goes on with
            an earlier conversation.
        save_live_blob: Keeps what is heard and said in a live run as artifacts, a file for each turn.
        when_busy: What happens to a message for a session that runs already. ``enqueue``: it waits its turn;
            ``reject``: :class:`SessionBusyError`; ``interrupt``: the running one is cancelled and this one is next;
            ``rollback``: the same, and what the cancelled run said and changed is taken back.
        model_timeout: Seconds that one model call may take, its whole stream included; live, that opening a connection
            may take.
        tool_timeout: Seconds that one tool call may take; the model is told when it took longer.
        max_tool_errors: How many times in a row the model may be told that a call of its was wrong (unknown tool, bad
            arguments) before the run fails.
    """

    speech_config: SpeechConfig | None = None
    http_options: HttpOptions | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    response_modalities: list[str] | None = None
    avatar_config: dict[str, Any] | None = None
    save_input_blobs_as_artifacts: bool = False
    support_cfc: bool = False
    streaming_mode: StreamingMode = StreamingMode.NONE
    output_audio_transcription: AudioTranscriptionConfig | None = msgspec.field(
        default_factory=AudioTranscriptionConfig
    )
    input_audio_transcription: AudioTranscriptionConfig | None = msgspec.field(default_factory=AudioTranscriptionConfig)
    realtime_input_config: dict[str, Any] | None = None
    enable_affective_dialog: bool | None = None
    proactivity: dict[str, Any] | None = None
    session_resumption: dict[str, Any] | None = None
    context_window_compression: dict[str, Any] | None = None
    history_config: dict[str, Any] | None = None
    translation_config: dict[str, Any] | None = None
    explicit_vad_signal: bool | None = None
    save_live_blob: bool = False
    tool_thread_pool_config: ToolThreadPoolConfig | None = None
    max_llm_calls: int = msgspec.field(default_factory=_default_max_llm_calls)
    custom_metadata: dict[str, Any] | None = None
    get_session_config: GetSessionConfig | None = None
    model_input_context: list[Content] | None = None
    include_thoughts_from_other_agents: bool = False
    when_busy: WhenBusy = "enqueue"
    model_timeout: float | None = None
    tool_timeout: float | None = None
    max_tool_errors: int = 3
    budget: Budget | Spending | None = None

    def __post_init__(self) -> None:
        if self.when_busy not in ("enqueue", "reject", "interrupt", "rollback"):
            raise ConfigurationError(
                f"RunConfig.when_busy is 'enqueue', 'reject', 'interrupt' or 'rollback', not {self.when_busy!r}"
            )
        try:
            self.streaming_mode = StreamingMode(self.streaming_mode)
        except ValueError:
            raise ConfigurationError(
                f"RunConfig.streaming_mode is a StreamingMode, or its value 'sse', not {self.streaming_mode!r}"
            ) from None
        for name in ("model_timeout", "tool_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ConfigurationError(f"RunConfig.{name} is a positive number of seconds or None, not {seconds!r}")
        if isinstance(self.budget, Mapping):
            self.budget = Budget.model_validate(self.budget)
        elif not isinstance(self.budget, Budget | Spending | None):
            raise ConfigurationError(f"RunConfig.budget is a Budget(tokens=..., cost=...), not {self.budget!r}")
        if self.max_tool_errors < 0:
            raise ConfigurationError(f"RunConfig.max_tool_errors is 0 or more, not {self.max_tool_errors}")


class RunnerConfig(Record, kw_only=True):
    """How a runner treats all its runs.

    Attributes:
        event_buffer_size: How far a run may be ahead of the slowest that follows its :class:`Run`, in events.
        enable_event_processing: Off: events are stored and passed on, and their state and artifact changes are the
            caller's to apply.
        max_concurrent_sessions: How many sessions run at the same time; the others wait. No limit where it is 0.
        default_timeout: Seconds that a run may take where it is given no timeout of its own; None for no limit.
        save_to_memory: Adds the session to memory after each run that ended well.
        held_sessions: How many sessions that are not running the runner keeps ready in memory.
    """

    event_buffer_size: int = 100
    enable_event_processing: bool = True
    max_concurrent_sessions: int = 0
    default_timeout: float | None = None
    save_to_memory: bool = False
    held_sessions: int = 256

    def __post_init__(self) -> None:
        if self.event_buffer_size < 1:
            raise ConfigurationError(f"RunnerConfig.event_buffer_size is at least 1, not {self.event_buffer_size}")
        if self.max_concurrent_sessions < 0:
            raise ConfigurationError(
                f"RunnerConfig.max_concurrent_sessions is 0 (no limit) or more, not {self.max_concurrent_sessions}"
            )
        if self.default_timeout is not None and self.default_timeout <= 0:
            raise ConfigurationError(
                f"RunnerConfig.default_timeout is a positive number of seconds or None, not {self.default_timeout!r}"
            )
        if self.held_sessions < 0:
            raise ConfigurationError(f"RunnerConfig.held_sessions is 0 or more, not {self.held_sessions}")
