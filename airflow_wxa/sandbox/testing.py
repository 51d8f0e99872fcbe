"""A small world for tests, its appids and tokens: the fixture ``wxa_world`` returns it."""

from airflow_wxa.sandbox.platforms import Platform, Template
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import World

COMPONENT_APPID = "wx00000000000000c1"
APPID = "wx0000000000000001"
PLATFORM_TOKEN = "platform-token-of-the-sandbox"  # noqa: S105
MERCHANT_TOKEN = "merchant-token-of-the-sandbox"  # noqa: S105
COMPONENT_APPSECRET = "appsecret-of-the-sandbox"
COMPONENT_VERIFY_TICKET = "ticket-of-the-sandbox"
REFRESH_TOKEN = "refresh-token-of-the-sandbox"  # noqa: S105
PUSH_TOKEN = "push-token-of-the-sandbox"  # noqa: S105
ENCODING_AES_KEY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"


def one_merchant() -> World:
    """Return one published platform with ``example.com``, one Mini Program and template 47."""
    return World(
        platforms=[
            Platform(
                component_appid=COMPONENT_APPID,
                component_access_token=PLATFORM_TOKEN,
                component_appsecret=COMPONENT_APPSECRET,
                component_verify_ticket=COMPONENT_VERIFY_TICKET,
                push_token=PUSH_TOKEN,
                encoding_aes_key=ENCODING_AES_KEY,
                testing=["example.com"],
                published=["example.com"],
            )
        ],
        mini_programs=[
            MiniProgram(
                appid=APPID,
                component_appid=COMPONENT_APPID,
                authorizer_access_token=MERCHANT_TOKEN,
                refresh_token=REFRESH_TOKEN,
            )
        ],
        templates=[Template(template_id=47)],
    )
