"""Learning to read from answers alone: which of the known queries with this answer do the pictures show?

A text corpus says which queries have an answer; the pictures say how likely each of them is. The loss is the negative
log-likelihood of their sum, so that every query counts by how well it fits (as in Manhaeve et al. 2018,
arXiv:1805.10872, whose programs the list of queries replaces).
"""

import torch
from torch import Tensor

from gentool.seq2seq.queries import QuerySplit
from gentool.seq2seq.task import SYMBOLS


class CandidateQueries:
    """The distinct queries of a split (n, L), sorted by their answers."""

    def __init__(self, split: QuerySplit, device: torch.device) -> None:
        pairs = torch.cat([split.answers, split.queries], dim=1).unique(dim=0)
        answers, queries = pairs.split([split.answers.shape[1], split.queries.shape[1]], dim=1)
        keys, counts = self._key(answers).unique_consecutive(return_counts=True)
        self.queries = queries.to(device)
        self.keys, self.counts = keys.to(device), counts.to(device)
        self.starts = self.counts.cumsum(0) - self.counts

    @staticmethod
    def _key(answers: Tensor) -> Tensor:
        """A number for each row of symbols, in the order of the rows."""
        key = torch.zeros_like(answers[:, 0])
        for place in range(answers.shape[1]):
            key = key * len(SYMBOLS) + answers[:, place]
        return key

    def loss(self, logits: Tensor, answers: Tensor) -> Tensor:
        """The mean over the batch of -log p(some query with this answer | pictures), nats.

        `logits` (N, L, V) are those of the pictures' symbols, `answers` (N, T) those of queries of the split.
        """
        place = torch.searchsorted(self.keys, self._key(answers))
        counts = self.counts[place]
        slot = torch.arange(int(counts.max()), device=logits.device)
        listed = self.starts[place, None] + slot
        candidates = self.queries[listed.clamp(max=len(self.queries) - 1)]
        log_probabilities = logits.float().log_softmax(2)[:, None].expand(-1, len(slot), -1, -1)
        fit = log_probabilities.gather(3, candidates[..., None])[..., 0].sum(2)
        return -fit.masked_fill(slot >= counts[:, None], -torch.inf).logsumexp(1).mean()
