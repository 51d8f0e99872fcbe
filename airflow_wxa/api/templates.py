"""The platform's template library: drafts (草稿) that developers uploaded, and templates that ``commit`` takes."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_wxa.api.answers import as_told
from airflow_wxa.api.call import Call, Reply


@dataclass(frozen=True, slots=True)
class Draft:
    """Upload of a developer.

    :param create_time: epoch seconds; 0 where WeChat does not tell.
    """

    draft_id: int
    user_version: str = ""
    user_desc: str = ""
    create_time: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """Template that ``commit`` takes.

    :param draft_id: of the draft that it was made of; 0 where WeChat does not tell.
    :param template_type: 0 ordinary, 1 standard.
    :param create_time: epoch seconds at which it was made; 0 where WeChat does not tell.
    """

    template_id: int
    user_version: str = ""
    user_desc: str = ""
    draft_id: int = 0
    template_type: int = 0
    create_time: int = 0

    def is_made_of(self, draft: Draft) -> bool:
        """Tell whether it was made of a draft as it is now: not before that was uploaded."""
        names = (self.user_version, self.user_desc) == (draft.user_version, draft.user_desc)
        is_older = 0 < self.create_time < draft.create_time
        return names and not is_older and self.draft_id in (0, draft.draft_id)


def gettemplatedraftlist() -> Call:
    """Read the drafts, for :func:`read_drafts`."""
    return Call.to("gettemplatedraftlist", None)


def gettemplatelist() -> Call:
    """Read the templates of both types, for :func:`read_templates`."""
    return Call.to("gettemplatelist", None)


def addtotemplate(draft_id: int, template_type: int = 0) -> Call:
    """Make a template of a draft. The answer does not tell which, and a second call makes a second one.

    :param template_type: 0 ordinary, 1 standard.
    """
    return Call.to("addtotemplate", None, {"draft_id": draft_id, "template_type": template_type})


def read_drafts(reply: Reply) -> list[Draft]:
    """Read the reply of :func:`gettemplatedraftlist`."""
    return [as_told(Draft, each) for each in reply.answer.get("draft_list", ()) if "draft_id" in each]


def read_templates(reply: Reply) -> list[Template] | None:
    """Read the reply of :func:`gettemplatelist`; ``None``: WeChat did not say, which may mean that there is none."""
    if "template_list" not in reply.answer:
        return None
    return [as_told(Template, each) for each in reply.answer["template_list"] if "template_id" in each]
