"""The columns of the table of Mini Programs, on the page and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the text ``column.<name>`` is its header.

    :param cell: template of a cell, for ``row``, ``t`` (texts), ``base`` and ``parts``.
    :param csv: values of the row that a CSV file has in its place, each with a header of its own.
    :param sorts: the table can be sorted by it; the store has a column of its name.
    """

    name: str
    cell: str
    csv: tuple[str, ...]
    sorts: bool = True


COLUMNS: Final = (
    Column(
        "appid",
        '<a href="{{ base }}/mini-program/{{ row.appid }}">{{ row.appid }}</a>'
        "{% if row.name %}<br><span>{{ row.name }}</span>{% endif %}",
        ("appid", "name"),
    ),
    Column(
        "online_version",
        "{% if row.online_version %}{{ row.online_version }}"
        '{% if row.online_at %}<br><small>{{ t("since") }} {{ parts.when(row.online_at) }}</small>{% endif %}'
        "{% else %}&ndash;{% endif %}",
        ("online_version", "online_at"),
    ),
    Column(
        "outcome",
        "{% if row.user_version %}{{ row.user_version }} {% endif %}{{ parts.outcome(t, row.outcome) }}"
        '<br><small>{{ t("since") }} {{ parts.when(row.at) }}{% if row.wave %} · {{ row.wave }}{% endif %}</small>',
        ("user_version", "outcome", "at", "auditid", "wave"),
    ),
    Column("errcode", "{{ parts.errcode(base, row.errcode) }}", ("errcode",)),
    Column("who", "{{ parts.who(t, row) }}", ("who",)),
    Column(
        "next_step",
        "{% if row.what %}<small>{{ row.what }}</small><br>{% endif %}"
        "{% if row.next_step %}{{ row.next_step }}{% else %}&ndash;{% endif %}",
        ("what", "next_step"),
        sorts=False,
    ),
    Column("run", "{{ parts.run(t, row) }}", ("dag_id", "run_id", "task_id"), sorts=False),
)


def template_of(columns: Iterable[Column]) -> str:
    """Return a template with the macro ``row``, the cells of a row; the first one is the row's header."""
    cells = []
    for number, column in enumerate(columns):
        tag, scope = ("td", "") if number else ("th", ' scope="row"')
        label = f"""{{{{ t("column.{column.name}") }}}}"""
        cells.append(f'<{tag}{scope} class="{column.name}" data-label="{label}">{column.cell}</{tag}>')
    return '{% import "parts.html" as parts %}{% macro row(t, base, row) %}' + "\n".join(cells) + "{% endmacro %}"
