"""Operators for code: commit, submit, release, and the proof afterwards.

Each is told the version by ``template_id``, ``user_version`` and ``ext_json``, and recognises it at WeChat by the
fingerprint over them: so each can run again at any point, alone or beside another run. What another tool uploaded is
named by ``adopt_trial`` instead, by all behind the upload alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_wxa.api import values
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.assets import RELEASES, announce_release, lineage_of
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.approve_release import check_auditid, release_named
from airflow_wxa.operators.mini_program import MiniProgramFields
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.steps import (
    Approved,
    release_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.api.webview_domain import WebviewDomain
    from airflow_wxa.steps import Step
    from airflow_wxa.steps.offline import Kinds


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


class PublishingOperator(_AdoptingOperator):
    """What the two share that show a version to users.

    :param webviewdomain: origins that must be effective afterwards (templated).
    :param auditid: of the submission; needed with ``approval_task_id``, with ``adopt_trial``, and where WeChat leaves
        descriptions out (templated).
    :param approval_task_id: a :class:`WxaApproveReleaseOperator` of this run: only what its latest decision in the
        ledger approves is published, and a rejection skips. ``None``: nobody is asked. A run whose DAG has a param
        ``approval`` needs no decision where that is false.
    :param on_lost_domains: ``"stop"`` before it takes domains offline that are effective now and that nobody asked off,
        or ``"release"``: say which. Where somebody was asked, what the question named may go, and no more (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **_AdoptingOperator.reads,
        "webviewdomain": values.texts,
        "auditid": values.digits,
        "on_lost_domains": values.choice("stop", "release"),
    }

    def __init__(
        self,
        *,
        webviewdomain: Sequence[str] = (),
        auditid: str = "",
        approval_task_id: str | None = None,
        on_lost_domains: Literal["stop", "release"] = "stop",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.webviewdomain = webviewdomain
        self.auditid = auditid
        self.approval_task_id = approval_task_id
        self.on_lost_domains = on_lost_domains

    @property
    def _unasked(self) -> Kinds | None:
        """What may go offline where nobody is asked."""
        return {} if self.on_lost_domains == "stop" else None

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        """Return the dataset that the task published, see :func:`~airflow_wxa.assets.lineage_of`."""
        return lineage_of(self.appid)

    def _approval(self, version: CodeVersion, wanted: Iterable[WebviewDomain]) -> Approved | None:
        check_auditid(version, self.auditid)
        if self.approval_task_id is None:
            return None
        return Approved(self.approval_task_id, self.appid, release_named(version, self.auditid, wanted))


class WxaReleaseOperator(PublishingOperator):
    """Publish the version if its sheet is the latest and approved; once, also after a lost answer.

    Just before, the wanted domains are looked for on the Mini Program's own list and, when the Connection can read
    it, on the platform's: one that the release would drop stops it, and so does ``on_lost_domains``. Returns
    ``{"outcome": "released|already_released", "appid", "release_version", "release_time", "effective", "lost",
    "removed_as_asked", "lost_servers"}``, and emits an event of the Asset ``wxa://{appid}/release``.

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
                allowed=self._unasked,
            )
            returned = self._run(step)
        announce_release(context, returned, user_version=version.user_version)
        return returned
