"""A reviewer's screenshots of faults: saved for a rejected sheet's error to name them, read for the board."""

import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from airflow.sdk import ObjectStoragePath
from airflow.sdk.configuration import conf

from airflow_wxa.api.audit import Media, get_material
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.steps import AuditOutcome, Step
from airflow_wxa.texts import Text

log = logging.getLogger(__name__)

_PRIVATE_DIR: Final = 0o700  # a merchant's pages before anyone may see them
_PRIVATE_FILE: Final = 0o600
_PNG: Final = b"\x89PNG"
_JPEG: Final = b"\xff\xd8\xff"
_NOT_SAVED: Final = "not saved: "
#: A larger file is not read.
MOST_BYTES: Final = 5 * 2**20
_NO_NAME: Final = re.compile(r"[^0-9A-Za-z_-]")


def screenshot_dir() -> Path | ObjectStoragePath:
    """Return the folder or object storage that ``[wxa] screenshot_dir`` names, else a folder in AIRFLOW_HOME."""
    named: str = (conf.get("wxa", "screenshot_dir", fallback="") or "").strip()
    if "://" in named:
        return ObjectStoragePath(named)
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    return (Path(named) if named else home / "wxa-screenshots").expanduser().resolve()


def save_screenshots(
    outcome: AuditOutcome, run: Callable[[Step[dict[str, bytes | str]]], dict[str, bytes | str]]
) -> dict[str, str]:
    """Fetch the screenshots of a sheet and save them as ``<folder>/<appid>/<auditid>/<n>.jpg``.

    In a folder they are readable by the owner, and no link leads them elsewhere. Nothing is raised: why one is missing
    is told in its place.

    :param run: carries the step that fetches them.
    :return: media id → path, or the reason why there is none.
    """
    if not outcome.screenshot:
        return {}
    try:
        fetched = run(_fetched(outcome))
    except WxaError as error:
        return dict.fromkeys(outcome.screenshot, f"not fetched: {error.what}")
    below = (_as_name(outcome.appid), _as_name(outcome.auditid))
    return {
        media_id: _saved((*below, f"{number}.{_kind(found)}"), found)
        if isinstance(found, bytes)
        else f"not fetched: {found}"
        for number, (media_id, found) in enumerate(fetched.items(), 1)
    }


def read_screenshot(appid: str, auditid: str, number: int) -> tuple[bytes, str] | None:
    """Return a saved screenshot and its media type; ``None``: there is none that is a picture of a sensible size.

    :param number: from 1, in the order of the sheet's media ids.
    """
    for media_type, kind, begins in (("image/jpeg", "jpg", _JPEG), ("image/png", "png", _PNG)):
        content = _read((_as_name(appid), _as_name(auditid), f"{number:d}.{kind}"))
        if content.startswith(begins) and len(content) <= MOST_BYTES:
            return content, media_type
    return None


def read_media(file: str) -> Media:
    """Read a file that is to be uploaded.

    :param file: a path on the worker, or a URL of an object storage.
    :raises WxaSpecError: it cannot be read.
    """
    try:
        if "://" in file:
            return Media(file.rpartition("/")[2], ObjectStoragePath(file).read_bytes())
        return Media(Path(file).name, Path(file).read_bytes())
    except Exception as error:  # noqa: BLE001  (as in _saved)
        why = getattr(error, "strerror", None) or type(error).__name__
    raise WxaSpecError(
        Text("media_file_cannot_be_read"), [Text("problem_of_file", file=file, problem=why)], endpoint="uploadmedia"
    )


def save_picture(appid: str, name: str, image: bytes) -> str:
    """Save a picture as ``<folder>/<appid>/<name>.jpg``, and return where.

    :raises WxaSpecError: it cannot be saved there.
    """
    where = _saved((_as_name(appid), f"{_as_name(name)}.{_kind(image)}"), image)
    if where.startswith(_NOT_SAVED):
        raise WxaSpecError(Text("picture_was_not_saved"), [where], appid=appid)
    return where


def _read(parts: tuple[str, ...]) -> bytes:
    try:
        folder = screenshot_dir()
        if isinstance(folder, Path):
            return _read_below(folder, parts)
        with folder.joinpath(*parts).open("rb") as file:  # type: ignore[no-untyped-call]
            content: bytes = file.read(MOST_BYTES + 1)
            return content
    except OSError:
        return b""
    except Exception as error:  # noqa: BLE001  (as in _saved)
        log.warning("a screenshot could not be read from object storage: %s", type(error).__name__)
        return b""


def _fetched(outcome: AuditOutcome) -> Step[dict[str, bytes | str]]:
    found: dict[str, bytes | str] = {}
    for media_id in outcome.screenshot:
        try:
            found[media_id] = (yield get_material(outcome.appid, media_id)).image
        except WxaError as error:
            found[media_id] = error.what
    return found


def _saved(parts: tuple[str, ...], image: bytes) -> str:
    """Save below ``screenshot_dir``; return where, or why not."""
    named = "screenshot_dir"
    try:
        folder = screenshot_dir()
        path = folder.joinpath(*parts)
        named = str(path)
        if isinstance(folder, Path):
            _write_below(folder, parts, image)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image)
    except OSError as error:
        return f"{_NOT_SAVED}{named}: {error.strerror or type(error).__name__}"
    except Exception as error:  # noqa: BLE001  (each object storage has errors of its own, whose text may hold a key)
        return f"{_NOT_SAVED}{named}: {type(error).__name__}"
    return named


def _write_below(folder: Path, parts: tuple[str, ...], content: bytes) -> None:
    """Write a file below a folder, through no link that somebody may have left there."""
    folder.mkdir(_PRIVATE_DIR, parents=True, exist_ok=True)
    with _opened(folder, parts[:-1], make=True) as at:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(parts[-1], flags, _PRIVATE_FILE, dir_fd=at), "wb") as file:
            file.write(content)


def _read_below(folder: Path, parts: tuple[str, ...]) -> bytes:
    """Read a file below a folder: one that lies there itself, as far as one byte more than is wanted."""
    with _opened(folder, parts[:-1], make=False) as at:
        # Whatever else stands there, a pipe for one, must not be waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(parts[-1], flags, dir_fd=at), "rb") as file:
            return file.read(MOST_BYTES + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


@contextmanager
def _opened(folder: Path, parts: tuple[str, ...], *, make: bool) -> Iterator[int]:
    """Open a folder below another, step by step, so that no link leads elsewhere."""
    at = os.open(folder, os.O_DIRECTORY)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, _PRIVATE_DIR, dir_fd=at)
            at, outer = os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at), at
            os.close(outer)
        yield at
    finally:
        os.close(at)


def _kind(image: bytes | str) -> str:
    return "png" if isinstance(image, bytes) and image.startswith(_PNG) else "jpg"


def _as_name(text: str) -> str:
    return _NO_NAME.sub("_", text)
