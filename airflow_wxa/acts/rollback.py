"""Acts of a rollback."""

from dataclasses import dataclass

from airflow_wxa.acts.act import OfMiniProgram
from airflow_wxa.acts.fields import Digits
from airflow_wxa.steps import RollbackPlan, Step, plan_rollback


@dataclass(frozen=True)
class ListVersions(OfMiniProgram):
    """Read which version is online, which can come back, and the business domains; nothing is written.

    Returns ``{"appid", "online", "target", "others", "effective", "own", "dropped"}``: what is online, the version
    that would come back, further ones, and origins; ``null`` is what WeChat did not say.

    :param app_version: digits, from WeChat's list of earlier versions; empty: one step back.
    """

    app_version: Digits = ""

    def step(self) -> Step[RollbackPlan]:
        """Read them."""
        return plan_rollback(self.appid, self.app_version)
