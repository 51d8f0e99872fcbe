from airflow_wxa.fleet.waves import places, read_waves, wave_counts


def test_waves_take_the_first_and_rest_what_is_left() -> None:
    waves = read_waves({"canary": {"apps": 3}, "early": {"percent": 21}})
    assert list(places(waves, 10, 2)) == [
        *[("canary", 0), ("canary", 0), ("canary", 1)],
        *[("early", 0), ("early", 0), ("early", 1)],
        *[("rest", 0), ("rest", 0), ("rest", 1), ("rest", 1)],
    ]


def test_without_waves_all_are_in_rest() -> None:
    assert set(places(read_waves({}), 5, 200)) == {("rest", 0)}


def test_a_canary_larger_than_the_fleet_takes_it_all() -> None:
    assert list(places(read_waves({"canary": {"apps": 9}}), 2, 200)) == [("canary", 0)] * 2


def test_only_what_failed_in_the_wave_itself_counts() -> None:
    counts = [
        ("early", "release_early", "released", None, 90),
        ("early", "release_early", "rejected", None, 2),
        ("early", "commit_code", "blocked", 61007, 1),
        ("early", "plan_release", "blocked", 61003, 3),
        ("early", "submit_audit", "failed", None, 1),
        ("early", "release_early", "pending", None, 2),
        ("early", "domain_gate", "no_quota", None, 1),
    ]
    early = wave_counts(counts)["early"]
    assert (early.total, early.released, early.failed, early.failed_percent) == (100, 90, 4, 4.0)
