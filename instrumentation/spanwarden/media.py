"""Pictures, sound and files -> parts that say what they are: modality, type, size and digest; bytes only on request."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from spanwarden.encode import VALUES_LIMIT, fields_of

Part = dict[str, Any]

_LONG_BASE64: Final = 1_024
"""Texts below this are kept even where a field usually holds bytes."""
_BYTES_FIELDS: Final = frozenset({"result", "partial_image_b64", "file_data", "image_base64"})
_DEPTH_LIMIT: Final = 16


def blob(modality: str, mime_type: str, data: Any, *, keep_bytes: bool) -> Part:
    """Bytes that are inside of a message. `size` and `digest` are those of the decoded bytes."""
    text = data if isinstance(data, str) else ""
    content = _decoded(text)
    return {
        "type": "blob",
        "modality": modality,
        "mime_type": mime_type,
        "size": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "content": text if keep_bytes else "",
    }


def linked(modality: str, address: Any, *, keep_bytes: bool) -> Part:
    """A picture or document by its address; one that is inside of a `data:` address as its bytes."""
    text = str(address)
    if not text.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": text}
    head, _, data = text.partition(",")
    return blob(modality, head.removeprefix("data:").removesuffix(";base64"), data, keep_bytes=keep_bytes)


def file_part(file: Mapping[str, Any], modality: str, *, keep_bytes: bool) -> Part:
    """A file by its id, its address, or its bytes."""
    named = {"name": file["filename"]} if file.get("filename") else {}
    if file.get("file_id"):
        return {"type": "file", "modality": modality, "file_id": file["file_id"], **named}
    if file.get("file_url"):
        return {"type": "uri", "modality": modality, "uri": file["file_url"], **named}
    data = file.get("file_data")
    if isinstance(data, str) and not data.startswith("data:"):
        return {**blob(modality, "application/octet-stream", data, keep_bytes=keep_bytes), **named}
    return {**linked(modality, data, keep_bytes=keep_bytes), **named}


def without_bytes(value: Any, *, keep_bytes: bool) -> Any:
    """The same value, with bytes and encrypted text inside of it replaced by what they are."""
    return _without(value, keep_bytes, [VALUES_LIMIT], 0)


def _without(value: Any, keep_bytes: bool, left: list[int], depth: int) -> Any:
    """`left` is the number of values that may still be looked at: those that hold each other are without end."""
    if value is None or isinstance(value, str | int | float | bool) or depth > _DEPTH_LIMIT or left[0] <= 0:
        return value
    if isinstance(value, list | tuple):
        left[0] -= len(value)
        return [_without(item, keep_bytes, left, depth + 1) for item in value]
    bare: dict[str, Any] = {}
    is_model = type(value) is not dict  # whose fields are there even where the answer did not have them
    fields = fields_of(value)
    left[0] -= len(fields)
    for key, item in fields.items():
        if item is None and is_model:
            continue
        if key == "encrypted_content":
            bare["encrypted_size"] = len(item) if isinstance(item, str) else 0
        elif isinstance(item, str) and _is_bytes(str(key), item) and not keep_bytes:
            bare[key] = _told(item)
        else:
            bare[key] = _without(item, keep_bytes, left, depth + 1)
    return bare


def _is_bytes(key: str, text: str) -> bool:
    return (text.startswith("data:") and ";base64," in text[:200]) or (
        key in _BYTES_FIELDS and len(text) > _LONG_BASE64
    )


def _told(text: str) -> dict[str, Any]:
    head, comma, data = text[:200].partition(",")
    mime_type = head.removeprefix("data:").removesuffix(";base64") if comma else "application/octet-stream"
    content = _decoded(text[len(head) + 1 :] if comma and data else text)
    return {"mime_type": mime_type, "size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def _decoded(text: str) -> bytes:
    """The bytes that base64 stands for; the text's own where it is not base64."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "backslashreplace")
