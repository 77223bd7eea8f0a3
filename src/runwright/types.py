# SPDX-License-Identifier: Apache-2.0
"""The message vocabulary: what is said to a model and what it says.

The names and fields are those of the Gemini API (https://ai.google.dev/api), so that
``from google.genai import types`` becomes ``from runwright import types``.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from runwright.errors import InputValidationError
from runwright.generation_types import AudioTranscriptionConfig as AudioTranscriptionConfig
from runwright.generation_types import FunctionCallingConfig as FunctionCallingConfig
from runwright.generation_types import FunctionCallingConfigMode as FunctionCallingConfigMode
from runwright.generation_types import FunctionDeclaration as FunctionDeclaration
from runwright.generation_types import GenerateContentConfig as GenerateContentConfig
from runwright.generation_types import GoogleMaps as GoogleMaps
from runwright.generation_types import GoogleSearch as GoogleSearch
from runwright.generation_types import HarmBlockThreshold as HarmBlockThreshold
from runwright.generation_types import HarmCategory as HarmCategory
from runwright.generation_types import HttpOptions as HttpOptions
from runwright.generation_types import HttpRetryOptions as HttpRetryOptions
from runwright.generation_types import MediaResolution as MediaResolution
from runwright.generation_types import PrebuiltVoiceConfig as PrebuiltVoiceConfig
from runwright.generation_types import SafetySetting as SafetySetting
from runwright.generation_types import Schema as Schema
from runwright.generation_types import SpeechConfig as SpeechConfig
from runwright.generation_types import ThinkingConfig as ThinkingConfig
from runwright.generation_types import ThinkingLevel as ThinkingLevel
from runwright.generation_types import Tool as Tool
from runwright.generation_types import ToolCodeExecution as ToolCodeExecution
from runwright.generation_types import ToolConfig as ToolConfig
from runwright.generation_types import Type as Type
from runwright.generation_types import UrlContext as UrlContext
from runwright.generation_types import VoiceConfig as VoiceConfig
from runwright.record import OpenEnum, Record, copy_json

if TYPE_CHECKING:
    from runwright.live_types import ActivityEnd as ActivityEnd
    from runwright.live_types import ActivityHandling as ActivityHandling
    from runwright.live_types import ActivityStart as ActivityStart
    from runwright.live_types import AudioStreamEnd as AudioStreamEnd
    from runwright.live_types import AutomaticActivityDetection as AutomaticActivityDetection
    from runwright.live_types import ContextWindowCompressionConfig as ContextWindowCompressionConfig
    from runwright.live_types import EndSensitivity as EndSensitivity
    from runwright.live_types import HistoryConfig as HistoryConfig
    from runwright.live_types import LiveConnectConfig as LiveConnectConfig
    from runwright.live_types import ProactivityConfig as ProactivityConfig
    from runwright.live_types import RealtimeInputConfig as RealtimeInputConfig
    from runwright.live_types import SessionResumptionConfig as SessionResumptionConfig
    from runwright.live_types import SlidingWindow as SlidingWindow
    from runwright.live_types import StartSensitivity as StartSensitivity
    from runwright.live_types import TurnCoverage as TurnCoverage


class FinishReason(OpenEnum):
    FINISH_REASON_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
    STOP = "STOP"
    MAX_TOKENS = "MAX_TOKENS"
    SAFETY = "SAFETY"
    RECITATION = "RECITATION"
    LANGUAGE = "LANGUAGE"
    OTHER = "OTHER"
    BLOCKLIST = "BLOCKLIST"
    PROHIBITED_CONTENT = "PROHIBITED_CONTENT"
    SPII = "SPII"
    MALFORMED_FUNCTION_CALL = "MALFORMED_FUNCTION_CALL"
    UNEXPECTED_TOOL_CALL = "UNEXPECTED_TOOL_CALL"
    IMAGE_SAFETY = "IMAGE_SAFETY"


class Modality(OpenEnum):
    MODALITY_UNSPECIFIED = "MODALITY_UNSPECIFIED"
    TEXT = "TEXT"
    IMAGE = "IMAGE"
    AUDIO = "AUDIO"


class Language(OpenEnum):
    LANGUAGE_UNSPECIFIED = "LANGUAGE_UNSPECIFIED"
    PYTHON = "PYTHON"


class Outcome(OpenEnum):
    OUTCOME_UNSPECIFIED = "OUTCOME_UNSPECIFIED"
    OUTCOME_OK = "OUTCOME_OK"
    OUTCOME_FAILED = "OUTCOME_FAILED"
    OUTCOME_DEADLINE_EXCEEDED = "OUTCOME_DEADLINE_EXCEEDED"


# --- what a message is made of -------------------------------------------------------------------------------


class Blob(Record, kw_only=True, gc=False):
    """Bytes in the message itself."""

    data: bytes | None = None
    mime_type: str | None = None
    display_name: str | None = None


class FileData(Record, kw_only=True, gc=False):
    """Bytes that lie elsewhere, by URI."""

    file_uri: str | None = None
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Record, kw_only=True, gc=False):
    """A model asks for a function to be called."""

    id: str | None = None
    args: dict[str, Any] | None = None
    name: str | None = None
    partial_args: list[dict[str, Any]] | None = None
    will_continue: bool | None = None


class FunctionResponsePart(Record, kw_only=True, gc=False):
    """A file or an image that a function answered with."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Record, kw_only=True, gc=False):
    """What the function answered."""

    will_continue: bool | None = None
    scheduling: str | None = None
    parts: list[FunctionResponsePart] | None = None
    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None


class ExecutableCode(Record, kw_only=True, gc=False):
    """Code that a model wants run."""

    code: str | None = None
    language: Language | None = None
    id: str | None = None


class CodeExecutionResult(Record, kw_only=True, gc=False):
    """What came of it."""

    outcome: Outcome | None = None
    output: str | None = None
    id: str | None = None


class VideoMetadata(Record, kw_only=True, gc=False):
    start_offset: str | None = None
    end_offset: str | None = None
    fps: float | None = None


class Part(Record, kw_only=True, gc=False):
    """One piece of a message: text, bytes, a function call, a function's answer, code.

    ``tool_call`` and ``tool_response`` are of tools that the provider ran itself; they go back to it as they came.
    """

    media_resolution: Any = None
    code_execution_result: CodeExecutionResult | None = None
    executable_code: ExecutableCode | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Blob | None = None
    text: str | None = None
    thought: bool | None = None
    thought_signature: bytes | None = None
    video_metadata: VideoMetadata | None = None
    part_metadata: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None

    @classmethod
    def from_text(cls, *, text: str) -> Self:
        return cls(text=text)

    @classmethod
    def from_bytes(cls, *, data: bytes, mime_type: str) -> Self:
        return cls(inline_data=Blob(data=data, mime_type=mime_type))

    @classmethod
    def from_uri(cls, *, file_uri: str, mime_type: str | None = None) -> Self:
        return cls(file_data=FileData(file_uri=file_uri, mime_type=mime_type))

    @classmethod
    def from_function_call(cls, *, name: str, args: dict[str, Any]) -> Self:
        return cls(function_call=FunctionCall(name=name, args=args))

    @classmethod
    def from_function_response(
        cls, *, name: str, response: dict[str, Any], parts: list[FunctionResponsePart] | None = None
    ) -> Self:
        return cls(function_response=FunctionResponse(name=name, response=response, parts=parts))

    @classmethod
    def from_executable_code(cls, *, code: str, language: Language = Language.PYTHON) -> Self:
        return cls(executable_code=ExecutableCode(code=code, language=language))

    @classmethod
    def from_code_execution_result(cls, *, outcome: Outcome, output: str) -> Self:
        return cls(code_execution_result=CodeExecutionResult(outcome=outcome, output=output))


class Content(Record, kw_only=True, gc=False):
    """One message. ``role`` is ``"user"`` or ``"model"``."""

    parts: list[Part] | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        """Takes parts as dicts too, as programs write them."""
        for part in self.parts or ():
            if type(part) is not Part:
                self.parts = [Part.model_validate(one) for one in cast("list[Any]", self.parts)]
                return


def copy_content(content: Content) -> Content:
    """A copy that shares nothing which can change, bytes and strings aside."""
    parts = content.parts
    return Content(role=content.role, parts=None if parts is None else [copy_part(part) for part in parts])


def copy_part(part: Part) -> Part:
    """The same for one part."""
    twin = part.__copy__()
    if part.text is not None and part.part_metadata is None:
        return twin
    if (call := part.function_call) is not None:
        twin.function_call = copy_call(call)
    if (answer := part.function_response) is not None:
        twin.function_response = answer.__copy__()
        twin.function_response.response = copy_json(answer.response)
        if answer.parts is not None:
            twin.function_response.parts = [file.model_copy(deep=True) for file in answer.parts]
    for name in ("inline_data", "file_data", "executable_code", "code_execution_result", "video_metadata"):
        if (value := getattr(part, name)) is not None:
            setattr(twin, name, value.__copy__())
    twin.part_metadata = copy_json(part.part_metadata)
    twin.tool_call, twin.tool_response = copy_json(part.tool_call), copy_json(part.tool_response)
    return twin


def copy_call(call: FunctionCall) -> FunctionCall:
    """The same for a function call."""
    twin = call.__copy__()
    twin.args = copy_json(call.args)
    return twin


def UserContent(parts: Any) -> Content:
    """A message of the user, of a text, a part, or a list of them."""
    return Content(role="user", parts=to_parts(parts))


def ModelContent(parts: Any) -> Content:
    """A message of the model, of a text, a part, or a list of them."""
    return Content(role="model", parts=to_parts(parts))


def to_parts(value: Any) -> list[Part]:
    """The parts that a text, a part, a file or a list of such makes."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_to_part(item) for item in cast("Sequence[Any]", value)]
    return [_to_part(value)]


def _to_part(value: Any) -> Part:
    if isinstance(value, str):
        return Part(text=value)
    if isinstance(value, Blob):
        return Part(inline_data=value)
    if isinstance(value, FileData):
        return Part(file_data=value)
    if isinstance(value, FunctionCall):
        return Part(function_call=value)
    if isinstance(value, FunctionResponse):
        return Part(function_response=value)
    return Part.model_validate(value)


def to_content(value: Any, *, role: str = "user") -> Content:
    """The message that ``value`` stands for.

    Args:
        value: A text, a :class:`Content`, a part or a list of parts, the JSON form of a content as a dict in either
            spelling, or an object of ``google.genai.types``.
        role: The role where ``value`` names none.

    Raises:
        InputValidationError: It stands for no message.
    """
    if isinstance(value, Content):
        parts = value.parts
        if parts is not None and not all(isinstance(part, Part) for part in parts):
            parts = to_parts(parts)
        return value if value.role and parts is value.parts else Content(role=value.role or role, parts=parts)
    if isinstance(value, str | Part | Blob | FileData | list | tuple):
        return Content(role=role, parts=to_parts(value))
    if isinstance(value, Mapping) or hasattr(value, "model_dump"):
        if "parts" in value if isinstance(value, Mapping) else hasattr(value, "parts"):
            content = Content.model_validate(value)
            return content if content.role else Content(role=role, parts=content.parts)
        return Content(role=role, parts=[Part.model_validate(value)])
    raise InputValidationError(
        f"A message cannot be made of {type(value).__name__}: give a text, a types.Content, its JSON form as a dict, "
        "or a list of types.Part"
    )


def to_user_message(value: Any) -> Content:
    """The message of the user that ``value`` stands for, as :func:`to_content` has it.

    Raises:
        InputValidationError: It stands for none, or for one that no user can send.
    """
    content = to_content(value)
    parts = content.parts or []
    if not any(_says_something(part) for part in parts):
        raise InputValidationError("The message is empty: give a text, or a types.Content with at least one part")
    if any(part.function_call is not None for part in parts):
        raise InputValidationError("A user's message cannot hold a function call: only a model makes those")
    responses = sum(part.function_response is not None for part in parts)
    if 0 < responses < len(parts):
        raise InputValidationError("A message either answers function calls or says something else: send two messages")
    return content if content.role == "user" else Content(role="user", parts=content.parts)


def _says_something(part: Part) -> bool:
    return any(
        getattr(part, name) not in (None, "")
        for name in (
            "text",
            "inline_data",
            "file_data",
            "function_call",
            "function_response",
            "executable_code",
            "code_execution_result",
        )
    )


def text_of(content: Content | None) -> str:
    """All text of a message, thoughts left out, joined."""
    if content is None or not content.parts:
        return ""
    return "".join(part.text for part in content.parts if part.text and not part.thought)


# --- what comes with an answer -------------------------------------------------------------------------------


class GenerateContentResponseUsageMetadata(Record, kw_only=True, gc=False):
    """What a model call used, in tokens.

    Attributes:
        cost: What it cost, in US dollars, where the price is known. It is stored with the event; dumps, which ADK's
            programs read, do not show it.
    """

    transient: ClassVar[frozenset[str]] = frozenset({"cost"})

    cache_tokens_details: list[dict[str, Any]] | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    candidates_tokens_details: list[dict[str, Any]] | None = None
    prompt_token_count: int | None = None
    prompt_tokens_details: list[dict[str, Any]] | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    tool_use_prompt_tokens_details: list[dict[str, Any]] | None = None
    total_token_count: int | None = None
    traffic_type: str | None = None
    cost: float | None = None


UsageMetadata = GenerateContentResponseUsageMetadata


class Transcription(Record, kw_only=True, gc=False):
    text: str | None = None
    finished: bool | None = None
    language_code: str | None = None


def __getattr__(name: str) -> Any:
    """The names of live conversations, which few programs need, are loaded when they are first used."""
    value = None if name.startswith("_") else getattr(importlib.import_module("runwright.live_types"), name, None)
    if value is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
