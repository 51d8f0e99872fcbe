"""Our own SQL store, which outlives processes and is shared by all of them."""

from airflow_wxa.store.ledger import Entry, Ledger, Result
from airflow_wxa.store.pushes import LoggedPush, NewPush
from airflow_wxa.store.runs import TaskRef
from airflow_wxa.store.store import Credential, Store

__all__ = ["Credential", "Entry", "Ledger", "LoggedPush", "NewPush", "Result", "Store", "TaskRef"]
