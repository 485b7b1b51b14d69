"""Names of attributes, spans and events: the GenAI semantic conventions as of November 2026, and our own.

The conventions have no package of constants for their newest names, so the ones in use stand here.
"""

from typing import Final

SCOPE: Final = "spanwarden.instrumentation.openai"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
API_TYPE: Final = "openai.api.type"
ERROR_TYPE: Final = "error.type"

OUTPUT_TYPE: Final = "gen_ai.output.type"
CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_STREAM_CURSOR: Final = "gen_ai.request.stream_cursor"
REQUEST_PREVIOUS_RESPONSE: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"

RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_STATUS: Final = "gen_ai.response.status"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"

USAGE_INPUT: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_OF_MODALITY: Final = "gen_ai.usage.{modality}.{count}"
"""The part of a count, `input_tokens` say, that is of one modality."""
MODALITIES: Final = ("text", "image", "audio")
TOKEN_MODALITY: Final = "gen_ai.token.modality"

EMBEDDING_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
RESEND_COUNT: Final = "http.request.resend_count"
REQUEST_ID: Final = "http.response.header.x-request-id"

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_COMPACTED: Final = "gen_ai.conversation.compacted"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"

INFERENCE_EVENT: Final = "gen_ai.client.inference.operation.details"

SESSION_ID: Final = "spanwarden.session.id"
INFERRED: Final = "spanwarden.inferred"
STEP: Final = "spanwarden.step"
REASONING_KIND: Final = "spanwarden.reasoning.kind"
TRUNCATED: Final = "spanwarden.truncated"
OMITTED: Final = "spanwarden.omitted"
OMITTED_MESSAGES: Final = "spanwarden.omitted_messages"
CONTENT: Final = "spanwarden.content"

FOREIGN_INFERENCE_KEY: Final = "opentelemetry.genai.client.inference.context"
"""The context key under which the OpenTelemetry GenAI packages keep an open invocation."""
