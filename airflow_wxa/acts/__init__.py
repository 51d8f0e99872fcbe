"""Acts: what can be done, each declared once; operators, hook methods and fleet stages are its doors."""

from airflow_wxa.acts.account import ApplyPrivacyInterface, GetPrivacySetting
from airflow_wxa.acts.act import Act, OfMiniProgram
from airflow_wxa.acts.domains import EffectiveServerDomains
from airflow_wxa.acts.plain import (
    BindTester,
    ChangeVisitStatus,
    DeleteTemplate,
    SetPrefetchDnsDomain,
    SetSupportVersion,
    SpeedUpAudit,
)
from airflow_wxa.acts.rollback import ListVersions

__all__ = [
    "Act",
    "ApplyPrivacyInterface",
    "BindTester",
    "ChangeVisitStatus",
    "DeleteTemplate",
    "EffectiveServerDomains",
    "GetPrivacySetting",
    "ListVersions",
    "OfMiniProgram",
    "SetPrefetchDnsDomain",
    "SetSupportVersion",
    "SpeedUpAudit",
]
