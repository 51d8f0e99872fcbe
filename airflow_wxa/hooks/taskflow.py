"""What a release does, as methods of the hook: for TaskFlow, where the operators' arguments are in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_wxa import acts
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.hooks import files
from airflow_wxa.hooks.doors import door
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import (
    check_account,
    gray_release,
    plain_call,
    release_version,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.acts import Act
    from airflow_wxa.steps import Step
    from airflow_wxa.steps.offline import Kinds


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

    def check_account(self, appid: str, *, guide_is_given: bool = False) -> dict[str, Any]:
        """Look at what a release needs of a merchant's account; what it lacks is one list in the error.

        :param guide_is_given: the privacy guide is written anyway, so it is not looked at.
        """
        with failing_at_once():
            return self._outcome(check_account(appid, self.read().component_appid, guide_is_given=guide_is_given))

    def release(
        self,
        appid: str,
        template_id: int | str,
        user_version: str,
        *,
        ext_json: Mapping[str, Any] | None = None,
        webviewdomain: Sequence[str] = (),
        auditid: str = "",
        on_lost_domains: Literal["stop", "release"] = "stop",
    ) -> dict[str, Any]:
        """Publish the version if its sheet is the latest and approved; nobody is asked, see the operator for that.

        :param on_lost_domains: ``"stop"`` before it takes domains offline that are effective now and that nobody asked
            off, or ``"release"``: the outcome says which.
        """
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            wanted = parse_origins(webviewdomain)
            allowed: Kinds | None = {} if on_lost_domains == "stop" else None
            return self._outcome(release_version(version, wanted, noted_auditid=str(auditid), allowed=allowed))

    def gray_release(  # noqa: PLR0913  (WeChat's own fields, and what a release decides)
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
        on_lost_domains: Literal["stop", "release"] = "stop",
    ) -> dict[str, Any]:
        """Show the version to this part of the users, if its sheet is the latest and approved; it only rises.

        :param on_lost_domains: as for :meth:`release`, before the first percentage.
        """
        with failing_at_once():
            version = CodeVersion.of(appid, template_id, user_version, ext_json)
            step = gray_release(
                version,
                gray_percentage,
                parse_origins(webviewdomain),
                support_debuger_first=support_debuger_first,
                support_experiencer_first=support_experiencer_first,
                noted_auditid=str(auditid),
                allowed={} if on_lost_domains == "stop" else None,
            )
            return self._outcome(step)

    add_to_template = door(acts.AddToTemplate)
    apply_privacy_interface = door(acts.ApplyPrivacyInterface)
    audit_status = door(acts.AuditStatus)
    bind_tester = door(acts.BindTester)
    change_visit_status = door(acts.ChangeVisitStatus)
    commit = door(acts.Commit)
    configure_domains = door(acts.SetWebviewDomain)
    configure_server_domains = door(acts.ModifyServerDomain)
    configure_webview_domains_directly = door(acts.SetWebviewDomainDirectly)
    delete_template = door(acts.DeleteTemplate)
    effective_server_domains = door(acts.EffectiveServerDomains)
    list_versions = door(acts.ListVersions)
    modify_platform_domains = door(acts.ModifyPlatformDomain)
    modify_platform_server_domains = door(acts.ModifyPlatformServerDomain)
    privacy_setting = door(acts.GetPrivacySetting)
    revert_gray_release = door(acts.RevertGrayRelease)
    set_prefetch_dns_domain = door(acts.SetPrefetchDnsDomain)
    set_privacy_setting = door(acts.SetPrivacySetting)
    set_support_version = door(acts.SetSupportVersion)
    speed_up_audit = door(acts.SpeedUpAudit)
    submit_audit = door(acts.SubmitAudit)
    trial_qrcode = door(files.TrialQrcode)
    undo_audit = door(acts.UndoAudit)
    upload_media = door(files.UploadMedia)
    verify_release = door(acts.VerifyRelease)
    verify_rollback = door(acts.VerifyRollback)
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
