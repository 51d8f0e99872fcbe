"""Links beside a task, in Airflow's UI: what the task set in ``execute`` is where they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["VERIFICATION_FILE", "VerificationFileLink"]

VERIFICATION_FILE: Final = "/wxa/board/verification-file"


class VerificationFileLink(BaseOperatorLink):
    """Leads to the verification file that a task has read, as a download."""

    name = "Verification file"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; ``""``: there is none."""
        if not getattr(operator, "has_verification_file", False):
            return ""
        task = {"dag_id": ti_key.dag_id, "run_id": ti_key.run_id, "task_id": ti_key.task_id}
        return f"{VERIFICATION_FILE}?{urlencode(task)}"
