"""Ways to a model: train one, load one."""

from pathlib import Path
from typing import Any

from gentool.data.images import FEWEST, ImageData
from gentool.data.load import Source, load_data
from gentool.engine import training
from gentool.engine.folder import model_path
from gentool.engine.memory import check_network
from gentool.engine.options import TrainOptions
from gentool.errors import DataError, OptionError, Stopped
from gentool.latent.model import Model
from gentool.models import check_name, model_module, options_class
from gentool.progress import SILENT, Reporter, counted


def load(path: Path | str, *, device: str = "auto", **sampling: Any) -> Model:
    """The trained model in a checkpoint: a run folder, its model.pt, or an exported folder with model.safetensors.

    `sampling` are the model's own sampling options, for models that have some. Raises CheckpointError when the file is
    missing, damaged, or holds no model of images, OptionError for a device that is not there.
    """
    model = Model.load(path, device=device)
    return model.with_sampling(**sampling) if sampling else model


def train(
    model: str,
    data: Source,
    options: TrainOptions | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Model:
    """Train a model and return it.

    Args:
        model: A name from `gentool.models.MODELS`, such as `vae`.
        data: Images from `gentool.load_data`, or what it reads: a name such as `digits`, a path, or an array.
        options: The model's options, such as `gentool.VAEOptions(latent_dim=20)`; or give them as `settings`.
        out: The run's folder. An unfinished run there is resumed, a finished one is loaded. Without it nothing is
            written.
        overwrite: Replace the run in that folder.
        reporter: Receives progress and notices.

    Raises OptionError, DataError, CheckpointError; Stopped when asked to stop, whose `model` is then that of
    the last whole epoch of a run in memory; Diverged when the training fails.
    """
    kind = options_class(check_name(model))
    options = kind.resolve(options, settings)
    images = data if isinstance(data, ImageData) else load_data(data, reporter=reporter)
    if len(images) < FEWEST:
        raise DataError(
            f"{images.name}: has {counted(len(images), 'image')}, but training needs at least {FEWEST}; add some, or "
            "use a named data set (`gentool prepare --list`)"
        )
    options = options.for_data(images)
    folder = None if out is None else Path(out).expanduser()
    module = model_module(model)
    check_network(lambda: module.build(options, images.shape, len(images.classes)))
    try:
        run = training.train(
            module.train, model, options, images, folder=folder, overwrite=overwrite, reporter=reporter
        )
    except Stopped as stopped:
        run = stopped.run
        if folder is None and run.network is not None:
            stopped.model = Model(run.network, run.header, run.device, rows=run.journal.rows)
        raise
    if run.network is None:  # finished before
        assert folder is not None
        return run.world.of_first(lambda: Model.load(folder, name=model, device=options.device))
    path = None if run.folder is None else model_path(run.folder)
    return Model(run.network, run.header, run.device, path=path, rows=run.journal.rows)


def as_model(model: Any) -> Model:
    """A model, or the one in a checkpoint. Raises OptionError for anything else."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | Path):
        return load(model)
    raise OptionError(f"expected a model of images or its checkpoint, got {type(model).__name__}")
