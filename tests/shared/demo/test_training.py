"""The training loop, on a network of one weight."""

import itertools

import pytest
import torch
from torch import nn
from torch.utils.data import IterableDataset

from shared.demo.training import Training, TrainingOptions, rate_at


class Numbers(IterableDataset):
    def __init__(self, first, seen):
        self.first, self.seen = first, seen

    def __iter__(self):
        for number in itertools.count(self.first):
            self.seen.append(number)
            yield torch.full((4, 1), 1.0)


class Doubling(Training):
    """Learns that one in makes two out; each look at the clock finds it a second later."""

    log_every = 3

    def __init__(self, options):
        torch.manual_seed(options.seed)
        super().__init__(nn.Sequential(nn.Linear(1, 1)), options)
        self._ticks = itertools.count()

    def clock_s(self):
        return float(next(self._ticks))

    def losses(self, batch):
        return {"square": (self.model(batch) - 2 * batch).pow(2).mean()}

    def size(self, batch):
        return len(batch)

    def check(self):
        return "checked"


@pytest.fixture
def options(tmp_path):
    def make(batches, *, resume=False):
        return TrainingOptions(
            minutes=batches / 60, seed=1, device="cpu", threads=1, workers=0,
            checkpoint=tmp_path / "training.pt", checkpoint_every_s=1e9, resume=resume,
        )  # fmt: skip

    return make


def train(options):
    seen = []
    training = Doubling(options)
    training.run(lambda first: Numbers(first, seen))
    return training, seen


def test_it_ends_when_the_time_is_used_up_and_counts_what_it_did(options):
    training, seen = train(options(5))

    assert (training.batches_done, training.examples_done) == (5, 20)
    assert seen == [0, 1, 2, 3, 4]
    assert training.progress.value == 1


def test_resumed_training_goes_on_with_the_next_batch_and_the_same_weights(options):
    first, _ = train(options(5))
    resumed = Doubling(options(9, resume=True))
    resumed.load()

    for before, after in zip(first.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(before, after)
    assert train(options(9, resume=True))[1] == [5, 6, 7, 8]


def test_the_averaged_weights_learn_too(options):
    one = torch.ones(1, 1)
    untrained = Doubling(options(0)).average(one)

    trained = train(options(600))[0].average(one)

    assert abs(trained - 2) < 0.8 * abs(untrained - 2)


def test_the_learning_rate_rises_then_falls():
    rates = [rate_at(step / 200) for step in range(201)]
    top = rates.index(max(rates))

    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.02 * max(rates)
