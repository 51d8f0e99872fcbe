from __future__ import annotations

import pickle
from itertools import product

import pytest

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaSpecError

MERCHANT, ANOTHER, PLATFORM = "wx1", "wx2", THE_PLATFORM


@pytest.fixture
def fixed() -> FixedTokens:
    return FixedTokens({"wx1": "canary-merchant"}, "canary-platform")


def test_each_call_gets_the_token_of_its_appid_or_of_the_platform(fixed: FixedTokens) -> None:
    assert fixed.token(MERCHANT) == Secret("canary-merchant")
    assert fixed.token(PLATFORM) == Secret("canary-platform")
    assert fixed.known(MERCHANT) == fixed.token(MERCHANT)
    assert (fixed.appids, fixed.platform) == (("wx1",), Secret("canary-platform"))


def test_another_appid_never_gets_a_token_that_is_there(fixed: FixedTokens) -> None:
    assert fixed.known(ANOTHER) is None
    said = r"(?s)nothing was sent.*authorizer_access_tokens\['wx2'\].*for: wx1"
    for source in (fixed, fixed.before(None)):
        with pytest.raises(WxaSpecError, match=said) as error:
            source.token(ANOTHER)
        assert error.value.appid == "wx2"
        assert "canary" not in f"{error.value} {error.value!r} {vars(error.value)}"
    with pytest.raises(WxaSpecError, match="component_access_token is missing"):
        FixedTokens({"wx1": "canary-merchant"}).token(PLATFORM)


def test_a_token_shows_itself_nowhere_and_leaves_no_process(fixed: FixedTokens) -> None:
    token = fixed.token(MERCHANT)
    assert "canary" not in f"{token} {token!r} {fixed!r} {vars(fixed)}"
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(token)


def test_a_fixed_token_comes_first_also_when_refused_and_another_source_after_it(fixed: FixedTokens) -> None:
    other = FixedTokens({"wx1": "of-the-other", "wx2": "of-the-other"})
    both = fixed.before(other)
    for each, refused in product((fixed, both), ([], [Secret("canary-merchant")])):
        assert each.token(MERCHANT, refused) == Secret("canary-merchant")
    assert both.token(ANOTHER) == both.known(ANOTHER) == Secret("of-the-other")
    assert fixed.other is None
