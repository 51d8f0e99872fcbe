"""What stands for every picture: trial QR codes and reviewers' screenshots."""

from __future__ import annotations

# A complete baseline JPEG of one grey pixel, written out by hand: quantisation, frame, two Huffman tables, scan.
ONE_GREY_PIXEL = (
    bytes.fromhex("ffd8 ffdb004300")
    + bytes([1]) * 64
    + bytes.fromhex("ffc0000b080001000101011100")
    + bytes.fromhex("ffc4001400 01000000000000000000000000000000 00")
    + bytes.fromhex("ffc4001410 01000000000000000000000000000000 00")
    + bytes.fromhex("ffda0008010100003f00 3f ffd9")
)
