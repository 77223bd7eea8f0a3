# SPDX-License-Identifier: Apache-2.0
"""Runwright: an execution engine for AI agents.

The public names, each loaded when it is first used, so that importing the package costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright import types as types
    from runwright.agent import BaseAgent as BaseAgent
    from runwright.agent import BaseAgentState as BaseAgentState
    from runwright.agents.llm import Agent as Agent
    from runwright.agents.llm import LlmAgent as LlmAgent
    from runwright.agents.loop import LoopAgent as LoopAgent
    from runwright.agents.loop import exit_loop as exit_loop
    from runwright.agents.parallel import ParallelAgent as ParallelAgent
    from runwright.agents.sequential import SequentialAgent as SequentialAgent
    from runwright.app import App as App
    from runwright.app import ContextCacheConfig as ContextCacheConfig
    from runwright.app import EventsCompactionConfig as EventsCompactionConfig
    from runwright.app import ResumabilityConfig as ResumabilityConfig
    from runwright.artifact import ArtifactVersion as ArtifactVersion
    from runwright.artifact import BaseArtifactService as BaseArtifactService
    from runwright.artifacts.file import FileArtifactService as FileArtifactService
    from runwright.artifacts.in_memory import InMemoryArtifactService as InMemoryArtifactService
    from runwright.artifacts.object_store import GcsArtifactService as GcsArtifactService
    from runwright.artifacts.object_store import ObjectStoreArtifactService as ObjectStoreArtifactService
    from runwright.artifacts.object_store import S3ArtifactService as S3ArtifactService
    from runwright.budget import Budget as Budget
    from runwright.code_executor import BaseCodeExecutor as BaseCodeExecutor
    from runwright.code_executor import CodeExecutionInput as CodeExecutionInput
    from runwright.code_executor import CodeExecutionResult as CodeExecutionResult
    from runwright.code_executor import File as File
    from runwright.code_executors.built_in import BuiltInCodeExecutor as BuiltInCodeExecutor
    from runwright.code_executors.sandboxed import SandboxedCodeExecutor as SandboxedCodeExecutor
    from runwright.config import RunConfig as RunConfig
    from runwright.config import RunnerConfig as RunnerConfig
    from runwright.config import StreamingMode as StreamingMode
    from runwright.config import ToolThreadPoolConfig as ToolThreadPoolConfig
    from runwright.connection import BaseLlmConnection as BaseLlmConnection
    from runwright.context import CallbackContext as CallbackContext
    from runwright.context import Context as Context
    from runwright.context import ReadonlyContext as ReadonlyContext
    from runwright.context import ToolContext as ToolContext
    from runwright.credential import AuthConfig as AuthConfig
    from runwright.credential import AuthCredential as AuthCredential
    from runwright.credential import AuthCredentialTypes as AuthCredentialTypes
    from runwright.credential import AuthScheme as AuthScheme
    from runwright.credential import BaseCredentialService as BaseCredentialService
    from runwright.credential import HttpAuth as HttpAuth
    from runwright.credential import HttpCredentials as HttpCredentials
    from runwright.credential import OAuth2Auth as OAuth2Auth
    from runwright.credential import OpenIdConnectWithConfig as OpenIdConnectWithConfig
    from runwright.credential import token_to_scheme_credential as token_to_scheme_credential
    from runwright.credentials.encrypted import EncryptedCredentialService as EncryptedCredentialService
    from runwright.credentials.in_memory import InMemoryCredentialService as InMemoryCredentialService
    from runwright.credentials.session_state import SessionStateCredentialService as SessionStateCredentialService
    from runwright.durable import CallRecord as CallRecord
    from runwright.durable import DurableSessionService as DurableSessionService
    from runwright.durable import RunRecord as RunRecord
    from runwright.errors import RunwrightError as RunwrightError
    from runwright.event import Event as Event
    from runwright.event import EventActions as EventActions
    from runwright.event import LlmResponse as LlmResponse
    from runwright.event import ToolConfirmation as ToolConfirmation
    from runwright.flow.transfer import transfer_to_agent as transfer_to_agent
    from runwright.invocation import InvocationContext as InvocationContext
    from runwright.live.queue import LiveRequest as LiveRequest
    from runwright.live.queue import LiveRequestQueue as LiveRequestQueue
    from runwright.memories.embedders import GeminiEmbedder as GeminiEmbedder
    from runwright.memories.embedders import HashingEmbedder as HashingEmbedder
    from runwright.memories.embedders import OpenAIEmbedder as OpenAIEmbedder
    from runwright.memories.embedders import SentenceTransformerEmbedder as SentenceTransformerEmbedder
    from runwright.memories.in_memory import InMemoryMemoryService as InMemoryMemoryService
    from runwright.memories.postgres import PostgresMemoryService as PostgresMemoryService
    from runwright.memories.sqlite import SqliteMemoryService as SqliteMemoryService
    from runwright.memory import BaseMemoryService as BaseMemoryService
    from runwright.memory import Embedder as Embedder
    from runwright.memory import MemoryEntry as MemoryEntry
    from runwright.memory import SearchMemoryResponse as SearchMemoryResponse
    from runwright.model import BaseLlm as BaseLlm
    from runwright.model import LLMRegistry as LLMRegistry
    from runwright.model import LlmRequest as LlmRequest
    from runwright.models.anthropic import Claude as Claude
    from runwright.models.anthropic import PromptCache as PromptCache
    from runwright.models.fallback import FallbackModel as FallbackModel
    from runwright.models.gemini import Gemini as Gemini
    from runwright.models.litellm import LiteLlm as LiteLlm
    from runwright.models.openai import OpenAI as OpenAI
    from runwright.models.retry import RetryPolicy as RetryPolicy
    from runwright.planner import BasePlanner as BasePlanner
    from runwright.planner import BuiltInPlanner as BuiltInPlanner
    from runwright.planner import PlanReActPlanner as PlanReActPlanner
    from runwright.plugin import BasePlugin as BasePlugin
    from runwright.plugins.context_filter import ContextFilterPlugin as ContextFilterPlugin
    from runwright.plugins.debug_logging import DebugLoggingPlugin as DebugLoggingPlugin
    from runwright.plugins.global_instruction import GlobalInstructionPlugin as GlobalInstructionPlugin
    from runwright.plugins.logging import LoggingPlugin as LoggingPlugin
    from runwright.plugins.retry import ReflectAndRetryToolPlugin as ReflectAndRetryToolPlugin
    from runwright.plugins.retry import TrackingScope as TrackingScope
    from runwright.plugins.save_files import SaveFilesAsArtifactsPlugin as SaveFilesAsArtifactsPlugin
    from runwright.request import RunRequest as RunRequest
    from runwright.run import Run as Run
    from runwright.runner import InMemoryRunner as InMemoryRunner
    from runwright.runner import Runner as Runner
    from runwright.runner import run_agent as run_agent
    from runwright.server.mcp import to_mcp_server as to_mcp_server
    from runwright.session import BaseSessionService as BaseSessionService
    from runwright.session import GetSessionConfig as GetSessionConfig
    from runwright.session import Session as Session
    from runwright.sessions.database import DatabaseSessionService as DatabaseSessionService
    from runwright.sessions.file import FileSessionService as FileSessionService
    from runwright.sessions.in_memory import InMemorySessionService as InMemorySessionService
    from runwright.sessions.postgres import PostgresSessionService as PostgresSessionService
    from runwright.sessions.sqlite import SqliteSessionService as SqliteSessionService
    from runwright.state import State as State
    from runwright.tool import BaseTool as BaseTool
    from runwright.tool import BaseToolset as BaseToolset
    from runwright.tool import FunctionTool as FunctionTool
    from runwright.tool import LongRunningFunctionTool as LongRunningFunctionTool
    from runwright.tools.agent_tool import AgentTool as AgentTool
    from runwright.tools.artifacts import LoadArtifactsTool as LoadArtifactsTool
    from runwright.tools.artifacts import load_artifacts as load_artifacts
    from runwright.tools.authenticated_function_tool import AuthenticatedFunctionTool as AuthenticatedFunctionTool
    from runwright.tools.crewai import CrewaiTool as CrewaiTool
    from runwright.tools.langchain import LangchainTool as LangchainTool
    from runwright.tools.mcp import McpToolset as McpToolset
    from runwright.tools.mcp import SseConnectionParams as SseConnectionParams
    from runwright.tools.mcp import StdioConnectionParams as StdioConnectionParams
    from runwright.tools.mcp import StdioServerParameters as StdioServerParameters
    from runwright.tools.mcp import StreamableHTTPConnectionParams as StreamableHTTPConnectionParams
    from runwright.tools.memory import LoadMemoryTool as LoadMemoryTool
    from runwright.tools.memory import PreloadMemoryTool as PreloadMemoryTool
    from runwright.tools.memory import load_memory as load_memory
    from runwright.tools.memory import preload_memory as preload_memory
    from runwright.tools.native import GoogleSearchTool as GoogleSearchTool
    from runwright.tools.native import UrlContextTool as UrlContextTool
    from runwright.tools.native import enterprise_web_search as enterprise_web_search
    from runwright.tools.native import google_maps_grounding as google_maps_grounding
    from runwright.tools.native import google_search as google_search
    from runwright.tools.native import url_context as url_context
    from runwright.tools.openapi import OpenAPIToolset as OpenAPIToolset
    from runwright.tools.openapi import RestApiTool as RestApiTool
    from runwright.tools.user_choice import get_user_choice as get_user_choice
    from runwright.workflow.base import BaseNode as BaseNode
    from runwright.workflow.base import JoinNode as JoinNode
    from runwright.workflow.context import NodeContext as NodeContext
    from runwright.workflow.graph import DEFAULT_ROUTE as DEFAULT_ROUTE
    from runwright.workflow.graph import START as START
    from runwright.workflow.graph import Edge as Edge
    from runwright.workflow.pause import RequestInput as RequestInput
    from runwright.workflow.retry import RetryConfig as RetryConfig
    from runwright.workflow.workflow import Workflow as Workflow
    from runwright.workflow.wrapped import node as node

__version__ = "0.1.0"

_HOMES = {
    "agent": ("BaseAgent", "BaseAgentState"),
    "agents.llm": ("Agent", "LlmAgent"),
    "agents.loop": ("LoopAgent", "exit_loop"),
    "agents.parallel": ("ParallelAgent",),
    "agents.sequential": ("SequentialAgent",),
    "app": ("App", "ContextCacheConfig", "EventsCompactionConfig", "ResumabilityConfig"),
    "artifact": ("ArtifactVersion", "BaseArtifactService"),
    "artifacts.file": ("FileArtifactService",),
    "artifacts.in_memory": ("InMemoryArtifactService",),
    "artifacts.object_store": ("GcsArtifactService", "ObjectStoreArtifactService", "S3ArtifactService"),
    "budget": ("Budget",),
    "code_executor": ("BaseCodeExecutor", "CodeExecutionInput", "CodeExecutionResult", "File"),
    "code_executors.built_in": ("BuiltInCodeExecutor",),
    "code_executors.sandboxed": ("SandboxedCodeExecutor",),
    "config": ("RunConfig", "RunnerConfig", "StreamingMode", "ToolThreadPoolConfig"),
    "connection": ("BaseLlmConnection",),
    "context": ("CallbackContext", "Context", "ReadonlyContext", "ToolContext"),
    "credential": (
        *("AuthConfig", "AuthCredential", "AuthCredentialTypes", "AuthScheme", "BaseCredentialService", "HttpAuth"),
        *("HttpCredentials", "OAuth2Auth", "OpenIdConnectWithConfig", "token_to_scheme_credential"),
    ),
    "credentials.encrypted": ("EncryptedCredentialService",),
    "credentials.in_memory": ("InMemoryCredentialService",),
    "credentials.session_state": ("SessionStateCredentialService",),
    "durable": ("CallRecord", "DurableSessionService", "RunRecord"),
    "errors": ("RunwrightError",),
    "event": ("Event", "EventActions", "LlmResponse", "ToolConfirmation"),
    "flow.transfer": ("transfer_to_agent",),
    "invocation": ("InvocationContext",),
    "live.queue": ("LiveRequest", "LiveRequestQueue"),
    "memories.embedders": ("GeminiEmbedder", "HashingEmbedder", "OpenAIEmbedder", "SentenceTransformerEmbedder"),
    "memories.in_memory": ("InMemoryMemoryService",),
    "memories.postgres": ("PostgresMemoryService",),
    "memories.sqlite": ("SqliteMemoryService",),
    "memory": ("BaseMemoryService", "Embedder", "MemoryEntry", "SearchMemoryResponse"),
    "model": ("BaseLlm", "LLMRegistry", "LlmRequest"),
    "models.anthropic": ("Claude", "PromptCache"),
    "models.fallback": ("FallbackModel",),
    "models.gemini": ("Gemini",),
    "models.litellm": ("LiteLlm",),
    "models.openai": ("OpenAI",),
    "models.retry": ("RetryPolicy",),
    "planner": ("BasePlanner", "BuiltInPlanner", "PlanReActPlanner"),
    "plugin": ("BasePlugin",),
    "plugins.context_filter": ("ContextFilterPlugin",),
    "plugins.debug_logging": ("DebugLoggingPlugin",),
    "plugins.global_instruction": ("GlobalInstructionPlugin",),
    "plugins.logging": ("LoggingPlugin",),
    "plugins.retry": ("ReflectAndRetryToolPlugin", "TrackingScope"),
    "plugins.save_files": ("SaveFilesAsArtifactsPlugin",),
    "request": ("RunRequest",),
    "run": ("Run",),
    "runner": ("InMemoryRunner", "Runner", "run_agent"),
    "server.mcp": ("to_mcp_server",),
    "session": ("BaseSessionService", "GetSessionConfig", "Session"),
    "sessions.database": ("DatabaseSessionService",),
    "sessions.file": ("FileSessionService",),
    "sessions.in_memory": ("InMemorySessionService",),
    "sessions.postgres": ("PostgresSessionService",),
    "sessions.sqlite": ("SqliteSessionService",),
    "state": ("State",),
    "tool": ("BaseTool", "BaseToolset", "FunctionTool", "LongRunningFunctionTool"),
    "tools.agent_tool": ("AgentTool",),
    "tools.artifacts": ("LoadArtifactsTool", "load_artifacts"),
    "tools.crewai": ("CrewaiTool",),
    "tools.langchain": ("LangchainTool",),
    "tools.authenticated_function_tool": ("AuthenticatedFunctionTool",),
    "tools.mcp": (
        *("McpToolset", "SseConnectionParams", "StdioConnectionParams", "StdioServerParameters"),
        "StreamableHTTPConnectionParams",
    ),
    "tools.memory": ("LoadMemoryTool", "PreloadMemoryTool", "load_memory", "preload_memory"),
    "tools.native": (
        *("GoogleSearchTool", "UrlContextTool", "enterprise_web_search", "google_maps_grounding", "google_search"),
        "url_context",
    ),
    "tools.openapi": ("OpenAPIToolset", "RestApiTool"),
    "tools.user_choice": ("get_user_choice",),
    "workflow.base": ("BaseNode", "JoinNode"),
    "workflow.context": ("NodeContext",),
    "workflow.graph": ("DEFAULT_ROUTE", "START", "Edge"),
    "workflow.pause": ("RequestInput",),
    "workflow.retry": ("RetryConfig",),
    "workflow.workflow": ("Workflow",),
    "workflow.wrapped": ("node",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["types", *sorted(_HOME_OF)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        if name in ("types", "errors"):
            return importlib.import_module(f"runwright.{name}")
        raise AttributeError(f"module 'runwright' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"runwright.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
