import pytest

from services.whisper.engines.probe import last_paying, paying_batch_size


class Machine:
    """A clock on which a batch takes a fixed time and one for each item."""

    def __init__(self, fixed_s, per_item_s):
        self.now_s = 0.0
        self.run_sizes = []
        self._fixed_s, self._per_item_s = fixed_s, per_item_s

    def run(self, size):
        self.run_sizes.append(size)
        self.now_s += self._fixed_s + size * self._per_item_s

    def clock(self):
        return self.now_s


@pytest.mark.parametrize(
    ("fixed_s", "per_item_s", "size"), [(0.0, 1.0, 1), (0.3, 3.0, 1), (1.0, 3.0, 4), (1.0, 0.01, 8)]
)
def test_smallest_batch_about_as_good_as_the_best_is_found(fixed_s, per_item_s, size):
    machine = Machine(fixed_s, per_item_s)

    assert paying_batch_size(machine.run, clock=machine.clock) == size


def test_eight_may_pay_where_two_do_not():
    machine = Machine(0.0, 1.0)
    alone = machine.run
    machine.run = lambda size: alone(size if size < 8 else 4)

    assert paying_batch_size(machine.run, clock=machine.clock) == 8


def test_no_batch_is_smaller_or_larger_than_what_may_be_run():
    machine = Machine(1.0, 0.01)

    assert paying_batch_size(machine.run, least=3, most=16, clock=machine.clock) == 12
    assert set(machine.run_sizes) == {3, 6, 12}


def test_single_size_is_not_measured():
    machine = Machine(1.0, 0.01)

    assert paying_batch_size(machine.run, least=16, most=16, clock=machine.clock) == 16
    assert machine.run_sizes == []


@pytest.mark.parametrize(
    ("costs_s", "chosen", "measured"),
    [
        ([1.0], 0, 1),
        ([1.0, 0.95, 0.1], 0, 2),  # too little to give up threads for a window alone
        ([1.0, 0.6, 0.5, 0.6, 0.1], 2, 4),
    ],
)
def test_more_replicas_are_taken_while_each_step_pays(costs_s, chosen, measured):
    asked = []

    def cost(choice):
        asked.append(choice)
        return costs_s[choice]

    assert last_paying(range(len(costs_s)), cost) == chosen
    assert len(asked) == measured
