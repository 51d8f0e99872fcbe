"""Acts, each declared once; operators, hook methods and fleet stages are its doors."""

from airflow_wxa.acts.account import ApplyPrivacyInterface, CheckAccount, GetPrivacySetting, SetPrivacySetting
from airflow_wxa.acts.act import Act, OfMiniProgram
from airflow_wxa.acts.code import AuditStatus, Commit, SubmitAudit, UndoAudit, VerifyRelease
from airflow_wxa.acts.domains import (
    EffectiveServerDomains,
    ModifyPlatformDomain,
    ModifyPlatformServerDomain,
    ModifyServerDomain,
    SetWebviewDomain,
    SetWebviewDomainDirectly,
)
from airflow_wxa.acts.plain import (
    BindTester,
    ChangeVisitStatus,
    DeleteTemplate,
    SetPrefetchDnsDomain,
    SetSupportVersion,
    SpeedUpAudit,
)
from airflow_wxa.acts.platform import AddToTemplate, ChangePlatformDomain
from airflow_wxa.acts.release import GrayRelease, Release, RevertGrayRelease
from airflow_wxa.acts.rollback import ListVersions, RollBack, VerifyRollback

__all__ = [
    "Act",
    "AddToTemplate",
    "ApplyPrivacyInterface",
    "AuditStatus",
    "BindTester",
    "ChangePlatformDomain",
    "ChangeVisitStatus",
    "CheckAccount",
    "Commit",
    "DeleteTemplate",
    "EffectiveServerDomains",
    "GetPrivacySetting",
    "GrayRelease",
    "ListVersions",
    "ModifyPlatformDomain",
    "ModifyPlatformServerDomain",
    "ModifyServerDomain",
    "OfMiniProgram",
    "Release",
    "RevertGrayRelease",
    "RollBack",
    "SetPrefetchDnsDomain",
    "SetPrivacySetting",
    "SetSupportVersion",
    "SetWebviewDomain",
    "SetWebviewDomainDirectly",
    "SpeedUpAudit",
    "SubmitAudit",
    "UndoAudit",
    "VerifyRelease",
    "VerifyRollback",
]
