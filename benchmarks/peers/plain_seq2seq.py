"""A PyTorch loop over a DataLoader as courses teach it, for `speed.py seq2seq` to compare with.

    python benchmarks/peers/plain_seq2seq.py

The network and the data are those of keras_seq2seq.py. Prints the number of training queries so far, every 20 updates.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH, HIDDEN = 128, 128
SYMBOLS = "0123456789+ "
QUERY, ANSWER = 5, 3


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(len(SYMBOLS), HIDDEN, batch_first=True)
        self.decoder = nn.LSTM(HIDDEN, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, len(SYMBOLS))

    def forward(self, x):
        _, (last, _) = self.encoder(x)
        outputs, _ = self.decoder(last[-1].unsqueeze(1).repeat(1, ANSWER, 1))
        return self.head(outputs)


def encoded(texts, length):
    return torch.tensor([[SYMBOLS.index(symbol) for symbol in text.ljust(length)] for text in texts])


def main():
    pairs = [(a, b) for a in range(100) for b in range(100)]
    queries = nn.functional.one_hot(encoded([f"{a}+{b}" for a, b in pairs], QUERY)).float()
    answers = encoded([str(a + b) for a, b in pairs], ANSWER)
    loader = DataLoader(TensorDataset(queries, answers), batch_size=BATCH, shuffle=True)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters())
    updates = 0
    while True:
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
            total += loss.item()
            updates += 1
            if updates % 20 == 0:
                print(updates * BATCH, flush=True)


if __name__ == "__main__":
    main()
