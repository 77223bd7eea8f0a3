# SPDX-License-Identifier: Apache-2.0
"""Budget: what a run may use; Spending: what it has used of it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import NamedTuple

from runwright.errors import BudgetExceededError, ConfigurationError
from runwright.event import Event, LlmResponse
from runwright.model import LlmRequest
from runwright.record import Record
from runwright.scope import next_within
from runwright.types import Content, Part
from runwright.types import GenerateContentResponseUsageMetadata as Usage

_logger = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 4
"""How long a token of a prompt is taken to be, before the provider has counted."""
TOKENS_PER_FILE = 300
"""What an image or another file in a prompt is taken to hold."""
SPENT = "runwright:spent"
"""Under this name an event's ``custom_metadata`` tells what was used that no event of its log tells."""


class Budget(Record, kw_only=True):
    """What one run may use, all its agents together and those that it runs as tools. None is no limit.

    Before each model call it is seen whether there is enough left; where there is not, the run ends with an event whose
    ``error_code`` is ``BUDGET_EXCEEDED``, and with a :class:`~runwright.errors.BudgetExceededError`. The answer that
    goes over a limit is still given: what was paid for is not thrown away. A run that goes on counts what its log says
    that it used before.

    Attributes:
        tokens: Tokens of all prompts and answers, as the providers count them. A call is made only if the prompt, which
            is estimated by its length, still fits.
        cost: US dollars, where the price of a call is known. A call without a price counts nothing here, which the log
            tells at the first one. For each call under way as much is set aside as the dearest one cost so far.
        llm_calls: Model calls.
        seconds: Seconds from when the run began, without those in which it waited for the user. A model call that is
            under way is stopped; a tool is let end.

    Raises:
        ConfigurationError: A limit is not positive.
    """

    tokens: int | None = None
    cost: float | None = None
    llm_calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ConfigurationError(f"Budget.{name} is a positive number or None for no limit, not {limit!r}")


class Amounts(NamedTuple):
    """Amounts of all that a budget limits. None: the cost is not known, or there is no limit."""

    tokens: int | None
    cost: float | None
    llm_calls: int | None
    seconds: float | None

    def plus(self, other: "Amounts") -> "Amounts":
        """Both together."""
        return Amounts(
            (self.tokens or 0) + (other.tokens or 0),
            self.cost if other.cost is None else other.cost + (self.cost or 0),
            (self.llm_calls or 0) + (other.llm_calls or 0),
            (self.seconds or 0) + (other.seconds or 0),
        )


_NOTHING = Amounts(0, None, 0, 0.0)


class Spending:
    """What a run has used of its budget. Runs that its tools start share it.

    Attributes:
        limits: The budget.
        unpriced_calls: How many model calls came without a price.
    """

    def __init__(self, limits: Budget) -> None:
        self.limits = limits
        self.unpriced_calls = 0
        self._now = self._past = _NOTHING
        """Without the time that it takes now."""
        self._under_way: dict[object, tuple[int, float]] = {}
        """What is set aside for each call whose use is not counted yet: tokens and dollars."""
        self._dearest = 0.0
        """What the dearest call cost."""
        self._apart = _NOTHING
        """What runs of tools used that no event of this run's log tells yet."""
        self._home: object = None
        self._began: float | None = None
        self._ended: float | None = None
        self._refusal: BudgetExceededError | None = None

    def start(self, ledger: object) -> None:
        """Starts the clock, for the run whose ledger it is; for a run of one of its tools it runs already."""
        if self._began is None:
            self._began = time.monotonic()
            self._home = ledger

    def stop(self) -> None:
        """Stops the clock."""
        self._ended = time.monotonic()

    @property
    def used(self) -> Amounts:
        """What was used so far, before the run stopped among it."""
        until = time.monotonic() if self._ended is None else self._ended
        passed = 0.0 if self._began is None else until - self._began
        return self._past.plus(self._now).plus(Amounts(0, None, 0, passed))

    @property
    def left(self) -> Amounts:
        """What is left, 0 at the least; None where there is no limit."""
        limits = (getattr(self.limits, name) for name in Amounts._fields)
        pairs = zip(limits, self.used, strict=True)
        return Amounts(*(None if limit is None else max(limit - (used or 0), 0) for limit, used in pairs))

    def __repr__(self) -> str:
        return f"<Spending {self.used} of {self.limits}>"

    # --- a model call

    async def metered(
        self, answering: AsyncGenerator[LlmResponse, None], request: LlmRequest, ledger: object
    ) -> AsyncGenerator[LlmResponse, None]:
        """A model's responses, counted: once for each answer, its chunks not again.

        Args:
            answering: What makes them; it has not begun.
            request: What is asked.
            ledger: The ledger of the run that asks.

        Raises:
            BudgetExceededError: There is not enough left for it, or its time is over.
        """
        is_apart = ledger is not self._home
        async with aclosing(answering) as responses:
            set_aside = self._reserve(request)
            self._add(Amounts(0, None, 1, 0.0), is_apart)
            usage: Usage | None = None
            said, is_counted = 0, False
            try:
                while (response := await self._next(responses)) is not None:
                    said += _length_of(response.content)
                    usage = response.usage_metadata or usage  # a chunk's is that of all chunks so far
                    if usage is not None and not response.partial:
                        self._count(usage, is_apart)
                        self._under_way.pop(set_aside, None)
                        usage, is_counted = None, True
                    yield response
            finally:
                self._under_way.pop(set_aside, None)
                if usage is None and said and not is_counted:
                    # A provider that does not tell is taken at the length of what was said.
                    usage = Usage(total_token_count=prompt_tokens(request) + _tokens(said))
                if usage is not None:
                    self._count(usage, is_apart)

    def begin_turn(self, request: LlmRequest, ledger: object) -> None:
        """Counts a turn of a live conversation as a model call.

        Raises:
            BudgetExceededError: There is not enough left for it.
        """
        del self._under_way[self._reserve(request)]
        self._add(Amounts(0, None, 1, 0.0), ledger is not self._home)

    def count(self, usage: Usage, ledger: object) -> None:
        """Counts what a live model says that it used."""
        self._count(usage, ledger is not self._home)

    def _reserve(self, request: LlmRequest) -> object:
        """Sets aside what the prompt will take, in tokens where those are limited, and what the call may cost.

        Returns:
            The key of what was set aside.
        """
        if self._refusal is not None:  # Whatever a hook made of it: what is used up stays so.
            raise self._refusal.again()
        used, limits = self.used, self.limits
        reserved = sum(tokens for tokens, _ in self._under_way.values())
        reserved_cost = sum(price for _, price in self._under_way.values())
        if limits.llm_calls is not None and (made := used.llm_calls or 0) >= limits.llm_calls:
            raise self._refused("llm_calls", f"{limits.llm_calls} model calls", f"{made} were made")
        if limits.cost is not None and (spent := used.cost or 0.0) + reserved_cost >= limits.cost:
            others = f", {reserved_cost:g} are set aside for calls under way" if reserved_cost else ""
            raise self._refused("cost", f"{limits.cost:g} US dollars", f"{spent:g} were spent{others}")
        if limits.seconds is not None and (used.seconds or 0) >= limits.seconds:
            raise self._late()
        prompt = 0 if limits.tokens is None else prompt_tokens(request)
        tokens = used.tokens or 0
        if limits.tokens is not None and tokens + reserved + prompt > limits.tokens:
            others = f", {reserved} are set aside for calls under way" if reserved else ""
            told = f"{tokens} were used{others}, and the next prompt has about {prompt}"
            raise self._refused("tokens", f"{limits.tokens} tokens", told)
        key = object()
        self._under_way[key] = (prompt, self._dearest)
        return key

    async def _next(self, responses: AsyncGenerator[LlmResponse, None]) -> LlmResponse | None:
        if self.limits.seconds is None:
            return await anext(responses, None)
        return await next_within(responses, asyncio.timeout(self.left.seconds), self._late)

    def _late(self) -> BudgetExceededError:
        passed = f"{self.used.seconds:.3g} have passed"
        return self._refused("seconds", f"{self.limits.seconds:g} seconds", passed)

    def _refused(self, kind: str, limit: str, told: str) -> BudgetExceededError:
        self._refusal = BudgetExceededError(
            f"The run's budget of {limit} allows no other model call: {told}. Raise RunConfig.budget.{kind} if it "
            "needs more",
            kind=kind,
        )
        return self._refusal

    def _count(self, usage: Usage, is_apart: bool) -> None:
        self._add(_amounts(usage), is_apart)
        self._dearest = max(self._dearest, usage.cost or 0.0)
        if usage.cost is None:
            self.unpriced_calls += 1
            if self.unpriced_calls == 1 and self.limits.cost is not None:
                _logger.warning(
                    "A model call came without a price, so the run's budget of %g US dollars does not count it. Limit "
                    "tokens or llm_calls too",
                    self.limits.cost,
                )

    def _add(self, amounts: Amounts, is_apart: bool) -> None:
        self._now = self._now.plus(amounts)
        if is_apart:
            self._apart = self._apart.plus(amounts)

    # --- what the log tells of it

    def mark(self, event: Event, ledger: object) -> None:
        """Writes on an event of the run what the runs of its tools used, for when the run goes on elsewhere.

        Args:
            ledger: That of the run whose event it is; on those of runs of tools nothing is written.
        """
        if ledger is self._home and self._apart is not _NOTHING:
            used = {name: value for name, value in self._apart._asdict().items() if value}
            event.custom_metadata = {**(event.custom_metadata or {}), SPENT: used}
            self._apart = _NOTHING

    def recall(self, events: Iterable[Event], ledger: object) -> None:
        """Counts what a run that goes on used before, by its events in the log.

        Args:
            ledger: That of the run; what runs of its tools used is in its log too, and not counted again.
        """
        if ledger is not self._home:
            return
        past, before = _NOTHING, None
        for event in events:
            if before is not None and event.author != "user":
                past = past.plus(Amounts(0, None, 0, max(event.timestamp - before, 0.0)))
            # From the report of a failure on, it did not run.
            before = None if event.error_code is not None and event.content is None else event.timestamp
            if event.usage_metadata is not None:
                is_first = "." not in event.id  # of what one call answered
                past = past.plus(_amounts(event.usage_metadata)).plus(Amounts(0, None, int(is_first), 0.0))
            if spent := (event.custom_metadata or {}).get(SPENT):
                past = past.plus(Amounts(*(spent.get(name) for name in Amounts._fields)))
        self._past = past


def spending_of(budget: Budget | Spending | None) -> Spending | None:
    """The books of a run with a budget: those that are open, as for a run of a tool, or new ones."""
    return Spending(budget) if isinstance(budget, Budget) else budget


def prompt_tokens(request: LlmRequest) -> int:
    """About how many tokens a request has, by its length: messages, instruction, and what is said of tools."""
    config = request.config
    length = sum(_length_of(content) for content in request.contents)
    length += len(str(config.system_instruction or "")) + sum(len(str(tool)) for tool in config.tools or ())
    return _tokens(length)


def _length_of(content: Content | None) -> int:
    """How long a message is, in characters; a file is as long as its tokens would be."""
    return sum(_part_length(part) for part in (content.parts if content is not None else None) or ())


def _part_length(part: Part) -> int:
    if part.text is not None:
        return len(part.text)
    if (call := part.function_call) is not None:
        return len(call.name or "") + len(str(call.args or ""))
    if (answer := part.function_response) is not None:
        return len(answer.name or "") + len(str(answer.response or ""))
    return TOKENS_PER_FILE * CHARACTERS_PER_TOKEN


def _tokens(length: int) -> int:
    return -(-length // CHARACTERS_PER_TOKEN)


def _amounts(usage: Usage) -> Amounts:
    """What a call used, but for the call itself."""
    counted = usage.total_token_count
    if counted is None:
        counted = sum(
            count or 0
            for count in (
                usage.prompt_token_count,
                usage.tool_use_prompt_token_count,
                usage.candidates_token_count,
                usage.thoughts_token_count,
            )
        )
    return Amounts(counted, usage.cost, 0, 0.0)
