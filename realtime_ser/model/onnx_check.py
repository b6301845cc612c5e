"""Checks an ONNX file before it is loaded: the hash on its card, and no reference to other files.

A tensor in an ONNX file may refer to another file by any path; some versions of ONNX Runtime resolve it from the current folder
when given bytes, or accept a memory address as a path. Such files are refused before they are loaded. This module parses the
protobuf wire format of onnx.proto3 (field numbers below) and refuses anything that it cannot parse, so that ONNX Runtime cannot
find references that this parser missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from realtime_ser.errors import ModelError

_MAX_BYTES = 512 * 2**20

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 60

# message -> field -> message type of the field; fields without tensors below them are left out.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14


def read_network(path: Path, sha256: str) -> bytes:
    """The content of an ONNX file, checked before anything interprets it.

    Raises
    ------
    ModelError : unreadable, a file with another hash, no ONNX model, or one that reads other files
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise ModelError(f"{path} has {size / 2**20:.0f} MiB, more than the {_MAX_BYTES // 2**20} MiB that are read")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ModelError(
            f"{path} is not the file its card describes (SHA-256 {digest[:12]}…, card {sha256[:12]}…); fetch it again"
        )
    try:
        outside = external_tensor(content)
    except ValueError as error:
        raise ModelError(f"{path} is not an ONNX model: {error}") from error
    if outside is not None:
        raise ModelError(f"{path} keeps tensor {outside[:60]!r} in another file; export it with all its weights inside")
    return content


def external_tensor(content: bytes) -> str | None:
    """Name of the first tensor whose data are in another file ("?" for one without a name), or None.

    Parameters
    ----------
    content : a serialised ModelProto

    Raises
    ------
    ValueError : it is none
    """
    view = memoryview(content)
    if not any(field == 7 for field, _, _ in _fields(view)):
        raise ValueError("it holds no graph")
    return _search(view, "model", 0)


def _search(message: memoryview, kind: str, depth: int) -> str | None:
    if depth > _DEEPEST:
        raise ValueError("its graphs are nested too deeply")
    if kind == "tensor":
        return _outside(message)
    children = _CHILDREN[kind]
    for field, wire, value in _fields(message):
        if field in children:
            if wire != _BYTES:
                raise ValueError(f"field {field} of its {kind} is of the wrong type")
            found = _search(value, children[field], depth + 1)
            if found is not None:
                return found
    return None


def _outside(tensor: memoryview) -> str | None:
    name, outside = "?", False
    for field, wire, value in _fields(tensor):
        if field == _TENSOR_NAME and wire == _BYTES:
            name = bytes(value).decode("utf-8", "replace") or "?"
        # A file without external data has neither field, or an explicit 0, whatever the location field holds.
        outside |= field == _EXTERNAL_DATA or (field == _DATA_LOCATION and any(value))
    return name if outside else None


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(number, wire type, value) of each field; a varint's value is its bytes with the continuation bits cleared."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if field == 0:
            raise ValueError(f"its byte {at} is no field")
        if wire == _VARINT:
            number, after = _varint(message, at)
            yield field, wire, memoryview(number.to_bytes(10, "little"))
            at = after
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"its byte {at} is of wire type {wire}, which ONNX does not use")
        if size > end - at:
            raise ValueError(f"it ends {size - (end - at)} bytes too soon")
        yield field, wire, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("it ends in the middle of a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"its byte {at} belongs to a number that is too long")
