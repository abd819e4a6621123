"""Impacts inside an agent: budgets that end it gracefully, cheaper models, annotated answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired
from weakref import WeakKeyDictionary

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from impactree.adapters.guarding import guarded
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.langchain._answer import PendingCall, read_answer
from impactree.langchain._attach import ambient_trackers
from impactree.langchain._current import current_run_id
from impactree.runs.budget import BudgetWatch, ImpactBudget, Spent
from impactree.tracker import ImpactTracker
from impactree.values.criteria import CRITERIA

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
    from langchain.agents.middleware.types import PrivateStateAttr
except ImportError as error:
    raise MissingExtraError("agents", "langchain>=1.0") from error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain.agents.middleware import ModelRequest, ModelResponse
    from langchain_core.language_models import BaseChatModel

    from impactree.langchain._handler import ImpactHandler
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["ImpactMiddleware"]

_EVENT: Final = "impact"
_MAX_OPEN: Final = 10_000
_TOLD: Final = ("impact_budget", "impact_switched")


class _ImpactState(AgentState[Any]):
    impact_run: NotRequired[Annotated[str | None, PrivateStateAttr]]


class ImpactMiddleware(AgentMiddleware):  # unparametrised: langchain 1.0 takes fewer parameters
    """Middleware for ``langchain.agents.create_agent``.

    With an :class:`ImpactHandler` in the run's callbacks (or given here) it reads that handler's
    tree, sub-agents and tools included. Without one it counts this agent's own model calls.

    Args:
        handler: The handler to read; None: the one in the run's callbacks, if any.
        budget: Its ``action`` decides what happens when it is spent: ``raise`` ends the run with
            a message instead of the next model call, ``warn`` logs. What happened is told in
            ``response_metadata`` of the final message: ``impact_budget``, ``impact_switched``.
        annotate: Put a summary into ``response_metadata["impact"]`` of the final message.
        events: Dispatch a custom event ``impact`` after each model call.
        switch_to: A cheaper model for all calls once ``switch_at`` of the budget is spent.
        switch_at: A share of the budget in (0, 1].

    Raises:
        ConfigurationError: ``switch_to`` without a budget, or ``switch_at`` out of range.
    """

    state_schema = _ImpactState

    def __init__(
        self,
        handler: ImpactHandler | None = None,
        *,
        budget: ImpactBudget | None = None,
        annotate: bool = False,
        events: bool = False,
        switch_to: BaseChatModel | None = None,
        switch_at: float = 0.8,
    ) -> None:
        super().__init__()
        if switch_to is not None and budget is None:
            raise ConfigurationError("switch_to needs a budget whose share decides when to switch")
        if not 0 < switch_at <= 1:
            raise ConfigurationError(f"switch_at must be a share in (0, 1], not {switch_at!r}")
        self.handler = handler
        self.budget = budget
        self.annotate = annotate
        self.events = events
        self.switch_to = switch_to
        self.switch_at = switch_at
        # An agent that fails has no end here: what it leaves open is bounded.
        self._own = handler.tracker if handler else ImpactTracker(max_runs=1, max_open=_MAX_OPEN)
        self._watches: WeakKeyDictionary[ImpactTracker, BudgetWatch] = WeakKeyDictionary()

    @property
    def tracker(self) -> ImpactTracker:
        """What the agent that runs now is counted by; faults inside are noted there."""
        try:
            return self._followed_by() or self._own
        except Exception:  # it may be this that has failed
            return self._own

    @guarded
    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Open a run of its own where no handler follows the agent."""
        tracker = self._followed_by()
        if tracker is None or tracker.find(current_run_id(tracker)) is None:
            return {"impact_run": str(uuid.uuid4())}
        # A checkpointer may still hold that of an earlier turn.
        return None if state.get("impact_run") is None else {"impact_run": None}

    @hook_config(can_jump_to=["end"])
    @guarded
    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End the run with a message when the budget is spent."""
        spent = self._spent(state)
        if spent is None or spent.share < 1 or self.budget is None:
            return None
        if self.budget.action != "raise" or self.switch_to is not None:
            return None
        text = f"Stopped: the impact budget per {self.budget.per} is spent ({spent.text})."
        message = AIMessage(text, response_metadata={"impact_budget": f"exceeded: {spent.text}"})
        return {"messages": [message], "jump_to": "end"}

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Switch to the cheaper model if it is time, and tell what the call cost."""
        request = self._switched(request) or request
        response = handler(request)
        event = self._after_call(request, response)
        if event is not None:
            dispatch_custom_event(_EVENT, event)
        return response

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """The same, awaited."""
        request = self._switched(request) or request
        response = await handler(request)
        event = self._after_call(request, response)
        if event is not None:
            await adispatch_custom_event(_EVENT, event)
        return response

    @guarded
    def after_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Annotate the final message, and close the run of its own."""
        self._spent(state)  # the last call may have passed a threshold
        root = self._root(state)
        if state.get("impact_run") is not None:
            self._own.end(state["impact_run"])
        message = state["messages"][-1] if state.get("messages") else None
        if root is None or not isinstance(message, AIMessage | ToolMessage):
            return None
        told = {key: root.metadata[key] for key in _TOLD if key in root.metadata}
        if self.annotate:
            told["impact"] = summarize(root.total)
        if not told:
            return None
        metadata = {**message.response_metadata, **told}
        return {"messages": [message.model_copy(update={"response_metadata": metadata})]}

    # Inside

    def _followed_by(self) -> ImpactTracker | None:
        if self.handler is not None:
            return self.handler.tracker
        return next(iter(ambient_trackers()), None)

    def _counted_by(self, state: Any) -> ImpactTracker | None:
        return self._own if state.get("impact_run") is not None else self._followed_by()

    def _root(self, state: Any) -> Run | None:
        run_id = state.get("impact_run")
        if run_id is not None:  # started here, or before an interrupt in another process
            return self._own.start(run_id, name="agent", kind="agent")
        tracker = self._followed_by()
        run = None if tracker is None else tracker.find(current_run_id(tracker))
        return None if run is None else run.root

    def _spent(self, state: Any) -> Spent | None:
        if self.budget is None:
            return None
        tracker = self._counted_by(state)
        if tracker is None:
            return None
        watch = self._watches.get(tracker)
        if watch is None:
            watch = self._watches.setdefault(tracker, BudgetWatch(self.budget, tracker))
        return watch.check(self._root(state))

    @guarded
    def _switched(self, request: ModelRequest[Any]) -> ModelRequest[Any] | None:
        if self.switch_to is None:
            return None
        spent = self._spent(request.state)
        if spent is None or spent.share < self.switch_at:
            return None
        root, tracker = self._root(request.state), self._counted_by(request.state)
        if root is not None and tracker is not None and "impact_switched" not in root.metadata:
            name = _ls_params(self.switch_to).get("ls_model_name", "the cheaper model")
            told = {"impact_switched": f"to {name} at {spent.text}"}
            tracker.annotate(root.id, metadata=told)
        return request.override(model=self.switch_to)

    @guarded
    def _after_call(
        self, request: ModelRequest[Any], response: ModelResponse[Any]
    ) -> dict[str, Any] | None:
        """Count the call where no handler does; the event to dispatch, if any."""
        message = next((m for m in response.result if isinstance(m, AIMessage)), None)
        if message is None:
            return None
        run_id = request.state.get("impact_run")
        if run_id is None and not self.events:
            return None
        if run_id is not None:
            made = [self._recorded(request, message)]
        else:  # with a handler the call is in its tree by now, with its measured latency
            node = self.tracker.find(current_run_id(self.tracker))
            made = [] if node is None else node.calls
        call, impacts = (made[-1].call, made[-1].own) if made else (None, None)
        if not self.events or call is None or impacts is None:
            return None
        return {"model": call.model, "output_tokens": call.output_tokens, **summarize(impacts)}

    def _recorded(self, request: ModelRequest[Any], message: BaseMessage) -> Run:
        """The run of a call that no handler has seen."""
        pending = PendingCall(
            kind="chat",
            class_name=type(request.model).__name__,
            metadata=_ls_params(request.model),
        )
        result = LLMResult(generations=[[ChatGeneration(message=message)]])
        answer = read_answer(result, self._own.note_problem)
        call, root = pending.call(answer, None), self._root(request.state)
        run = self._own.start(uuid.uuid4(), root and root.id, name=call.model, kind="chat")
        self._own.end(run.id, call=call, cached=answer.cached)
        return run


def _ls_params(model: Any) -> dict[str, Any]:
    """What a model tells of its name; nothing, where it is chosen at the call."""
    try:
        return dict(model._get_ls_params())
    except AttributeError:
        return {}


def summarize(impacts: Impacts) -> dict[str, Any]:
    """A compact summary: plain numbers in the units of the keys, and what they cover."""
    if not impacts.estimated:
        return {"estimated": False, "errors": [error.code for error in impacts.errors]}
    values = {
        criterion.everyday: impact and (impact.value * criterion.everyday_factor).to_dict()
        for criterion in CRITERIA
        for impact in [getattr(impacts, criterion.key)]
    }
    return {
        "estimated": True,
        **values,
        "calls": impacts.estimated_calls,
        "calls_not_estimated": impacts.unestimated_calls,
        "grade": impacts.grade,
        "warnings": [warning.code for warning in impacts.warnings],
    }
