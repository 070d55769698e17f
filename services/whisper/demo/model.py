"""The network: Whisper's architecture (arXiv:2212.04356), small, trained from nothing.

It differs from a plain copy in what training needs and export drops: phone scores on the encoder,
cross-attention weights handed out, and a position offset that lets a short window be taught at any
place of a 30 s one.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_FRAMES = 1500
"""Encoder positions: 30 s at 50 a second, after the stride of 2."""
MAX_TOKENS = 448


@dataclass(frozen=True)
class Size:
    """Shape of the network."""

    vocabulary: int
    n_phones: int
    width: int = 192
    n_heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 2
    n_mels: int = 80


@dataclass(frozen=True)
class Output:
    """What a forward pass gives."""

    logits: Tensor  # (batch, n_tokens, vocabulary)
    phones: Tensor  # (batch, n_frames, n_phones)
    attention: list[Tensor]  # per decoder layer (batch, n_heads, n_tokens, n_frames), rows sum to 1


class Attention(nn.Module):
    """Multi-head attention; as in Whisper, keys have no bias."""

    def __init__(self, width: int, n_heads: int) -> None:
        """Make the four projections."""
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """Attend within (batch, length, width)."""
        if causal:
            heads = functional.scaled_dot_product_attention(
                self._split(self.query(x)),
                self._split(self.key(x)),
                self._split(self.value(x)),
                is_causal=True,
            )
            return self._join(heads)
        return self.across(x, x)[0]

    def across(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from (batch, n, width) to (batch, m, width); weights are (batch, heads, n, m)."""
        query, key = self._split(self.query(x)), self._split(self.key(source))
        value = self._split(self.value(source))
        # Autocast would widen the largest tensor of all to 32 bits and narrow it again.
        with torch.autocast(query.device.type, enabled=False):
            scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
            weights = scores.softmax(-1)
            heads = weights @ value
        return self._join(heads), weights

    def _split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.view(batch, length, self.n_heads, width // self.n_heads).transpose(1, 2)

    def _join(self, heads: Tensor) -> Tensor:
        return self.out(heads.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # nn.Module call is untyped


class Layer(nn.Module):
    """One pre-norm layer; with `crosses`, a decoder layer that also looks at the encoder."""

    def __init__(self, width: int, n_heads: int, *, crosses: bool) -> None:
        """Make attention and feed-forward parts."""
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, n_heads)
        self.cross_norm = nn.LayerNorm(width) if crosses else None
        self.cross = Attention(width, n_heads) if crosses else None
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, source: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Transform (batch, length, width); with a source, also give the cross-attention."""
        x = x + self.attention(self.attention_norm(x), causal=self.cross is not None)
        weights = None
        if self.cross is not None and self.cross_norm is not None and source is not None:
            seen, weights = self.cross.across(self.cross_norm(x), source)
            x = x + seen
        x = x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return x, weights


class SpeechModel(nn.Module):
    """Encoder and decoder; output weights are the token embedding, as in Whisper."""

    frame_positions: Tensor

    def __init__(self, size: Size) -> None:
        """Draw initial weights from torch's current random state."""
        super().__init__()
        self.size = size
        width = size.width
        self.conv1 = nn.Conv1d(size.n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("frame_positions", sinusoids(MAX_FRAMES, width))
        self.encoder = nn.ModuleList(
            Layer(width, size.n_heads, crosses=False) for _ in range(size.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.phones = nn.Linear(width, size.n_phones)
        self.embedding = nn.Embedding(size.vocabulary, width)
        self.token_positions = nn.Parameter(0.1 * sinusoids(MAX_TOKENS, width))
        self.decoder = nn.ModuleList(
            Layer(width, size.n_heads, crosses=True) for _ in range(size.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        # Time tokens are the last rows; started as the positions they name, they can be copied.
        with torch.no_grad():
            self.embedding.weight[-MAX_FRAMES - 1 : -1] = self.frame_positions * width**-0.5

    def encode(self, features: Tensor, offset: int = 0) -> Tensor:
        """Encode (batch, n_mels, 2 n) into (batch, n, width), at positions from `offset` on."""
        x = functional.gelu(self.conv1(features))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.frame_positions[offset : offset + x.shape[1]].to(x.dtype)
        for layer in self.encoder:
            x, _ = layer(x)
        return self.encoder_norm(x)  # type: ignore[no-any-return]  # nn.Module call is untyped

    def forward(self, features: Tensor, tokens: Tensor, offset: int = 0) -> Output:
        """Score every next token.

        Args:
            features: (batch, n_mels, 2 n) log-mel.
            tokens: (batch, n_tokens) token ids; padding may follow, attention is causal.
            offset: encoder position of the first frame.
        """
        source = self.encode(features, offset)
        x = self.embedding(tokens) + self.token_positions[: tokens.shape[1]]
        attention = []
        for layer in self.decoder:
            x, weights = layer(x, source)
            attention.append(weights)
        logits = functional.linear(self.decoder_norm(x), self.embedding.weight)
        return Output(logits, self.phones(source), attention)


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's encoder positions (openai/whisper `model.py`), sines first: (length, width)."""
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
