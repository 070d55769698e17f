"""What the training minimises: next token, phone under each frame, attention to the word.

The last two are possible because the synthesiser tells when each phone and word sounds. They make
the network listen within minutes, and the heads that are led this way later give the word times.
"""

import torch
from torch import Tensor
from torch.nn import functional

N_LED_HEADS = 2
"""Heads 0 to this, in every decoder layer, are led to the spoken word."""
PHONE_WEIGHT, ATTENTION_WEIGHT = 1.0, 0.3
_TIME_SPREAD = 1.5  # standard deviation, in steps of 20 ms, of the target around a true time
_REACH = 4
_SMALLEST = 1e-4


def token_loss(logits: Tensor, targets: Tensor, first_time: int) -> Tensor:
    """Mean cross entropy over asked tokens; a time token shares its target with its neighbours.

    Args:
        logits: (batch, n_tokens, vocabulary); time tokens are the last ids.
        targets: (batch, n_tokens), -100 where nothing is asked.
        first_time: id of `<|0.00|>`.
    """
    asked = targets != -100
    scores = logits[asked].float().log_softmax(-1)  # (n_asked, vocabulary)
    wanted = targets[asked]
    is_time = wanted >= first_time
    steps = torch.arange(-_REACH, _REACH + 1, device=wanted.device)
    shares = torch.exp(-(steps**2) / (2 * _TIME_SPREAD**2))
    near = (wanted[is_time, None] + steps).clamp(first_time, logits.shape[-1] - 1)
    time_scores = (scores[is_time].gather(1, near) * (shares / shares.sum())).sum()
    text_scores = scores[~is_time].gather(1, wanted[~is_time, None]).sum()
    return -(time_scores + text_scores) / wanted.numel()


def phone_loss(scores: Tensor, phones: Tensor) -> Tensor:
    """Mean cross entropy of (batch, n_frames, n_phones) scores against (batch, n_frames) labels."""
    return functional.cross_entropy(scores.flatten(0, 1).float(), phones.flatten())


def attention_loss(attention: list[Tensor], spans: Tensor) -> Tensor:
    """How far led heads are from attending evenly to each token's span: mean divergence, in nats.

    Word times come from a path through this attention. Attention that only falls somewhere inside
    the span leaves the path free to change words anywhere between two peaks; even attention puts
    its edges where the words begin and end.

    Args:
        attention: per layer (batch, n_heads, n_tokens, n_frames).
        spans: (batch, n_tokens, 2) frames [first, last), -1 where free.
    """
    led = spans[..., 0] >= 0
    n_frames = attention[0].shape[-1]
    frames = torch.arange(n_frames, device=spans.device)
    inside = (frames >= spans[led][:, :1]) & (frames < spans[led][:, 1:])  # (n_led, n_frames)
    share = inside / inside.sum(-1, keepdim=True).clamp(min=1)
    entropy = inside.sum(-1).clamp(min=1).log()
    total = torch.zeros((), device=spans.device)
    for weights in attention:
        heads = weights[:, :N_LED_HEADS].transpose(1, 2)[led].float()  # (n_led, n_heads, n_frames)
        cross = -(share[:, None] * (heads + _SMALLEST).log()).sum(-1)
        total = total + (cross - entropy[:, None]).mean()
    return total / len(attention)
