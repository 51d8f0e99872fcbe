"""The hook: reads the Connection, gives the client, runs steps and does acts."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from airflow_wxa.access import TokenServer
from airflow_wxa.acts import account, code, domains, plain, platform, rollback
from airflow_wxa.acts.release import GrayRelease, Release, RevertGrayRelease
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import AsyncWxaClient, WxaClient
from airflow_wxa.client.telemetry import send_to
from airflow_wxa.errors import WxaError, WxaSpecError, problem_at, readable
from airflow_wxa.hooks import files
from airflow_wxa.hooks.connection import connection_or_error, unknown_connection
from airflow_wxa.hooks.metrics import AirflowStats
from airflow_wxa.hooks.outlets import announce_release
from airflow_wxa.hooks.recorder import Recorder, current_task, join_run, running_context
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import Recall, plain_call
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

try:
    from airflow.sdk.log import amask_secret
except ImportError:  # Airflow 3.2, whose mask_secret may be called in an event loop: it masks in this process at least

    async def amask_secret(secret: JsonValue, name: str | None = None) -> None:
        """Mask a secret in this process."""
        mask_secret(secret, name)


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import JsonValue

    from airflow_wxa.access import FixedTokens
    from airflow_wxa.acts.act import Act
    from airflow_wxa.hooks.connection import WxaConnection
    from airflow_wxa.steps import AcceptedWrites, Step

P = ParamSpec("P")
T = TypeVar("T")

_TRIED_MERCHANTS: Final = 3  # so that testing a Connection stays quick
_masked: Final[set[str]] = set()
send_to(AirflowStats())


def door(act: Callable[P, Act]) -> Callable[Concatenate[WxaHook, P], dict[str, Any]]:
    """Return a method of the hook that does an act; its arguments are the act's fields."""

    def do(hook: WxaHook, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        with failing_at_once():
            asked = act(*args, **kwargs)
        return hook.do(asked)

    of_act = inspect.signature(act).parameters.values()
    hook = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    do.__doc__ = act.__doc__
    do.__signature__ = inspect.Signature([hook, *of_act], return_annotation=dict[str, Any])  # type: ignore[attr-defined]
    vars(do)["act"] = act
    return do


class WxaHook(BaseHook):
    """Talks to WeChat's third-party platform API for one Airflow Connection of type ``wxa``.

    The steps of a release are methods, for TaskFlow: each keeps the ledger and returns its outcome as a plain dict, as
    the operators do. An error that a person must fix fails the task without retry (``AirflowFailException``); one that
    may pass by itself is left to the task's retries. A version is named by ``template_id``, ``user_version`` and
    ``ext_json``, in each step alike.

    :param wxa_conn_id: the Connection; its fields are described in ``airflow-wxa docs connection``.
    """

    conn_name_attr = "wxa_conn_id"
    default_conn_name = "wxa_default"
    conn_type = "wxa"
    hook_name = "WeChat Mini Program platform"

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

    def __init__(self, wxa_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.wxa_conn_id = wxa_conn_id

    def get_conn(self) -> WxaClient:
        """Return a client; close it, or use it as a context manager.

        :raises WxaSpecError: the Connection cannot be right; every problem is named.
        """
        read = self.read()
        return WxaClient(read.egress, read.tokens, self._recorder(read))

    def read(self) -> WxaConnection:
        """Return the Connection as it was read; the task that reads it joins its run in the ledger.

        :raises WxaSpecError: it does not exist, or cannot be right; every problem is named.
        """
        try:
            read = connection_or_error(self.get_connection(self.wxa_conn_id))
        except AirflowNotFoundException:
            read = unknown_connection(self.wxa_conn_id)
        if isinstance(read, WxaSpecError):
            raise read
        for secret in _not_masked_yet(read):
            mask_secret(secret)
        join_run(open_ledger)
        return read

    async def aget_conn(self) -> AsyncWxaClient:
        """Return an async client, to be used as a context manager; raises as :meth:`get_conn` does."""
        try:
            read = connection_or_error(await self.aget_connection(self.wxa_conn_id))
        except AirflowNotFoundException:
            read = unknown_connection(self.wxa_conn_id)
        if isinstance(read, WxaSpecError):
            raise read
        for secret in _not_masked_yet(read):
            await amask_secret(secret)
        return AsyncWxaClient(read.egress, await asyncio.to_thread(lambda: read.tokens), self._recorder(read))

    def run(self, step: Step[T]) -> T:
        """Carry a step to its end with a client of its own, and return its outcome, which is recorded.

        Each write is noted in the ledger before it is sent; if it cannot be noted, it is not sent.

        :raises WxaError: an error that the step did not handle.
        """
        with self.get_conn() as client:
            return client.run(step)

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

    def changes_left(self, appid: str, endpoint: str) -> int:
        """Return how often a call whose endpoint has a monthly budget may still be sent, by the ledger.

        :param appid: the Mini Program; ``""``: the platform itself.
        :param endpoint: its name, such as ``modify_domain``.
        """
        return open_ledger().left(self.read().component_appid, appid, CATALOGUE[endpoint])

    def accepted_writes(self, appid: str = "", fingerprint: str = "") -> AcceptedWrites:
        """Return the writes of this run that WeChat accepted within the last ten minutes, by the ledger.

        Outside of a run, or if the store does not answer, that is nothing; a step decides from WeChat's answers then.

        :param appid: the Mini Program; ``""``: only the platform's list.
        :param fingerprint: of the version that the step is about; ``""``: of any.
        """
        return self._recorder(self.read()).recall([Recall(appid, fingerprint)])[0]

    def note_refusal(self, error: WxaError, appid: str) -> None:
        """Note in the ledger that something was not sent for want of a right to it; it holds without the note, too."""
        self._recorder(self.read()).note_refusal(error, appid)

    def _recorder(self, read: WxaConnection) -> Recorder:
        return Recorder(open_ledger, read.component_appid, current_task(self.wxa_conn_id))

    def token_problems(self, appid: str | None) -> list[str]:
        """Return why the Connection has no token for ``appid`` (``None``: for the platform), without a call to WeChat.

        :raises WxaTransportError: the token server, which alone can tell about the platform's, does not answer.
        """
        try:
            problems = _problems_of(self.read().tokens, THE_PLATFORM if appid is None else appid)
        except WxaSpecError as error:
            problems = error.problems
        return [problem_at(f"Connection {self.wxa_conn_id!r}", each) for each in problems]

    def test_connection(self) -> tuple[bool, str]:
        """Read something harmless with each kind of token, and say in one sentence what works."""
        try:
            read = self.read()
            calls = [getversioninfo(appid) for appid in read.fixed.appids[:_TRIED_MERCHANTS]]
            # The token server is not asked: whoever may test a Connection could send its bearer to a host of theirs.
            has_own = read.fixed.platform is not None or (read.token_url is None and read.has_platform_token)
            calls += [modify_wxa_jump_domain("get")] if has_own else []
            with WxaClient(read.egress, read.tokens) as client:
                for call in calls:
                    client.send(call)
        except WxaError as error:
            return False, str(error)
        if not calls and read.token_url is not None:
            return True, as_set(Text("connection_is_readable"))
        if not calls:
            return False, as_set(Text("connection_has_nothing_to_try"))
        worked = [Text("token_of", appid=call.appid) if call.appid else Text("the_platform_token") for call in calls]
        rest = len(read.fixed.appids) - _TRIED_MERCHANTS
        tried = {"tokens": Text("list", each=worked, between=Text("and")), "more": ""}
        if rest > 0:
            tried["more"] = Text("more_were_not_tried", count=rest)
        return True, as_set(Text("tokens_are_accepted", host=read.egress.host, **tried))


def _problems_of(tokens: FixedTokens, owner: str) -> Sequence[str]:
    known = tokens.known(owner)
    if owner == THE_PLATFORM and known is None and isinstance(tokens.other, TokenServer):
        known = tokens.token(owner)
    if known is not None and known.reads_at:
        return [Text("token_server_is_read_only")]
    return () if tokens.other is not None or known is not None else tokens.missing(owner).problems


def _not_masked_yet(read: WxaConnection) -> list[str]:
    """Return the secrets that this process has not told Airflow to mask; telling costs, so it is done once."""
    new = [secret for secret in read.long_lived if secret not in _masked]
    _masked.update(new)
    return new
