"""One call each: operators for endpoints where there is little to decide, and little to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.api.call import body_schema
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.mini_program import MiniProgramOperator, PlatformOperator
from airflow_wxa.release.dag import TemplatedFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.values import Reader
    from airflow_wxa.hooks.wxa import WxaHook


class _PlainOperator(MiniProgramOperator):
    """One plain call; its fields beside those above are the body's, read as its schema has them."""

    endpoint: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        fields = body_schema(cls.endpoint)["properties"].items()
        cls.reads = {**MiniProgramOperator.reads, **{name: _reader(schema) for name, schema in fields}}
        super().__init_subclass__(**kwargs)

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Send it."""
        fields = {name: getattr(self, name) for name in self.reads if name not in MiniProgramOperator.reads}
        return hook.call(self.endpoint, self.appid, **fields)


def _reader(schema: Mapping[str, Any]) -> Reader:
    if "enum" in schema:
        return values.choice(*schema["enum"])
    return {"integer": values.digits, "string": values.named, "array": values.json_list}[schema["type"]]


class WxaSpeedUpAuditOperator(_PlainOperator):
    """Speed a review up (加急审核), of the platform's monthly budget; 2 to 12 hours are expected then.

    A sheet that was sped up already (89404) costs nothing. Returns WeChat's answer.

    :param auditid: of the sheet in audit (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_speedupcodeaudit
    """

    endpoint = "speedupaudit"

    def __init__(self, *, auditid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.auditid = auditid


class WxaChangeVisitStatusOperator(_PlainOperator):
    """Open or close (暂停服务) the online version to visitors. Returns WeChat's answer.

    :param action: ``"open"`` or ``"close"`` (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_setvisitstatus
    """

    endpoint = "change_visitstatus"

    def __init__(self, *, action: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action = action


class WxaSetSupportVersionOperator(_PlainOperator):
    """Set the lowest base library (最低基础库版本) that opens the Mini Program. Returns WeChat's answer.

    :param version: such as ``2.20.1`` (templated).
    """

    endpoint = "setweappsupportversion"

    def __init__(self, *, version: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version


class WxaBindTesterOperator(_PlainOperator):
    """Make somebody a tester (体验者), who can open the trial version; who is one already (85004) stays one.

    Returns WeChat's answer.

    :param wechatid: the WeChat id (微信号) (templated).
    """

    endpoint = "bind_tester"

    def __init__(self, *, wechatid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wechatid = wechatid


class WxaSetPrefetchDnsDomainOperator(_PlainOperator):
    """Set the domains that clients look up beforehand (DNS 预解析), 50 times a month. Returns WeChat's answer.

    :param prefetch_dns_domain: up to five, ``{"url": …}`` each (templated).
    """

    endpoint = "set_prefetchdnsdomain"

    def __init__(self, *, prefetch_dns_domain: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefetch_dns_domain = prefetch_dns_domain


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


class WxaTrialQrcodeOperator(MiniProgramOperator):
    """Save the QR code of the trial version (体验版), which testers and admins can open, and link to it.

    The file lies below ``[wxa] screenshot_dir``; the link beside the task reads the picture anew. Returns ``{"outcome":
    "read", "appid", "path", "file"}``.

    :param path: the page that it opens, with its query, such as ``page/index?action=1``; empty: the first one
        (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "path": values.text}
    operator_extra_links = (*TemplatedFields.operator_extra_links, WxaTrialQrcodeLink())

    def __init__(self, *, path: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Read and save it."""
        return hook.trial_qrcode(self.appid, self.path)


class WxaUploadMediaOperator(MiniProgramOperator):
    """Upload a picture or a video for ``preview_info`` of a submission. Returns ``{"mediaid", "type"}``.

    Media ids expire (85092): upload before each submission, in the same run.

    :param file: a path on the worker, or a URL of an object storage as ``ObjectStoragePath`` takes it (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "file": values.named}

    def __init__(self, *, file: str, **kwargs: Any) -> None:
        kwargs.setdefault("multiple_outputs", True)  # so that upload.output["mediaid"] is an XCom of its own
        super().__init__(**kwargs)
        self.file = file

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Upload it."""
        return hook.upload_media(self.appid, self.file)


class WxaDeleteTemplateOperator(PlatformOperator):
    """Take a template out of the platform's library. Returns WeChat's answer.

    :param template_id: as ``gettemplatelist`` has it (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"template_id": values.digits, **PlatformOperator.reads}

    def __init__(self, *, template_id: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template_id = template_id

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Send it."""
        return hook.call("deletetemplate", None, template_id=self.template_id)
