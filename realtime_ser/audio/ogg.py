"""Pages of an Ogg file: one stream after the other, and whether the last page is whole."""

from __future__ import annotations

from realtime_ser.audio.byte_reader import ByteReader

_FIRST, _LAST = 2, 4
_LONGEST_PAGE = 27 + 255 + 255 * 255
_LONG_AGO = 1 << 40  # a granule position that no recording reaches


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


class Pages:
    """The pages of one logical stream (or of those that begin together).

    Parameters
    ----------
    reader : at a page

    Attributes
    ----------
    serial : of the first stream
    skipped : bytes that belong to no page
    cut : the last page is not whole
    first_granule, last_granule : positions that the pages name, in samples; -1: none yet
    """

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader
        self._rest = b""
        self._begun = False
        self.serial = int.from_bytes(reader.peek(4, 14), "little")
        self.skipped = 0
        self.first_granule = self.last_granule = -1
        self.cut = False

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes of pages; none at the end, or where the next stream begins."""
        if not self._rest:
            self._rest = self._next()
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def _next(self) -> bytes:
        while (head := self._reader.peek(27))[:4] != b"OggS":
            if not head:
                return b""
            piece = self._reader.peek(_LONGEST_PAGE)
            step = piece.find(b"OggS", 1)
            passed = self._reader.read(len(piece) if step < 0 else step)
            if passed.strip(b"\0"):
                self.skipped += len(passed)
        if len(head) < 27:
            self.cut = True
            return b""
        first = bool(head[5] & _FIRST)
        if first and self._begun:
            return b""
        self._begun = self._begun or not first
        table = self._reader.peek(head[26], 27)
        length = 27 + head[26] + sum(table)
        if len(self._reader.peek(length)) < length:
            self.cut = True
        granule = int.from_bytes(head[6:14], "little", signed=True)
        if granule > 0 and int.from_bytes(head[14:18], "little") == self.serial:
            self.last_granule = granule
            if self.first_granule < 0:
                self.first_granule = granule
        return self._reader.read(length)


def last_page(serial: int) -> bytes:
    """An empty page that claims to be the far end of a stream: what libsndfile searches for before it plays."""
    head = b"OggS\0" + bytes([_LAST]) + _LONG_AGO.to_bytes(8, "little") + serial.to_bytes(4, "little")
    page = bytearray(head + (1 << 30).to_bytes(4, "little") + bytes(4) + b"\x01\x00")
    table, crc = _crc_table(), 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)


def granule_at_end(reader: ByteReader, serial: int) -> int | None:
    """The last position that a seekable file names for a stream, or None; the reader stays where it is."""
    if not reader.seekable or reader.left is None:
        return None
    position = reader.position
    reader.skip(max(0, reader.left - 2 * _LONGEST_PAGE))
    content = reader.read(2 * _LONGEST_PAGE)
    reader.rewind(position)
    at = len(content)
    while (at := content.rfind(b"OggS", 0, at)) >= 0:
        granule = int.from_bytes(content[at + 6 : at + 14], "little", signed=True)
        if granule > 0 and int.from_bytes(content[at + 14 : at + 18], "little") == serial:
            return granule
    return None
