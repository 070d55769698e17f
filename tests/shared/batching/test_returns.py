import random

import pytest

from shared.batching.returns import Returns

WINDOW_S = 0.005


def closed_loop(returns, *, clients, back_s, cycles=30):
    """Deliver to all clients at once, again and again; they come back within ``back_s``."""
    now = 0.0
    for _ in range(cycles):
        returns.delivered(clients, now)
        for number in range(clients):
            returns.arrived(now + back_s * (number + 1) / clients)
        now += 0.1
    returns.delivered(clients, now)
    return now


def test_clients_of_a_closed_loop_are_expected_back():
    returns = Returns(WINDOW_S)

    now = closed_loop(returns, clients=16, back_s=0.001)

    missing, within_s = returns.expected(now)
    assert missing == 16
    assert within_s == pytest.approx(0.001, rel=0.2)


def test_clients_that_are_back_are_expected_no_more():
    returns = Returns(WINDOW_S)
    now = closed_loop(returns, clients=16, back_s=0.001)

    for _ in range(16):
        returns.arrived(now + 0.0005)

    assert returns.expected(now + 0.0005) == (0, 0.0)


def test_clients_that_are_late_are_not_waited_for():
    returns = Returns(WINDOW_S)
    now = closed_loop(returns, clients=16, back_s=0.001)

    assert returns.expected(now + 0.004) == (0, 0.0)


def test_independent_arrivals_are_never_waited_for():
    returns, chance, now = Returns(WINDOW_S), random.Random(0), 0.0
    expected = []

    for _ in range(200):
        returns.delivered(8, now)
        expected.append(returns.expected(now))
        end = now + 0.02
        while (now := now + chance.expovariate(400)) < end:
            returns.arrived(now)

    assert set(expected) == {(0, 0.0)}


@pytest.mark.parametrize(
    ("waiting", "clients", "back_s", "room", "pays"),
    [
        (16, 16, 0.001, 16, True),  # two groups become one
        (1, 31, 0.002, 31, True),
        (31, 1, 0.001, 1, False),  # 31 ms of waiting against one fixed cost of 8 ms
        (16, 16, 0.001, 1, False),  # the batch takes only one of them
        (4, 1, 0.004, 8, False),
    ],
)
def test_waiting_pays_while_it_saves_more_fixed_cost_than_it_costs_time(
    waiting, clients, back_s, room, pays
):
    returns = Returns(WINDOW_S)
    now = closed_loop(returns, clients=clients, back_s=back_s)

    found = returns.useful_wait_s(now, waiting, room, fixed_s=0.008)

    assert found == (pytest.approx(back_s, rel=0.3) if pays else 0.0)
