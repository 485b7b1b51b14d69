"""Spans for every reasoning step and tool call of an agent that uses the `openai` client.

Under `opentelemetry-instrument` nothing needs to be called. `tool`, `agent` and `reasoning` let a program say what
otherwise is inferred.
"""

from spanwarden.instrumentor import SpanwardenInstrumentor
from spanwarden.manual import AgentRun, ToolCall, agent, reasoning, tool

__all__ = ["AgentRun", "SpanwardenInstrumentor", "ToolCall", "agent", "reasoning", "tool"]
