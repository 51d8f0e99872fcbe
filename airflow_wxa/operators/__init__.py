"""Operators: each runs one step; constructors only assign. Types stand in the stub beside it."""
# ruff: noqa: F401  (__all__ exports them)

from airflow_wxa.operators.acts import *  # noqa: F403  (the operator of each act)
from airflow_wxa.operators.approval import WxaApprovalOperator
from airflow_wxa.operators.approve_release import WxaApproveReleaseOperator
from airflow_wxa.operators.audit import WxaAuditBranchOperator
from airflow_wxa.operators.call import WxaApproveClearQuotaOperator, WxaCallOperator, WxaClearQuotaOperator
from airflow_wxa.operators.domains import (
    WxaIndividualAccountOperator,
    WxaRegisterPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.operators.platform_domains import WxaApprovePlatformDomainOperator, WxaReadPlatformDomainOperator
from airflow_wxa.operators.rollback import WxaApproveRollbackOperator

__all__ = [name for name in dir() if name.startswith("Wxa")]
