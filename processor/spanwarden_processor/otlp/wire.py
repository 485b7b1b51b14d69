"""Protobuf's wire format: bytes and a range to the fields that stand there.

Source: the encoding chapter of the protobuf documentation. A walk accepts whatever the protobuf runtime accepts
(unknown fields, groups, over-long numbers); what it cannot follow raises `MalformedWire`. Nothing is copied: results
are positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

VARINT, FIXED64, LENGTH_DELIMITED, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5
_VARINT_BYTES_MAX = 10
_TAG_MAX = 1 << 32
_GROUP_DEPTH_MAX = 100


class MalformedWire(ValueError):
    """Bytes that do not follow the wire format in the range that was walked."""


class Field(NamedTuple):
    """One field of a message: its tag begins at `field`, its content is `start:end`.

    The content of a varint, a fixed number or a group is its encoded value.
    """

    number: int
    wire_type: int
    field: int
    start: int
    end: int


class Frame(Struct, frozen=True):
    """A length-delimited field: its tag begins at `field`, its length at `length_at`, its content is `start:end`."""

    field: int
    length_at: int
    start: int
    end: int


def varint(number: int) -> bytes:
    """The encoding of a number that is not negative."""
    if number < 128:
        return bytes((number,))
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def length_delimited(number: int, content: bytes) -> bytes:
    """A whole field (number up to 15) with this content."""
    return b"%c%b%b" % (number << 3 | LENGTH_DELIMITED, varint(len(content)), content)


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The number that begins at `position`, and where it ends."""
    if position + 1 < end and data[position + 1] < 128 <= data[position]:  # as most lengths
        return data[position] & 127 | data[position + 1] << 7, position + 2
    value = shift = 0
    limit = min(end, position + _VARINT_BYTES_MAX)
    while position < limit:
        byte = data[position]
        position += 1
        if byte < 128:
            return value | byte << shift, position
        value |= (byte & 127) << shift
        shift += 7
    raise MalformedWire("a number that does not end")


def fields(data: bytes, position: int, end: int) -> Iterator[Field]:
    """The fields of the message that fills `position:end`, in order."""
    while position < end:
        tag, after_tag = read_varint(data, position, end)
        if not 8 <= tag < _TAG_MAX:
            raise MalformedWire("a field number out of range")
        number, wire_type = tag >> 3, tag & 7
        start, stop = _content(data, wire_type, number, after_tag, end)
        yield Field(number, wire_type, position, start, stop)
        position = stop


def frames(data: bytes, position: int, end: int, number: int) -> list[Frame]:
    """The length-delimited fields with this number (up to 15) in the message that fills `position:end`."""
    found = []
    expected_tag = number << 3 | LENGTH_DELIMITED
    while position < end:
        if data[position] == expected_tag:
            length_at = position + 1
        else:
            tag, length_at = read_varint(data, position, end)
            if tag != expected_tag:
                position = _skip(data, position, end)
                continue
        length, start = read_varint(data, length_at, end)
        stop = start + length
        if stop > end:
            raise MalformedWire("a field longer than its message")
        found.append(Frame(position, length_at, start, stop))
        position = stop
    return found


def walks(data: bytes, position: int, end: int) -> bool:
    """Whether the range is a sequence of whole fields."""
    try:
        return all(True for _ in fields(data, position, end))
    except MalformedWire:
        return False


def _skip(data: bytes, position: int, end: int) -> int:
    for field in fields(data, position, end):
        return field.end
    return end


def _content(data: bytes, wire_type: int, number: int, position: int, end: int) -> tuple[int, int]:
    """Where the content of a field begins and ends, its tag having been read."""
    start = position
    match wire_type:
        case 0:
            _, stop = read_varint(data, position, end)
        case 1:
            stop = position + 8
        case 2:
            length, start = read_varint(data, position, end)
            stop = start + length
        case 3:
            stop = _group_end(data, number, position, end)
        case 5:
            stop = position + 4
        case _:
            raise MalformedWire("an unknown wire type")
    if stop > end:
        raise MalformedWire("a field longer than its message")
    return start, stop


def _group_end(data: bytes, number: int, position: int, end: int) -> int:
    """The position after the tag that closes the group `number`."""
    open_groups = [number]
    while open_groups:
        tag, position = read_varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == START_GROUP:
            open_groups.append(number)
            if len(open_groups) > _GROUP_DEPTH_MAX:
                raise MalformedWire("groups nested too deep")
        elif wire_type == END_GROUP:
            if number != open_groups.pop():
                raise MalformedWire("a group closed by another's tag")
        else:
            _, position = _content(data, wire_type, number, position, end)
    return position
