"""`gentool embed MODEL CKPT`."""

from gentool.cli.command import command
from gentool.cli.options import AfterModel, ModelDataOptions, ModelName, OutputOptions, load_model, model_and_checkpoint
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.figures.style import FigureOptions
from gentool.latent.embedding import EMBEDDING, Embedding, EmbedOptions
from gentool.latent.embedding import embed as embed_images
from gentool.latent.reduction import check_method
from gentool.progress import counted
from gentool.tables import cell

SHOWN = (
    "kl", "active_units", "knn_accuracy", "linear_probe_accuracy", "silhouette", "mig", "dci_disentanglement",
    "dci_completeness", "dci_informativeness",
)  # fmt: skip


def embed(
    options: EmbedOptions,
    data: ModelDataOptions,
    device: DeviceOptions,
    figures: FigureOptions,
    output: OutputOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Encode a data set: codes (NPZ), a 2-D picture of them, and the latent card; Gaussian mixtures with --gmm."""
    check_method(options.method)
    model = load_model(*model_and_checkpoint(model_name, checkpoint), device.device)
    model.require("encodes", "embed images")
    images = data.load_for(model.header, terminal)
    assert model.path is not None
    folder = output.path(model.path.parent / f"{model.path.stem}-embedding-{images.name}", results=EMBEDDING)
    embedding = embed_images(model, images, options, reporter=terminal)
    pictures = embedding.save(folder, figures)
    for line in summary_lines(embedding):
        terminal.notice(line)
    terminal.notice(f"{pictures[0]}: {embedding.plane.title}")
    record = {"event": "done", "folder": str(folder), "images": len(embedding.z)} | embedding.card.summary
    if embedding.clustering is not None:
        record["gmm"] = embedding.clustering.summary.rows
    terminal.result(folder, record)


def summary_lines(embedding: Embedding) -> list[str]:
    """What the codes hold, in words."""
    z, card, chance = embedding.z, embedding.card.summary, embedding.card.chance
    lines = [f"{counted(len(z), 'code')} of {counted(z.shape[1], 'dimension')}"]
    for name, value in card.items():
        if name in SHOWN:
            beside = f" (chance {chance[name]:.2g})" if name in chance else ""
            lines.append(f"{name.replace('_', ' ')} {value:.4g}{beside}")
    lines = [", ".join(lines)]
    for row in embedding.clustering.summary if embedding.clustering is not None else ():
        scores = ", ".join(f"{name} {cell(row, name)}" for name in ("accuracy", "f1", "nmi", "ari"))
        lines.append(f"mixture of {row['components']}, {row['method']}: {scores} (seeds: {row['repeats']})")
    return lines


app = command(embed)
