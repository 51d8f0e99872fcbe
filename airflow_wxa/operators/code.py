"""Operators for code: commit, submit, release, and the proof afterwards.

Each is told the version by ``template_id``, ``user_version`` and ``ext_json``, and recognises it at WeChat by the
fingerprint over them: so each can run again at any point, alone or beside another run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.failure import failing_at_once
from airflow_wxa.steps import commit_code, release_version, submit_version, verify_release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

__all__ = ["WxaCommitOperator", "WxaReleaseOperator", "WxaSubmitAuditOperator", "WxaVerifyReleaseOperator"]


class _VersionOperator(BaseOperator):
    """What the four share: the version they are about.

    :param appid: the Mini Program (templated).
    :param template_id: number or digits (templated).
    :param user_version: 1 to 64 characters (templated).
    :param ext_json: the whole ext_json; ``extAppid`` is added (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    template_fields: Sequence[str] = ("appid", "template_id", "user_version", "ext_json", "wxa_conn_id")

    def __init__(
        self,
        *,
        appid: str,
        template_id: int | str,
        user_version: str,
        ext_json: Mapping[str, Any] | None = None,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.template_id = template_id
        self.user_version = user_version
        self.ext_json = ext_json
        self.wxa_conn_id = wxa_conn_id

    def _version(self) -> CodeVersion:
        return CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json)

    @property
    def _hook(self) -> WxaHook:
        return WxaHook(self.wxa_conn_id)


class WxaCommitOperator(_VersionOperator):
    """Upload code from a template as the trial version, unless WeChat has this version already.

    Returns ``{"outcome": "committed|unchanged", "appid", "user_version", "fingerprint", "superseded"}``.

    :param user_desc: what changed; the fingerprint is appended; empty: the ``user_version`` (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/en/openApi/OpenApiDoc/miniprogram-management/code-management/commit.html
    """

    template_fields: Sequence[str] = (*_VersionOperator.template_fields, "user_desc")

    def __init__(self, *, user_desc: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_desc = user_desc

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            version = self._version()
            return self._hook.run(commit_code(version, self.user_desc or version.user_version)).to_json()


class WxaSubmitAuditOperator(_VersionOperator):
    """Submit the trial version for audit (提交审核), or adopt the sheet that this version has already.

    Returns ``{"outcome": "submitted|adopted", "appid", "user_version", "auditid", "superseded"}``.

    :param version_desc: words for the reviewer; test accounts go here (templated).
    :param privacy_api_not_use: declare that privacy interfaces which the scan found are not used (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_submitaudit
    """

    template_fields: Sequence[str] = (*_VersionOperator.template_fields, "version_desc", "privacy_api_not_use")

    def __init__(self, *, version_desc: str = "", privacy_api_not_use: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version_desc = version_desc
        self.privacy_api_not_use = privacy_api_not_use

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            step = submit_version(
                self._version(), version_desc=self.version_desc, privacy_api_not_use=self.privacy_api_not_use
            )
            return self._hook.run(step).to_json()


class WxaReleaseOperator(_VersionOperator):
    """Publish the version if its sheet is the latest and approved; once, also after a lost answer.

    Returns ``{"outcome": "released|already_released", "appid", "release_version", "effective"}``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_release
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            return self._hook.run(release_version(self._version())).to_json()


class WxaVerifyReleaseOperator(_VersionOperator):
    """Prove that the version is online and that the wanted business domains are effective.

    Returns the same as :class:`WxaReleaseOperator`.

    :param webviewdomain: origins that must be effective (templated).
    :param individual: no domain proof, an individual's Mini Program cannot have any (templated).
    """

    template_fields: Sequence[str] = (*_VersionOperator.template_fields, "webviewdomain", "individual")

    def __init__(self, *, webviewdomain: Sequence[str] = (), individual: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.webviewdomain = webviewdomain
        self.individual = individual

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            wanted = parse_origins(self.webviewdomain or ())
            return self._hook.run(verify_release(self._version(), wanted, individual=self.individual)).to_json()
