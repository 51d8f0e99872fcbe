"""Release one Mini Program (小程序): business domains first, then code, audit and release.

Read aloud: check what was asked for. Configure the business domains, and follow the road that WeChat's answer opens.
Commit the code, wait for the privacy scan, submit it for audit, wait for the review. Let somebody approve. Release,
and prove that version and domains are online.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Label, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaApproveReleaseOperator,
    WxaCommitOperator,
    WxaModifyPlatformDomainOperator,
    WxaReleaseOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.release import read_release, refuse
from airflow_wxa.release.dag import failing_at_once, param, release_params, release_spec, rendered
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor
from airflow_wxa.steps import DomainOutcome

if TYPE_CHECKING:
    from airflow.sdk import Context


def domain_outcome(context: Context) -> DomainOutcome | None:
    """Return what became of the domains: the second try's outcome, else the first's; ``None`` when neither ran."""
    for task_id in ("configure_domains_again", "configure_domains"):
        if outcome := context["ti"].xcom_pull(task_ids=task_id):
            return DomainOutcome.from_json(outcome)
    return None


def wanted_online(context: Context) -> list[str]:
    """Return the domains that must be effective: those wanted, or for ``all`` those that were read back."""
    asked, outcome = release_spec(context), domain_outcome(context)
    if outcome is not None and outcome.outcome == "individual":
        return []
    if asked.action is None and outcome is not None:
        return list(outcome.after or ())
    return [domain.origin for domain in asked.wanted] if asked.action in {"add", "set"} else []


def submitted(context: Context) -> str:
    """Return the auditid that submit_audit came to; ``""`` when it did not run."""
    return str((context["ti"].xcom_pull(task_ids="submit_audit") or {}).get("auditid", ""))


def outcomes(context: Context) -> dict[str, Any]:
    """Return what the approval shows: what became of domains, code, submission and review."""
    domains, pull = domain_outcome(context), context["ti"].xcom_pull
    return {
        "domains": domains.to_json() if domains else None,
        "commit": pull(task_ids="commit_code"),
        "submit": pull(task_ids="submit_audit"),
        "audit": pull(task_ids="wait_for_audit"),
    }


def released_at(context: Context) -> int:
    """Return when release published; 0 when it did not run, or WeChat did not tell."""
    return int((context["ti"].xcom_pull(task_ids="release") or {}).get("release_time", 0))


def is_individual(context: Context) -> bool:
    """Tell whether WeChat said that an individual owns the Mini Program."""
    outcome = domain_outcome(context)
    return outcome is not None and outcome.outcome == "individual"


def only_when_platform_list_is_empty(context: Context) -> None:
    """Skip unless 89020 came: marking the branch "success" by hand must not set off a platform-wide write."""
    outcome = context["ti"].xcom_pull(task_ids="configure_domains")
    if not outcome or outcome["outcome"] != "platform_list_empty":
        raise AirflowSkipException("configure_domains was not answered 89020: nothing to register")
    if context["params"]["on_platform_list_empty"] == "stop":
        raise AirflowFailException(str(DomainOutcome.from_json(outcome).as_error()))


def only_when_an_individual_owns_it(context: Context) -> None:
    """Skip unless 89231 came on either try; fail when the params say so."""
    outcome = domain_outcome(context)
    if outcome is None or outcome.outcome != "individual":
        raise AirflowSkipException("the domains were not answered 89231: not an individual's Mini Program")
    if context["params"]["on_individual"] == "stop":
        raise AirflowFailException(str(outcome.as_error()))


def only_when_approval_is_wanted(context: Context) -> None:
    """Skip when the run does not ask for approval, or does not release."""
    if not (context["params"]["approval"] and context["params"]["release"]):
        raise AirflowSkipException("the params ask for no approval")


def only_when_release_is_wanted(context: Context) -> None:
    """Skip when the run ends after the audit; fail when it needs an approval and has none.

    Marking approve_release "success" by hand is no approval: nobody could tell who approved, or whether they may.
    """
    if not context["params"]["release"]:
        raise AirflowSkipException("the params ask for no release")
    decision = context["ti"].xcom_pull(task_ids="approve_release") or {}
    if context["params"]["approval"] and decision.get("outcome") != "approved":
        raise AirflowFailException(
            "release not sent: this run asks for an approval, and there is none\n"
            f"  appid {context['params']['appid']}, approve_release {decision.get('outcome', 'not answered')}\n"
            "  a task that is marked success by hand approves nothing\n"
            "  clear approve_release and let somebody approve\n"
            "  airflow-wxa docs rescue"
        )


with DAG(
    dag_id="wxa_release",
    dag_display_name="Release a Mini Program",
    schedule=None,
    is_paused_upon_creation=False,
    catchup=False,
    params=release_params(),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["wechat", "release"],
    doc_md=__doc__,
) as dag:
    code: dict[str, Any] = {
        "appid": "{{ params.appid }}",
        "template_id": "{{ params.template_id }}",
        "user_version": "{{ params.user_version }}",
        "ext_json": param("ext_json"),
        "wxa_conn_id": "{{ params.wxa_conn_id }}",
    }
    domains: dict[str, Any] = {
        "appid": "{{ params.appid }}",
        "action": rendered(lambda context: release_spec(context).action),
        "webviewdomain": rendered(lambda context: [domain.origin for domain in release_spec(context).wanted]),
        "wxa_conn_id": "{{ params.wxa_conn_id }}",
        "individual": "individual_account",
        "configured": "commit_code",
    }

    @task(
        doc_md="Reports everything that is wrong with the params and the Connections at once, and calls nothing.\n\n"
        "- **Undo**: nothing to undo.\n"
        "- **Clear**: checks again; the params of a run do not change, so trigger a new one.\n"
        "- **Mark success**: goes on, and the tasks behind refuse what they cannot do.\n"
        "- **Mark failed**: ends the run; nothing was sent.",
    )
    def check_release() -> None:
        """Report every problem at once, before the first call."""
        params = get_current_context()["params"]
        _, problems = read_release(params)
        problems += WxaHook(params["wxa_conn_id"]).token_problems(params["appid"])
        if params["on_platform_list_empty"] == "register":
            problems += WxaHook(params["platform_conn_id"] or params["wxa_conn_id"]).token_problems(None)
        with failing_at_once():
            refuse(problems)

    configure_domains = WxaSetWebviewDomainBranchOperator(
        task_id="configure_domains",
        platform_list_empty="register_platform_domains",
        doc_md="Configures the business domains and follows WeChat's answer: 0 and 89019 to the code, 89020 to the "
        "platform's list, 89231 to the individual's road. Any other errcode fails.\n\n"
        "- **Undo**: run with domain_action delete, or set with the list in `before` of this task's XCom.\n"
        "- **Clear**: writes again, which changes nothing that is already so.\n"
        "- **Mark success**: goes on without domains: register_platform_domains and individual_account skip, so "
        "nothing platform-wide is written, and release or verify_release fails if a wanted domain lacks.\n"
        "- **Mark failed**: ends the run; what was written stays.",
        **domains,
    )
    register_platform_domains = WxaModifyPlatformDomainOperator(
        task_id="register_platform_domains",
        action="add",
        hosts=rendered(lambda context: list(release_spec(context).platform_hosts)),
        platform_conn_id="{{ params.platform_conn_id or params.wxa_conn_id }}",
        pre_execute=only_when_platform_list_is_empty,
        doc_md="Registers hosts on the platform's own list, testing and published version together: **all merchants of "
        "the platform are concerned**. Only after 89020, and only when on_platform_list_empty is register.\n\n"
        "- **Undo**: WxaModifyPlatformDomainOperator with action delete, but other merchants' releases would "
        "lose the hosts.\n"
        "- **Clear**: registers what lacks.\n"
        "- **Mark success**: writes nothing and goes on to the second try: right after somebody registered the "
        "hosts by hand.\n"
        "- **Mark failed**: ends the run; what was registered stays.",
    )
    configure_domains_again = WxaSetWebviewDomainBranchOperator(
        task_id="configure_domains_again",
        doc_md="The second try, after the platform's list was filled; 89020 fails now.\n\n"
        "- **Undo**, **Clear**, **Mark failed**: as for configure_domains.\n"
        "- **Mark success**: goes on without domains; release or verify_release fails if a wanted one lacks.",
        **domains,
    )

    @task(
        trigger_rule="none_failed_min_one_success",
        pre_execute=only_when_an_individual_owns_it,
        doc_md="Notes that an individual owns the Mini Program (89231): it cannot have business domains, so the "
        "release goes on without, unless on_individual is stop.\n\n"
        "- **Undo**: nothing to undo.\n"
        "- **Clear**: looks again.\n"
        "- **Mark success**: goes on without domains, also where on_individual is stop.\n"
        "- **Mark failed**: ends the run before any code is uploaded.",
    )
    def individual_account() -> str:
        """Note it; whether to go on was decided before this runs."""
        appid = get_current_context()["params"]["appid"]
        return f"{appid} is an individual's Mini Program: it goes on without business domains"

    commit_code = WxaCommitOperator(
        task_id="commit_code",
        user_desc="{{ params.user_desc or params.user_version }}",
        withdraw_foreign_audit=param("withdraw_foreign_audit"),
        trigger_rule="none_failed_min_one_success",
        doc_md="Uploads the code from the template as the trial version, unless WeChat has this very version already. "
        "A foreign version in audit stops it.\n\n"
        "- **Undo**: commit another version.\n"
        "- **Clear**: reads first and commits only what is not there.\n"
        "- **Mark success**: goes on with whatever is on trial, which submit_audit refuses unless it is this "
        "version.\n"
        "- **Mark failed**: ends the run; a trial version stays, only testers see it.",
        **code,
    )
    wait_for_privacy_scan = WxaPrivacyScanSensor(
        task_id="wait_for_privacy_scan",
        appid="{{ params.appid }}",
        wxa_conn_id="{{ params.wxa_conn_id }}",
        privacy_api_not_use=param("privacy_api_not_use"),
        doc_md="Waits about a minute for WeChat's scan of privacy interfaces (61039 while it runs).\n\n"
        "- **Undo**: nothing to undo.\n"
        "- **Clear**: looks again.\n"
        "- **Mark success**: submits at once, and WeChat refuses that while it scans (61039); nothing is lost.\n"
        "- **Mark failed**: ends the run; the scan goes on.",
    )
    submit_audit = WxaSubmitAuditOperator(
        task_id="submit_audit",
        version_desc="{{ params.version_desc or '' }}",
        privacy_api_not_use=param("privacy_api_not_use"),
        quota_reserve=param("audit_quota_reserve"),
        withdraw_foreign_audit=param("withdraw_foreign_audit"),
        doc_md="Submits the trial version for audit, or adopts the sheet that this version has already. Each "
        "submission costs one of the platform's monthly quota.\n\n"
        "- **Undo**: /wxa/undocodeaudit, 5 a day and 10 a month for each Mini Program.\n"
        "- **Clear**: adopts its own sheet, so it never submits twice.\n"
        "- **Mark success**: submits nothing and leaves wait_for_audit without a sheet to wait for: clear this "
        "task instead.\n"
        "- **Mark failed**: ends the run; a submitted sheet goes on, and Clear adopts it.",
        **code,
    )
    wait_for_audit = WxaAuditSensor(
        task_id="wait_for_audit",
        appid="{{ params.appid }}",
        auditid=rendered(submitted),
        wxa_conn_id="{{ params.wxa_conn_id }}",
        timeout="{{ params.audit_timeout_hours * 3600 }}",
        doc_md="Waits for the review, up to seven working days; a delay (4) is not the end. Rejected and withdrawn "
        "fail with the reason.\n\n"
        "- **Undo**: nothing to undo.\n"
        "- **Clear**: waits on.\n"
        "- **Mark success**: goes on; release then refuses a sheet that is not approved.\n"
        "- **Mark failed**: stops waiting; the review goes on, and Clear takes it up again.",
    )
    approve_release = WxaApproveReleaseOperator(
        task_id="approve_release",
        appid="{{ params.appid }}",
        template_id="{{ params.template_id }}",
        user_version="{{ params.user_version }}",
        outcomes=rendered(outcomes),
        approvers=param("approvers"),
        approver_must_differ=param("approver_must_differ"),
        wxa_conn_id="{{ params.wxa_conn_id }}",
        pre_execute=only_when_approval_is_wanted,
        doc_md="Somebody approves or rejects, under Required Actions; who, when and why is kept in the ledger.\n\n"
        "- **Undo**: until release has run, clear this task and reject.\n"
        "- **Clear**: asks again, also after a rejection.\n"
        "- **Mark success**: is no approval: release fails and says so; to release without one, trigger a run "
        "with approval false.\n"
        "- **Mark failed**: ends the run; the approved sheet stays, and Clear asks again.",
    )
    release = WxaReleaseOperator(
        task_id="release",
        webviewdomain=rendered(wanted_online),
        auditid=rendered(submitted),
        trigger_rule="none_failed",
        pre_execute=only_when_release_is_wanted,
        doc_md="Publishes the approved sheet, if it is of this version, for everyone. WeChat drops the business "
        "domains that the platform's list does not hold.\n\n"
        "- **Undo**: roll back with /wxa/revertcoderelease (one step), or release a fixed version.\n"
        "- **Clear**: sees what is online and does not publish twice; after a rejection it stays skipped, clear "
        "approve_release.\n"
        "- **Mark success**: publishes nothing; verify_release then fails.\n"
        "- **Mark failed**: ends the run and takes nothing back: what is online stays online.",
        **code,
    )
    verify_release = WxaVerifyReleaseOperator(
        task_id="verify_release",
        webviewdomain=rendered(wanted_online),
        individual=rendered(is_individual),
        released_at=rendered(released_at),
        doc_md="Proves that this version is online and that the wanted domains are effective.\n\n"
        "- **Undo**: nothing to undo.\n"
        "- **Clear**: looks again.\n"
        "- **Mark success**: makes the run green without the proof.\n"
        "- **Mark failed**: makes it red; what is online stays online.",
        **code,
    )

    individual = individual_account()
    check_release() >> configure_domains
    configure_domains >> Label("configured (0, 89019)") >> commit_code
    configure_domains >> Label("platform list empty (89020)") >> register_platform_domains
    configure_domains >> Label("individual (89231)") >> individual
    register_platform_domains >> configure_domains_again
    configure_domains_again >> Label("configured (0, 89019)") >> commit_code
    configure_domains_again >> Label("individual (89231)") >> individual
    individual >> Label("without domains") >> commit_code
    commit_code >> wait_for_privacy_scan >> submit_audit >> wait_for_audit
    wait_for_audit >> Label("approved by WeChat") >> approve_release >> release >> verify_release
