"""The template library: a draft that a pipeline uploaded becomes the template of a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.operators.mini_program import PlatformOperator
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import add_to_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.values import Reader
    from airflow_wxa.hooks.wxa import WxaHook


class WxaAddToTemplateOperator(PlatformOperator):
    """Make a template of the draft (草稿) with this version or description, unless there is one of it already.

    Returns ``{"outcome": "added|unchanged", "template_id", "draft_id", "user_version", "user_desc"}``. It is done once:
    after a lost answer the templates are read, and a run that is cleared finds its template.

    :param user_version: of the draft; empty: whichever it is (templated).
    :param user_desc: of the draft, the whole of it; empty: whichever it is (templated).
    :param template_type: 0 ordinary, 1 standard (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/template-management/api_addtotemplate
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "user_version": values.text,
        "user_desc": values.text,
        "template_type": values.whole,
        **PlatformOperator.reads,
    }

    def __init__(self, *, user_version: str = "", user_desc: str = "", template_type: int = 0, **kwargs: Any) -> None:
        kwargs.setdefault("multiple_outputs", True)  # so that add.output["template_id"] is an XCom of its own
        super().__init__(**kwargs)
        self.user_version = user_version
        self.user_desc = user_desc
        self.template_type = template_type

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            step = add_to_template(self.user_version, self.user_desc, template_type=self.template_type)
            outcome = hook.run(step)
        self.log.info(outcome.in_words())
        return outcome.to_json()
