"""Sources of a manifest's files and merchants, as Airflow's configuration and the store say."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from airflow.sdk import ObjectStoragePath
from airflow.sdk.configuration import conf

from airflow_wxa.errors import WxaSpecError, problem_at, shown
from airflow_wxa.hooks.store import open_ledger, open_store
from airflow_wxa.texts import Text

_MOST_BYTES: Final = 32 * 1024 * 1024
_DEVELOPMENT_SET: Final = 18


class ManifestSources:
    """Files below ``[wxa] manifest_folder``, and the merchants that the store knows.

    :param component_appid: the platform.
    :param folder: a folder, or a prefix of object storage; default: as configured.
    :param fixed: those of a Connection that has fixed tokens only; ``None``: the store knows them.
    """

    def __init__(self, component_appid: str, folder: str | None = None, *, fixed: Sequence[str] | None = None) -> None:
        self._component_appid = component_appid
        self._fixed = fixed
        self._folder = (conf.get("wxa", "manifest_folder", fallback="") or "") if folder is None else folder

    def read(self, name: str) -> str:
        """Return the text of a file.

        :raises WxaSpecError: no folder is configured, the name leads out of it, there is no such file, or it is no
            text. Its content is not shown.
        """
        parts = PurePosixPath(name).parts
        if not self._folder:
            raise self._refused(Text("file_is", "without_folder"), name)
        if self._folder.startswith(("file:", "local:")) or "::" in self._folder:
            raise self._refused(Text("file_is", "odd_folder"), name)
        if "://" in name or "::" in name or name.startswith(("/", "~")) or ".." in parts or not parts or "\\" in name:
            raise self._refused(Text("file_is", "odd_name"), name)
        folder = ObjectStoragePath(self._folder)
        path = folder.joinpath(*parts)
        try:
            if path.protocol in ("", "file") and not _is_below(str(path.path), str(folder.path)):
                raise self._refused(Text("file_is", "outside"), name)
            with path.open("rb") as file:  # type: ignore[no-untyped-call]
                content: bytes = file.read(_MOST_BYTES + 1)
        except (OSError, ValueError, ImportError) as error:
            raise self._refused(Text("file_gives_an_error", error=type(error).__name__), name) from None
        if len(content) > _MOST_BYTES:
            raise self._refused(Text("file_is_too_large", most=_MOST_BYTES // 1024**2), name)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._refused(Text("file_is_no_utf8", at=error.start), name) from None

    def authorised(self) -> Sequence[str]:
        """Return the Mini Programs that authorised the platform and granted development (permission set 18).

        Official accounts cannot grant it; if the grants are not known, the plan finds out.
        """
        if self._fixed is not None:
            return self._fixed
        merchants = open_store().merchants(self._component_appid)
        return [
            appid
            for appid, each in merchants.items()
            if each.state == "authorised" and (each.granted is None or _DEVELOPMENT_SET in each.granted)
        ]

    def released_at(self) -> Mapping[str, float]:
        """Return when the ledger saw each Mini Program released last."""
        return open_ledger().released_at(self._component_appid)

    @staticmethod
    def _refused(problem: str, name: str) -> WxaSpecError:
        return WxaSpecError(Text("manifest_file_was_not_read"), [problem_at(shown(name), problem)])


def _is_below(path: str, folder: str) -> bool:
    """Tell whether a file is below a folder, symbolic links followed."""
    return Path(path).resolve().is_relative_to(Path(folder).resolve())
