"""Arguments of `create`, a client and an answer -> span attributes other than content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from spanwarden import names
from spanwarden.encode import fields_of, id_in, sendable

_PROVIDERS: Final[Mapping[str, str]] = {
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
}
"""Hosts of providers whose service the client speaks to; all others count as `openai`, whose API it is."""

_NUMBERS: Final[Mapping[str, str]] = {
    "temperature": names.REQUEST_TEMPERATURE,
    "top_p": names.REQUEST_TOP_P,
    "frequency_penalty": names.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": names.REQUEST_PRESENCE_PENALTY,
}
_INTEGERS: Final[Mapping[str, str]] = {
    "seed": names.REQUEST_SEED,
    "max_tokens": names.REQUEST_MAX_TOKENS,
    "max_completion_tokens": names.REQUEST_MAX_TOKENS,
    "max_output_tokens": names.REQUEST_MAX_TOKENS,
}
_INT64_MAX: Final = 2**63 - 1
"""Wider integers cannot be sent."""
_OUTPUT_TYPES: Final[Mapping[str, str]] = {"text": "text", "json_object": "json", "json_schema": "json"}
_USAGE: Final[Mapping[str, str]] = {
    "prompt_tokens": names.USAGE_INPUT,
    "input_tokens": names.USAGE_INPUT,
    "completion_tokens": names.USAGE_OUTPUT,
    "output_tokens": names.USAGE_OUTPUT,
}
"""Token counts by their field, in the spelling of chat completions and of Responses; details in Realtime's too."""


def _by_modality(count: str) -> dict[str, str]:
    return {f"{each}_tokens": names.USAGE_OF_MODALITY.format(modality=each, count=count) for each in names.MODALITIES}


_INPUT_DETAILS: Final[Mapping[str, str]] = {
    "cached_tokens": names.USAGE_CACHE_READ,
    "cache_write_tokens": names.USAGE_CACHE_WRITE,
    **_by_modality("input_tokens"),
}
_OUTPUT_DETAILS: Final[Mapping[str, str]] = {
    "reasoning_tokens": names.USAGE_REASONING,
    **_by_modality("output_tokens"),
}
_CACHED: Final = "cached_tokens_details"
_CACHED_DETAILS: Final[Mapping[str, str]] = _by_modality("cache_read.input_tokens")
_USAGE_DETAILS: Final[Mapping[str, Mapping[str, str]]] = {
    "prompt_tokens_details": _INPUT_DETAILS,
    "input_tokens_details": _INPUT_DETAILS,
    "input_token_details": _INPUT_DETAILS,
    "completion_tokens_details": _OUTPUT_DETAILS,
    "output_tokens_details": _OUTPUT_DETAILS,
    "output_token_details": _OUTPUT_DETAILS,
}
_RESPONSE: Final = (
    ("id", names.RESPONSE_ID),
    ("model", names.RESPONSE_MODEL),
    ("service_tier", names.RESPONSE_SERVICE_TIER),
    ("system_fingerprint", names.RESPONSE_SYSTEM_FINGERPRINT),
)


def int64(value: int) -> int:
    """The same number, or the nearest one that can be sent."""
    return value if -_INT64_MAX <= value <= _INT64_MAX else _INT64_MAX if value > 0 else -_INT64_MAX


class Endpoint(NamedTuple):
    """Whom a client talks to."""

    provider: str
    address: str
    port: int


class Endpoints:
    """Endpoints by client: taking a URL apart costs more than all other attributes of a request together."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, tuple[Any, Endpoint]] = WeakKeyDictionary()

    def of(self, client: Any) -> Endpoint:
        """The endpoint of a client; its base address may be changed between calls."""
        url = client.base_url
        try:
            known = self._known.get(client)
            if known is not None and known[0] is url:
                return known[1]
            endpoint = _endpoint(client, url)
            self._known[client] = (url, endpoint)
        except TypeError:  # a stand-in for a client that cannot be referred to weakly
            return _endpoint(client, url)
        return endpoint


def _endpoint(client: Any, url: Any) -> Endpoint:
    host = str(url.host)
    azure = "Azure" in type(client).__name__ or host.endswith(".openai.azure.com")
    provider = "azure.ai.openai" if azure else _PROVIDERS.get(host, "openai")
    return Endpoint(provider, host, url.port or (80 if url.scheme == "http" else 443))


def is_read_once(value: Any) -> bool:
    """Whether a value is an iterable that may be used up by reading it."""
    return isinstance(value, Iterable) and not isinstance(value, Sized)


def start_attributes(endpoint: Endpoint, operation: str, model: Any) -> dict[str, Any]:
    """What a sampler may look at."""
    attributes: dict[str, Any] = {
        names.OPERATION: operation,
        names.PROVIDER: endpoint.provider,
        names.SERVER_ADDRESS: endpoint.address,
        names.SERVER_PORT: endpoint.port,
    }
    if isinstance(model, str):
        attributes[names.REQUEST_MODEL] = sendable(model)
    return attributes


def request_attributes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the request asks for. The client's "not given" values are of none of the types that count here."""
    attributes: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in _NUMBERS:
            if isinstance(value, int | float):
                attributes[_NUMBERS[name]] = float(int64(value) if isinstance(value, int) else value)
        elif name in _INTEGERS:
            if isinstance(value, int):
                attributes[_INTEGERS[name]] = int64(value)
        elif name in _OTHERS:
            attributes.update(_OTHERS[name](value))
    return attributes


def _choice_count(value: Any) -> dict[str, Any]:
    return {names.CHOICE_COUNT: int64(value)} if isinstance(value, int) and value != 1 else {}


def _stop_sequences(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {names.REQUEST_STOP_SEQUENCES: (sendable(value),)}
    if isinstance(value, list | tuple):
        return {names.REQUEST_STOP_SEQUENCES: tuple(sendable(str(item)) for item in value)}
    return {}


def _reasoning_level(value: Any) -> dict[str, Any]:
    return {names.REQUEST_REASONING_LEVEL: sendable(value)} if isinstance(value, str) else {}


def _service_tier(value: Any) -> dict[str, Any]:
    return {names.REQUEST_SERVICE_TIER: sendable(value)} if isinstance(value, str) and value != "auto" else {}


def _output_type(value: Any) -> dict[str, Any]:
    if isinstance(value, type):  # a model that the client parses the answer into
        return {names.OUTPUT_TYPE: "json"}
    output_type = _OUTPUT_TYPES.get(str(fields_of(value).get("type")))
    return {names.OUTPUT_TYPE: output_type} if output_type else {}


def _reasoning(value: Any) -> dict[str, Any]:
    return _reasoning_level(fields_of(value).get("effort"))


def _text_format(value: Any) -> dict[str, Any]:
    return _output_type(fields_of(value).get("format"))


def _text_type(value: Any) -> dict[str, Any]:
    return {names.OUTPUT_TYPE: "json"} if isinstance(value, type) else {}


def _stream(value: Any) -> dict[str, Any]:
    return {names.REQUEST_STREAM: True} if value is True else {}


def _previous_response(value: Any) -> dict[str, Any]:
    return {names.REQUEST_PREVIOUS_RESPONSE: sendable(value)} if isinstance(value, str) else {}


def _conversation(value: Any) -> dict[str, Any]:
    name = id_in(value)
    return {names.CONVERSATION_ID: sendable(name)} if name else {}


def _prompt(value: Any) -> dict[str, Any]:
    fields = fields_of(value)
    named = ((names.PROMPT_NAME, fields.get("id")), (names.PROMPT_VERSION, fields.get("version")))
    return {key: sendable(text) for key, text in named if isinstance(text, str)}


def _encoding_format(value: Any) -> dict[str, Any]:
    return {names.REQUEST_ENCODING_FORMATS: (sendable(value),)} if isinstance(value, str) else {}


def _dimensions(value: Any) -> dict[str, Any]:
    return {names.EMBEDDING_DIMENSIONS: int64(value)} if isinstance(value, int) else {}


def _stream_cursor(value: Any) -> dict[str, Any]:
    return {names.REQUEST_STREAM_CURSOR: str(value)} if isinstance(value, int) else {}


def _asked_for(value: Any) -> dict[str, Any]:
    return {names.RESPONSE_ID: sendable(value)} if isinstance(value, str) and value else {}


def _modalities(value: Any) -> dict[str, Any]:
    return {names.OUTPUT_TYPE: "speech"} if isinstance(value, list | tuple) and "audio" in value else {}


_OTHERS: Final = {
    "modalities": _modalities,
    "output_modalities": _modalities,
    "starting_after": _stream_cursor,
    "response_id": _asked_for,
    "run_id": _asked_for,
    "reasoning": _reasoning,
    "text": _text_format,
    "text_format": _text_type,
    "stream": _stream,
    "previous_response_id": _previous_response,
    "conversation": _conversation,
    "prompt": _prompt,
    "encoding_format": _encoding_format,
    "dimensions": _dimensions,
    "n": _choice_count,
    "stop": _stop_sequences,
    "reasoning_effort": _reasoning_level,
    "service_tier": _service_tier,
    "response_format": _output_type,
}


def response_attributes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the answer says of itself. Fields that a compatible server leaves out are left out."""
    attributes: dict[str, Any] = {}
    for field, attribute in _RESPONSE:
        value = fields.get(field)
        if value and isinstance(value, str):
            attributes[attribute] = sendable(value)
    usage = fields.get("usage")
    if usage is not None:
        _add_usage(attributes, fields_of(usage))
    return attributes


def _add_usage(attributes: dict[str, Any], usage: Mapping[str, Any]) -> None:
    """Token counts. Those of details are left out where they are zero."""
    for field, value in usage.items():
        if type(value) is int:
            if field in _USAGE:
                attributes[_USAGE[field]] = int64(value)
        elif value is not None and field in _USAGE_DETAILS:
            details = fields_of(value)
            _add_details(attributes, details, _USAGE_DETAILS[field])
            if details.get(_CACHED):
                _add_details(attributes, fields_of(details[_CACHED]), _CACHED_DETAILS)


def _add_details(attributes: dict[str, Any], details: Mapping[str, Any], named: Mapping[str, str]) -> None:
    for detail, count in details.items():
        if count and type(count) is int and detail in named:
            attributes[named[detail]] = int64(count)
