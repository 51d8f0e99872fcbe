"""Operators that do an act and nothing besides: arguments, fields and documentation are the act's."""

from __future__ import annotations

from airflow_wxa import acts
from airflow_wxa.hooks import files
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.mini_program import ActOperator


class WxaApplyPrivacyInterfaceOperator(ActOperator, act=acts.ApplyPrivacyInterface): ...


class WxaBindTesterOperator(ActOperator, act=acts.BindTester): ...


class WxaChangeVisitStatusOperator(ActOperator, act=acts.ChangeVisitStatus): ...


class WxaDeleteTemplateOperator(ActOperator, act=acts.DeleteTemplate): ...


class WxaEffectiveServerDomainOperator(ActOperator, act=acts.EffectiveServerDomains): ...


class WxaGetPrivacySettingOperator(ActOperator, act=acts.GetPrivacySetting): ...


class WxaListVersionsOperator(ActOperator, act=acts.ListVersions): ...


class WxaSetPrefetchDnsDomainOperator(ActOperator, act=acts.SetPrefetchDnsDomain): ...


class WxaSetSupportVersionOperator(ActOperator, act=acts.SetSupportVersion): ...


class WxaSpeedUpAuditOperator(ActOperator, act=acts.SpeedUpAudit): ...


class WxaTrialQrcodeOperator(ActOperator, act=files.TrialQrcode):
    operator_extra_links = (*ActOperator.operator_extra_links, WxaTrialQrcodeLink())


class WxaUploadMediaOperator(ActOperator, act=files.UploadMedia): ...


class WxaWebviewDomainConfirmfileOperator(ActOperator, act=files.WebviewDomainConfirmfile): ...
