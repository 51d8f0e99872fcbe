"""What a release does, as methods of the hook: for TaskFlow, where the operators' arguments are in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa import acts
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.server_domain import parse_server_domains
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.hooks import files
from airflow_wxa.hooks.doors import door
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import (
    Submission,
    audit_status,
    check_account,
    commit_code,
    configure_domains,
    configure_server_domains,
    configure_webview_domains_directly,
    gray_release,
    modify_platform_server_domains,
    plain_call,
    release_version,
    revert_gray_release,
    set_privacy_setting,
    submit_version,
    verify_release,
    withdraw_audit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.acts import Act
    from airflow_wxa.api.webview_domain import Action
    from airflow_wxa.steps import Step


class ReleaseSteps:
    """The steps of a release: each keeps the ledger and returns its outcome as a plain dict, as the operators do.

    What a person must fix fails the task without retry (``AirflowFailException``); what may pass by itself is left to
    the task's retries. A version is named by ``template_id``, ``user_version`` and ``ext_json``, in each step alike.
    """

    if TYPE_CHECKING:

        @property
        def log(self) -> Any: ...  # noqa: D102
        def read(self) -> Any: ...  # noqa: D102
        def run(self, step: Step[Any]) -> Any: ...  # noqa: D102

    def configure_domains(self, appid: str, action: Action, webviewdomain: Sequence[str] = ()) -> dict[str, Any]:
        """Bring the business domains to what ``action`` wants; ``platform_list_empty`` and ``individual`` are outcomes.

        :param action: ``"add"``, ``"set"``, ``"delete"``, ``"get"``, or ``None``: WeChat adds every platform domain.
        :param webviewdomain: origins.
        """
        with failing_at_once():
            wanted = parse_origins(webviewdomain)
            return self._outcome(configure_domains(appid, action, wanted))

    def configure_server_domains(
        self,
        appid: str,
        action: str,
        server_domains: Mapping[str, Sequence[str]] | None = None,
        *,
        direct: bool = False,
    ) -> dict[str, Any]:
        """Bring the server domains to what ``action`` wants; what is so already is not sent.

        :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
        :param server_domains: kind, such as ``requestdomain``, → domains with scheme.
        :param direct: in direct mode, past the platform's list; effective after a release.
        """
        with failing_at_once():
            wanted = parse_server_domains(server_domains or {})
            return self._outcome(configure_server_domains(appid, action, wanted, direct=direct))

    def configure_webview_domains_directly(
        self, appid: str, action: str, webviewdomain: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Bring the business domains in direct mode to what ``action`` wants; effective after a release.

        :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
        :param webviewdomain: origins.
        """
        with failing_at_once():
            wanted = parse_origins(webviewdomain)
            return self._outcome(configure_webview_domains_directly(appid, action, wanted))

    def modify_platform_server_domains(self, action: Any, hosts: Sequence[str] = ()) -> dict[str, Any]:
        """Change or read the platform's own list of server domains; every merchant is concerned.

        :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
        :param hosts: bare hosts.
        """
        with failing_at_once():
            return self._outcome(modify_platform_server_domains(action, hosts))

    def check_account(self, appid: str, *, guide_is_given: bool = False) -> dict[str, Any]:
        """Look at what a release needs of a merchant's account; what it lacks is one list in the error.

        :param guide_is_given: the privacy guide is written anyway, so it is not looked at.
        """
        with failing_at_once():
            return self._outcome(check_account(appid, self.read().component_appid, guide_is_given=guide_is_given))

    def set_privacy_setting(self, appid: str, privacy_setting: Mapping[str, Any]) -> dict[str, Any]:
        """Write a privacy guide, unless it is so already.

        :param privacy_setting: the body of ``setprivacysetting``, by WeChat's names.
        """
        with failing_at_once():
            return self._outcome(set_privacy_setting(appid, privacy_setting))

    def commit(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        *,
        user_desc: str = "",
        ext_json: Mapping[str, Any] | None = None,
        withdraw_foreign_audit: bool = False,
    ) -> dict[str, Any]:
        """Upload code from a template as the trial version, unless WeChat has this version already."""
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            step = commit_code(version, user_desc or user_version, withdraw_foreign_audit=withdraw_foreign_audit)
            return self._outcome(step)

    def submit_audit(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        *,
        ext_json: Mapping[str, Any] | None = None,
        version_desc: str = "",
        privacy_api_not_use: bool = False,
        audit_form: Mapping[str, Any] | None = None,
        quota_reserve: int = 0,
        withdraw_foreign_audit: bool = False,
    ) -> dict[str, Any]:
        """Submit the trial version for audit (提交审核), or adopt the sheet that this version has already.

        :param audit_form: further fields of ``submit_audit`` by WeChat's names.
        """
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            how = Submission(
                version_desc=version_desc,
                privacy_api_not_use=privacy_api_not_use,
                form=audit_form or {},
                quota_reserve=quota_reserve,
                withdraw_foreign_audit=withdraw_foreign_audit,
            )
            return self._outcome(submit_version(version, how))

    def audit_status(self, appid: str, auditid: str) -> dict[str, Any]:
        """Look once where the review stands; also rejected and withdrawn are outcomes, to be routed on."""
        with failing_at_once():
            return self._outcome(audit_status(appid, str(auditid)))

    def release(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        *,
        ext_json: Mapping[str, Any] | None = None,
        webviewdomain: Sequence[str] = (),
        auditid: str = "",
    ) -> dict[str, Any]:
        """Publish the version if its sheet is the latest and approved; nobody is asked, see the operator for that."""
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            wanted = parse_origins(webviewdomain)
            return self._outcome(release_version(version, wanted, noted_auditid=str(auditid)))

    def verify_release(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        *,
        ext_json: Mapping[str, Any] | None = None,
        webviewdomain: Sequence[str] = (),
        individual: bool = False,
        released_at: int = 0,
    ) -> dict[str, Any]:
        """Prove that the version is online and that the wanted business domains are effective."""
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            wanted = parse_origins(webviewdomain)
            return self._outcome(verify_release(version, wanted, individual=individual, released_at=released_at))

    def gray_release(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        gray_percentage: int,
        *,
        ext_json: Mapping[str, Any] | None = None,
        webviewdomain: Sequence[str] = (),
        auditid: str = "",
        support_debuger_first: bool = False,
        support_experiencer_first: bool = False,
    ) -> dict[str, Any]:
        """Show the version to this part of the users, if its sheet is the latest and approved; it only rises."""
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            step = gray_release(
                version,
                gray_percentage,
                parse_origins(webviewdomain),
                support_debuger_first=support_debuger_first,
                support_experiencer_first=support_experiencer_first,
                noted_auditid=str(auditid),
            )
            return self._outcome(step)

    def revert_gray_release(self, appid: str) -> dict[str, Any]:
        """Take a staged release back: everybody sees what is online again."""
        with failing_at_once():
            return self._outcome(revert_gray_release(appid))

    def undo_audit(self, appid: str, auditid: str) -> dict[str, Any]:
        """Take a sheet in audit back, once; see :class:`WxaUndoAuditOperator`."""
        with failing_at_once():
            return self._outcome(withdraw_audit(appid, str(auditid)))

    apply_privacy_interface = door(acts.ApplyPrivacyInterface)
    bind_tester = door(acts.BindTester)
    change_visit_status = door(acts.ChangeVisitStatus)
    delete_template = door(acts.DeleteTemplate)
    effective_server_domains = door(acts.EffectiveServerDomains)
    list_versions = door(acts.ListVersions)
    privacy_setting = door(acts.GetPrivacySetting)
    set_prefetch_dns_domain = door(acts.SetPrefetchDnsDomain)
    set_support_version = door(acts.SetSupportVersion)
    speed_up_audit = door(acts.SpeedUpAudit)
    trial_qrcode = door(files.TrialQrcode)
    upload_media = door(files.UploadMedia)
    webview_domain_confirmfile = door(files.WebviewDomainConfirmfile)

    def call(self, endpoint: str, appid: str | None, **fields: Any) -> dict[str, Any]:
        """Send one call where there is nothing to decide, and return WeChat's answer.

        :param endpoint: name of a read, or of a plain write: ``speedupaudit``, ``getvisitstatus``, ``quota/get``, …;
            see ``airflow-wxa docs around-a-release``.
        :param appid: the Mini Program whose token is used; ``None``: the platform's.
        :param fields: of the body, by WeChat's names.
        """
        with failing_at_once():
            answer: dict[str, Any] = self.run(plain_call(endpoint, appid, fields))
        return answer

    def do(self, act: Act) -> dict[str, Any]:
        """Do an act, say in the log what is now true, and return its outcome as a plain dict.

        What a person must fix fails without retry (``AirflowFailException``).
        """
        with failing_at_once():
            return self._outcome(act.step())

    def _outcome(self, step: Step[Any]) -> dict[str, Any]:
        outcome = self.run(step)
        if isinstance(outcome, dict):
            return outcome
        if words := outcome.in_words():
            self.log.info(words)
        said: dict[str, Any] = outcome.to_json()
        return said
