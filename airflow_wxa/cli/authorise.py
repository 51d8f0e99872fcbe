"""``airflow wxa authorise``: the link by which a merchant authorises the platform, and the exchange of its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from airflow_wxa.api.authorisation import RELEASE_PERMISSION_SET
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.opening import STDIN, explained, open_platform, read_secret, say
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.steps.authorisation import exchange_code, new_authorisation_link

if TYPE_CHECKING:
    import argparse

    from airflow_wxa.access import PlatformCredentials
    from airflow_wxa.api.authorisation import Authorisation

CODE = "authorization_code"


@explained
def run(arguments: argparse.Namespace) -> int:
    """Print a link, or exchange a code.

    :return: 0; 1 when the code was another Mini Program's, or the merchant did not grant what a release needs.
    """
    check_wish(arguments.redirect_uri, arguments.code)
    platform, _ = open_platform(arguments.wxa_conn_id)
    console = Console(highlight=False)
    if arguments.redirect_uri:
        step = new_authorisation_link(platform.component_appid, arguments.redirect_uri, appid=arguments.appid)
        console.print(platform.client.run(step), markup=False, soft_wrap=True)
        say(
            "good for about ten minutes; the merchant opens it in a browser and scans the code with WeChat", style="dim"
        )
        return 0
    authorisation = exchange(platform, arguments.code)
    console.print(
        f"{authorisation.appid} has authorised {platform.component_appid}; its tokens are in the store. "
        f"Permission sets: {', '.join(map(str, authorisation.granted)) or 'none'}",
        markup=False,
        soft_wrap=True,
    )
    problems = surprises(authorisation, arguments.appid)
    for problem in problems:
        say(problem, style="yellow")
    return int(bool(problems))


def check_wish(redirect_uri: str | None, code: str | None) -> None:
    """Look whether exactly one thing is wanted.

    :raises WxaSpecError: a link and an exchange, or neither.
    """
    if bool(redirect_uri) == bool(code):
        raise WxaSpecError(
            "authorise refused",
            ["--redirect-uri and --code are both given" if code else "neither --redirect-uri nor --code is given"],
            why="A merchant opens the link first; the code comes back with it, as auth_code.",
            next_step="--redirect-uri prints the link, --code exchanges the code",
        )


def exchange(platform: PlatformCredentials, code: str) -> Authorisation:
    """Exchange a code and store what it gives.

    :param code: the code, or ``-`` to read it from standard input.
    :raises WxaInputError: 61009, 61010: used, run out, or none.
    """
    secret = read_secret(STDIN, CODE) if code == STDIN else Secret(code)
    authorisation = platform.client.run(exchange_code(platform.component_appid, secret))
    platform.store.put_authorisation(platform.component_appid, authorisation)
    return authorisation


def surprises(authorisation: Authorisation, expected: str) -> list[str]:
    """Return what is other than a release needs; empty when nothing is.

    :param expected: the Mini Program that was to authorise; empty: any.
    """
    found = []
    if expected and authorisation.appid != expected:
        found.append(f"the code was {authorisation.appid}'s, not {expected}'s: {expected} has yet to authorise.")
    if RELEASE_PERMISSION_SET not in authorisation.granted:
        found.append(
            f"{authorisation.appid} did not grant permission set {RELEASE_PERMISSION_SET} (development and data), "
            "without which nothing can be released: let the merchant open a new link and tick it."
        )
    return found
