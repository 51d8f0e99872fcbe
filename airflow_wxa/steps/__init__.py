"""What a release does, as generators without I/O: they yield calls, are sent replies, and return outcomes."""

from airflow_wxa.steps.account import check_account
from airflow_wxa.steps.approval import approved
from airflow_wxa.steps.audit import Submission, audit_error, audit_seen, audit_status, submit_version, withdraw_audit
from airflow_wxa.steps.budgets import changes_left, withdrawals_left
from airflow_wxa.steps.code import commit_code, privacy_scan
from airflow_wxa.steps.domains import configure_domains, modify_platform_domains, modify_platform_server_domains
from airflow_wxa.steps.gray import gray_release, revert_gray_release
from airflow_wxa.steps.lag import LAG_SECONDS, NOTHING_ACCEPTED, AcceptedWrites, recall
from airflow_wxa.steps.outcome import (
    AccountOutcome,
    Approved,
    AuditOutcome,
    CommitOutcome,
    DomainListsOutcome,
    DomainOutcome,
    GrayOutcome,
    Left,
    Pause,
    Platform,
    PlatformOutcome,
    PlatformServerOutcome,
    PrivacyOutcome,
    PrivacySettingOutcome,
    Recall,
    ReleaseOutcome,
    RollbackOutcome,
    RollbackPlan,
    Step,
    SubmitOutcome,
    TemplateOutcome,
    TrialQrcodeOutcome,
    WithdrawOutcome,
)
from airflow_wxa.steps.plain import plain_call, trial_qrcode, upload_media
from airflow_wxa.steps.privacy import apply_for_privacy_interface, read_privacy_setting, set_privacy_setting
from airflow_wxa.steps.release import release_version, verify_release
from airflow_wxa.steps.rollback import plan_rollback, roll_back, verify_rollback
from airflow_wxa.steps.server_domains import (
    configure_server_domains,
    configure_webview_domains_directly,
    prove_server_domains,
    read_effective_server_domains,
)
from airflow_wxa.steps.templates import add_to_template

__all__ = [
    "LAG_SECONDS",
    "NOTHING_ACCEPTED",
    "AcceptedWrites",
    "AccountOutcome",
    "Approved",
    "AuditOutcome",
    "CommitOutcome",
    "DomainListsOutcome",
    "DomainOutcome",
    "GrayOutcome",
    "Left",
    "Pause",
    "Platform",
    "PlatformOutcome",
    "PlatformServerOutcome",
    "PrivacyOutcome",
    "PrivacySettingOutcome",
    "Recall",
    "ReleaseOutcome",
    "RollbackOutcome",
    "RollbackPlan",
    "Step",
    "Submission",
    "SubmitOutcome",
    "TemplateOutcome",
    "TrialQrcodeOutcome",
    "WithdrawOutcome",
    "add_to_template",
    "apply_for_privacy_interface",
    "approved",
    "audit_error",
    "audit_seen",
    "audit_status",
    "changes_left",
    "check_account",
    "commit_code",
    "configure_domains",
    "configure_server_domains",
    "configure_webview_domains_directly",
    "gray_release",
    "modify_platform_domains",
    "modify_platform_server_domains",
    "plain_call",
    "plan_rollback",
    "privacy_scan",
    "prove_server_domains",
    "read_effective_server_domains",
    "read_privacy_setting",
    "recall",
    "release_version",
    "revert_gray_release",
    "roll_back",
    "set_privacy_setting",
    "submit_version",
    "trial_qrcode",
    "upload_media",
    "verify_release",
    "verify_rollback",
    "withdraw_audit",
    "withdrawals_left",
]
