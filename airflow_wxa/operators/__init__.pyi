"""Made of the code by ``python -m docs.generate``: every argument of the operators, with its type."""

from airflow.sdk import BaseOperator, BaseSensorOperator, Context
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.bases.operator import TaskPostExecuteHook, TaskPreExecuteHook
from airflow.sdk.definitions._internal.abstractoperator import TaskStateChangeCallback
from airflow.sdk.definitions.dag import DAG
from airflow.sdk.definitions.mappedoperator import OperatorPartial
from airflow.sdk.definitions.retry_policy import RetryPolicy
from airflow.sdk.definitions.taskgroup import TaskGroup
from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg
from airflow.sdk.types import WeightRuleParam
from airflow_wxa.operators.approval import WxaApprovalOperator as WxaApprovalOperator
from airflow_wxa.release.dag import Rendered
from airflow_wxa.store.questions import Fact, Question
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeVar, TypedDict, Unpack

T = TypeVar("T")

#: A templated field: a value, Jinja, ``param()`` or ``rendered()``, or what another task returns.
Templated: TypeAlias = T | str | Rendered | XComArg
#: A templated field of a few words, where Jinja would let every text pass: a template is a ``param()`` there.
Word: TypeAlias = T | Rendered | XComArg

class TaskArguments(TypedDict, total=False):
    """What Airflow's ``BaseOperator`` takes."""

    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: RetryPolicy | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: WeightRuleParam
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: None | TaskStateChangeCallback | Collection[TaskStateChangeCallback]
    on_failure_callback: None | TaskStateChangeCallback | list[TaskStateChangeCallback]
    on_success_callback: None | TaskStateChangeCallback | Collection[TaskStateChangeCallback]
    on_retry_callback: None | TaskStateChangeCallback | list[TaskStateChangeCallback]
    on_skipped_callback: None | TaskStateChangeCallback | Collection[TaskStateChangeCallback]
    pre_execute: TaskPreExecuteHook | None
    post_execute: TaskPostExecuteHook | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any | None
    outlets: Any | None
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None

class SensorArguments(TaskArguments, total=False):
    """What Airflow's ``BaseSensorOperator`` takes."""

    soft_fail: bool
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool

class ApprovalArguments(TaskArguments, total=False):
    """What Airflow's ``ApprovalOperator`` takes."""

    ignore_downstream_trigger_rules: bool
    fail_on_reject: bool
    notifiers: Sequence[BaseNotifier] | BaseNotifier | None

class WxaAddToTemplateOperator(BaseOperator):
    """Make a template of the draft (草稿) with this version or description, unless there is one of it already."""
    def __init__(
        self,
        *,
        task_id: str,
        user_version: Templated[str] = ...,
        user_desc: Templated[str] = ...,
        template_type: Templated[int] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        user_version: Templated[str] = ...,
        user_desc: Templated[str] = ...,
        template_type: Templated[int] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaApplyPrivacyInterfaceOperator(BaseOperator):
    """Apply for a privacy interface that the account has no right to: the cure of 61040's ``without_auth_list``."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        api_name: Templated[str],
        content: Templated[str],
        url_list: Templated[Sequence[str]] = ...,
        pic_list: Templated[Sequence[str]] = ...,
        video_list: Templated[Sequence[str]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        api_name: Templated[str] = ...,
        content: Templated[str] = ...,
        url_list: Templated[Sequence[str]] = ...,
        pic_list: Templated[Sequence[str]] = ...,
        video_list: Templated[Sequence[str]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaApproveClearQuotaOperator(WxaApprovalOperator):
    """Ask a person whether to spend one of the account's ten resets a month; shows how many are left by the ledger."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
    def facts(self, context: Context) -> Mapping[str, Fact]: ...
    @staticmethod
    def words(question: Question) -> tuple[str, str]: ...

class WxaApprovePlatformDomainOperator(WxaApprovalOperator):
    """Ask a person whether the platform's list may change: every merchant of the platform is concerned."""
    def __init__(
        self,
        *,
        task_id: str,
        read: Templated[Mapping[str, Any]],
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        read: Templated[Mapping[str, Any]] = ...,
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
    def facts(self, context: Context) -> Mapping[str, Fact]: ...
    @staticmethod
    def words(question: Question) -> tuple[str, str]: ...

class WxaApproveReleaseOperator(WxaApprovalOperator):
    """Ask a person whether to release, with everything that is needed to decide."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        user_desc: Templated[str | None] = ...,
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        user_desc: Templated[str | None] = ...,
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
    def facts(self, context: Context) -> Mapping[str, Fact]: ...
    @staticmethod
    def words(question: Question) -> tuple[str, str]: ...

class WxaApproveRollbackOperator(WxaApprovalOperator):
    """Ask a person whether a version may come back, in place of the one online, for everyone and at once."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        plan: Templated[Mapping[str, Any]],
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        plan: Templated[Mapping[str, Any]] = ...,
        approvers: Templated[Sequence[str]] = ...,
        approver_must_differ: Templated[bool] = ...,
        approval_timeout_hours: Templated[float | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        response_timeout: timedelta | None = ...,
        **task: Unpack[ApprovalArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
    def facts(self, context: Context) -> Mapping[str, Fact]: ...
    @staticmethod
    def words(question: Question) -> tuple[str, str]: ...

class WxaAuditBranchOperator(BaseSensorOperator):
    """Wait until the review of a sheet has ended, as the sensor does, then follow its end; returns the last status."""
    def __init__(
        self,
        *,
        task_id: str,
        approved: str | Sequence[str],
        auditid: Templated[str],
        appid: Templated[str],
        rejected: str | Sequence[str] | None = ...,
        withdrawn: str | Sequence[str] | None = ...,
        timeout: Templated[Any] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        approved: str | Sequence[str] = ...,
        rejected: str | Sequence[str] | None = ...,
        withdrawn: str | Sequence[str] | None = ...,
        auditid: Templated[str] = ...,
        timeout: Templated[Any] = ...,
        appid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaBindTesterOperator(BaseOperator):
    """Make somebody a tester (体验者) of the trial version; a tester (85004) stays one."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        wechatid: Templated[str],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        wechatid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaCallOperator(BaseOperator):
    """Send one call to an endpoint that has no operator of its own; returns WeChat's answer."""
    def __init__(
        self,
        *,
        task_id: str,
        method: Templated[str],
        path: Templated[str],
        appid: Templated[str | None],
        body: Templated[Mapping[str, Any] | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        method: Templated[str] = ...,
        path: Templated[str] = ...,
        appid: Templated[str | None] = ...,
        body: Templated[Mapping[str, Any] | None] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaChangePlatformDomainOperator(BaseOperator):
    """Change the platform's own list as it was approved, and read it back."""
    def __init__(
        self,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]],
        approval_task_id: str,
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]] = ...,
        approval_task_id: str = ...,
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaChangeVisitStatusOperator(BaseOperator):
    """Open or close (暂停服务) the online version to visitors. Returns WeChat's answer."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        action: Word[Literal["open", "close"]],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        action: Word[Literal["open", "close"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaCheckAccountOperator(BaseOperator):
    """Look at what a release needs of a merchant's account, before anything is spent; fails with one list to do."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        guide_is_given: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        guide_is_given: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaClearQuotaOperator(BaseOperator):
    """Let the day's call counters begin anew: ten times a month for each account, and once for a task of a run."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        approval_task_id: str | None = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        approval_task_id: str | None = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaCommitOperator(BaseOperator):
    """Upload code from a template as the trial version, unless WeChat has this version already."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        template_id: Templated[int | str],
        user_version: Templated[str],
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        user_desc: Templated[str] = ...,
        withdraw_foreign_audit: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        template_id: Templated[int | str] = ...,
        user_version: Templated[str] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        user_desc: Templated[str] = ...,
        withdraw_foreign_audit: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaDeleteTemplateOperator(BaseOperator):
    """Take a template out of the platform's library. Returns WeChat's answer."""
    def __init__(
        self,
        *,
        task_id: str,
        template_id: Templated[int | str],
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        template_id: Templated[int | str] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaEffectiveServerDomainOperator(BaseOperator):
    """Read a Mini Program's server domains by the way that they were set, and the effective ones."""
    def __init__(
        self, *, task_id: str, appid: Templated[str], wxa_conn_id: Templated[str] = ..., **task: Unpack[TaskArguments]
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaGetPrivacySettingOperator(BaseOperator):
    """Read the privacy guide (用户隐私保护指引); returns WeChat's fields."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        privacy_ver: Templated[int] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        privacy_ver: Templated[int] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaGrayReleaseOperator(BaseOperator):
    """Show the version to a part of the users, if its sheet is the latest and approved; the part only rises."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        gray_percentage: Templated[int],
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        approval_task_id: str | None = ...,
        on_lost_domains: Word[Literal["stop", "release"]] = ...,
        support_debuger_first: Templated[bool] = ...,
        support_experiencer_first: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        gray_percentage: Templated[int] = ...,
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        approval_task_id: str | None = ...,
        on_lost_domains: Word[Literal["stop", "release"]] = ...,
        support_debuger_first: Templated[bool] = ...,
        support_experiencer_first: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaIndividualAccountOperator(BaseOperator):
    """Note that an individual owns the Mini Program (89231), and go on or fail; skipped after any other answer."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        branch_task_ids: tuple[str, str] = ...,
        on_individual: Word[Literal["release_without_domains", "stop"]] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        branch_task_ids: tuple[str, str] = ...,
        on_individual: Word[Literal["release_without_domains", "stop"]] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaListVersionsOperator(BaseOperator):
    """Read which version is online, which can come back, and the business domains; nothing is written."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        app_version: Templated[str] = ...,
        on_lost_domains: Word[Literal["ask", "release", "stop"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        app_version: Templated[str] = ...,
        on_lost_domains: Word[Literal["ask", "release", "stop"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaModifyPlatformDomainOperator(BaseOperator):
    """Change or read the platform's own list of business domains; every merchant of the platform is concerned."""
    def __init__(
        self,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]],
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]] = ...,
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaModifyPlatformServerDomainOperator(BaseOperator):
    """Change or read the platform's own list of server domains; every merchant of the platform is concerned."""
    def __init__(
        self,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]],
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set", "get"]] = ...,
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaModifyServerDomainOperator(BaseOperator):
    """Bring a Mini Program's server domains (服务器域名) to the state that ``action`` names, in few changes."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        action: Word[Literal["add", "delete", "set", "get"]],
        server_domains: Templated[Mapping[str, Any]] = ...,
        direct: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        action: Word[Literal["add", "delete", "set", "get"]] = ...,
        server_domains: Templated[Mapping[str, Any]] = ...,
        direct: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaReadPlatformDomainOperator(BaseOperator):
    """Read the platform's own list, and the verification file (校验文件) that WeChat asks each host for."""
    def __init__(
        self,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set"]],
        hosts: Templated[Sequence[str]],
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        action: Word[Literal["add", "delete", "set"]] = ...,
        hosts: Templated[Sequence[str]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaRegisterPlatformDomainOperator(BaseOperator):
    """Register hosts for all merchants after 89020, if that was asked for; skipped after any other answer."""
    def __init__(
        self,
        *,
        task_id: str,
        branch_task_id: str,
        hosts: Templated[Sequence[str]] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        on_platform_list_empty: Word[Literal["stop", "register"]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        branch_task_id: str = ...,
        hosts: Templated[Sequence[str]] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        on_platform_list_empty: Word[Literal["stop", "register"]] = ...,
        platform_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaReleaseOperator(BaseOperator):
    """Publish the version if its sheet is the latest and approved; once, also after a lost answer."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        approval_task_id: str | None = ...,
        on_lost_domains: Word[Literal["stop", "release"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        auditid: Templated[str] = ...,
        approval_task_id: str | None = ...,
        on_lost_domains: Word[Literal["stop", "release"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaRevertGrayReleaseOperator(BaseOperator):
    """Take a staged release back: everybody sees what is online again."""
    def __init__(
        self, *, task_id: str, appid: Templated[str], wxa_conn_id: Templated[str] = ..., **task: Unpack[TaskArguments]
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaRollbackOperator(BaseOperator):
    """Bring an earlier version back, once, also after a lost answer and beside another run."""
    def __init__(
        self,
        *,
        task_id: str,
        plan: Templated[Mapping[str, Any]],
        approval_task_id: str,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        plan: Templated[Mapping[str, Any]] = ...,
        approval_task_id: str = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetPrefetchDnsDomainOperator(BaseOperator):
    """Set the domains that clients look up beforehand (DNS 预解析), 50 times a month. Returns WeChat's answer."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        prefetch_dns_domain: Templated[Sequence[Mapping[str, Any]]],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        prefetch_dns_domain: Templated[Sequence[Mapping[str, Any]]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetPrivacySettingOperator(BaseOperator):
    """Write the privacy guide (用户隐私保护指引), unless it is so already; after the commit, before the submission."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        privacy_setting: Templated[Mapping[str, Any]],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        privacy_setting: Templated[Mapping[str, Any]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetSupportVersionOperator(BaseOperator):
    """Set the lowest base library (最低基础库版本) that opens the Mini Program. Returns WeChat's answer."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        version: Templated[str],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        version: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetWebviewDomainBranchOperator(BaseOperator):
    """The same call, then the road that the answer opens; an answer without a road fails."""
    def __init__(
        self,
        *,
        task_id: str,
        configured: str | Sequence[str],
        appid: Templated[str],
        action: Word[Literal["add", "delete", "set", "get"] | None],
        platform_list_empty: str | Sequence[str] | None = ...,
        individual: str | Sequence[str] | None = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        on_lost_domains: Word[Literal["release", "stop"]] = ...,
        domain_mode: Word[Literal["platform", "direct"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        skip_on_errcode: int | Collection[int] | None = ...,
        on_platform_list_empty: Literal["fail", "return"] = ...,
        on_individual: Literal["fail", "return"] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        configured: str | Sequence[str] = ...,
        platform_list_empty: str | Sequence[str] | None = ...,
        individual: str | Sequence[str] | None = ...,
        appid: Templated[str] = ...,
        action: Word[Literal["add", "delete", "set", "get"] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        on_lost_domains: Word[Literal["release", "stop"]] = ...,
        domain_mode: Word[Literal["platform", "direct"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        skip_on_errcode: int | Collection[int] | None = ...,
        on_platform_list_empty: Literal["fail", "return"] = ...,
        on_individual: Literal["fail", "return"] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetWebviewDomainDirectlyOperator(BaseOperator):
    """Bring business domains in direct mode to the state that ``action`` names; effective after a release."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        action: Word[Literal["add", "delete", "set", "get"]],
        webviewdomain: Templated[Sequence[str]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        action: Word[Literal["add", "delete", "set", "get"]] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSetWebviewDomainOperator(BaseOperator):
    """Bring a Mini Program's business domains (业务域名) to the state that ``action`` names."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        action: Word[Literal["add", "delete", "set", "get"] | None],
        webviewdomain: Templated[Sequence[str]] = ...,
        on_lost_domains: Word[Literal["release", "stop"]] = ...,
        domain_mode: Word[Literal["platform", "direct"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        skip_on_errcode: int | Collection[int] | None = ...,
        on_platform_list_empty: Literal["fail", "return"] = ...,
        on_individual: Literal["fail", "return"] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        action: Word[Literal["add", "delete", "set", "get"] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        on_lost_domains: Word[Literal["release", "stop"]] = ...,
        domain_mode: Word[Literal["platform", "direct"]] = ...,
        wxa_conn_id: Templated[str] = ...,
        skip_on_errcode: int | Collection[int] | None = ...,
        on_platform_list_empty: Literal["fail", "return"] = ...,
        on_individual: Literal["fail", "return"] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSpeedUpAuditOperator(BaseOperator):
    """Speed a review up (加急审核), of the platform's monthly budget; 2 to 12 hours are expected then."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        auditid: Templated[str],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        auditid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaSubmitAuditOperator(BaseOperator):
    """Submit the trial version for audit (提交审核), or adopt the sheet that this version has already."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        version_desc: Templated[str] = ...,
        privacy_api_not_use: Templated[bool] = ...,
        item_list: Templated[Sequence[Mapping[str, Any]] | None] = ...,
        preview_info: Templated[Mapping[str, Any] | None] = ...,
        feedback_info: Templated[str] = ...,
        feedback_stuff: Templated[str] = ...,
        ugc_declare: Templated[Mapping[str, Any] | None] = ...,
        order_path: Templated[str] = ...,
        audit_form: Templated[Mapping[str, Any]] = ...,
        quota_reserve: Templated[int] = ...,
        audit_quota: Templated[int | None] = ...,
        withdraw_foreign_audit: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        version_desc: Templated[str] = ...,
        privacy_api_not_use: Templated[bool] = ...,
        item_list: Templated[Sequence[Mapping[str, Any]] | None] = ...,
        preview_info: Templated[Mapping[str, Any] | None] = ...,
        feedback_info: Templated[str] = ...,
        feedback_stuff: Templated[str] = ...,
        ugc_declare: Templated[Mapping[str, Any] | None] = ...,
        order_path: Templated[str] = ...,
        audit_form: Templated[Mapping[str, Any]] = ...,
        quota_reserve: Templated[int] = ...,
        audit_quota: Templated[int | None] = ...,
        withdraw_foreign_audit: Templated[bool] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaTrialQrcodeOperator(BaseOperator):
    """Save the QR code of the trial version (体验版), which testers and admins can open, and link to it."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        path: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        path: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaUndoAuditOperator(BaseOperator):
    """Take a sheet in audit back (撤回审核), once: each Mini Program has 5 withdrawals a day and 10 a month."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        auditid: Templated[str],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        auditid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaUploadMediaOperator(BaseOperator):
    """Upload a picture or a video for ``preview_info`` of a submission. Returns ``{"mediaid", "type"}``."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        file: Templated[str],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        file: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaVerifyReleaseOperator(BaseOperator):
    """Prove that the version is online and that the wanted domains are effective."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        server_domains: Templated[Mapping[str, Any]] = ...,
        individual: Templated[bool] = ...,
        released_at: Templated[int] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        template_id: Templated[int | str | None] = ...,
        user_version: Templated[str | None] = ...,
        ext_json: Templated[Mapping[str, Any] | None] = ...,
        adopt_trial: Templated[Mapping[str, Any] | None] = ...,
        webviewdomain: Templated[Sequence[str]] = ...,
        server_domains: Templated[Mapping[str, Any]] = ...,
        individual: Templated[bool] = ...,
        released_at: Templated[int] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaVerifyRollbackOperator(BaseOperator):
    """Prove that the version is online again, and that no business domain that was effective before is lost."""
    def __init__(
        self,
        *,
        task_id: str,
        plan: Templated[Mapping[str, Any]],
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        plan: Templated[Mapping[str, Any]] = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaWebviewDomainConfirmfileOperator(BaseOperator):
    """Write the verification file (校验文件) that a host must serve before it can be set in direct mode."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        directory: str,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        appid: Templated[str] = ...,
        directory: str = ...,
        wxa_conn_id: Templated[str] = ...,
        **task: Unpack[TaskArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
