"""Operators for business domains: of one Mini Program, and of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator, BranchMixIn
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.api.webview_domain import parse_origins, warning_of_many
from airflow_wxa.errors import WxaApiError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import configure_domains, modify_platform_domains

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.webview_domain import Action
    from airflow_wxa.steps import DomainOutcome

__all__ = [
    "WxaModifyPlatformDomainOperator",
    "WxaSetWebviewDomainBranchOperator",
    "WxaSetWebviewDomainOperator",
]


class WxaSetWebviewDomainOperator(BaseOperator):
    """Bring a Mini Program's business domains (业务域名) to what ``action`` wants.

    Returns the domain outcome: ``{"outcome", "appid", "action", "errcode", "errmsg", "before", "after", "added",
    "removed"}``. 0, 89019 and 89022 succeed; 89020 and 89231 fail here, the branch operator follows them.

    :param appid: the Mini Program (templated).
    :param action: ``"add"``, ``"delete"``, ``"set"``, ``"get"``, or ``None``: WeChat then adds every domain of the
        platform list (templated).
    :param webviewdomain: origins such as ``https://m.example.com``; needed by add, delete and set (templated).
    :param skip_on_errcode: errcodes that skip the task instead of failing it.
    :param wxa_conn_id: the Connection (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomain
    """

    template_fields: Sequence[str] = ("appid", "action", "webviewdomain", "wxa_conn_id")

    def __init__(
        self,
        *,
        appid: str,
        action: Action,
        webviewdomain: Sequence[str] = (),
        skip_on_errcode: int | Collection[int] | None = None,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.action = action
        self.webviewdomain = webviewdomain
        self.skip_on_errcode = skip_on_errcode
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            outcome = self._configure()
            if not outcome.is_done:
                raise outcome.as_error()
        return outcome.to_json()

    def _configure(self) -> DomainOutcome:
        """Run the step, and skip where the caller said so."""
        wanted = parse_origins(self.webviewdomain or ())
        if warning := warning_of_many(wanted):
            self.log.warning(warning)
        try:
            outcome = WxaHook(self.wxa_conn_id).run(configure_domains(self.appid, self.action, wanted))
        except WxaApiError as error:
            self._skip_on(error.errcode, error)
            raise
        if outcome.errcode:
            self._skip_on(outcome.errcode, outcome.errmsg)
        return outcome

    def _skip_on(self, errcode: int, said: object) -> None:
        codes = self.skip_on_errcode
        if codes is not None and errcode in ({codes} if isinstance(codes, int) else codes):
            raise AirflowSkipException(f"skip_on_errcode {errcode}: {said}")


class WxaSetWebviewDomainBranchOperator(WxaSetWebviewDomainOperator, BranchMixIn):
    """The same call, then the road that the answer opens; an answer without a road fails.

    Not inside a mapped task group: Airflow runs every branch there for every map index (apache/airflow#67265).

    :param configured: task id or ids to follow on 0, 89019 and 89022.
    :param platform_list_empty: on 89020, the platform has registered no business domain; ``None``: fail.
    :param individual: on 89231, an individual's Mini Program, which cannot have any; ``None``: fail.
    """

    inherits_from_skipmixin: ClassVar[bool] = True

    def __init__(
        self,
        *,
        configured: str | Sequence[str],
        platform_list_empty: str | Sequence[str] | None = None,
        individual: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.configured = configured
        self.platform_list_empty = platform_list_empty
        self.individual = individual

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step, keep its outcome, and branch."""
        roads = {"platform_list_empty": self.platform_list_empty, "individual": self.individual}
        with failing_at_once():
            outcome = self._configure()
            road = roads.get(outcome.outcome, self.configured)
            if road is None:
                raise outcome.as_error()
        # do_branch raises as soon as it skips something, and a returned value is lost then: push first.
        context["ti"].xcom_push(key="return_value", value=outcome.to_json())
        self.do_branch(context, road)
        return outcome.to_json()


class WxaModifyPlatformDomainOperator(BaseOperator):
    """Change or read the platform's own list of business domains; every merchant of the platform is concerned.

    Testing and published version are changed together. Returns ``{"outcome", "action", "testing", "published",
    "added", "removed"}``. When WeChat cannot fetch the verification file of a host, the error hands it over: name,
    content and where to put it.

    :param hosts: bare hosts such as ``m.example.com`` (templated).
    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"`` (templated).
    :param platform_conn_id: a Connection with a platform token (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/domain-mgnt/api_modifythirdpartyjumpdomain
    """

    template_fields: Sequence[str] = ("hosts", "action", "platform_conn_id")

    def __init__(
        self,
        *,
        action: Literal["add", "delete", "set", "get"],
        hosts: Sequence[str] = (),
        platform_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.action = action
        self.hosts = hosts
        self.platform_conn_id = platform_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        with failing_at_once():
            return WxaHook(self.platform_conn_id).run(modify_platform_domains(self.action, self.hosts)).to_json()
