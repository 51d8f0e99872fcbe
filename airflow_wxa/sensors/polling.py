"""Wait for the privacy scan, and for the review: the first look at once, the others from the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from airflow_wxa.errors import WxaAuditRejected
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.sensors.screenshots import save_screenshots
from airflow_wxa.steps import audit_error, audit_status, privacy_scan
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger
from airflow_wxa.triggers.polling import woken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_wxa.errors import WxaError
    from airflow_wxa.steps import AuditOutcome, PrivacyOutcome
    from airflow_wxa.triggers.polling import _PollingTrigger

__all__ = ["WxaAuditSensor", "WxaPrivacyScanSensor"]

_HOUR = 3600.0


class _PollingSensor(BaseSensorOperator):
    """What the sensors share.

    :param appid: the Mini Program (templated).
    :param wxa_conn_id: the Connection (templated).
    :param deferrable: wait in the triggerer; else in the worker, as ``mode`` says.
    :param timeout: seconds from the first look (templated).
    :param poke_interval: seconds between two looks; default: the option of section ``[wxa]``.
    """

    template_fields: Sequence[str] = ("appid", "wxa_conn_id", "timeout")
    #: Option of section ``[wxa]`` with the default of ``poke_interval``.
    poll_option: ClassVar[str]
    trigger_class: ClassVar[type[_PollingTrigger]]

    def __init__(
        self,
        *,
        appid: str,
        wxa_conn_id: str = WxaHook.default_conn_name,
        deferrable: bool = True,
        timeout: Any,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", conf.getfloat("wxa", self.poll_option, fallback=60.0))
        super().__init__(**kwargs)
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id
        self.deferrable = deferrable
        self.timeout = timeout  # behind super(): a template is no number yet

    @abstractmethod
    def look(self) -> AuditOutcome | PrivacyOutcome:
        """Look once; raise what cannot be waited for."""

    @abstractmethod
    def trigger_arguments(self) -> dict[str, Any]:
        """Return what the trigger wants besides what all want."""

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, for a sensor that is not deferrable."""
        with failing_at_once():
            outcome = self.look()
        return PokeReturnValue(self._is_final(outcome), xcom_value=outcome.to_json())

    def execute(self, context: Context) -> dict[str, Any]:
        """Look at once, and wait if it is not the end yet; returns the last status."""
        self.timeout = float(self.timeout)
        if not self.deferrable:
            status: dict[str, Any] = super().execute(context)
            return status
        try:
            return self._wait_or_return(context, time.time() + self.timeout)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Look again when the trigger woke the task: what WeChat says now is what counts."""
        status, end_time = woken_by(event)
        return self._wait_or_return(context, end_time, is_over=status == "timeout")

    def _wait_or_return(self, context: Context, end_time: float, *, is_over: bool = False) -> dict[str, Any]:
        looked = self.poke(context)
        status: dict[str, Any] = looked.xcom_value or {}
        if not looked.is_done and not is_over:
            self.defer(
                trigger=self.trigger_class(
                    wxa_conn_id=self.wxa_conn_id,
                    poll_seconds=self.poke_interval,
                    end_time=end_time,
                    **self.trigger_arguments(),
                ),
                method_name="execute_complete",
            )
        if not looked.is_done:
            raise AirflowSensorTimeout(
                f"{self.task_id} waited until its time was over\n"
                f"  appid {self.appid}, last status {status.get('outcome')}\n"
                "  nothing is lost: WeChat goes on, and so can this run\n"
                "  clear this task to wait on, with a longer timeout if need be"
            )
        return status

    def _is_final(self, outcome: AuditOutcome | PrivacyOutcome) -> bool:
        return outcome.outcome not in self.trigger_class.pending


class WxaPrivacyScanSensor(_PollingSensor):
    """Wait until WeChat has scanned the committed code for privacy interfaces (61039 while it does).

    Returns ``{"outcome": "clear", "appid", "without_auth_list", "without_conf_list"}``; fails when the scan found
    interfaces without right or declaration. Never commit again meanwhile: that starts the scan anew.

    :param privacy_api_not_use: the submission will declare that what was found is not used (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getcodeprivacyinfo
    """

    template_fields: Sequence[str] = (*_PollingSensor.template_fields, "privacy_api_not_use")
    poll_option = "privacy_poll_seconds"
    trigger_class = WxaPrivacyScanTrigger

    def __init__(self, *, privacy_api_not_use: bool = False, timeout: Any = _HOUR, **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.privacy_api_not_use = privacy_api_not_use

    def look(self) -> PrivacyOutcome:
        """Look once at the scan."""
        return WxaHook(self.wxa_conn_id).run(privacy_scan(self.appid, privacy_api_not_use=self.privacy_api_not_use))

    def trigger_arguments(self) -> dict[str, Any]:
        """Return the Mini Program and the declaration."""
        return {"appid": self.appid, "privacy_api_not_use": self.privacy_api_not_use}


class WxaAuditSensor(_PollingSensor):
    """Wait until the review of a sheet has ended; it can take seven working days.

    Waiting in the triggerer, it looks after ``poke_interval``, then ever more rarely, down to every quarter of an hour;
    a push about the Mini Program that the push receiver took makes it look within seconds.

    Returns ``{"outcome": "approved", "appid", "auditid", "reason", "screenshot"}``; a rejected or withdrawn sheet
    fails with its reason. Screenshots of a rejected one are saved below ``[wxa] screenshot_dir``, and the error names
    the files.

    :param auditid: as :class:`~airflow_wxa.operators.WxaSubmitAuditOperator` returned it (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus
    """

    template_fields: Sequence[str] = (*_PollingSensor.template_fields, "auditid")
    poll_option = "audit_poll_seconds"
    trigger_class = WxaAuditTrigger

    def __init__(self, *, auditid: str, timeout: Any = 264 * _HOUR, **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.auditid = auditid

    def look(self) -> AuditOutcome:
        """Look once at the sheet."""
        outcome = WxaHook(self.wxa_conn_id).run(audit_status(self.appid, self.auditid))
        if error := audit_error(outcome):
            raise self._with_lines(error, outcome)
        return outcome

    def trigger_arguments(self) -> dict[str, Any]:
        """Return the sheet."""
        return {"sheets": [{"appid": self.appid, "auditid": self.auditid}]}

    def _with_lines(self, error: WxaError, outcome: AuditOutcome) -> WxaError:
        """Give the error's text a line for each of the reasons, and for each screenshot, which is saved."""
        if not isinstance(error, WxaAuditRejected):
            return error
        screenshots = save_screenshots(outcome, WxaHook(self.wxa_conn_id).run)
        error.values = {"auditid": outcome.auditid}
        error.why = "\n  ".join(
            [
                "the reviewer's reason:",
                *(f"  {line}" for line in outcome.reason.splitlines() or ["none given"]),
                *(f"screenshot {media_id}: {where}" for media_id, where in screenshots.items()),
            ]
        )
        return error
