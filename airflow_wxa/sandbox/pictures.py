"""Pictures: QR codes of trial versions, and stand-ins for reviewers' screenshots.

WeChat answers JPEGs. Nothing that Airflow brings along draws one, and two tones in squares need little: a QR code of
one fixed size (version 4, error correction L, ISO/IEC 18004), and a baseline JPEG in which each square is one block of
one grey, so that every block is one number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Squares = list[list[bool]]
"""Rows of squares, True for a dark one."""

SIZE = 33
QUIET = 4
DATA_BYTES, CORRECTION_BYTES = 80, 20
LONGEST = DATA_BYTES - 2
ALIGNMENT = 26
# Error correction L and mask 0, with their own correction bits.
FORMAT = 0b111011111000100
FIELD = 0b100011101

# A square is black or white: its one coefficient, of which a JPEG keeps the difference to the one before.
DARK, LIGHT = -8, 8


def qrcode(text: str) -> bytes:
    """Return a QR code of a text as a JPEG.

    :param text: its first 78 bytes are shown.
    """
    squares = qr_squares(text.encode()[:LONGEST])
    blank = [False] * (SIZE + 2 * QUIET)
    margin = [False] * QUIET
    rows = [*[blank] * QUIET, *[[*margin, *row, *margin] for row in squares], *[blank] * QUIET]
    return jpeg(rows)


def screenshot() -> bytes:
    """Return the picture that stands for a reviewer's screenshot: a framed page with a cross."""
    last = 31
    return jpeg([[y in (0, last) or x in (0, last) or x in (y, last - y) for x in range(32)] for y in range(32)])


def qr_squares(data: bytes) -> Squares:
    """Return the squares of a QR code, without the quiet zone.

    :param data: at most 78 bytes.
    """
    squares: dict[tuple[int, int], bool] = dict(_fixed())
    bits = _bits(data)
    for x, y in _path():
        if (x, y) not in squares:
            squares[x, y] = next(bits, False) ^ ((x + y) % 2 == 0)
    return [[squares[x, y] for x in range(SIZE)] for y in range(SIZE)]


def _fixed() -> Iterator[tuple[tuple[int, int], bool]]:
    """Yield what is the same in every code of this size: finders, timing, alignment, format."""
    for at_x, at_y in ((3, 3), (SIZE - 4, 3), (3, SIZE - 4)):
        for x in range(max(0, at_x - 4), min(SIZE, at_x + 5)):
            for y in range(max(0, at_y - 4), min(SIZE, at_y + 5)):
                yield (x, y), max(abs(x - at_x), abs(y - at_y)) in (0, 1, 3)
    for at in range(8, SIZE - 8):
        yield (at, 6), at % 2 == 0
        yield (6, at), at % 2 == 0
    for x in range(ALIGNMENT - 2, ALIGNMENT + 3):
        for y in range(ALIGNMENT - 2, ALIGNMENT + 3):
            yield (x, y), max(abs(x - ALIGNMENT), abs(y - ALIGNMENT)) != 1
    near = [*range(6), 7, 8]
    for bit, (first, second) in enumerate(
        zip(
            [*((8, y) for y in near), *((x, 8) for x in (7, *range(5, -1, -1)))],
            [*((SIZE - 1 - x, 8) for x in range(8)), *((8, y) for y in range(SIZE - 7, SIZE))],
            strict=True,
        )
    ):
        dark = bool(FORMAT >> bit & 1)
        yield first, dark
        yield second, dark
    yield (8, SIZE - 8), True


def _path() -> Iterator[tuple[int, int]]:
    """Yield the squares in the order of the bits: two columns at a time from the right, up and down in turn."""
    upwards = True
    for right in (*range(SIZE - 1, 6, -2), 5, 3, 1):
        for y in reversed(range(SIZE)) if upwards else range(SIZE):
            yield right, y
            yield right - 1, y
        upwards = not upwards


def _bits(data: bytes) -> Iterator[bool]:
    head = f"0100{len(data):08b}" + "".join(f"{byte:08b}" for byte in data) + "0000"
    whole = [int(head[at : at + 8], 2) for at in range(0, len(head), 8)]
    padding = [0xEC, 0x11] * DATA_BYTES
    whole = [*whole, *padding[: DATA_BYTES - len(whole)]]
    for byte in (*whole, *_correction(whole)):
        yield from (bool(byte >> bit & 1) for bit in reversed(range(8)))


def _correction(data: Sequence[int]) -> list[int]:
    """Return the Reed-Solomon bytes: the remainder of the data by the generator polynomial."""
    generator = [1]
    root = 1
    for _ in range(CORRECTION_BYTES):
        shifted = [*generator, 0]
        generator = [a ^ _times(b, root) for a, b in zip(shifted, [0, *generator], strict=True)]
        root = _times(root, 2)
    rest = [*data, *[0] * CORRECTION_BYTES]
    for at in range(len(data)):
        for offset, factor in enumerate(generator):
            rest[at + offset] ^= _times(factor, rest[at]) if offset else 0
    return rest[len(data) :]


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (FIELD if a & 0x80 else 0)
        b >>= 1
    return product


def jpeg(squares: Squares) -> bytes:
    """Return squares as a baseline JPEG, eight pixels wide each."""
    height, width = 8 * len(squares), 8 * len(squares[0])
    return b"".join(
        [
            b"\xff\xd8",
            b"\xff\xdb\x00\x43\x00" + bytes([128]) * 64,
            b"\xff\xc0\x00\x0b\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x01\x01\x11\x00",
            # Codes of the differences 0, 8 and 16 by their number of bits: 0 is 0, 4 is 10, 5 is 110.
            b"\xff\xc4\x00\x16\x00" + bytes([1, 1, 1, *[0] * 13]) + bytes([0, 4, 5]),
            # One code for what follows: nothing.
            b"\xff\xc4\x00\x14\x10" + bytes([1, *[0] * 15]) + bytes([0]),
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
            _scan(squares),
            b"\xff\xd9",
        ]
    )


def _scan(squares: Squares) -> bytes:
    bits, before = [], 0
    for dark in (square for row in squares for square in row):
        value = DARK if dark else LIGHT
        bits.append(_difference(value - before) + "0")
        before = value
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    # A byte of ones has to be followed by an empty one, or it would begin a marker.
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)).replace(b"\xff", b"\xff\x00")


@cache
def _difference(value: int) -> str:
    code = {0: "0", 4: "10", 5: "110"}[abs(value).bit_length()]
    size = abs(value).bit_length()
    return code + (f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else "")
