"""Operators for code: commit, submit, release, and the proof afterwards.

Each is told the version by ``template_id``, ``user_version`` and ``ext_json``, and recognises it at WeChat by the
fingerprint over them: so each can run again at any point, alone or beside another run. What another tool uploaded is
named by ``adopt_trial`` instead, by all behind the upload alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.api.audit import AUDIT_FORM
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.server_domain import parse_server_domains
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.assets import RELEASES, announce_release
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.approve_release import check_auditid, release_named
from airflow_wxa.operators.mini_program import MiniProgramFields
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.steps import (
    Approved,
    Submission,
    commit_code,
    prove_server_domains,
    release_version,
    submit_version,
    verify_release,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.api.webview_domain import WebviewDomain
    from airflow_wxa.steps import Step


class _VersionOperator(MiniProgramFields):
    """What the four share: the version they are about.

    :param template_id: number or digits (templated).
    :param user_version: the name of the version (templated).
    :param ext_json: the whole ext_json; ``extAppid`` is added (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **MiniProgramFields.reads,
        "template_id": values.digits,
        "user_version": values.named,
        "ext_json": values.optional(values.json_object),
    }
    operator_extra_links = (*TemplatedFields.operator_extra_links, WxaTrialQrcodeLink())

    def __init__(
        self,
        *,
        appid: str,
        template_id: int | str | None,
        user_version: str | None,
        ext_json: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)  # so that submit.output["auditid"] is an XCom of its own
        super().__init__(appid=appid, **kwargs)
        self.template_id = template_id
        self.user_version = user_version
        self.ext_json = ext_json

    def _version(self) -> CodeVersion:
        return CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json)

    def _run(self, step: Step[Any]) -> dict[str, Any]:
        outcome = WxaHook(self.wxa_conn_id).run(step)
        if hasattr(outcome, "in_words"):
            self.log.info(outcome.in_words())
        returned: dict[str, Any] = outcome.to_json()
        return returned


class _AdoptingOperator(_VersionOperator):
    """What the three behind the upload share: they also take a version that another tool uploaded.

    :param adopt_trial: in place of ``template_id`` and ``ext_json``: ``{"user_version", "user_desc"}`` of the trial
        version, as WeChat shows them (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_VersionOperator.reads,
        "user_version": values.optional(values.named),
        "adopt_trial": values.optional(values.json_object),
    }

    def __init__(
        self,
        *,
        template_id: int | str | None = None,
        user_version: str | None = None,
        adopt_trial: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(template_id=template_id, user_version=user_version, **kwargs)
        self.adopt_trial = adopt_trial

    def _version(self) -> CodeVersion:
        return CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json, self.adopt_trial)


class WxaCommitOperator(_VersionOperator):
    """Upload code from a template as the trial version, unless WeChat has this version already.

    Returns ``{"outcome": "committed|unchanged", "appid", "user_version", "fingerprint", "superseded"}``.

    :param user_desc: what changed; the fingerprint is appended; empty: the ``user_version`` (templated).
    :param withdraw_foreign_audit: withdraw a foreign sheet that is in audit instead of stopping, while the Mini
        Program has withdrawals left: 5 a day, 10 a month (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/en/openApi/OpenApiDoc/miniprogram-management/code-management/commit.html
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_VersionOperator.reads,
        "user_desc": values.text,
        "withdraw_foreign_audit": values.flag,
    }

    def __init__(self, *, user_desc: str = "", withdraw_foreign_audit: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_desc = user_desc
        self.withdraw_foreign_audit = withdraw_foreign_audit

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        self.read_fields()
        with failing_at_once():
            version = self._version()
            user_desc = self.user_desc or version.user_version
            step = commit_code(version, user_desc, withdraw_foreign_audit=self.withdraw_foreign_audit)
            return self._run(step)


class WxaSubmitAuditOperator(_AdoptingOperator):
    """Submit the trial version for audit (提交审核), or adopt the sheet that this version has already.

    Returns ``{"outcome": "submitted|adopted", "appid", "user_version", "auditid", "superseded"}``.

    :param version_desc: words for the reviewer; test accounts go here (templated).
    :param privacy_api_not_use: declare that privacy interfaces which the scan found are not used (templated).
    :param item_list: one to five entries, each with ``first_class``, ``second_class``, ``first_id`` and ``second_id``
        from ``get_category``; ``None``: the Mini Program's own categories (templated).
    :param preview_info: ``video_id_list`` and ``pic_id_list`` from ``/wxa/uploadmedia`` (templated).
    :param feedback_info: after a rejection: what was mended, up to 200 characters (templated).
    :param feedback_stuff: after a rejection: up to five media ids with ``|`` between them (templated).
    :param ugc_declare: what users can publish, and how it is checked; 85094 asks for it (templated).
    :param order_path: page of the order centre (templated).
    :param quota_reserve: refuse when the platform's submissions left this month are down to this; 0: WeChat's 85085
        decides (templated).
    :param audit_quota: submissions left this month, instead of what ``queryquota`` tells (templated).
    :param withdraw_foreign_audit: as for :class:`WxaCommitOperator` (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_submitaudit
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_AdoptingOperator.reads,
        "version_desc": values.text,
        "privacy_api_not_use": values.flag,
        "item_list": values.optional(values.json_list),
        "preview_info": values.optional(values.json_object),
        "feedback_info": values.text,
        "feedback_stuff": values.text,
        "ugc_declare": values.optional(values.json_object),
        "order_path": values.text,
        "quota_reserve": values.whole,
        "audit_quota": values.optional(values.whole),
        "withdraw_foreign_audit": values.flag,
    }

    def __init__(  # noqa: PLR0913  (WeChat's own fields)
        self,
        *,
        version_desc: str = "",
        privacy_api_not_use: bool = False,
        item_list: Sequence[Mapping[str, Any]] | None = None,
        preview_info: Mapping[str, Any] | None = None,
        feedback_info: str = "",
        feedback_stuff: str = "",
        ugc_declare: Mapping[str, Any] | None = None,
        order_path: str = "",
        quota_reserve: int = 0,
        audit_quota: int | None = None,
        withdraw_foreign_audit: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version_desc = version_desc
        self.privacy_api_not_use = privacy_api_not_use
        self.item_list = item_list
        self.preview_info = preview_info
        self.feedback_info = feedback_info
        self.feedback_stuff = feedback_stuff
        self.ugc_declare = ugc_declare
        self.order_path = order_path
        self.quota_reserve = quota_reserve
        self.audit_quota = audit_quota
        self.withdraw_foreign_audit = withdraw_foreign_audit

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        self.read_fields()
        with failing_at_once():
            version = self._version()
            noted_auditid = WxaHook(self.wxa_conn_id).submitted_auditid(self.appid, version.fingerprint)
            how = Submission(
                version_desc=self.version_desc,
                privacy_api_not_use=self.privacy_api_not_use,
                form={name: value for name in AUDIT_FORM if (value := getattr(self, name)) not in (None, "")},
                quota_reserve=self.quota_reserve,
                audit_quota=self.audit_quota,
                noted_auditid=noted_auditid,  # XCom is lost on a retry
                withdraw_foreign_audit=self.withdraw_foreign_audit,
            )
            return self._run(submit_version(version, how))


class PublishingOperator(_AdoptingOperator):
    """What the two share that show a version to users.

    :param webviewdomain: origins that must be effective afterwards (templated).
    :param auditid: of the submission; needed with ``approval_task_id``, with ``adopt_trial``, and where WeChat leaves
        descriptions out (templated).
    :param approval_task_id: a :class:`WxaApproveReleaseOperator` of this run: only what its latest decision in the
        ledger approves is published, and a rejection skips. ``None``: nobody is asked. A run whose DAG has a param
        ``approval`` needs no decision where that is false.
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_AdoptingOperator.reads,
        "webviewdomain": values.texts,
        "auditid": values.digits,
    }

    def __init__(
        self,
        *,
        webviewdomain: Sequence[str] = (),
        auditid: str = "",
        approval_task_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.webviewdomain = webviewdomain
        self.auditid = auditid
        self.approval_task_id = approval_task_id

    def _approval(self, version: CodeVersion, wanted: Iterable[WebviewDomain]) -> Approved | None:
        check_auditid(version, self.auditid)
        if self.approval_task_id is None:
            return None
        return Approved(self.approval_task_id, self.appid, release_named(version, self.auditid, wanted))


class WxaReleaseOperator(PublishingOperator):
    """Publish the version if its sheet is the latest and approved; once, also after a lost answer.

    Just before, the wanted domains are looked for on the Mini Program's own list and, when the Connection can read
    it, on the platform's: one that the release would drop stops it. Returns ``{"outcome": "released|already_released",
    "appid", "release_version", "release_time", "effective"}``, and emits an event of the Asset ``wxa://{appid}/release``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_release
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        vars(self)["outlets"] = [*self.outlets, RELEASES]  # an attribute set is noted as an argument that was given

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        self.read_fields()
        with failing_at_once():
            version = self._version()
            wanted = parse_origins(self.webviewdomain)
            step = release_version(
                version,
                wanted,
                noted_auditid=self.auditid,
                approval=self._approval(version, wanted),
            )
            returned = self._run(step)
        announce_release(context, returned, user_version=version.user_version)
        return returned


class WxaVerifyReleaseOperator(_AdoptingOperator):
    """Prove that the version is online and that the wanted business domains are effective.

    Returns the same as :class:`WxaReleaseOperator`.

    :param webviewdomain: origins that must be effective (templated).
    :param server_domains: kind, such as ``requestdomain``, → domains that must be effective (templated).
    :param individual: no domain proof, an individual's Mini Program cannot have any (templated).
    :param released_at: epoch seconds of the release, needed where WeChat leaves ``release_version`` out (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_AdoptingOperator.reads,
        "webviewdomain": values.texts,
        "server_domains": values.json_object,
        "individual": values.flag,
        "released_at": values.whole,
    }

    def __init__(
        self,
        *,
        webviewdomain: Sequence[str] = (),
        server_domains: Mapping[str, Sequence[str]] | None = None,
        individual: bool = False,
        released_at: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.server_domains = {} if server_domains is None else server_domains
        self.webviewdomain = webviewdomain
        self.individual = individual
        self.released_at = released_at

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        self.read_fields()
        with failing_at_once():
            version = self._version()
            step = verify_release(
                version,
                parse_origins(self.webviewdomain),
                individual=self.individual,
                released_at=self.released_at,
            )
            outcome = self._run(step)
            if servers := parse_server_domains(self.server_domains):
                WxaHook(self.wxa_conn_id).run(prove_server_domains(self.appid, servers))
            return outcome
