"""A PyTorch loop over a DataLoader as courses teach it, for `speed.py lstm-ae` to compare with.

    python benchmarks/peers/plain_lstm.py IMAGES      IMAGES: an .npy file, uint8 (N, 1, 28, 28)

The network is that of `gentool train lstm-ae`: two LSTM layers of 128 read the rows, two write them. Prints the number
of training images so far, every 20 updates.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder

BATCH = 128


def main():
    images = torch.from_numpy(np.load(sys.argv[1])).float() / 255
    loader = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True)
    shape = tuple(images.shape[1:])
    network = nn.Sequential(LSTMEncoder(shape, 128), LSTMDecoder(shape, 128), nn.Sigmoid())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    updates = 0
    while True:
        total = 0.0
        for (x,) in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(x), x)
            loss.backward()
            optimizer.step()
            total += loss.item()
            updates += 1
            if updates % 20 == 0:
                print(updates * BATCH, flush=True)


if __name__ == "__main__":
    main()
