"""The page's languages: a catalogue of texts for each, chosen by the reader or by the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from airflow_wxa.texts import ENGLISH, languages, templates

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Language:
    """One of the page's languages.

    :param code: the catalogue's file name.
    :param tag: as browsers and ``lang`` attributes name it.
    :param name: in the language itself.
    """

    code: str
    tag: str
    name: str

    def text(self, key: str, **values: object) -> str:
        """Return a text with its values, in English if need be; of an outcome that no catalogue names, its own word."""
        text = _texts(self.code).get(key) or _texts(ENGLISH).get(key)
        if text is None:
            return key.rpartition(".")[2]
        return text.format(**values) if values else text

    def texts(self) -> Mapping[str, str]:
        """Return the whole catalogue."""
        return _texts(self.code)


#: Those that have a file in :mod:`airflow_wxa.texts`; a page's own texts may be missing.
LANGUAGES: Final = tuple(
    Language(code, templates(code)["language"]["tag"], templates(code)["language"]["what"]) for code in languages()
)


@cache
def _texts(code: str) -> Mapping[str, str]:
    file = resources.files(__package__).joinpath("texts", f"{code}.json")
    texts: dict[str, str] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return texts


def chosen(asked: str | None, kept: str | None, accepted: str) -> Language:
    """Return the reader's language.

    :param asked: of the switch, now; ``kept``: of the switch, earlier.
    :param accepted: the browser's ``Accept-Language``; the first that there is counts.
    """
    for wanted in (asked, kept, *(part.partition(";")[0].strip() for part in accepted.split(","))):
        for language in LANGUAGES:
            if wanted and wanted.lower().partition("-")[0] == language.code:
                return language
    return LANGUAGES[0]
