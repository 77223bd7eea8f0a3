# SPDX-License-Identifier: Apache-2.0
"""App: an agent with all that belongs to it, under one name."""

import re
from typing import TYPE_CHECKING, Any

from runwright.errors import ConfigurationError
from runwright.plugin import BasePlugin
from runwright.record import Record

if TYPE_CHECKING:
    from runwright.agent import BaseAgent


class ResumabilityConfig(Record, kw_only=True):
    """Whether runs of the app may be resumed where they stopped."""

    is_resumable: bool = False


class EventsCompactionConfig(Record, kw_only=True):
    """When old events are summed up: every so many invocations, or past so many tokens."""

    compaction_interval: int | None = None
    overlap_size: int | None = None
    token_threshold: int | None = None
    event_retention_size: int | None = None
    summarizer: Any = None


class ContextCacheConfig(Record, kw_only=True):
    """That providers are to keep what they have read of a conversation, for the next request that starts alike.

    Claude keeps it for five minutes or, from a ``ttl_seconds`` of 3600 on, for an hour. Gemini (from 2.5 on) and OpenAI
    keep prompts by themselves: nothing is asked of them, and no cache of Gemini's is made by name.

    Attributes:
        cache_intervals: After how many invocations a cache that has a name is made anew.
        ttl_seconds: How long it is kept since it was last used.
        min_tokens: From how many tokens on, by the length of the request, it is worth it.

    Raises:
        ConfigurationError: One of them is out of its range.
    """

    cache_intervals: int = 10
    ttl_seconds: int = 1800
    min_tokens: int = 0

    def __post_init__(self) -> None:
        for name, least in (("cache_intervals", 1), ("ttl_seconds", 1), ("min_tokens", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"ContextCacheConfig.{name} is {least} or more, not {getattr(self, name)!r}")


def check_app_name(name: str) -> None:
    """Checks that a name can be an app's.

    Raises:
        ConfigurationError: It cannot; the message says what can.
    """
    if not name or not name.strip():
        raise ConfigurationError("An app needs a name: App(name=...) or Runner(app_name=...)")
    if name == "user":
        raise ConfigurationError("An app cannot be called 'user': that is who speaks to it")


class App:
    """An agent with all that belongs to it.

    Args:
        name: Starts with a letter, goes on with letters, digits, ``_`` and ``-``; not ``user``.
        root_agent: The agent that answers first.
        plugins: Hooks into all runs, in order.

    Raises:
        ConfigurationError: The name cannot be used, or there is no agent.
    """

    def __init__(
        self,
        *,
        name: str,
        root_agent: "BaseAgent",
        plugins: list[BasePlugin] | None = None,
        events_compaction_config: EventsCompactionConfig | None = None,
        context_cache_config: ContextCacheConfig | None = None,
        resumability_config: ResumabilityConfig | None = None,
    ) -> None:
        check_app_name(name)
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_-]*", name):
            raise ConfigurationError(
                f"{name!r} cannot be an app's name: start with a letter and go on with letters, digits, '_' and '-'"
            )
        if root_agent is None:
            raise ConfigurationError(f"App {name!r} needs an agent: App(name=..., root_agent=...)")
        self.name = name
        self.root_agent = root_agent
        self.plugins = plugins or []
        self.events_compaction_config = events_compaction_config
        self.context_cache_config = context_cache_config
        self.resumability_config = resumability_config
