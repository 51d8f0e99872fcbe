"""Wait for the privacy scan, and for the review: the first look at once, the others from the triggerer."""

import os
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Final

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from airflow_wxa.api import values
from airflow_wxa.api.values import Reader
from airflow_wxa.client.telemetry import timing
from airflow_wxa.errors import WxaError, readable
from airflow_wxa.hooks.screenshots import save_screenshots
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, audit_error, audit_status, privacy_scan
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger
from airflow_wxa.triggers.polling import LONGEST_PAUSE, STATUS_OF_EVENT, _PollingTrigger, clock, unusable_connection

_HOUR: Final = 3600.0
_DEADLINE: Final = "wxa_deadline"


class _PollingSensor(TemplatedFields, BaseSensorOperator):
    """Base of the sensors.

    :param appid: the Mini Program (templated).
    :param wxa_conn_id: the Connection (templated).
    :param deferrable: wait in the triggerer, else in the worker; ``None``: in the triggerer, unless the
        environment says ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE=False``.
    :param mode: of a wait in the worker: ``"poke"`` holds its slot, ``"reschedule"`` gives it back between two looks;
        default: ``"poke"``, or ``"reschedule"`` where ``default_deferrable`` decided, since a review takes days.
    :param timeout: seconds from the first look, or a ``timedelta`` (templated). A retry keeps the end, Clear renews it.
    :param poke_interval: seconds between two looks; default: the option of section ``[wxa]``.
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "wxa_conn_id": values.named,
        "timeout": values.seconds,
    }
    #: Option of section ``[wxa]`` with the default of ``poke_interval``.
    poll_option: ClassVar[str]
    trigger_class: ClassVar[type[_PollingTrigger]]

    def __init__(
        self,
        *,
        appid: str,
        wxa_conn_id: str = WxaHook.default_conn_name,
        deferrable: bool | None = None,
        mode: str | None = None,
        timeout: Any,
        poke_interval: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        self.deferrable = _default_deferrable() if deferrable is None else deferrable
        in_worker = "reschedule" if deferrable is None and not self.deferrable else "poke"
        super().__init__(mode=mode or in_worker, **kwargs)
        if poke_interval is None:
            poke_interval = conf.getfloat("wxa", self.poll_option, fallback=60.0)
        self.poke_interval = self._coerce_poke_interval(poke_interval).total_seconds()
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id
        self.timeout = timeout  # behind super(): a template is no number yet

    @abstractmethod
    def look(self) -> AuditOutcome | PrivacyOutcome:
        """Look once; raise what cannot be waited for."""

    @abstractmethod
    def trigger_arguments(self) -> dict[str, Any]:
        """Return what the trigger wants besides what all want."""

    @abstractmethod
    def in_words(self, outcome: Any) -> str:
        """Return what is true now, for the log."""

    def finish(self, context: Context, outcome: Any) -> dict[str, Any]:
        """Act on a final outcome, and return it; raise what a release cannot go on with."""
        self.log.info(readable(as_set(self.in_words(outcome))))
        status: dict[str, Any] = outcome.to_json()
        return status

    def execute(self, context: Context) -> dict[str, Any]:
        """Look at once, and wait if it is not the end yet; returns the last status."""
        self.read_fields()
        self._end_time = self._deadline(context)
        with self._failing_softly():
            if self.deferrable:
                return self._finish_or_defer(context)
            super().execute(context)
            return self.finish(context, self._seen)

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Look again when the trigger woke the task: WeChat's present answer counts."""
        status, self._end_time, cause = _read(event)
        if status == "timeout":
            self._end_time = 0.0  # by the triggerer's clock, which may be ahead of this one
        self.read_fields()
        if status == "unusable" and not self.poke(context):
            with failing_at_once():
                raise unusable_connection(self.wxa_conn_id, cause)
        # WeChat told the worker what it refuses the triggerer: so the worker looks, but not in a circle without pause.
        interval = max(self.poke_interval, LONGEST_PAUSE) if status == "refused" else self.poke_interval
        return self._finish_or_defer(context, interval)

    def poke(self, context: Context) -> bool:
        """Look once, and tell whether the wait is over; Airflow calls it for a sensor that is not deferrable."""
        with failing_at_once():
            self._seen = self.look()
        if self._seen.outcome not in self.trigger_class.pending:
            return True
        if time.time() < self._end_time:
            return False
        values = {"task_id": self.task_id, "appid": self.appid, "outcome": self._seen.outcome}
        raise AirflowSensorTimeout(as_set(Text("wait_is_over", **values)))

    def _finish_or_defer(self, context: Context, interval: float | None = None) -> dict[str, Any]:
        interval = self.poke_interval if interval is None else interval
        if not self.poke(context):
            since, until = clock(self._end_time - self.timeout), clock(self._end_time)
            words = self.in_words(self._seen)
            self.log.info(
                "%s; waiting since %s, next look within %g s, until %s", readable(as_set(words)), since, interval, until
            )
            self.defer(
                trigger=self.trigger_class(
                    wxa_conn_id=self.wxa_conn_id,
                    poll_seconds=interval,
                    end_time=self._end_time,
                    **self.trigger_arguments(),
                ),
                method_name="execute_complete",
            )
        return self.finish(context, self._seen)

    def _deadline(self, context: Context) -> float:
        """Return when the wait ends, epoch seconds; Airflow before 3.3 keeps nothing for a retry."""
        end_time: float = time.time() + self.timeout
        store = context.get("task_state_store")
        if store is None:
            return end_time
        kept: Any = store.get(_DEADLINE)
        max_tries = context["ti"].max_tries
        if isinstance(kept, dict) and kept["max_tries"] == max_tries:  # Clear gives more tries, a retry does not
            return float(kept["end_time"])
        store.set(_DEADLINE, {"max_tries": max_tries, "end_time": end_time})
        return end_time

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        """Skip if ``soft_fail`` or ``never_fail`` say so; Airflow does it for a task that wakes from a trigger."""
        try:
            yield
        except (AirflowFailException, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise


class WxaPrivacyScanSensor(_PollingSensor):
    """Wait until WeChat has scanned the committed code for privacy interfaces (61039 while it does).

    Returns ``{"outcome": "clear", "appid", "without_auth_list", "without_conf_list"}``; fails when the scan found
    interfaces without right or declaration. Never commit again meanwhile: that starts the scan anew.

    :param privacy_api_not_use: the submission will declare that the interfaces found are not used (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getcodeprivacyinfo
    """

    reads: ClassVar[Mapping[str, Reader]] = {**_PollingSensor.reads, "privacy_api_not_use": values.flag}
    poll_option = "privacy_poll_seconds"
    trigger_class = WxaPrivacyScanTrigger

    def __init__(self, *, privacy_api_not_use: bool = False, timeout: Any = _HOUR, **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.privacy_api_not_use = privacy_api_not_use

    def look(self) -> PrivacyOutcome:
        return WxaHook(self.wxa_conn_id).run(privacy_scan(self.appid, privacy_api_not_use=self.privacy_api_not_use))

    def trigger_arguments(self) -> dict[str, Any]:
        return {"appid": self.appid, "privacy_api_not_use": self.privacy_api_not_use}

    def in_words(self, outcome: PrivacyOutcome) -> str:
        if outcome.outcome == "scanning":
            return Text("wechat_scans_the_code", appid=outcome.appid)
        found = sorted({*outcome.without_auth_list, *outcome.without_conf_list})
        unused = Text("declared_as_unused", found=", ".join(found)) if found else Text("nothing_is_undeclared")
        return Text("privacy_scan_is_over", appid=outcome.appid, unused=unused)


class WxaAuditSensor(_PollingSensor):
    """Wait until the review of a sheet has ended; it can take seven working days.

    Waiting in the triggerer, it looks after ``poke_interval``, then ever more rarely, down to every quarter of an hour;
    a push about the Mini Program that the push receiver took makes it look within seconds.

    Returns ``{"outcome": "approved", "appid", "auditid", "reason", "screenshot"}``; a rejected or withdrawn sheet
    leaves the same in XCom and in the store, and fails with its reason. Screenshots of a rejected one are saved below
    ``[wxa] screenshot_dir``, and the error names the files.

    :param auditid: as :class:`~airflow_wxa.operators.WxaSubmitAuditOperator` returned it (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_getauditstatus
    """

    reads: ClassVar[Mapping[str, Reader]] = {**_PollingSensor.reads, "auditid": values.digits}
    operator_extra_links = (*TemplatedFields.operator_extra_links, WxaTrialQrcodeLink())
    poll_option = "audit_poll_seconds"
    trigger_class = WxaAuditTrigger

    def __init__(self, *, auditid: str, timeout: Any = 264 * _HOUR, **kwargs: Any) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.auditid = auditid

    def look(self) -> AuditOutcome:
        hook = WxaHook(self.wxa_conn_id)
        unseen_seconds = hook.accepted_writes(self.appid).submitted.get(str(self.auditid), 0.0)
        self._seen_by = time.time() + unseen_seconds if unseen_seconds else 0.0
        return hook.run(audit_status(self.appid, self.auditid, just_submitted=unseen_seconds > 0))

    def trigger_arguments(self) -> dict[str, Any]:
        seen_by = {"seen_by": self._seen_by} if self._seen_by else {}
        return {"sheets": [{"appid": self.appid, "auditid": self.auditid, **seen_by}]}

    def in_words(self, outcome: AuditOutcome) -> str:
        what = Text(f"sheet_is_{outcome.outcome}", auditid=outcome.auditid, appid=outcome.appid)
        reason = " ".join(outcome.reason.split())
        return Text("what_with_a_reason", what=what, reason=reason) if reason else what

    def finish(self, context: Context, outcome: AuditOutcome) -> dict[str, Any]:
        """Return the outcome of an approved sheet; fail with the reason of any other."""
        if error := self.ending_error(outcome):
            context["ti"].xcom_push(key="return_value", value=outcome.to_json())
            with failing_at_once():
                raise error
        return super().finish(context, outcome)

    def ending_error(self, outcome: AuditOutcome) -> WxaError | None:
        """Return the error that a rejected or withdrawn sheet is; a reviewer's screenshots are saved, and named."""
        if self._end_time:
            waited = time.time() - (self._end_time - self.timeout)
            timing("wxa.audit_wait", max(waited, 0.0), outcome=outcome.outcome)
        return audit_error(outcome, save_screenshots(outcome, WxaHook(self.wxa_conn_id).run))


def _default_deferrable() -> bool:
    """Return ``[operators] default_deferrable`` where the environment sets it.

    Airflow writes its own default, false, into the airflow.cfg that it generates: there it is nobody's decision.
    """
    if "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE" in os.environ:
        return bool(conf.getboolean("operators", "default_deferrable"))
    return True


def _read(event: Any) -> tuple[str, float, str]:
    """Return status, end time and cause of a trigger's event; refuse any other event."""
    if isinstance(event, dict) and event.get("status") in STATUS_OF_EVENT.values():
        end_time, cause = event.get("end_time"), event.get("cause", "")
        if isinstance(end_time, int | float):
            return event["status"], float(end_time), str(cause)
    raise ValueError(f"not an event of a Wxa trigger: {event!r}")
