"""Operators that do an act and nothing besides: arguments, fields and documentation are the act's."""

from __future__ import annotations

from airflow_wxa import acts
from airflow_wxa.hooks import files
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.mini_program import ActOperator

_WITH_TRIAL = (*ActOperator.operator_extra_links, WxaTrialQrcodeLink())


class WxaAddToTemplateOperator(ActOperator, act=acts.AddToTemplate): ...


class WxaApplyPrivacyInterfaceOperator(ActOperator, act=acts.ApplyPrivacyInterface): ...


class WxaBindTesterOperator(ActOperator, act=acts.BindTester): ...


class WxaChangeVisitStatusOperator(ActOperator, act=acts.ChangeVisitStatus): ...


class WxaCommitOperator(ActOperator, act=acts.Commit):
    operator_extra_links = _WITH_TRIAL


class WxaDeleteTemplateOperator(ActOperator, act=acts.DeleteTemplate): ...


class WxaEffectiveServerDomainOperator(ActOperator, act=acts.EffectiveServerDomains): ...


class WxaGetPrivacySettingOperator(ActOperator, act=acts.GetPrivacySetting): ...


class WxaListVersionsOperator(ActOperator, act=acts.ListVersions): ...


class WxaModifyPlatformDomainOperator(ActOperator, act=acts.ModifyPlatformDomain): ...


class WxaModifyPlatformServerDomainOperator(ActOperator, act=acts.ModifyPlatformServerDomain): ...


class WxaModifyServerDomainOperator(ActOperator, act=acts.ModifyServerDomain): ...


class WxaRevertGrayReleaseOperator(ActOperator, act=acts.RevertGrayRelease): ...


class WxaSetPrefetchDnsDomainOperator(ActOperator, act=acts.SetPrefetchDnsDomain): ...


class WxaSetPrivacySettingOperator(ActOperator, act=acts.SetPrivacySetting): ...


class WxaSetSupportVersionOperator(ActOperator, act=acts.SetSupportVersion): ...


class WxaSetWebviewDomainDirectlyOperator(ActOperator, act=acts.SetWebviewDomainDirectly): ...


class WxaSpeedUpAuditOperator(ActOperator, act=acts.SpeedUpAudit): ...


class WxaSubmitAuditOperator(ActOperator, act=acts.SubmitAudit):
    operator_extra_links = _WITH_TRIAL


class WxaTrialQrcodeOperator(ActOperator, act=files.TrialQrcode):
    operator_extra_links = _WITH_TRIAL


class WxaUndoAuditOperator(ActOperator, act=acts.UndoAudit): ...


class WxaUploadMediaOperator(ActOperator, act=files.UploadMedia): ...


class WxaVerifyReleaseOperator(ActOperator, act=acts.VerifyRelease):
    operator_extra_links = _WITH_TRIAL


class WxaVerifyRollbackOperator(ActOperator, act=acts.VerifyRollback): ...


class WxaWebviewDomainConfirmfileOperator(ActOperator, act=files.WebviewDomainConfirmfile): ...
