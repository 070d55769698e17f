from shared.batching import WaitMode
from shared.batching.from_settings import limits_from
from shared.settings import ServiceSettings


def test_bounds_and_switches_come_from_the_settings():
    settings = ServiceSettings(
        max_batch_size=4, batch_wait="fixed", isolate_failures=False, learn_memory_cap=False
    )

    limits = limits_from(settings, max_weight=9.0, queue_factor=3)

    assert (limits.max_batch_size, limits.max_weight) == (4, 9.0)
    assert limits.max_queue_items == 3 * settings.max_queue_items
    assert limits.wait_mode is WaitMode.FIXED
    assert not limits.isolate_failures
    assert not limits.learn_memory_cap


def test_master_switch_turns_every_optimisation_off_and_back():
    off = limits_from(ServiceSettings(optimized=False, batch_wait="fixed"))
    on = limits_from(ServiceSettings(optimized=True))

    assert (off.max_batch_size, off.wait_mode) == (1, WaitMode.OFF)
    assert not off.isolate_failures
    assert on.max_batch_size > 1
    assert on.isolate_failures


def test_master_switch_is_an_environment_variable(monkeypatch):
    monkeypatch.setenv("OPTIMIZED", "false")

    assert not ServiceSettings().optimized
