# SPDX-License-Identifier: Apache-2.0
"""What a request to a model is made of, beside its messages: settings, tools and their schemas.

The names and fields are those of the Gemini API (https://ai.google.dev/api). Programs know them as
``runwright.types``.
"""

from collections.abc import Mapping
from typing import Any, cast

from runwright.record import OpenEnum, Record, camel_case


class Type(OpenEnum):
    """The types of the OpenAPI subset that :class:`Schema` speaks."""

    TYPE_UNSPECIFIED = "TYPE_UNSPECIFIED"
    STRING = "STRING"
    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    BOOLEAN = "BOOLEAN"
    ARRAY = "ARRAY"
    OBJECT = "OBJECT"
    NULL = "NULL"


class FunctionCallingConfigMode(OpenEnum):
    MODE_UNSPECIFIED = "MODE_UNSPECIFIED"
    AUTO = "AUTO"
    ANY = "ANY"
    NONE = "NONE"
    VALIDATED = "VALIDATED"


class HarmCategory(OpenEnum):
    HARM_CATEGORY_UNSPECIFIED = "HARM_CATEGORY_UNSPECIFIED"
    HARM_CATEGORY_HARASSMENT = "HARM_CATEGORY_HARASSMENT"
    HARM_CATEGORY_HATE_SPEECH = "HARM_CATEGORY_HATE_SPEECH"
    HARM_CATEGORY_SEXUALLY_EXPLICIT = "HARM_CATEGORY_SEXUALLY_EXPLICIT"
    HARM_CATEGORY_DANGEROUS_CONTENT = "HARM_CATEGORY_DANGEROUS_CONTENT"
    HARM_CATEGORY_CIVIC_INTEGRITY = "HARM_CATEGORY_CIVIC_INTEGRITY"


class HarmBlockThreshold(OpenEnum):
    HARM_BLOCK_THRESHOLD_UNSPECIFIED = "HARM_BLOCK_THRESHOLD_UNSPECIFIED"
    BLOCK_LOW_AND_ABOVE = "BLOCK_LOW_AND_ABOVE"
    BLOCK_MEDIUM_AND_ABOVE = "BLOCK_MEDIUM_AND_ABOVE"
    BLOCK_ONLY_HIGH = "BLOCK_ONLY_HIGH"
    BLOCK_NONE = "BLOCK_NONE"
    OFF = "OFF"


class MediaResolution(OpenEnum):
    """In how much detail a model looks at images and videos."""

    MEDIA_RESOLUTION_UNSPECIFIED = "MEDIA_RESOLUTION_UNSPECIFIED"
    MEDIA_RESOLUTION_LOW = "MEDIA_RESOLUTION_LOW"
    MEDIA_RESOLUTION_MEDIUM = "MEDIA_RESOLUTION_MEDIUM"
    MEDIA_RESOLUTION_HIGH = "MEDIA_RESOLUTION_HIGH"


class ThinkingLevel(OpenEnum):
    """How much a model thinks."""

    THINKING_LEVEL_UNSPECIFIED = "THINKING_LEVEL_UNSPECIFIED"
    MINIMAL = "MINIMAL"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Schema(Record, kw_only=True):
    """A type in the OpenAPI subset of the Gemini API."""

    additional_properties: Any = None
    any_of: list["Schema"] | None = None
    default: Any = None
    description: str | None = None
    enum: list[str] | None = None
    example: Any = None
    format: str | None = None
    items: "Schema | None" = None
    max_items: int | None = None
    max_length: int | None = None
    max_properties: int | None = None
    maximum: float | None = None
    min_items: int | None = None
    min_length: int | None = None
    min_properties: int | None = None
    minimum: float | None = None
    nullable: bool | None = None
    pattern: str | None = None
    properties: dict[str, "Schema"] | None = None
    property_ordering: list[str] | None = None
    required: list[str] | None = None
    title: str | None = None
    type: Type | None = None


class FunctionDeclaration(Record, kw_only=True):
    """A function as a model is shown it. ``parameters_json_schema`` is JSON Schema (2020-12)."""

    behavior: str | None = None
    description: str | None = None
    name: str | None = None
    parameters: Schema | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: Schema | None = None
    response_json_schema: dict[str, Any] | None = None


class _Settings(dict[str, Any]):
    """A dict in the API's spelling, made of keywords in Python's."""

    def __init__(self, **settings: Any) -> None:
        super().__init__({camel_case(name): value for name, value in settings.items() if value is not None})


class GoogleSearch(_Settings):
    """What searches the web for a model: ``Tool(google_search=GoogleSearch())``."""


class GoogleMaps(_Settings):
    """What asks Google Maps for a model: ``Tool(google_maps=GoogleMaps())``."""


class UrlContext(_Settings):
    """What reads web pages for a model: ``Tool(url_context=UrlContext())``."""


class ToolCodeExecution(_Settings):
    """What runs a model's code at its provider: ``Tool(code_execution=ToolCodeExecution())``."""


class Tool(Record, kw_only=True):
    """Functions of ours, or a tool that the provider runs itself (free-form settings)."""

    function_declarations: list[FunctionDeclaration] | None = None
    retrieval: dict[str, Any] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    computer_use: dict[str, Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None


class FunctionCallingConfig(Record, kw_only=True):
    allowed_function_names: list[str] | None = None
    mode: FunctionCallingConfigMode | None = None


class ToolConfig(Record, kw_only=True):
    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: dict[str, Any] | None = None
    include_server_side_tool_invocations: bool | None = None


class SafetySetting(Record, kw_only=True):
    category: HarmCategory | None = None
    method: str | None = None
    threshold: HarmBlockThreshold | None = None


class ThinkingConfig(Record, kw_only=True):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class PrebuiltVoiceConfig(Record, kw_only=True):
    voice_name: str | None = None


class VoiceConfig(Record, kw_only=True):
    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: dict[str, Any] | None = None


class SpeechConfig(Record, kw_only=True):
    language_code: str | None = None
    multi_speaker_voice_config: dict[str, Any] | None = None
    voice_config: VoiceConfig | None = None


class AudioTranscriptionConfig(Record, kw_only=True):
    language_codes: list[str] | None = None


class HttpRetryOptions(Record, kw_only=True):
    attempts: int | None = None
    exp_base: float | None = None
    http_status_codes: list[int] | None = None
    initial_delay: float | None = None
    jitter: float | None = None
    max_delay: float | None = None


class HttpOptions(Record, kw_only=True):
    """``timeout`` is in milliseconds, as in the Gemini SDK."""

    api_version: str | None = None
    base_url: str | None = None
    extra_body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    retry_options: HttpRetryOptions | None = None
    timeout: int | None = None


class GenerateContentConfig(Record, kw_only=True):
    """How the model is to answer. Fields that a provider does not know are left out of its request."""

    audio_timestamp: bool | None = None
    automatic_function_calling: dict[str, Any] | None = None
    cached_content: str | None = None
    candidate_count: int | None = None
    frequency_penalty: float | None = None
    http_options: HttpOptions | None = None
    image_config: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    logprobs: int | None = None
    max_output_tokens: int | None = None
    media_resolution: str | None = None
    model_armor_config: dict[str, Any] | None = None
    model_selection_config: dict[str, Any] | None = None
    presence_penalty: float | None = None
    response_json_schema: Any = None
    response_logprobs: bool | None = None
    response_mime_type: str | None = None
    response_modalities: list[str] | None = None
    response_schema: Any = None
    routing_config: dict[str, Any] | None = None
    safety_settings: list[SafetySetting] | None = None
    seed: int | None = None
    service_tier: str | None = None
    should_return_http_response: bool | None = None
    speech_config: SpeechConfig | None = None
    stop_sequences: list[str] | None = None
    system_instruction: Any = None
    temperature: float | None = None
    thinking_config: ThinkingConfig | None = None
    tool_config: ToolConfig | None = None
    tools: list[Any] | None = None
    top_k: float | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        for name, kind in _SETTINGS.items():
            value: Any = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, Mapping):
                setattr(self, name, kind.model_validate(value))
            elif isinstance(value, list):
                setattr(self, name, [kind.model_validate(item) for item in cast("list[Any]", value)])


_SETTINGS: dict[str, type[Record]] = {
    "http_options": HttpOptions,
    "safety_settings": SafetySetting,
    "speech_config": SpeechConfig,
    "thinking_config": ThinkingConfig,
    "tool_config": ToolConfig,
}
"""The settings that are taken as dicts too."""
