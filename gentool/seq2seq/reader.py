"""An independent reader of pictures of symbols, to judge those that a network draws.

A small convolutional classifier that shares nothing with the network it judges: trained once on the training digits and
the drawn operators, kept in the cache, and always named with its own accuracy on real test pictures.
"""

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.cache import cache_folder
from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.precision import choose_precision
from gentool.engine.randomness import generator
from gentool.engine.schedule import factor
from gentool.engine.terminal import Terminal
from gentool.errors import CheckpointError
from gentool.seq2seq.handwriting import SIDE, Handwriting, Pictures
from gentool.seq2seq.task import SYMBOLS

UPDATES, BATCH, PEAK = 1000, 128, 4e-3
VERSION = 2
"""To be raised when anything in this file changes what is learnt."""
SHIFT = 2
SHAPE = (1, SIDE, SIDE)


def network() -> nn.Sequential:
    """Pictures (N, 1, 28, 28) -> logits (N, S) over all symbols."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 9, len(SYMBOLS)))


def train_reader(pictures: Handwriting, terminal: Terminal) -> nn.Sequential:
    """Train on random pictures of every symbol, shifted by up to two pixels; about a minute on a CPU core."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reader = network().train()
        optimizer = torch.optim.AdamW(reader.parameters(), weight_decay=0.01, fused=True)
        lot, precision = generator(0, "reader"), choose_precision("auto", torch.device("cpu"))
        with terminal.progress("training a reader of digits", UPDATES) as update:
            for step in range(UPDATES):
                for group in optimizer.param_groups:
                    group["lr"] = PEAK * factor("onecycle", step, UPDATES)
                labels = torch.randint(len(SYMBOLS), (BATCH,), generator=lot)
                down, right = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=lot).tolist()
                x = pictures.draw(labels[:, None], lot)[:, 0].roll((down, right), (2, 3))
                with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
                    logits = reader(x)
                loss = F.cross_entropy(logits.float(), labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                update(step + 1)
    return reader.eval()


@torch.no_grad()
def read(reader: nn.Module, frames: Tensor) -> Tensor:
    """Pictures (N, T, 1, 28, 28) in [0, 1] -> the symbols that they show, (N, T)."""
    flat = frames.flatten(0, 1)
    return torch.cat([reader(part).argmax(1) for part in flat.split(2000)]).view(frames.shape[:2])


def known_reader(pictures: Pictures, terminal: Terminal) -> nn.Sequential:
    """The reader for these digits, on the CPU: from the cache, or trained and put there."""
    key = hashlib.sha256(f"{VERSION} {pictures.fingerprint}".encode()).hexdigest()[:16]
    path = cache_folder() / "readers" / f"{key}.pt"
    reader = network()
    try:
        reader.load_state_dict(checkpoint.load(path, "reader")[1]["weights"])
    except CheckpointError as error:
        if path.exists():
            terminal.say(f"{error}; trained again")
        reader = train_reader(pictures.handwriting["train"], terminal)
        header = Header("reader", {}, SHAPE, tuple(SYMBOLS), pictures.name, str(pictures.folder), pictures.fingerprint)
        checkpoint.save(path, "reader", header, {"weights": reader.state_dict()})
    return reader.eval()
