"""Arguments of `create`, a client and an answer -> span attributes other than content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from spanwarden import names
from spanwarden.encode import fields_of, sendable

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
}
_RAW_HEADER: Final = "X-Stainless-Raw-Response"
_OUTPUT_TYPES: Final[Mapping[str, str]] = {"text": "text", "json_object": "json", "json_schema": "json"}
_USAGE: Final = (
    ("prompt_tokens", None, names.USAGE_INPUT),
    ("completion_tokens", None, names.USAGE_OUTPUT),
    ("prompt_tokens_details", "cached_tokens", names.USAGE_CACHE_READ),
    ("prompt_tokens_details", "audio_tokens", names.USAGE_AUDIO_INPUT),
    ("completion_tokens_details", "reasoning_tokens", names.USAGE_REASONING),
    ("completion_tokens_details", "audio_tokens", names.USAGE_AUDIO_OUTPUT),
)


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
        known = self._known.get(client)
        if known is not None and known[0] is url:
            return known[1]
        endpoint = _endpoint(client, url)
        self._known[client] = (url, endpoint)
        return endpoint


def _endpoint(client: Any, url: Any) -> Endpoint:
    host = str(url.host)
    azure = "Azure" in type(client).__name__ or host.endswith(".openai.azure.com")
    provider = "azure.ai.openai" if azure else _PROVIDERS.get(host, "openai")
    return Endpoint(provider, host, url.port or (80 if url.scheme == "http" else 443))


def reread(value: Any) -> Any:
    """An iterable that can be read twice: the same object if it already can, else a list of what it yields."""
    if type(value) is list or not isinstance(value, Iterable) or isinstance(value, Sized):
        return value
    return list(value)


def snapshot(value: Any) -> Sequence[Any]:
    """The items now, so that a list which the caller changes meanwhile is recorded as it was sent."""
    if isinstance(value, list | tuple):
        return value[:]
    if isinstance(value, Mapping | str | bytes) or not isinstance(value, Iterable):
        return ()
    return list(value)


def answer_of(response: Any, arguments: Mapping[str, Any]) -> Any:
    """The answer itself where the caller asked for the raw response; nothing where its body is still unread."""
    headers = arguments.get("extra_headers")
    raw = headers.get(_RAW_HEADER) if isinstance(headers, Mapping) else None
    if raw is None:
        return response
    return response.parse() if raw == "true" else None


def start_attributes(endpoint: Endpoint, model: Any) -> dict[str, Any]:
    """What a sampler may look at."""
    attributes: dict[str, Any] = {
        names.OPERATION: "chat",
        names.PROVIDER: endpoint.provider,
        names.SERVER_ADDRESS: endpoint.address,
        names.SERVER_PORT: endpoint.port,
    }
    if isinstance(model, str):
        attributes[names.REQUEST_MODEL] = sendable(model)
    return attributes


def request_attributes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the request asks for. The client's "not given" values are of none of the types that count here."""
    attributes: dict[str, Any] = {names.API_TYPE: "chat_completions"}
    for name, value in arguments.items():
        if name in _NUMBERS:
            if isinstance(value, int | float):
                attributes[_NUMBERS[name]] = float(value)
        elif name in _INTEGERS:
            if isinstance(value, int):
                attributes[_INTEGERS[name]] = value
        elif name in _OTHERS:
            attributes.update(_OTHERS[name](value))
    return attributes


def _choice_count(value: Any) -> dict[str, Any]:
    return {names.CHOICE_COUNT: value} if isinstance(value, int) and value != 1 else {}


def _stop_sequences(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {names.REQUEST_STOP_SEQUENCES: (sendable(value),)}
    if isinstance(value, list | tuple):
        return {names.REQUEST_STOP_SEQUENCES: tuple(sendable(str(item)) for item in value)}
    return {}


def _reasoning_level(value: Any) -> dict[str, Any]:
    return {names.REQUEST_REASONING_LEVEL: value} if isinstance(value, str) else {}


def _service_tier(value: Any) -> dict[str, Any]:
    return {names.REQUEST_SERVICE_TIER: value} if isinstance(value, str) and value != "auto" else {}


def _output_type(value: Any) -> dict[str, Any]:
    output_type = _OUTPUT_TYPES.get(str(fields_of(value).get("type")))
    return {names.OUTPUT_TYPE: output_type} if output_type else {}


_OTHERS: Final = {
    "n": _choice_count,
    "stop": _stop_sequences,
    "reasoning_effort": _reasoning_level,
    "service_tier": _service_tier,
    "response_format": _output_type,
}


def response_attributes(response: Any) -> dict[str, Any]:
    """What the answer says of itself. Fields that a compatible server leaves out are left out."""
    fields = fields_of(response)
    attributes: dict[str, Any] = {}
    for field, attribute in (
        ("id", names.RESPONSE_ID),
        ("model", names.RESPONSE_MODEL),
        ("service_tier", names.RESPONSE_SERVICE_TIER),
        ("system_fingerprint", names.RESPONSE_SYSTEM_FINGERPRINT),
    ):
        value = fields.get(field)
        if isinstance(value, str) and value:
            attributes[attribute] = sendable(value)
    _add_usage(attributes, fields_of(fields.get("usage")))
    return attributes


def _add_usage(attributes: dict[str, Any], usage: Mapping[str, Any]) -> None:
    for field, detail, attribute in _USAGE:
        value = usage.get(field)
        if detail is not None:
            value = fields_of(value).get(detail) or None if value is not None else None
        if isinstance(value, int):
            attributes[attribute] = value
