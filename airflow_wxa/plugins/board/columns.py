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
        "name",
        '<a href="{{ base }}/mini-program/{{ row.appid }}" title="{{ row.name }}">{{ row.name or row.appid }}</a>'
        "{% if row.name %}<code>{{ row.appid }}</code>{% endif %}",
        ("appid", "name"),
    ),
    Column(
        "online_version",
        "{% if row.online_version %}{{ row.online_version }}"
        '{% if row.online_at %}<br><small>{{ t("since") }} {{ parts.when(row.online_at) }}</small>{% endif %}'
        '{% if row.online_by %}<br><small>{{ t("by", who=row.online_by) }}</small>{% endif %}'
        "{% else %}&ndash;{% endif %}",
        ("online_version", "online_at", "online_by"),
    ),
    Column(
        "domains",
        '{% if row.lost %}<strong class="bad">{{ t("lost_count", count=row.lost|length) }}</strong>'
        "<br><small>{{ parts.when(row.lost_at) }}</small><br>{% endif %}"
        '{% if row.drift_word %}{{ t("drift." ~ row.drift_word) }}<br><small>{{ parts.when(row.drift_at) }}</small>'
        "{% elif not row.lost %}&ndash;{% endif %}",
        ("lost", "lost_at", "drift_word", "drift_at"),
        sorts=False,
    ),
    Column(
        "outcome",
        "{% if row.user_version %}{{ row.user_version }} {% endif %}{{ parts.outcome(t, row.outcome) }}"
        "{{ parts.pipeline(t, row.pipeline) }}{{ parts.life(t, row.life) }}"
        '<small class="life">{{ t("since") }} {{ parts.when(row.at) }}'
        "{% if row.wave %} · {{ row.wave }}{% endif %}</small>",
        ("user_version", "outcome", "at", "auditid", "wave"),
    ),
    Column("who", "{{ parts.who(t, row) }}", ("who",)),
    Column("errcode", "{{ parts.errcode(base, row.errcode) }}", ("errcode",)),
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
        cells.append(f'<{tag}{scope} class="column-{column.name}" data-label="{label}">{column.cell}</{tag}>')
    return '{% import "parts.html" as parts %}{% macro row(t, base, row) %}' + "\n".join(cells) + "{% endmacro %}"
