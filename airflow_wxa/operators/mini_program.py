"""What operators share that make calls for one Mini Program, or for the platform."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_wxa.api import values
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import TemplatedFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader


class MiniProgramFields(TemplatedFields, BaseOperator):
    """What operators about one Mini Program share.

    :param appid: the Mini Program (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"appid": values.appid, "wxa_conn_id": values.named}

    def __init__(self, *, appid: str, wxa_conn_id: str = WxaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id


class _ByHook(TemplatedFields):
    """An operator that needs nothing but its fields and the hook."""

    #: The field that names the Connection.
    conn_id_field: ClassVar[str] = "wxa_conn_id"

    def execute(self, context: Context) -> dict[str, Any]:
        """Do it; see the class for what is returned."""
        self.read_fields()
        return self.do(WxaHook(getattr(self, self.conn_id_field)))

    @abstractmethod
    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Do it with the hook, once the fields are read."""


class MiniProgramOperator(_ByHook, MiniProgramFields):
    """One about a Mini Program that needs nothing but its fields and the hook."""

    execute = _ByHook.execute  # Airflow guards against calls outside of a task only what a class itself names so


class PlatformOperator(_ByHook, BaseOperator):
    """One about the platform itself.

    :param platform_conn_id: a Connection with a platform token (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"platform_conn_id": values.named}
    conn_id_field = "platform_conn_id"
    execute = _ByHook.execute

    def __init__(self, *, platform_conn_id: str = WxaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.platform_conn_id = platform_conn_id
