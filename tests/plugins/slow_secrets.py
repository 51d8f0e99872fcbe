"""A secrets backend that takes its time, for servers in processes of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from airflow.secrets import BaseSecretsBackend

LOOK_UP_SECONDS: Final = 0.1


class SlowSecrets(BaseSecretsBackend):
    """Holds nothing, and writes down what it was asked for into the file ``LOOK_UPS`` of its environment."""

    def get_conn_value(self, conn_id: str, **_: Any) -> None:
        """Return nothing, late: the environment is asked next."""
        with Path(os.environ["LOOK_UPS"]).open("a") as asked:
            asked.write(f"{conn_id}\n")
        time.sleep(LOOK_UP_SECONDS)
