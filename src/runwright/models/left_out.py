# SPDX-License-Identifier: Apache-2.0
"""LeftOut: says once of each setting that a provider does not have it."""

import logging
from collections.abc import Iterable
from typing import Any

from runwright.types import GenerateContentConfig, HttpOptions

_logger = logging.getLogger(__name__)

_OF_ALL = frozenset(
    {"http_options", "response_json_schema", "response_mime_type", "response_schema", "system_instruction"}
    | {"thinking_config", "tool_config", "tools"}
)
_OF_THE_SDK = frozenset({"automatic_function_calling", "should_return_http_response"})
"""What ADK's programs say to google-genai alone; there is nothing in it for us."""
_DEFAULTS = (("candidate_count", 1), ("response_modalities", ["TEXT"]))
"""What says what is so anyway."""
_RETRY = ("exp_base", "http_status_codes", "jitter")


class LeftOut:
    """Tells in the log which settings of a request are left out, each of them once in the life of a process.

    Args:
        provider: Who does not have them.
        takes: The fields of ``GenerateContentConfig`` that it has, beside those that all have, and those of its
            ``http_options`` that not all have, such as ``"http_options.api_version"``.
    """

    def __init__(self, provider: str, takes: Iterable[str]) -> None:
        self._provider = provider
        self._taken = _OF_ALL | _OF_THE_SDK | frozenset(takes)
        self._names = tuple(name for name in GenerateContentConfig.__struct_fields__ if name not in self._taken)
        self._told: set[str] = set()

    def tell(self, config: GenerateContentConfig) -> None:
        """Looks at a request's settings."""
        for name in self._names:
            value = getattr(config, name)
            if value is not None and (name, value) not in _DEFAULTS:
                self.tell_of(name)
        if config.http_options is not None:
            self._tell_http(config.http_options)

    def tell_of(self, name: str) -> None:
        """Tells that one setting is left out, if that was not told before."""
        if name not in self._told:
            self._told.add(name)
            _logger.warning("%s has no %s: it is left out of the request", self._provider, name)

    def _tell_http(self, options: HttpOptions) -> None:
        values: dict[str, Any] = {"api_version": options.api_version}
        if (retry := options.retry_options) is not None:
            values |= {f"retry_options.{name}": getattr(retry, name) for name in _RETRY}
        for name, value in values.items():
            if value is not None and (whole := f"http_options.{name}") not in self._taken:
                self.tell_of(whole)
