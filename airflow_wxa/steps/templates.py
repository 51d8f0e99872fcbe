"""The template library: make a template of a draft, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.templates import (
    Draft,
    Template,
    addtotemplate,
    gettemplatedraftlist,
    gettemplatelist,
    read_drafts,
    read_templates,
)
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.steps.lag import read_past_lag, recall, sent, still_lagging
from airflow_wxa.steps.outcome import Step, TemplateOutcome
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Sequence


_STEP = "addtotemplate"


def add_to_template(user_version: str = "", user_desc: str = "", *, template_type: int = 0) -> Step[TemplateOutcome]:
    """Make a template of the one draft of this version and description, unless there is one of it.

    A second call would make a second template, so it is not repeated: after a lost answer the templates are read.

    :param user_version: of the draft; ``""``: any; so for ``user_desc``, but one of the two is needed.
    :param template_type: 0 ordinary, 1 standard.
    :raises WxaSpecError: no draft, or several, are of this version and description; nothing was sent.
    :raises WxaBusyError: WeChat took the draft, and its template is not seen yet.
    """
    draft = _picked(read_drafts((yield gettemplatedraftlist())), user_version, user_desc)
    noted = {"draft_id": draft.draft_id, "template_type": template_type}
    was_accepted = (yield from recall()).explains(_STEP, noted)

    def made(library: Sequence[Template] | None) -> Template | None:
        of_draft = [each for each in library or () if each.template_type == template_type and each.is_made_of(draft)]
        return max(of_draft, key=lambda each: each.template_id, default=None)

    def hides(library: Sequence[Template] | None) -> bool:
        return library is None or (was_accepted and made(library) is None)

    template = made((yield from read_past_lag(_library, hides)))
    if template is not None:
        return _outcome("unchanged", template, draft)
    if was_accepted:
        raise still_lagging(_STEP, _STEP, None, f"no template of draft {draft.draft_id}")
    _, lost = yield from sent(addtotemplate(draft.draft_id, template_type).knowing(noted))
    template = made((yield from read_past_lag(_library, lambda library: made(library) is None)))
    if template is None:
        raise lost or still_lagging(_STEP, _STEP, None, f"no template of draft {draft.draft_id}")
    return _outcome("added", template, draft)


def _library() -> Step[list[Template] | None]:
    return read_templates((yield gettemplatelist()))


def _picked(drafts: Sequence[Draft], user_version: str, user_desc: str) -> Draft:
    wanted = {"user_version": user_version, "user_desc": user_desc}
    named = {name: value for name, value in wanted.items() if value}
    fitting = [each for each in drafts if all(getattr(each, name) == value for name, value in named.items())]
    if named and len(fitting) == 1:
        return fitting[0]
    shown = [(each.draft_id, {name: repr(getattr(each, name)) for name in wanted}) for each in fitting or drafts]
    listed = [Text("draft_is_listed", draft_id=draft_id, **names) for draft_id, names in shown]
    said = ", ".join(f"{name} = {value!r}" for name, value in named.items()) or Text("neither_version_nor_description")
    raise WxaSpecError(
        Text("draft_is_ambiguous", count=len(fitting) if named else Text("not_one")),
        [Text("draft_asked_for", draft=said), *(listed or [Text("no_draft_at_all")])],
        **CATALOGUE["gettemplatedraftlist"].named(),
    )


def _outcome(word: Literal["added", "unchanged"], template: Template, draft: Draft) -> TemplateOutcome:
    return TemplateOutcome(word, template.template_id, draft.draft_id, template.user_version, template.user_desc)
