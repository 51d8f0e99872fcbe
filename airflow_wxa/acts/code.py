"""Acts on code: commit, submit, the review, and the proof behind a release.

Each is told the version by ``template_id``, ``user_version`` and ``ext_json``, and recognises it at WeChat by the
fingerprint over them: so each can be done again at any point, alone or beside another run. A version that another tool
uploaded is named by ``adopt_trial`` instead, by all behind the upload alike.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from airflow_wxa import steps
from airflow_wxa.acts.act import (
    Digits,
    Flag,
    IntOrDigits,
    JsonList,
    JsonObject,
    Name,
    OfMiniProgram,
    Text,
    Texts,
    Whole,
)
from airflow_wxa.api.audit import AUDIT_FORM
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.server_domain import parse_server_domains
from airflow_wxa.api.webview_domain import WebviewDomain, parse_origins


@dataclass(frozen=True)
class Commit(OfMiniProgram):
    """Upload code from a template as the trial version, unless WeChat has this version already.

    Returns ``{"outcome": "committed|unchanged", "appid", "user_version", "fingerprint", "superseded"}``.

    :param template_id: number or digits.
    :param user_version: the name of the version.
    :param ext_json: the whole ext_json; ``extAppid`` is added.
    :param user_desc: the change; the fingerprint is appended; empty: the ``user_version``.
    :param withdraw_foreign_audit: withdraw a foreign sheet that is in audit instead of stopping, while the Mini
        Program has withdrawals left: 5 a day, 10 a month.

    Source: https://developers.weixin.qq.com/doc/oplatform/en/openApi/OpenApiDoc/miniprogram-management/code-management/commit.html
    """

    template_id: IntOrDigits
    user_version: Name
    _: KW_ONLY
    ext_json: JsonObject | None = None
    user_desc: Text = ""
    withdraw_foreign_audit: Flag = False
    writes = ("commit", "undocodeaudit")

    def step(self) -> steps.Step[steps.CommitOutcome]:
        version = CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json)
        user_desc = self.user_desc or version.user_version
        return steps.commit_code(version, user_desc, withdraw_foreign_audit=self.withdraw_foreign_audit)


@dataclass(frozen=True)
class OfUploaded(OfMiniProgram):
    """An act behind the upload: it also takes a version that another tool uploaded.

    :param template_id: number or digits.
    :param user_version: the name of the version.
    :param ext_json: the whole ext_json; ``extAppid`` is added.
    :param adopt_trial: in place of ``template_id`` and ``ext_json``: ``{"user_version", "user_desc"}`` of the trial
        version, as WeChat shows them.
    """

    template_id: IntOrDigits | None = None
    user_version: Name | None = None
    _: KW_ONLY
    ext_json: JsonObject | None = None
    adopt_trial: JsonObject | None = None

    @property
    def version(self) -> CodeVersion:
        """The version that it is about.

        :raises WxaSpecError: every part that cannot be right.
        """
        return CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json, self.adopt_trial)


@dataclass(frozen=True, kw_only=True)
class SubmitAudit(OfUploaded):
    """Submit the trial version for audit (提交审核), or adopt the sheet that this version has already.

    Returns ``{"outcome": "submitted|adopted", "appid", "user_version", "auditid", "superseded"}``.

    :param version_desc: words for the reviewer; test accounts go here.
    :param privacy_api_not_use: declare that privacy interfaces which the scan found are not used.
    :param item_list: one to five entries, each with ``first_class``, ``second_class``, ``first_id`` and ``second_id``
        from ``get_category``; ``None``: the Mini Program's own categories.
    :param preview_info: ``video_id_list`` and ``pic_id_list`` from ``/wxa/uploadmedia``.
    :param feedback_info: after a rejection: the corrections, up to 200 characters.
    :param feedback_stuff: after a rejection: up to five media ids with ``|`` between them.
    :param ugc_declare: content that users can publish, and its checks; 85094 asks for it.
    :param order_path: page of the order centre.
    :param audit_form: the same fields by WeChat's names, as one object; a field that is named itself counts.
    :param quota_reserve: refuse when the platform's submissions left this month are down to this; 0: WeChat's 85085
        decides.
    :param audit_quota: submissions left this month, instead of ``queryquota``'s number.
    :param withdraw_foreign_audit: as for :class:`WxaCommitOperator`.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_submitaudit
    """

    version_desc: Text = ""
    privacy_api_not_use: Flag = False
    item_list: JsonList | None = None
    preview_info: JsonObject | None = None
    feedback_info: Text = ""
    feedback_stuff: Text = ""
    ugc_declare: JsonObject | None = None
    order_path: Text = ""
    audit_form: JsonObject = field(default_factory=dict)
    quota_reserve: Whole = 0
    audit_quota: Whole | None = None
    withdraw_foreign_audit: Flag = False
    writes = ("submit_audit", "undocodeaudit")

    @property
    def submission(self) -> steps.Submission:
        """The form, as it is asked for."""
        named = {name: value for name in AUDIT_FORM if (value := getattr(self, name)) not in (None, "")}
        return steps.Submission(
            version_desc=self.version_desc,
            privacy_api_not_use=self.privacy_api_not_use,
            form={**self.audit_form, **named},
            quota_reserve=self.quota_reserve,
            audit_quota=self.audit_quota,
            withdraw_foreign_audit=self.withdraw_foreign_audit,
        )

    def step(self) -> steps.Step[steps.SubmitOutcome]:
        return steps.submit_version(self.version, self.submission)


@dataclass(frozen=True)
class AuditStatus(OfMiniProgram):
    """Look once where the review of a sheet stands; also rejected and withdrawn are outcomes, to be routed on.

    Returns ``{"outcome": "approved|rejected|withdrawn|delayed|auditing", "appid", "auditid", "reason", "screenshot"}``.

    :param auditid: as the submission returned it.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus
    """

    auditid: Digits

    def step(self) -> steps.Step[steps.AuditOutcome]:
        return steps.audit_status(self.appid, self.auditid)


@dataclass(frozen=True)
class UndoAudit(OfMiniProgram):
    """Take a sheet in audit back (撤回审核), once: each Mini Program has 5 withdrawals a day and 10 a month.

    The ledger counts them, lost answers too; one that is used up is not sent. A sheet that was taken back already costs
    nothing, and another one than named is never taken back. Returns ``{"outcome": "withdrawn|already_withdrawn",
    "appid", "auditid", "left"}``.

    :param auditid: of the sheet.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_undoaudit
    """

    auditid: Digits
    writes = ("undocodeaudit",)

    def step(self) -> steps.Step[steps.WithdrawOutcome]:
        return steps.withdraw_audit(self.appid, self.auditid)


@dataclass(frozen=True, kw_only=True)
class OfPublished(OfUploaded):
    """An act that shows a version to users, or proves it.

    :param webviewdomain: origins that must be effective afterwards.
    """

    webviewdomain: Texts = ()

    @property
    def wanted(self) -> Sequence[WebviewDomain]:
        """The domains that must be effective.

        :raises WxaSpecError: every origin that cannot be one.
        """
        return parse_origins(self.webviewdomain)


@dataclass(frozen=True, kw_only=True)
class VerifyRelease(OfPublished):
    """Prove that the version is online and that the wanted domains are effective.

    Returns the same as :class:`WxaReleaseOperator`.

    :param webviewdomain: origins that must be effective.
    :param server_domains: kind, such as ``requestdomain``, → domains that must be effective.
    :param individual: no proof of business domains, an individual's Mini Program cannot have any.
    :param released_at: epoch seconds of the release, needed where WeChat leaves ``release_version`` out.
    """

    server_domains: JsonObject = field(default_factory=dict)
    individual: Flag = False
    released_at: Whole = 0

    def step(self) -> steps.Step[steps.ReleaseOutcome]:
        proof = steps.verify_release(
            self.version, self.wanted, individual=self.individual, released_at=self.released_at
        )
        servers = parse_server_domains(self.server_domains)
        outcome = yield from proof
        if servers:
            yield from steps.prove_server_domains(self.appid, servers)
        return outcome
