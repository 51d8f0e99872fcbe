"""The page's languages, chosen by the reader or by the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from airflow_wxa.texts import ENGLISH, in_language, languages, template, templates


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
        """Return a text of the pages; of an outcome that no catalogue names, its own word."""
        found = template("page", key, self.code) or key.rpartition(".")[2]
        return found.format(**values) if values else found

    def read(self, said: str, in_general: str = "") -> str:
        """Return a text of a row; where it has no twin, the one that holds in general, or as it is."""
        read = in_language(said, self.code)
        is_known = read and (read != said or self.code == ENGLISH)
        return read if is_known else in_language(in_general, self.code) or read


#: Those that have a file in :mod:`airflow_wxa.texts`; a page's own texts may be missing.
LANGUAGES: Final = tuple(
    Language(code, templates(code)["language"]["tag"], templates(code)["language"]["what"]) for code in languages()
)


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
