"""Operators that do an act and nothing besides: arguments, fields and documentation are the act's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa import acts
from airflow_wxa.assets import lineage_of
from airflow_wxa.hooks import files
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.mini_program import ActOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

_WITH_TRIAL = (*ActOperator.operator_extra_links, WxaTrialQrcodeLink())


class _Publishing(ActOperator):
    """An operator that shows a version to users."""

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        return lineage_of(self.built().appid)


class WxaAddToTemplateOperator(ActOperator, act=acts.AddToTemplate): ...


class WxaApplyPrivacyInterfaceOperator(ActOperator, act=acts.ApplyPrivacyInterface): ...


class WxaBindTesterOperator(ActOperator, act=acts.BindTester): ...


class WxaChangePlatformDomainOperator(ActOperator, act=acts.ChangePlatformDomain): ...


class WxaChangeVisitStatusOperator(ActOperator, act=acts.ChangeVisitStatus): ...


class WxaCheckAccountOperator(ActOperator, act=acts.CheckAccount): ...


class WxaCommitOperator(ActOperator, act=acts.Commit):
    operator_extra_links = _WITH_TRIAL


class WxaDeleteTemplateOperator(ActOperator, act=acts.DeleteTemplate): ...


class WxaEffectiveServerDomainOperator(ActOperator, act=acts.EffectiveServerDomains): ...


class WxaGetPrivacySettingOperator(ActOperator, act=acts.GetPrivacySetting): ...


class WxaGrayReleaseOperator(_Publishing, act=acts.GrayRelease):
    operator_extra_links = _WITH_TRIAL


class WxaListVersionsOperator(ActOperator, act=acts.ListVersions): ...


class WxaModifyPlatformDomainOperator(ActOperator, act=acts.ModifyPlatformDomain): ...


class WxaModifyPlatformServerDomainOperator(ActOperator, act=acts.ModifyPlatformServerDomain): ...


class WxaModifyServerDomainOperator(ActOperator, act=acts.ModifyServerDomain): ...


class WxaReleaseOperator(_Publishing, act=acts.Release):
    operator_extra_links = _WITH_TRIAL


class WxaRevertGrayReleaseOperator(ActOperator, act=acts.RevertGrayRelease): ...


class WxaRollbackOperator(_Publishing, act=acts.RollBack): ...


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
