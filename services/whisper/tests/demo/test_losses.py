import math

import pytest
import torch

from services.whisper.demo.losses import attention_loss, phone_loss, token_loss

FIRST_TIME = 10
VOCABULARY = 30


def _scores_for(targets):
    return 30.0 * torch.nn.functional.one_hot(targets.clamp(min=0), VOCABULARY).float()


def test_right_text_costs_nothing_and_unasked_tokens_do_not_count():
    targets = torch.tensor([[3, 4, -100]])
    scores = _scores_for(torch.tensor([[3, 4, 9]]))

    assert float(token_loss(scores, targets, FIRST_TIME)) == pytest.approx(0.0, abs=1e-6)


def test_wrong_text_costs_the_log_of_its_probability():
    scores = torch.zeros((1, 1, VOCABULARY))

    loss = token_loss(scores, torch.tensor([[3]]), FIRST_TIME)

    assert float(loss) == pytest.approx(math.log(VOCABULARY), rel=1e-5)


def test_a_time_one_step_off_costs_less_than_a_time_far_off():
    targets = torch.tensor([[20]])

    near = token_loss(_scores_for(torch.tensor([[21]])), targets, FIRST_TIME)
    far = token_loss(_scores_for(torch.tensor([[28]])), targets, FIRST_TIME)

    assert float(near) < float(far)


def test_phones_of_equal_score_cost_the_log_of_their_number():
    loss = phone_loss(torch.zeros((2, 5, 8)), torch.zeros((2, 5), dtype=torch.long))

    assert float(loss) == pytest.approx(math.log(8), rel=1e-5)


def test_even_attention_to_the_span_costs_nothing_a_peak_some_and_outside_much():
    spans = torch.tensor([[[2, 4], [-1, -1]]])
    inside, peak, outside = (torch.zeros((1, 4, 2, 6)) for _ in range(3))
    inside[..., 2:4] = 0.5
    peak[..., 2] = 1.0
    outside[..., 5] = 1.0

    assert float(attention_loss([inside, inside], spans)) == pytest.approx(0.0, abs=1e-3)
    assert float(attention_loss([peak, peak], spans)) > 2
    assert float(attention_loss([outside, outside], spans)) > 5
