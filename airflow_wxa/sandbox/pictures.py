"""Pictures: the QR code of a trial version, and the stand-in for a reviewer's screenshot; both are files beside this.

Nobody scans them, so every trial version shows the same code. Its text stands in the JPEG as a comment.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

_START: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"


def qrcode(text: str) -> bytes:
    """Return a QR code as a JPEG, with its text as the comment.

    :param text: at most 65,533 bytes.
    """
    said = text.encode()
    return _START + _COMMENT + (len(said) + 2).to_bytes(2, "big") + said + _picture("qrcode.jpg")[len(_START) :]


def screenshot() -> bytes:
    """Return the picture that stands for a reviewer's screenshot: a framed page with a cross."""
    return _picture("screenshot.jpg")


@cache
def _picture(name: str) -> bytes:
    return resources.files("airflow_wxa.sandbox").joinpath(name).read_bytes()
