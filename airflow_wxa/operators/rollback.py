"""The approval of a rollback: whether a version may come back."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from airflow.sdk import Context

from airflow_wxa.acts.act import Appid
from airflow_wxa.acts.rollback import read_plan
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code, as_table
from airflow_wxa.operators.approve_release import goes_offline_in_words
from airflow_wxa.steps import RollbackPlan, plan_rollback
from airflow_wxa.steps.offline import OFFLINE
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts.setting import phrase


class WxaApproveRollbackOperator(WxaApprovalOperator):
    """Ask a person whether a version may come back, in place of the one online, for everyone and at once.

    The decision names the version online, the entry of WeChat's history (``app_version``, name, description), and the
    domains that go offline: :class:`WxaRollbackOperator` brings back no other one.

    :param appid: the Mini Program (templated).
    :param plan: return value of :class:`WxaListVersionsOperator`: it tells which version is meant (templated).
    """

    appid: Appid
    plan: Annotated[Mapping[str, Any], read_plan]
    asks = "rollback"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        """Read both versions at WeChat; of the plan only the version's number is taken."""
        asked = RollbackPlan.from_json(self.plan)
        plan = WxaHook(self.wxa_conn_id).run(plan_rollback(self.appid, asked.target.app_version))
        shown = plan.to_json()
        lists = {name: shown[name] for name in ("effective", "own")}
        return {
            **told("WeChat: getversioninfo, revertcoderelease", named=True, **plan.named),
            **told("WeChat: revertcoderelease", others=shown["others"]),
            **told("WeChat: get_effective_webviewdomain, setwebviewdomain", **lists),
            **told("WeChat: get_effective_webviewdomain, get_effective_domain", named=True, offline=shown["offline"]),
            **told("run", appid=self.appid),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        online, target = question["online"], question["target"]
        name = target["user_version"] or target["app_version"]
        parts = [goes_offline_in_words(question[OFFLINE]), _versions(question, online, target), _domains(question)]
        parts.append(phrase("cannot_be_undone", name=as_code(name)))
        return phrase("ask_rollback", appid=question["appid"], name=name), "\n\n".join(parts)


def _versions(question: Question, online: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    goes = _version(online["version"], online["description"])
    since = f"{dt.datetime.fromtimestamp(online['time'], BEIJING):%Y-%m-%d %H:%M}"
    rows = {
        phrase("row_mini_program"): as_code(question["appid"]),
        phrase("row_goes"): phrase("online_since", name=goes, since=since) if online["time"] else goes,
        phrase("row_comes_back"): f"{_version(target['user_version'], target['user_desc'])}, "
        f"app_version {as_code(target['app_version'])}",
        phrase("row_could_come_back"): ", ".join(
            f"{_version(each['user_version'], '')} (app_version {as_code(each['app_version'])})"
            for each in question["others"]
        )
        or phrase("nothing_else"),
    }
    return as_table(rows)


def _version(name: str, description: str) -> str:
    return as_code(name or phrase("unnamed_version")) + (f", {as_code(description)}" if description else "")


def _domains(question: Question) -> str:
    effective, own = question["effective"], question["own"]
    pending = sorted(set(own or ()) - set(effective or ()))
    now = phrase("effective_now", effective=_list(effective))
    later = phrase("configured_for_later", pending=_list(None if own is None else pending))
    return "\n".join([phrase("heading_domains"), "", phrase("rollback_and_domains"), "", now, later])


def _list(origins: Sequence[str] | None) -> str:
    return phrase("not_known") if origins is None else ", ".join(map(as_code, origins)) or phrase("none")
