"""One call each: operators for endpoints where there is little to decide, and little to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.operators.mini_program import MiniProgramOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.values import Reader
    from airflow_wxa.hooks.wxa import WxaHook


class WxaUndoAuditOperator(MiniProgramOperator):
    """Take a sheet in audit back (撤回审核), once: each Mini Program has 5 withdrawals a day and 10 a month.

    The ledger counts them, lost answers too; one that is used up is not sent. A sheet that was taken back already costs
    nothing, and another one than named is never taken back. Returns ``{"outcome": "withdrawn|already_withdrawn",
    "appid", "auditid", "left"}``.

    :param auditid: of the sheet (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_undoaudit
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "auditid": values.digits}

    def __init__(self, *, auditid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.auditid = auditid

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Take it back."""
        return hook.undo_audit(self.appid, self.auditid)


class WxaRevertGrayReleaseOperator(MiniProgramOperator):
    """Take a staged release back: everybody sees what is online again.

    One that was taken back already is left alone; without a staged release the task fails. Returns ``{"outcome":
    "reverted|already_reverted", "appid", "gray_percentage", "status"}``.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/code/grayrelease.html
    """

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Take it back."""
        return hook.revert_gray_release(self.appid)
