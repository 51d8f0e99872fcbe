"""Operators: each runs one step; constructors only assign."""

from airflow_wxa.operators.acts import (
    WxaAddToTemplateOperator,
    WxaApplyPrivacyInterfaceOperator,
    WxaBindTesterOperator,
    WxaChangePlatformDomainOperator,
    WxaChangeVisitStatusOperator,
    WxaCheckAccountOperator,
    WxaCommitOperator,
    WxaDeleteTemplateOperator,
    WxaEffectiveServerDomainOperator,
    WxaGetPrivacySettingOperator,
    WxaGrayReleaseOperator,
    WxaListVersionsOperator,
    WxaModifyPlatformDomainOperator,
    WxaModifyPlatformServerDomainOperator,
    WxaModifyServerDomainOperator,
    WxaReleaseOperator,
    WxaRevertGrayReleaseOperator,
    WxaRollbackOperator,
    WxaSetPrefetchDnsDomainOperator,
    WxaSetPrivacySettingOperator,
    WxaSetSupportVersionOperator,
    WxaSetWebviewDomainDirectlyOperator,
    WxaSpeedUpAuditOperator,
    WxaSubmitAuditOperator,
    WxaTrialQrcodeOperator,
    WxaUndoAuditOperator,
    WxaUploadMediaOperator,
    WxaVerifyReleaseOperator,
    WxaVerifyRollbackOperator,
    WxaWebviewDomainConfirmfileOperator,
)
from airflow_wxa.operators.approval import (
    WxaApprovalOperator,
)
from airflow_wxa.operators.approve_release import (
    WxaApproveReleaseOperator,
)
from airflow_wxa.operators.audit import (
    WxaAuditBranchOperator,
)
from airflow_wxa.operators.call import (
    WxaCallOperator,
)
from airflow_wxa.operators.domains import (
    WxaIndividualAccountOperator,
    WxaRegisterPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.operators.platform_domains import (
    WxaApprovePlatformDomainOperator,
    WxaReadPlatformDomainOperator,
)
from airflow_wxa.operators.quota import (
    WxaApproveClearQuotaOperator,
    WxaClearQuotaOperator,
)
from airflow_wxa.operators.rollback import (
    WxaApproveRollbackOperator,
)

__all__ = [
    "WxaAddToTemplateOperator",
    "WxaApplyPrivacyInterfaceOperator",
    "WxaApprovalOperator",
    "WxaApproveClearQuotaOperator",
    "WxaApprovePlatformDomainOperator",
    "WxaApproveReleaseOperator",
    "WxaApproveRollbackOperator",
    "WxaAuditBranchOperator",
    "WxaBindTesterOperator",
    "WxaCallOperator",
    "WxaChangePlatformDomainOperator",
    "WxaChangeVisitStatusOperator",
    "WxaCheckAccountOperator",
    "WxaClearQuotaOperator",
    "WxaCommitOperator",
    "WxaDeleteTemplateOperator",
    "WxaEffectiveServerDomainOperator",
    "WxaGetPrivacySettingOperator",
    "WxaGrayReleaseOperator",
    "WxaIndividualAccountOperator",
    "WxaListVersionsOperator",
    "WxaModifyPlatformDomainOperator",
    "WxaModifyPlatformServerDomainOperator",
    "WxaModifyServerDomainOperator",
    "WxaReadPlatformDomainOperator",
    "WxaRegisterPlatformDomainOperator",
    "WxaReleaseOperator",
    "WxaRevertGrayReleaseOperator",
    "WxaRollbackOperator",
    "WxaSetPrefetchDnsDomainOperator",
    "WxaSetPrivacySettingOperator",
    "WxaSetSupportVersionOperator",
    "WxaSetWebviewDomainBranchOperator",
    "WxaSetWebviewDomainDirectlyOperator",
    "WxaSetWebviewDomainOperator",
    "WxaSpeedUpAuditOperator",
    "WxaSubmitAuditOperator",
    "WxaTrialQrcodeOperator",
    "WxaUndoAuditOperator",
    "WxaUploadMediaOperator",
    "WxaVerifyReleaseOperator",
    "WxaVerifyRollbackOperator",
    "WxaWebviewDomainConfirmfileOperator",
]
