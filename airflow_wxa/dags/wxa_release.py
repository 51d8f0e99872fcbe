"""Release one Mini Program (小程序): business domains first, then code, audit and release.

Read aloud: check what was asked for. Configure the business domains, and follow the road that WeChat's answer opens.
Commit the code, wait for the privacy scan, submit it for audit, wait for the review. Let somebody approve. Release,
and prove that version and domains are online.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from airflow.sdk import BaseOperator, Context, Label, get_current_context, task

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.dags.wiring import OnlyWhen, SkipUnasked, dag_factory, misspelt_params, platform_conn_id
from airflow_wxa.errors import WxaApiError, WxaStateError
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.hooks.store import store_problems
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaApproveReleaseOperator,
    WxaCheckAccountOperator,
    WxaCommitOperator,
    WxaModifyServerDomainOperator,
    WxaReleaseOperator,
    WxaSetPrivacySettingOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.operators.domains import BRANCHES, domain_outcome
from airflow_wxa.release import read_release, refuse
from airflow_wxa.release.dag import beside, failing_at_once, param, params_of, release_params, release_spec, rendered
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor
from airflow_wxa.steps import DomainOutcome
from airflow_wxa.steps.domains import read_own_domains
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

Within = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_MOST_RUNS: Final = 10_000  # a run waits for a review for days, and a waiting run costs nothing
#: In the context that a release group gives its tasks: whether a person is asked.
ASKED_IN_GROUP: Final = "wxa_asked_in_group"
_RELEASE: Final = OnlyWhen("release", param("release").resolve)
#: By task id: stages that check_release skips. Those behind the review are skipped when it has ended well: they are the
#: run's last, and a run whose last tasks are skipped is a success for Airflow, whatever failed before.
_ASKED: Final = {
    "check_account": OnlyWhen("check_account", param("check_account").resolve),
    "configure_server_domains": OnlyWhen("server_domains", param("server_domains").resolve),
    "set_privacy_setting": OnlyWhen("privacy_setting", param("privacy_setting").resolve),
    "approve_release": OnlyWhen(
        "approval", lambda context: context["params"]["approval"] and _RELEASE.is_asked(context)
    ),
}


@dag_factory(release_params, tag="release", max_active_runs=_MOST_RUNS, checks_itself=True)
def release_dag() -> None:
    """Build the DAG that releases one Mini Program."""
    stage = stages(of_audit={"post_execute": SkipUnasked({"release": _RELEASE, "verify_release": _RELEASE})})
    configure_domains = webview_domain_gate(
        **domains(),
        platform_domains=rendered(lambda context: list(release_spec(context).platform_hosts)),
        on_platform_list_empty=param("on_platform_list_empty"),
        on_individual=param("on_individual"),
        platform_conn_id=rendered(platform_conn_id),
        then=stage["commit_code"],
        group_id=None,
    )

    checked = check_release.override(post_execute=SkipUnasked(_ASKED))()
    checked >> configure_domains
    # Beside the domains, so that who asks for neither has the same run as without them.
    checked >> stage["check_account"] >> stage["configure_server_domains"] >> stage["commit_code"]
    stage["check_account"] >> stage["commit_code"]  # configure_server_domains hands no failure on once skipped


def domains() -> dict[str, Any]:
    """Return the arguments of the task that configures the business domains."""
    return params_of(
        WxaSetWebviewDomainBranchOperator,
        action=rendered(lambda context: release_spec(context).params["domain_action"]),
        webviewdomain=rendered(lambda context: [domain.origin for domain in release_spec(context).wanted]),
        on_lost_domains=rendered(on_lost_domains),
    )


def stages(
    within: Within = dict, ready: Callable[[Context], None] | None = None, of_audit: Mapping[str, Any] | None = None
) -> dict[str, BaseOperator]:
    """Build the tasks of a release but its domains, wired from commit_code on, and return them by name.

    :param within: makes of a task's arguments those that are right where it stands.
    :param ready: skips commit_code, or fails it, by the outcome of the domains.
    :param of_audit: more arguments of wait_for_audit.
    """
    built: dict[str, BaseOperator] = {}

    def stage(operator: type[BaseOperator], task_id: str, **arguments: Any) -> Any:
        asked = {"pre_execute": _ASKED[task_id]} if task_id in _ASKED else {}
        built[task_id] = operator(task_id=task_id, **within(params_of(operator, **asked, **arguments)))
        return built[task_id]

    published: dict[str, Any] = {"auditid": rendered(submitted), "webviewdomain": rendered(wanted_online)}
    commit_code = stage(WxaCommitOperator, "commit_code", pre_execute=ready)
    stage(
        WxaCheckAccountOperator,
        "check_account",
        guide_is_given=rendered(lambda context: context["params"]["privacy_setting"] is not None),
    )
    stage(
        WxaModifyServerDomainOperator,
        "configure_server_domains",
        action=rendered(lambda context: context["params"]["server_domains"].get("action", "add")),
        server_domains=rendered(server_domains),
        trigger_rule="none_failed",
    )
    wait_for_privacy_scan = stage(WxaPrivacyScanSensor, "wait_for_privacy_scan")
    set_privacy_setting = stage(WxaSetPrivacySettingOperator, "set_privacy_setting")
    submit_audit = stage(
        WxaSubmitAuditOperator,
        "submit_audit",
        quota_reserve=param("audit_quota_reserve"),
        trigger_rule="none_failed_min_one_success",
    )
    wait_for_audit = stage(
        WxaAuditSensor,
        "wait_for_audit",
        auditid=rendered(submitted),
        timeout=rendered(lambda context: context["params"]["audit_timeout_hours"] * 3600),
        **(of_audit or {}),
    )
    approve_release = stage(WxaApproveReleaseOperator, "approve_release", **published)
    release = stage(
        WxaReleaseOperator,
        "release",
        approval_task_id=approve_release.task_id,
        pre_execute=only_when_release_is_wanted,
        trigger_rule="none_failed_min_one_success",
        **published,
    )
    verify_release = stage(
        WxaVerifyReleaseOperator,
        "verify_release",
        webviewdomain=rendered(wanted_online),
        server_domains=rendered(server_domains_online),
        individual=rendered(is_individual),
        released_at=rendered(released_at),
    )
    commit_code >> wait_for_privacy_scan >> submit_audit >> wait_for_audit
    wait_for_privacy_scan >> set_privacy_setting >> submit_audit
    wait_for_audit >> Label(as_set(Text("label_approved"))) >> approve_release >> release >> verify_release
    wait_for_audit >> release  # also where approve_release was skipped before anything began
    return built


@task
def check_release() -> None:
    """Report every problem at once, before the first call."""
    context = get_current_context()
    refuse_release(context["params"], misspelt_params(context))


def refuse_release(params: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Raise every problem of a release before its first call; do nothing when there is none.

    :param params: its fields, by the names of the params.
    :param more: problems that were found besides.
    """
    _, problems = read_release(params)
    problems += more
    problems += WxaHook(params["wxa_conn_id"]).token_problems(params["appid"])
    if params["on_platform_list_empty"] == "register":
        problems += WxaHook(params["platform_conn_id"] or params["wxa_conn_id"]).token_problems(None)
    with failing_at_once():
        store = [each for each in store_problems() if not any(each in problem for problem in problems)]
        refuse(problems + store)


def on_lost_domains(context: Context) -> str:
    """Return what the gate does about domains that would go offline: with a question behind it, it lets them pass."""
    asked = is_asked(context) or not context["params"]["release"]
    return "release" if asked else str(context["params"]["on_lost_domains"])


def is_asked(context: Context) -> bool:
    """Tell whether a person is asked: as the values of the task's group say, else as the run does."""
    return bool(context.get(ASKED_IN_GROUP, is_approval_wanted(context)))


def wanted_online(context: Context) -> list[str]:
    """Return the domains that must be effective: those wanted, or for ``all`` those that were read back."""
    outcome = _outcome(context)
    after = None if outcome is None else outcome.after
    effective = release_spec(context).effective(after, individual=is_individual(context))
    return [domain.origin for domain in effective]


def server_domains(context: Context) -> dict[str, Any]:
    """Return the lists of the param ``server_domains``."""
    return {kind: texts for kind, texts in context["params"]["server_domains"].items() if kind != "action"}


def server_domains_online(context: Context) -> dict[str, Any]:
    """Return the server domains that must be effective after the release."""
    lists = release_spec(context).effective_server_domains
    return {kind: sorted(domains) for kind, domains in lists.items()}


def submitted(context: Context) -> str:
    """Return the auditid that submit_audit came to; ``""`` when it did not run."""
    return str(_returned(context, "submit_audit").get("auditid", ""))


def released_at(context: Context) -> int:
    """Return when release published; 0 when it did not run, or WeChat did not tell."""
    return int(_returned(context, "release").get("release_time", 0))


def is_individual(context: Context) -> bool:
    """Tell whether WeChat said that an individual owns the Mini Program."""
    outcome = _outcome(context)
    return outcome is not None and outcome.outcome == "individual"


def only_when_release_is_wanted(context: Context) -> None:
    """Skip when the run ends after the audit; stop where what the run says about the owner cannot be."""
    _RELEASE(context)
    if not is_asked(context):
        context["task"].approval_task_id = None  # type: ignore[union-attr]
    if is_individual(context):
        with failing_at_once():
            refuse_other_than_individual(context["params"]["appid"], context["params"]["wxa_conn_id"])


def refuse_other_than_individual(appid: str, wxa_conn_id: str) -> None:
    """Return if a release without domains drops none: all who may write XComs can say that an individual owns it."""
    hook = WxaHook(wxa_conn_id)
    try:
        own = hook.run(read_own_domains(appid))
    except WxaApiError:  # 89231, or WeChat does not tell
        return
    if not own:
        return
    error = WxaStateError(Text("individual_has_domains"), values={"domains": ", ".join(sorted(own))}, appid=appid)
    hook.note_refusal(error, appid)
    raise error


def _outcome(context: Context) -> DomainOutcome | None:
    return domain_outcome(context, *(beside(context, each) for each in BRANCHES))


def _returned(context: Context, task_id: str) -> dict[str, Any]:
    """Return the outcome that a task returned; ``{}`` when it has not run."""
    ti = context["ti"]
    returned = ti.xcom_pull(task_ids=beside(context, task_id), map_indexes=ti.map_index)
    return returned if isinstance(returned, dict) else {}
