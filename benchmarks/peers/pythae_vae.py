"""pythae's VAE and its trainer, for `speed.py conv-vae` to compare with. It needs pythae.

    python benchmarks/peers/pythae_vae.py IMAGES      IMAGES: an .npy file, uint8 (N, 1, 28, 28)

The network has the layers of `gentool train vae --channels 128,256,512,1024 --latent-dim 16`, written as in pythae's
examples. Prints the number of training images so far, every 20 updates.
"""

import sys
import tempfile
from itertools import pairwise

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

BATCH, LATENT = 128, 16
CHANNELS = (1, 128, 256, 512, 1024)


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        layers = []
        for before, after in pairwise(CHANNELS):
            if before == 256:
                layers.append(nn.ZeroPad2d((0, 1, 0, 1)))  # 7 -> 8
            layers += [nn.Conv2d(before, after, 4, 2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.mean, self.logvar = nn.Linear(4096, LATENT), nn.Linear(4096, LATENT)

    def forward(self, x):
        features = self.layers(x)
        return ModelOutput(embedding=self.mean(features), log_covariance=self.logvar(features))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(LATENT, 4096)
        self.up1 = nn.ConvTranspose2d(1024, 512, 4, 2, padding=1)
        self.up2 = nn.ConvTranspose2d(512, 256, 4, 2, padding=1)
        self.up3 = nn.ConvTranspose2d(256, 128, 4, 2, padding=1)
        self.up4 = nn.ConvTranspose2d(128, 1, 4, 2, padding=1)

    def forward(self, z):
        h = self.project(z).view(-1, 1024, 2, 2).relu()
        h = self.up1(h).relu()
        h = self.up2(h)[..., :7, :7].relu()
        h = self.up3(h).relu()
        return ModelOutput(reconstruction=self.up4(h).sigmoid())


class Count(TrainingCallback):
    def __init__(self):
        self.updates = 0

    def on_train_step_end(self, training_config, **kwargs):
        self.updates += 1
        if self.updates % 20 == 0:
            print(self.updates * BATCH, flush=True)


def main():
    images = np.load(sys.argv[1]).astype(np.float32) / 255
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, num_epochs=1000, learning_rate=1e-3, per_device_train_batch_size=BATCH
        )
        data = BaseDataset(torch.from_numpy(images), torch.ones(len(images)))
        trainer = BaseTrainer(VAE(config, Encoder(), Decoder()), data, training_config=settings, callbacks=[Count()])
        trainer.train()


if __name__ == "__main__":
    main()
