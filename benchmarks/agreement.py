"""Does a conditional model draw what it is asked for? An independent classifier says.

    python benchmarks/agreement.py cgan runs/cgan-mnist --data mnist

Trains a convolutional classifier on the data's training images (one-cycle, shifts of up to two pixels), states its own
accuracy on the real test images, and prints the share of samples of each label that it reads as that label.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.data.load import load
from gentool.latent.sample import sample
from gentool.latent.trained import load_trained

EPOCHS, BATCH, PEAK = 8, 256, 4e-3


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def network(shape: tuple[int, int, int], classes: int) -> nn.Module:
    channels, height, width = shape
    return nn.Sequential(
        convolution(channels, 32), convolution(32, 32), nn.MaxPool2d(2),
        convolution(32, 64), convolution(64, 64), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (height // 4) * (width // 4), classes),
    ).to(memory_format=torch.channels_last)  # fmt: skip


def batch(split: Split, index: Tensor) -> Tensor:
    return split.images[index].float().div(255).contiguous(memory_format=torch.channels_last)


def shifted(x: Tensor, reach: int = 2) -> Tensor:
    """The batch moved by one shift of up to `reach` pixels."""
    down, right = torch.randint(-reach, reach + 1, (2,)).tolist()
    return F.pad(x, (reach + right, reach - right, reach + down, reach - down))[:, :, reach:-reach, reach:-reach]


def train_classifier(data: ImageData, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    classifier = network(data.shape, len(data.classes))
    steps = EPOCHS * (len(data.train) // BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), PEAK, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps)
    assert data.train.labels is not None
    for _ in range(EPOCHS):
        for index in torch.randperm(len(data.train)).split(BATCH):
            if len(index) < BATCH:
                continue
            with torch.autocast("cpu", torch.bfloat16):
                logits = classifier(shifted(batch(data.train, index)))
            loss = F.cross_entropy(logits.float(), data.train.labels[index], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


@torch.inference_mode()
def read(classifier: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([classifier(part).argmax(1) for part in x.split(500)])


def known_classifier(data: ImageData, seed: int, path: Path | None) -> tuple[nn.Module, float]:
    """The classifier, kept at `path` when one is given, and its accuracy on the real test images."""
    if path is not None and path.is_file():
        classifier = network(data.shape, len(data.classes)).eval()
        classifier.load_state_dict(torch.load(path, weights_only=True))
    else:
        classifier = train_classifier(data, seed)
        if path is not None:
            torch.save(classifier.state_dict(), path)
    test = batch(data.test, torch.arange(len(data.test)))
    return classifier, (read(classifier, test) == data.test.labels).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--classifier", type=Path, help="keep the classifier's weights here, and take them from here")
    arguments = parser.parse_args()
    data = load(arguments.data)
    classifier, accuracy = known_classifier(data, arguments.seed, arguments.classifier)
    trained = load_trained(arguments.model, arguments.checkpoint)
    labels = torch.arange(arguments.samples) % len(data.classes)
    agrees = read(classifier, sample(trained, arguments.samples, arguments.seed, labels)) == labels
    writer = csv.writer(sys.stdout)
    writer.writerow(["what", "images", "share"])
    writer.writerow(["classifier on real test images", len(data.test), f"{accuracy:.4f}"])
    writer.writerow(["agreement with the requested label", arguments.samples, f"{agrees.float().mean().item():.4f}"])
    for label, name in enumerate(data.classes):
        share = agrees[labels == label].float().mean().item()
        writer.writerow([f"label {name}", int((labels == label).sum()), f"{share:.4f}"])


if __name__ == "__main__":
    main()
