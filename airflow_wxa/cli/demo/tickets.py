"""Tickets: without one a platform gets no token, and WeChat gives it only to who receives its pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from airflow_wxa.cli.demo.worlds import CONNECTIONS
from airflow_wxa.sandbox.pushes import TICKET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_wxa.sandbox import Push, RunningSandbox
    from airflow_wxa.sandbox.pushes import Delivery

#: Where the plugin mounts the receiver. Written down once more, because importing the plugin imports Airflow, which
#: would make a home for itself on this machine.
PUSH_PREFIX: Final = "/wxa/push"
SUCCESS: Final = (httpx.codes.OK, "success")
ATTEMPTS: Final = 5


class TicketNotTakenError(Exception):
    """The receiver did not answer ``success``; the text says what it answered, and where to look."""


def push_tickets(sandbox: RunningSandbox, airflow_url: str, tell: Callable[[str], object]) -> None:
    """Let WeChat push a ticket to each platform's address in Airflow's API server, signed and encrypted.

    :param airflow_url: of the API server, without a slash at the end.
    :param tell: called with a line for each ticket that was taken.
    :raises TicketNotTakenError: another answer than HTTP 200 ``success``, or none: no run could get a token.
    """
    for conn_id, component_appid in CONNECTIONS.items():
        platform = sandbox.world.platform(component_appid)
        platform.push_url = f"{airflow_url}{PUSH_PREFIX}/{conn_id}/authorisation"
        try:
            answer = _sent(sandbox, sandbox.compose(TICKET, component_appid))
        except httpx.TransportError as error:
            raise _not_taken(platform.push_url, f"did not answer ({type(error).__name__})") from None
        if (answer.status_code, answer.text) != SUCCESS:
            raise _not_taken(platform.push_url, f"answered HTTP {answer.status_code} {answer.text}".rstrip())
        tell(f"ticket of {component_appid} pushed to {platform.push_url}: HTTP 200 {answer.text}")


def taken(deliveries: Sequence[Delivery], component_appid: str) -> int:
    """Return how many tickets of a platform the receiver took."""
    return sum(
        each.event == TICKET and each.appid == component_appid and (each.status, each.answer) == SUCCESS
        for each in deliveries
    )


# The first push lets the API server build the receiver and make the store: a busy machine may need longer for it than
# WeChat waits for an answer. WeChat pushes once more then, and so is done here.
@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_fixed(1),
    reraise=True,
)
def _sent(sandbox: RunningSandbox, push: Push) -> httpx.Response:
    return sandbox.send(push)


def _not_taken(address: str, what: str) -> TicketNotTakenError:
    return TicketNotTakenError(
        f"the push receiver in Airflow's API server {what}\n"
        f"  the ticket was pushed to {address}\n"
        "  run it again with --home DIR: api-server.out there names the reason, and airflow-wxa docs pushes explains it"
    )
