# SPDX-License-Identifier: Apache-2.0
"""BaseAgent: what can run in a session. Its subclasses override ``_run_async_impl``."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast

from runwright import clock
from runwright.context import CallbackContext
from runwright.declared import Declared
from runwright.errors import ConfigurationError
from runwright.event import Event, EventActions
from runwright.invocation import InvocationContext
from runwright.plugin import Callbacks, first_answer
from runwright.record import Record
from runwright.types import Content, to_content


class BaseAgentState(Record):
    """What a custom agent saves of where it is: subclass it with fields that have defaults."""


class _Validating(Protocol):
    @classmethod
    def model_validate(cls, obj: Any, /) -> Self: ...


StateT = TypeVar("StateT", bound=_Validating)


class BaseAgent(Declared):
    """An agent: it is given an invocation and yields events.

    Attributes:
        name: A Python identifier, unique in its tree, and not ``user``.
        description: What it is good for, for agents that may pass the conversation on to it.
        sub_agents: Its children; an agent has one parent only.
        before_agent_callback: Called before it runs, one callable or a list; a returned message is its answer.
        after_agent_callback: Called when it is done; a returned message is added to what it said. A callback that also
            takes ``events`` gets the events of this run of the agent.
    """

    takes_handover: ClassVar[bool] = False
    """Whether an agent of this kind can pass the conversation on and have it passed back."""

    resumes_below: ClassVar[bool] = False
    """Whether an agent of this kind goes on with the agents below it when what they wait for is there."""

    name: str
    description: str = ""
    parent_agent: "BaseAgent | None" = None
    sub_agents: "list[BaseAgent]" = []
    before_agent_callback: Callbacks = None
    after_agent_callback: Callbacks = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.sub_agents = list(self.sub_agents)
        self.validate()
        self._adopt()

    def validate(self) -> None:
        """Raises what is wrong with the fields, when the agent is made. An override calls this one first.

        Raises:
            ConfigurationError: Something is; the message says what.
        """
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ConfigurationError(
                f"{self.name!r} cannot be an agent's name: use letters, digits and '_', and do not start with a digit"
            )
        if self.name == "user":
            raise ConfigurationError("An agent cannot be called 'user': that is who speaks to it")
        for child in self.sub_agents:
            if not isinstance(child, BaseAgent):
                raise ConfigurationError(f"{self.name!r} has {child!r} among its sub_agents, which is no agent")
            if child.parent_agent is not None and child.parent_agent is not self:
                raise ConfigurationError(
                    f"Agent {child.name!r} has a parent already, {child.parent_agent.name!r}: an agent has one parent "
                    f"only. Give {self.name!r} a copy: {child.name}.clone()"
                )
        seen: set[str] = set()
        for agent in self.tree():
            if agent.name in seen:
                raise ConfigurationError(
                    f"Two agents below {self.name!r} are called {agent.name!r}: names are unique in a tree of agents"
                )
            seen.add(agent.name)

    def _adopt(self) -> None:
        for child in self.sub_agents:
            child.parent_agent = self

    def tree(self) -> "Iterator[BaseAgent]":
        """This agent and all below it, each before its children."""
        yield self
        for child in self.sub_agents:
            yield from child.tree()

    @property
    def root_agent(self) -> "BaseAgent":
        """The agent at the top of the tree."""
        agent = self
        while agent.parent_agent is not None:
            agent = agent.parent_agent
        return agent

    def find_agent(self, name: str) -> "BaseAgent | None":
        """This agent or one below it, by name."""
        return self if self.name == name else self.find_sub_agent(name)

    def find_sub_agent(self, name: str) -> "BaseAgent | None":
        """One below this agent, by name."""
        for child in self.sub_agents:
            if (found := child.find_agent(name)) is not None:
                return found
        return None

    def clone(self, update: Mapping[str, Any] | None = None) -> Self:
        """A copy without a parent, its sub-agents copied too, with some fields replaced.

        Raises:
            ConfigurationError: A change does not fit, or an agent among new ``sub_agents`` has a parent.
        """
        changes = dict(update or {})
        if "parent_agent" in changes:
            raise ConfigurationError(
                "A clone has no parent: put it among the sub_agents of the agent that is to have it"
            )
        twin = self.model_copy(update={**changes, "parent_agent": None})
        for field, value in vars(twin).items():
            if type(value) is list and field not in changes and field != "sub_agents":
                setattr(twin, field, list(cast("list[Any]", value)))
        twin.sub_agents = list(changes.get("sub_agents", [child.clone() for child in self.sub_agents]))
        twin.validate()
        twin._adopt()
        return twin

    def check(self) -> None:
        """Raises what would keep the agent from running, before a run has done anything."""

    def check_live(self) -> None:
        """Raises what would keep the agent from running live, before a run has done anything.

        Raises:
            ConfigurationError: It cannot.
        """
        if type(self)._run_live_impl is BaseAgent._run_live_impl:
            raise ConfigurationError(
                f"Agent {self.name!r} cannot run live: {type(self).__name__} does not override _run_live_impl. Use "
                "run_async, or take it out of the tree of agents that is run live"
            )

    def run_async(self, parent_context: InvocationContext) -> AsyncGenerator[Event, None]:
        """Runs the agent with its callbacks.

        Args:
            parent_context: The context of whoever runs it.

        Yields:
            Its events, in order. The run goes on when the caller asks for the next one.
        """
        return self._run(parent_context, self._steps)

    def run_live(self, parent_context: InvocationContext) -> AsyncGenerator[Event, None]:
        """Runs the agent with its callbacks in both directions at once: it hears its user while it speaks.

        Args:
            parent_context: The context of whoever runs it, with the queue of what the user sends.
        """
        return self._run(parent_context, self._live_steps)

    async def _run(
        self, parent: InvocationContext, steps: Callable[[InvocationContext], AsyncGenerator[Event, None]]
    ) -> AsyncGenerator[Event, None]:
        """The agent with its callbacks, whichever way it runs."""
        ctx = self._context(parent)
        plugins = ctx.plugin_manager
        replay, has_begun = ctx.replay, False
        if replay is not None:
            names = {agent.name for agent in self.tree()}
            has_begun = replay.has_left(names, ctx.branch)
            if not has_begun and not replay.reached(ctx.branch):
                return  # It had ended, and said nothing.
        if self.before_agent_callback is not None or plugins.listens("before_agent_callback"):
            if replay is not None and has_begun:
                event = replay.take(self.name, ctx.branch, "before")
            else:
                event = await self._hooked("before", self.before_agent_callback, ctx)
            if event is not None:
                yield event
                if event.content is not None:
                    return
            if ctx.end_invocation:
                return
        collected: list[Event] | None = [] if self.after_agent_callback is not None else None
        try:
            async with aclosing(steps(ctx)) as events:
                async for event in events:
                    if collected is not None and not event.partial:
                        collected.append(event)
                    yield event
        except Exception as error:
            if plugins.listens("on_agent_error_callback"):
                context = CallbackContext(ctx)
                await plugins.tell("on_agent_error_callback", agent=self, callback_context=context, error=error)
            raise
        if ctx.end_invocation:
            return
        if collected is not None or plugins.listens("after_agent_callback"):
            if replay is not None and not replay.reached(ctx.branch):
                event = replay.take(self.name, ctx.branch, "after")
            else:
                more = {"events": collected or []}
                event = await self._hooked("after", self.after_agent_callback, ctx, **more)
            if event is not None:
                yield event

    def transfer_target(self, name: str) -> "BaseAgent":
        """The agent of this name in the whole tree, to whom the conversation is passed on.

        Raises:
            ConfigurationError: There is none.
        """
        found = self.root_agent.find_agent(name)
        if found is None:
            raise ConfigurationError(
                f"Agent {self.name!r} passed the conversation on to {name!r}, which is not in its tree of agents"
            )
        return found

    async def _steps(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """What the agent itself says and does; then the agent that it passed the conversation on to, if it did."""
        target: str | None = None
        replay = None if self.resumes_below else ctx.replay
        if ctx.agent_states or ctx.end_of_agents:
            ctx.set_agent_state(self.name)  # What it saved when it ran before in this run was of that time.
        if replay is not None:
            for event in replay.take_saved(self.name, {agent.name for agent in self.tree()}, ctx.branch):
                self._restore(event, ctx)
                yield event
            if ctx.end_of_agents.get(self.name):
                return
        async with aclosing(self._run_async_impl(ctx)) as events:
            async for event in events:
                if not event.partial:
                    target = self._completed(event, ctx, target)
                    if replay is not None and event.id not in replay.ids:
                        event = replay.take(event.author, ctx.branch) or event
                yield event
        if target is not None and not ctx.end_invocation:
            async with aclosing(self.transfer_target(target).run_async(ctx)) as events:
                async for event in events:
                    yield event

    async def _live_steps(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The same for live runs."""
        target: str | None = None
        async with aclosing(self._run_live_impl(ctx)) as events:
            async for event in events:
                if not event.partial:
                    target = self._completed(event, ctx, target)
                yield event
        if target is not None and not ctx.end_invocation:
            async with aclosing(self.transfer_target(target).run_live(ctx)) as events:
                async for event in events:
                    yield event

    def _restore(self, event: Event, ctx: InvocationContext) -> None:
        """Takes from an event of the log what the agent saved with it."""
        if event.author == self.name and (event.actions.agent_state is not None or event.actions.end_of_agent):
            end = bool(event.actions.end_of_agent)
            ctx.set_agent_state(self.name, agent_state=event.actions.agent_state, end_of_agent=end)

    def _load_agent_state(self, ctx: InvocationContext, state_type: type[StateT]) -> StateT | None:
        """What the agent had saved when the run stopped, for a custom agent; None where it starts from its beginning.

        ::

            state = self._load_agent_state(ctx, MyState) or MyState()
            ...
            state.step = 2
            ctx.set_agent_state(self.name, agent_state=state)
            yield self._create_agent_state_event(ctx)

        When the run goes on, what the agent and those below it did up to that event is not run again.
        """
        saved = ctx.agent_states.get(self.name)
        return None if saved is None else state_type.model_validate(saved)

    def _create_agent_state_event(self, ctx: InvocationContext) -> Event:
        """The event that stores what ``ctx.set_agent_state`` noted of the agent: yield it."""
        return Event(
            invocation_id=ctx.invocation_id,
            author=self.name,
            branch=ctx.branch,
            actions=EventActions(
                agent_state=ctx.agent_states.get(self.name), end_of_agent=ctx.end_of_agents.get(self.name) or None
            ),
        )

    def _completed(self, event: Event, ctx: InvocationContext, target: str | None) -> str | None:
        """Fills in what a custom agent left out of its event; gives whom it has passed the conversation on to."""
        event.author = event.author or self.name
        event.invocation_id = event.invocation_id or ctx.invocation_id
        event.branch = event.branch or ctx.branch
        if event.author == self.name:
            return event.actions.transfer_to_agent or target
        return None if event.author == target else target  # None: it ran the target itself

    def _context(self, parent: InvocationContext) -> InvocationContext:
        return parent.model_copy(update={"agent": self, "handover": parent.handover if self.takes_handover else None})

    def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """What the agent does: an ``async`` generator of events. A custom agent overrides this.

        An agent that runs others iterates ``child.run_async(ctx)`` and yields what it gets.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override _run_async_impl")

    def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        """The same for live runs: what the user sends is in ``ctx.live_request_queue``.

        An agent that runs others iterates ``child.run_live(ctx)``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override _run_live_impl")

    async def _hooked(self, when: str, callbacks: Callbacks, ctx: InvocationContext, **more: Any) -> Event | None:
        """Asks the plugins and then the agent's callbacks; gives the event that their answer makes, if any."""
        context = CallbackContext(ctx)
        hook = f"{when}_agent_callback"
        answer = await ctx.plugin_manager.first_answer(hook, agent=self, callback_context=context)
        if answer is None:
            answer = await first_answer(callbacks, callback_context=context, **more)
        content: Content | None = None if answer is None else to_content(answer, role="model")
        if content is None and not context.actions:
            return None
        return Event(
            id=f"{when}-{clock.new_id()}",
            invocation_id=ctx.invocation_id,
            author=self.name,
            branch=ctx.branch,
            content=content,
            actions=context.actions,
        )
