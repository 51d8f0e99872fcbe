"""Operators: each runs one step; constructors only assign."""

from airflow_wxa.operators.account import (
    WxaCheckAccountOperator,
    WxaSetPrivacySettingOperator,
)
from airflow_wxa.operators.acts import (
    WxaApplyPrivacyInterfaceOperator,
    WxaBindTesterOperator,
    WxaChangeVisitStatusOperator,
    WxaDeleteTemplateOperator,
    WxaEffectiveServerDomainOperator,
    WxaGetPrivacySettingOperator,
    WxaListVersionsOperator,
    WxaSetPrefetchDnsDomainOperator,
    WxaSetSupportVersionOperator,
    WxaSpeedUpAuditOperator,
    WxaTrialQrcodeOperator,
    WxaUploadMediaOperator,
    WxaWebviewDomainConfirmfileOperator,
)
from airflow_wxa.operators.approval import WxaApprovalOperator
from airflow_wxa.operators.approve_release import WxaApproveReleaseOperator
from airflow_wxa.operators.audit import WxaAuditBranchOperator
from airflow_wxa.operators.call import WxaCallOperator
from airflow_wxa.operators.code import (
    WxaCommitOperator,
    WxaReleaseOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.operators.domains import (
    WxaIndividualAccountOperator,
    WxaModifyPlatformDomainOperator,
    WxaRegisterPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.operators.endpoints import (
    WxaRevertGrayReleaseOperator,
    WxaUndoAuditOperator,
)
from airflow_wxa.operators.gray import WxaGrayReleaseOperator
from airflow_wxa.operators.platform_domains import (
    WxaApprovePlatformDomainOperator,
    WxaChangePlatformDomainOperator,
    WxaReadPlatformDomainOperator,
)
from airflow_wxa.operators.quota import WxaApproveClearQuotaOperator, WxaClearQuotaOperator
from airflow_wxa.operators.rollback import (
    WxaApproveRollbackOperator,
    WxaRollbackOperator,
    WxaVerifyRollbackOperator,
)
from airflow_wxa.operators.server_domains import (
    WxaModifyPlatformServerDomainOperator,
    WxaModifyServerDomainOperator,
    WxaSetWebviewDomainDirectlyOperator,
)
from airflow_wxa.operators.templates import WxaAddToTemplateOperator

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
