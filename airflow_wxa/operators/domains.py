"""Operators for business domains: of one Mini Program, and of the platform."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from airflow.sdk import BaseOperator, BranchMixIn, Context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.acts.act import Appid, Name, Texts
from airflow_wxa.acts.domains import ALL, SetWebviewDomain
from airflow_wxa.api import values
from airflow_wxa.api.webview_domain import Action, parse_origins, warning_of_many
from airflow_wxa.errors import WxaApiError, WxaStateError, readable
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.declared import ActOperator, Declared, Routing
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import DomainOutcome, modify_platform_domains
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

#: Said by the DAG file: it has no reader, so no template says it.
_Road: TypeAlias = Annotated[Literal["fail", "return"], None]
#: Task ids of the two tries to configure domains.
BRANCHES: Final = ("configure_domains", "configure_domains_again")


class WxaSetWebviewDomainOperator(ActOperator, act=SetWebviewDomain):
    """Bring a Mini Program's business domains (业务域名) to the state that ``action`` names.

    Returns the domain outcome: ``{"outcome", "appid", "action", "errcode", "errmsg", "before", "after", "added",
    "removed", "will_be_lost", "not_proven", "will_be_lost_servers"}``. 0, 89019 and 89022 succeed; 89020 and 89231 fail
    here, the branch operator follows them.

    :param skip_on_errcode: errcodes that skip the task instead of failing it; it leaves its XCom.
    :param on_platform_list_empty: ``"fail"`` with 89020, or ``"return"`` its outcome: as data, also where the task is
        mapped.
    :param on_individual: likewise with 89231.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomain
    """

    action: Annotated[Action, values.choice("add", "delete", "set", "get", ALL)]
    skip_on_errcode: int | Collection[int] | None = None
    on_platform_list_empty: _Road = "fail"
    on_individual: _Road = "fail"

    def __post_init__(self) -> None:
        if self.action is None:
            # Only a literal None leaves the action out: a template that renders to nothing must not add every domain.
            self.action = ALL  # type: ignore[assignment]  # as a template says it
        for name in ("on_platform_list_empty", "on_individual"):
            if getattr(self, name) not in ("fail", "return"):
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be 'fail' or 'return'")

    def execute(self, context: Context) -> dict[str, Any]:
        with failing_at_once():
            outcome = self._configure(context)
            roads = {"platform_list_empty": self.on_platform_list_empty, "individual": self.on_individual}
            if roads.get(outcome.outcome) == "fail":
                raise outcome.as_error()
        return outcome.to_json()

    def _configure(self, context: Context) -> DomainOutcome:
        act = self.built()
        if warning := warning_of_many(parse_origins(act.webviewdomain)):
            self.log.warning(warning)
        try:
            outcome: DomainOutcome = self.hook.run(act.step())
        except WxaApiError as error:
            told = {"outcome": "refused", "appid": act.appid, "errcode": error.errcode, "errmsg": error.errmsg}
            self._skip_on(context, told, error)
            raise
        if outcome.errcode:
            self._skip_on(context, outcome.to_json(), outcome.errmsg)
        self.log.info(readable(as_set(outcome.in_words())))
        return outcome

    def _skip_on(self, context: Context, outcome: Mapping[str, Any], said: object) -> None:
        codes, errcode = self.skip_on_errcode, outcome["errcode"]
        if codes is not None and errcode in ({codes} if isinstance(codes, int) else codes):
            if (ti := context.get("ti")) is not None:
                ti.xcom_push(key="return_value", value=dict(outcome))
            raise AirflowSkipException(as_set(Text("skipped_on_errcode", errcode=errcode, said=said)))


class WxaSetWebviewDomainBranchOperator(Routing, WxaSetWebviewDomainOperator, BranchMixIn):
    """The same call, then the road that the answer opens; an answer without a road fails.

    Refused at parse inside a mapped task group, and mapped itself: Airflow runs every branch there for every map index
    (apache/airflow#67265).

    :param configured: task id or ids to follow on 0, 89019 and 89022.
    :param platform_list_empty: on 89020, the platform has registered no business domain; ``None``: fail.
    :param individual: on 89231, an individual's Mini Program, which cannot have any; ``None``: fail.
    """

    configured: str | Sequence[str]
    platform_list_empty: str | Sequence[str] | None = None
    individual: str | Sequence[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        roads = {"platform_list_empty": self.platform_list_empty, "individual": self.individual}
        with failing_at_once():
            outcome = self._configure(context)
            road = roads.get(outcome.outcome, self.configured)
            if road is None:
                raise outcome.as_error()
        return self.follow(context, road, outcome.to_json())


class WxaRegisterPlatformDomainOperator(Declared, BaseOperator):
    """Register hosts for all merchants after 89020, if that was asked for; skipped after any other answer.

    Behind :class:`WxaSetWebviewDomainBranchOperator`, on its road ``platform_list_empty``. It looks at the branch's
    outcome itself, and at the platform's list just before it writes: a published list that holds other hosts fails, and
    is left as it is. So neither a branch that somebody marks "success" nor an XCom that somebody writes adds to it.

    :param hosts: bare hosts; empty: those of ``webviewdomain`` (templated).
    :param webviewdomain: origins (templated).
    :param on_platform_list_empty: ``"register"``, or ``"stop"``: fail with 89020 (templated).
    :param branch_task_id: the branch.
    :param platform_conn_id: a Connection with a platform token (templated).
    """

    branch_task_id: str
    hosts: Texts = ()
    webviewdomain: Texts = ()
    on_platform_list_empty: Literal["stop", "register"] = "stop"
    platform_conn_id: Name = WxaHook.default_conn_name

    def execute(self, context: Context) -> dict[str, Any]:
        self.read_fields()
        outcome = _outcome_of(context, self.branch_task_id)
        if outcome is None or outcome.outcome != "platform_list_empty":
            raise AirflowSkipException(as_set(Text("not_answered_89020", branch_task_id=self.branch_task_id)))
        with failing_at_once():
            if self.on_platform_list_empty == "stop":
                raise outcome.as_error()
            hosts = self.hosts or [domain.host for domain in parse_origins(self.webviewdomain)]
            hook = WxaHook(self.platform_conn_id)
            try:
                registered = hook.run(modify_platform_domains("add", hosts, only_if_empty=True))
            except WxaStateError as error:
                hook.note_refusal(error, outcome.appid)
                raise
        self.log.info(readable(as_set(registered.in_words())))
        return registered.to_json()


class WxaIndividualAccountOperator(Declared, BaseOperator):
    """Note that an individual owns the Mini Program (89231), and go on or fail; skipped after any other answer.

    Behind :class:`WxaSetWebviewDomainBranchOperator`, on its road ``individual``; it looks at the outcome itself.

    :param appid: the Mini Program (templated).
    :param on_individual: ``"release_without_domains"``, or ``"stop"``: fail with 89231 (templated).
    :param branch_task_ids: the first try, and the second one after the platform's list was filled.
    """

    appid: Appid
    branch_task_ids: tuple[str, str] = BRANCHES
    on_individual: Literal["release_without_domains", "stop"] = "release_without_domains"

    def execute(self, context: Context) -> str:
        self.read_fields()
        outcome = domain_outcome(context, *self.branch_task_ids)
        if outcome is None or outcome.outcome != "individual":
            raise AirflowSkipException(as_set(Text("not_answered_89231")))
        with failing_at_once():
            if self.on_individual == "stop":
                raise outcome.as_error()
        return f"{self.appid} is an individual's Mini Program: it goes on without business domains"


def domain_outcome(
    context: Context, configure_domains: str = BRANCHES[0], configure_domains_again: str = BRANCHES[1]
) -> DomainOutcome | None:
    """Return what became of the domains; ``None`` when neither try ran.

    The second try counts only if the first was answered 89020: its return value from before a Clear is still there.
    """
    first = _outcome_of(context, configure_domains)
    if first is None or first.outcome != "platform_list_empty":
        return first
    return _outcome_of(context, configure_domains_again) or first


def _outcome_of(context: Context, task_id: str) -> DomainOutcome | None:
    ti = context["ti"]
    returned = ti.xcom_pull(task_ids=task_id, map_indexes=ti.map_index)
    return DomainOutcome.from_json(returned) if isinstance(returned, dict) else None
