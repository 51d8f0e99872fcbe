"""Made of the code by ``python -m docs.generate``: every argument of the sensors, with its type."""

from airflow.sdk import BaseSensorOperator
from airflow.sdk.definitions.mappedoperator import OperatorPartial
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow_wxa.operators import SensorArguments, Templated
from datetime import timedelta
from typing import Any, Unpack

class WxaAuditSensor(BaseSensorOperator):
    """Wait until the review of a sheet has ended; it can take seven working days."""
    def __init__(
        self,
        *,
        task_id: str,
        auditid: Templated[str],
        appid: Templated[str],
        timeout: Templated[Any] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        auditid: Templated[str] = ...,
        timeout: Templated[Any] = ...,
        appid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...

class WxaPrivacyScanSensor(BaseSensorOperator):
    """Wait until WeChat has scanned the committed code for privacy interfaces (61039 while it does)."""
    def __init__(
        self,
        *,
        task_id: str,
        appid: Templated[str],
        privacy_api_not_use: Templated[bool] = ...,
        timeout: Templated[Any] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> None: ...
    @classmethod
    def partial(
        cls,
        *,
        task_id: str,
        privacy_api_not_use: Templated[bool] = ...,
        timeout: Templated[Any] = ...,
        appid: Templated[str] = ...,
        wxa_conn_id: Templated[str] = ...,
        deferrable: bool | None = ...,
        mode: str | None = ...,
        poke_interval: float | timedelta | None = ...,
        **task: Unpack[SensorArguments],
    ) -> OperatorPartial: ...
    @property
    def output(self) -> PlainXComArg: ...
