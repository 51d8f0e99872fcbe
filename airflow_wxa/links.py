"""Links beside a task, in Airflow's UI: they lead to the attribute that the task set in ``execute``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from airflow.sdk import BaseOperatorLink

from airflow_wxa.api.values import APPID
from airflow_wxa.trial_link import BOARD_PREFIX, api_base_url, trial_link

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

VERIFICATION_FILE: Final = f"{BOARD_PREFIX}/verification-file"


def errcode_page(errcode: int) -> str:
    """Return the address of the board's page about an errcode."""
    return f"{api_base_url()}{BOARD_PREFIX}/errcode/{errcode}"


def mini_program_page(appid: str) -> str:
    """Return the address of the board's page about a Mini Program."""
    return f"{api_base_url()}{BOARD_PREFIX}/mini-program/{appid}"


class WxaMiniProgramLink(BaseOperatorLink):
    """Leads to the task's Mini Program on the board."""

    name = "Mini Program 小程序"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address; ``""``: the task is about none, or its template was not rendered."""
        appid = getattr(operator, "appid", None)
        known = isinstance(appid, str) and APPID.fullmatch(appid)
        return mini_program_page(str(appid)) if known else ""


class WxaTrialQrcodeLink(BaseOperatorLink):
    """Leads to the QR code of the trial version (体验版)."""

    name = "Trial version 体验版"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; ``""`` as for the Mini Program."""
        appid = getattr(operator, "appid", None)
        if not (isinstance(appid, str) and APPID.fullmatch(appid)):
            return ""
        page = getattr(operator, "path", "")
        run = {"dag_id": ti_key.dag_id, "run_id": ti_key.run_id}
        return trial_link(api_base_url(), appid, **run, page=page if isinstance(page, str) else "")


class WxaErrcodeLink(BaseOperatorLink):
    """Leads to the next step for the errcode that the task failed with."""

    name = "What to do 怎么办"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address; ``""``: no errcode stopped the task."""
        errcode = getattr(operator, "failed_errcode", 0)
        return errcode_page(errcode) if errcode else ""


class VerificationFileLink(BaseOperatorLink):
    """Leads to the verification file that a task has read, as a download."""

    name = "Verification file 校验文件"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; ``""``: there is none."""
        if not getattr(operator, "has_verification_file", False):
            return ""
        task = {"dag_id": ti_key.dag_id, "run_id": ti_key.run_id, "task_id": ti_key.task_id}
        return f"{api_base_url()}{VERIFICATION_FILE}?{urlencode(task)}"
