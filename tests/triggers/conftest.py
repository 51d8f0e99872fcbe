from tests.airflow_session import wxa_default  # noqa: F401  fixtures
from tests.triggers.waiting import store, wechat, wxa_world  # noqa: F401  fixtures
