"""The network of all four tasks: front end -> LSTM encoder -> LSTM decoder -> symbols, and pictures of them."""

import torch
from torch import Tensor, nn

from gentool.networks.recurrent import LSTM
from gentool.seq2seq.alignment import STREAMS, Columns
from gentool.seq2seq.layers import Decoder, Painter, Reader
from gentool.seq2seq.options import Options
from gentool.seq2seq.task import TIMES, reversal

FEATURES = 128
"""The size of the classic reader's output for a picture, which has no probabilities of symbols."""


class Seq2Seq(nn.Module):
    """Queries as distributions over the symbols, or as pictures -> answers as symbols, and as pictures."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        task, choices = options.problem, options.choices()
        self.options, self.task, self.choices = options, task, choices
        self.vocabulary = TIMES + ("*" in options.operators)
        self.reversed = choices.answer == "reversed"
        width = self.vocabulary
        if options.images_in:
            width = self.vocabulary if choices.soft_tokens else FEATURES
            self.reader = Reader(width, choices.dropout)
        self.columns = None
        if choices.operands == "aligned":
            self.columns = Columns(task.operand_digits, self.vocabulary)
            width = STREAMS * self.vocabulary
        self.embed: nn.Module = nn.Identity()
        if choices.embedding:
            self.embed = nn.Linear(width, choices.embedding, bias=False)
            nn.init.normal_(self.embed.weight)  # as nn.Embedding: one symbol, one vector of length about sqrt(E)
            width = choices.embedding
        self.dropout = nn.Dropout(choices.dropout)
        self.encoder = LSTM(width, options.hidden, options.encoder_layers, gain=choices.gain)
        self.decoder = Decoder(
            task.answer_length, self.vocabulary, options.hidden, options.decoder_layers, choices.embedding,
            autoregressive=choices.decoder == "autoregressive", attention=choices.attention,
            dropout=choices.dropout, gain=choices.gain,
        )  # fmt: skip
        if options.images_out:
            self.painter = Painter(options.hidden)

    def one_hot(self, ids: Tensor) -> Tensor:
        """Symbol numbers (N, L) -> distributions (N, L, V)."""
        return nn.functional.one_hot(ids, self.vocabulary).float()

    def read(self, frames: Tensor) -> Tensor:
        """Pictures (N, L, 1, 28, 28) in [0, 1] -> logits of their symbols (N, L, V) in f32; classic: features."""
        logits: Tensor = self.reader(frames).float()
        return logits

    def tokens(self, logits: Tensor) -> Tensor:
        """The output of `read` -> the encoder's input (N, L, V)."""
        return logits.softmax(-1) if self.choices.soft_tokens else logits.relu()

    def encode(self, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens (N, L, V) -> the encoder's outputs (L or columns, N, hidden) and its last states."""
        if self.columns is not None:
            tokens = self.columns(tokens).flatten(2)
        outputs, states = self.encoder(self.dropout(self.embed(tokens)).transpose(0, 1))
        return self.dropout(outputs), states

    def forward(self, tokens: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, L, V) and right answers in the decoder's order (N, T) -> logits (N, T, V), features (N, T, H)."""
        logits, features = self.decoder(*self.encode(tokens), answers)
        return logits, features

    def ordered(self, answers: Tensor) -> Tensor:
        """Answers (N, T) as people write them -> in the decoder's order; and back."""
        return answers.gather(1, reversal(answers)) if self.reversed else answers

    def draw(self, features: Tensor) -> Tensor:
        """Features (N, T, H) -> pictures (N, T, 1, 28, 28) in [0, 1]."""
        drawn: Tensor = self.painter(features).float().sigmoid()
        return drawn

    @torch.no_grad()
    def answer(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (N, L, V) -> answers as people write them (N, T), their probability (N,), features (N, T, H).

        The features are in the same order as the answers. The probability is the product of the symbols'.
        """
        logits, features = self.decoder.generate(*self.encode(tokens))
        best = logits.float().softmax(-1).max(-1)
        ids = best.indices
        if self.reversed:
            order = reversal(ids)
            ids, features = ids.gather(1, order), features.gather(1, order[..., None].expand_as(features))
        return ids, best.values.prod(1), features


def build(options: Options) -> Seq2Seq:
    """The network that model.pt holds."""
    return Seq2Seq(options)
