"""A plain loop for `speed.py lstm` to compare with: f32, the images in memory, Adam, MSE, and nothing else.

    python benchmarks/plain_lstm.py FOLDER      FOLDER: a prepared set

The network is that of `gentool train lstm-ae`. Prints the number of training images so far, every 50
updates.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder

BATCH = 256


def main() -> None:
    images = torch.from_numpy(np.load(Path(sys.argv[1]) / "images.npy")).float() / 255
    shape = (images.shape[1], images.shape[2], images.shape[3])
    network = nn.Sequential(LSTMEncoder(shape, 128), LSTMDecoder(shape, 128), nn.Sigmoid())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    trained = 0
    while True:
        for index in torch.randperm(len(images)).split(BATCH):
            x = images[index]
            loss = F.mse_loss(network(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trained += len(index)
            if trained // BATCH % 50 == 0:
                print(trained, flush=True)


if __name__ == "__main__":
    main()
