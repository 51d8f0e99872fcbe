"""Steps of a release as methods of the hook, for TaskFlow."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from airflow.sdk import BaseHook

from airflow_wxa.acts import account, code, domains, plain, platform, rollback
from airflow_wxa.acts.release import GrayRelease, Release, RevertGrayRelease
from airflow_wxa.errors import readable
from airflow_wxa.hooks import files
from airflow_wxa.hooks.outlets import announce_release
from airflow_wxa.hooks.recorder import running_context
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import plain_call
from airflow_wxa.texts.setting import as_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.acts.act import Act
    from airflow_wxa.steps import Step

P = ParamSpec("P")
T = TypeVar("T")


def door(act: Callable[P, Act]) -> Callable[Concatenate[ReleaseSteps, P], dict[str, Any]]:
    """Return a method of the hook that does an act; its arguments are the act's fields."""

    def do(hook: ReleaseSteps, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        with failing_at_once():
            asked = act(*args, **kwargs)
        return hook.do(asked)

    of_act = inspect.signature(act).parameters.values()
    hook = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    do.__doc__ = act.__doc__
    do.__signature__ = inspect.Signature([hook, *of_act], return_annotation=dict[str, Any])  # type: ignore[attr-defined]
    vars(do)["act"] = act
    return do


class ReleaseSteps(BaseHook):
    """The steps of a release: each keeps the ledger and returns its outcome as a plain dict, as the operators do.

    An error that a person must fix fails the task without retry (``AirflowFailException``); one that may pass by itself
    is left to the task's retries. A version is named by ``template_id``, ``user_version`` and ``ext_json``, in each
    step alike.
    """

    add_to_template = door(platform.AddToTemplate)
    apply_privacy_interface = door(account.ApplyPrivacyInterface)
    audit_status = door(code.AuditStatus)
    bind_tester = door(plain.BindTester)
    change_platform_domains = door(platform.ChangePlatformDomain)
    change_visit_status = door(plain.ChangeVisitStatus)
    check_account = door(account.CheckAccount)
    commit = door(code.Commit)
    configure_domains = door(domains.SetWebviewDomain)
    configure_server_domains = door(domains.ModifyServerDomain)
    configure_webview_domains_directly = door(domains.SetWebviewDomainDirectly)
    delete_template = door(plain.DeleteTemplate)
    effective_server_domains = door(domains.EffectiveServerDomains)
    gray_release = door(GrayRelease)
    list_versions = door(rollback.ListVersions)
    modify_platform_domains = door(domains.ModifyPlatformDomain)
    modify_platform_server_domains = door(domains.ModifyPlatformServerDomain)
    privacy_setting = door(account.GetPrivacySetting)
    release = door(Release)
    revert_gray_release = door(RevertGrayRelease)
    roll_back = door(rollback.RollBack)
    set_prefetch_dns_domain = door(plain.SetPrefetchDnsDomain)
    set_privacy_setting = door(account.SetPrivacySetting)
    set_support_version = door(plain.SetSupportVersion)
    speed_up_audit = door(plain.SpeedUpAudit)
    submit_audit = door(code.SubmitAudit)
    trial_qrcode = door(files.TrialQrcode)
    undo_audit = door(code.UndoAudit)
    upload_media = door(files.UploadMedia)
    verify_release = door(code.VerifyRelease)
    verify_rollback = door(rollback.VerifyRollback)
    webview_domain_confirmfile = door(files.WebviewDomainConfirmfile)

    @abstractmethod
    def run(self, step: Step[T]) -> T:
        """Carry a step to its end, and return its outcome."""

    def call(self, endpoint: str, appid: str | None, **fields: Any) -> dict[str, Any]:
        """Send one call where there is nothing to decide, and return WeChat's answer.

        :param endpoint: name of a read, or of a plain write: ``speedupaudit``, ``getvisitstatus``, ``quota/get``, …;
            see ``airflow-wxa docs around-a-release``.
        :param appid: the Mini Program whose token is used; ``None``: the platform's.
        :param fields: of the body, by WeChat's names.
        """
        with failing_at_once():
            return self.run(plain_call(endpoint, appid, fields))

    def do(self, act: Act) -> dict[str, Any]:
        """Do an act, say in the log what is now true, and return its outcome as a plain dict.

        A release emits an event of its Asset, from a task with the outlet ``RELEASES``. An error that a person must fix
        fails without retry (``AirflowFailException``).
        """
        with failing_at_once():
            outcome = self.run(act.step())
        if isinstance(outcome, dict):
            return outcome
        if words := outcome.in_words():
            self.log.info(readable(as_set(words)))
        said: dict[str, Any] = outcome.to_json()
        if isinstance(act, Release) and (context := running_context()):
            announce_release(context, said, user_version=act.version.user_version)
        return said
