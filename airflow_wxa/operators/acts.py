"""Operators that do an act and nothing besides: arguments, fields and documentation are the act's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.acts import account, code, domains, plain, platform, release, rollback
from airflow_wxa.assets import lineage_of
from airflow_wxa.hooks import files
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.declared import ActOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

_WITH_TRIAL = (*ActOperator.operator_extra_links, WxaTrialQrcodeLink())


class _Publishing(ActOperator):
    """An operator that shows a version to users."""

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        return lineage_of(self.built().appid)


class WxaAddToTemplateOperator(ActOperator, act=platform.AddToTemplate): ...


class WxaApplyPrivacyInterfaceOperator(ActOperator, act=account.ApplyPrivacyInterface): ...


class WxaBindTesterOperator(ActOperator, act=plain.BindTester): ...


class WxaChangePlatformDomainOperator(ActOperator, act=platform.ChangePlatformDomain): ...


class WxaChangeVisitStatusOperator(ActOperator, act=plain.ChangeVisitStatus): ...


class WxaCheckAccountOperator(ActOperator, act=account.CheckAccount): ...


class WxaCommitOperator(ActOperator, act=code.Commit):
    operator_extra_links = _WITH_TRIAL


class WxaDeleteTemplateOperator(ActOperator, act=plain.DeleteTemplate): ...


class WxaEffectiveServerDomainOperator(ActOperator, act=domains.EffectiveServerDomains): ...


class WxaGetPrivacySettingOperator(ActOperator, act=account.GetPrivacySetting): ...


class WxaGrayReleaseOperator(_Publishing, act=release.GrayRelease):
    operator_extra_links = _WITH_TRIAL


class WxaListVersionsOperator(ActOperator, act=rollback.ListVersions): ...


class WxaModifyPlatformDomainOperator(ActOperator, act=domains.ModifyPlatformDomain): ...


class WxaModifyPlatformServerDomainOperator(ActOperator, act=domains.ModifyPlatformServerDomain): ...


class WxaModifyServerDomainOperator(ActOperator, act=domains.ModifyServerDomain): ...


class WxaReleaseOperator(_Publishing, act=release.Release):
    operator_extra_links = _WITH_TRIAL


class WxaRevertGrayReleaseOperator(ActOperator, act=release.RevertGrayRelease): ...


class WxaRollbackOperator(_Publishing, act=rollback.RollBack): ...


class WxaSetPrefetchDnsDomainOperator(ActOperator, act=plain.SetPrefetchDnsDomain): ...


class WxaSetPrivacySettingOperator(ActOperator, act=account.SetPrivacySetting): ...


class WxaSetSupportVersionOperator(ActOperator, act=plain.SetSupportVersion): ...


class WxaSetWebviewDomainDirectlyOperator(ActOperator, act=domains.SetWebviewDomainDirectly): ...


class WxaSpeedUpAuditOperator(ActOperator, act=plain.SpeedUpAudit): ...


class WxaSubmitAuditOperator(ActOperator, act=code.SubmitAudit):
    operator_extra_links = _WITH_TRIAL


class WxaTrialQrcodeOperator(ActOperator, act=files.TrialQrcode):
    operator_extra_links = _WITH_TRIAL


class WxaUndoAuditOperator(ActOperator, act=code.UndoAudit): ...


class WxaUploadMediaOperator(ActOperator, act=files.UploadMedia): ...


class WxaVerifyReleaseOperator(ActOperator, act=code.VerifyRelease):
    operator_extra_links = _WITH_TRIAL


class WxaVerifyRollbackOperator(ActOperator, act=rollback.VerifyRollback): ...


class WxaWebviewDomainConfirmfileOperator(ActOperator, act=files.WebviewDomainConfirmfile): ...
