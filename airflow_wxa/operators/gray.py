"""The staged release (灰度发布): raise the part of the users who see the approved version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.operators.code import PublishingOperator
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import gray_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader


class WxaGrayReleaseOperator(PublishingOperator):
    """Show the version to a part of the users, if its sheet is the latest and approved; the part only rises.

    A plan that stands at this part already is left alone, one that stands higher stops the task: nothing is sent then.
    WeChat has no pause. Returns ``{"outcome": "raised|unchanged", "appid", "gray_percentage", "status"}``.

    :param gray_percentage: 0 to 100; with 0 one of the two flags is needed (templated).
    :param support_debuger_first: developers see it first; the spelling is WeChat's (templated).
    :param support_experiencer_first: testers see it first (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_grayrelease
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **PublishingOperator.reads,
        "gray_percentage": values.whole,
        "support_debuger_first": values.flag,
        "support_experiencer_first": values.flag,
    }

    def __init__(
        self,
        *,
        gray_percentage: int,
        support_debuger_first: bool = False,
        support_experiencer_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gray_percentage = gray_percentage
        self.support_debuger_first = support_debuger_first
        self.support_experiencer_first = support_experiencer_first

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        self.read_fields()
        with failing_at_once():
            version = self._version()
            wanted = parse_origins(self.webviewdomain)
            step = gray_release(
                version,
                self.gray_percentage,
                wanted,
                support_debuger_first=self.support_debuger_first,
                support_experiencer_first=self.support_experiencer_first,
                noted_auditid=self.auditid,
                approval=self._approval(version, wanted),
                allowed=self._unasked,
            )
            return self._run(step)
