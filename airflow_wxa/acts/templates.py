"""The template library: a draft that a pipeline uploaded becomes the template of a release."""

from dataclasses import dataclass

from airflow_wxa.acts.act import OfPlatform
from airflow_wxa.acts.fields import Text, Whole
from airflow_wxa.steps import Step, TemplateOutcome, add_to_template


@dataclass(frozen=True)
class AddToTemplate(OfPlatform):
    """Make a template of the draft (草稿) with this version or description, unless there is one of it already.

    Returns ``{"outcome": "added|unchanged", "template_id", "draft_id", "user_version", "user_desc"}``. It is done once:
    after a lost answer the templates are read, and a run that is cleared finds its template.

    :param user_version: of the draft; empty: whichever it is.
    :param user_desc: of the draft, the whole of it; empty: whichever it is.
    :param template_type: 0 ordinary, 1 standard.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/template-management/api_addtotemplate
    """

    user_version: Text = ""
    user_desc: Text = ""
    template_type: Whole = 0
    writes = ("addtotemplate",)

    def step(self) -> Step[TemplateOutcome]:
        return add_to_template(self.user_version, self.user_desc, template_type=self.template_type)
