"""Three examples of each command, for its help page."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "gentool": (
        "gentool train gan --data faces",
        "gentool sample runs/gan-faces",
        "gentool evaluate runs/gan-faces",
    ),
    "prepare": (
        "gentool prepare --list",
        "gentool prepare photos/ --size 32",
        "gentool prepare photos.zip --check",
    ),
    "train": (
        "gentool train {name} --data digits",
        "gentool train {name} --data photos/ --size 32 --epochs 100",
        "gentool train {name} --data mnist --budget 10m --out runs/mine",
    ),
    "sample": (
        "gentool sample runs/vae-digits",
        "gentool sample runs/gan-digits -n 100 --seed 3 --out samples.png",
        "gentool sample runs/vae-digits --traverse --out axes.png",
    ),
    "reconstruct": (
        "gentool reconstruct runs/vae-digits",
        "gentool reconstruct runs/cae-mnist -n 20 --out rebuilt.png",
        "gentool reconstruct runs/cae-mnist --data photos/",
    ),
    "interpolate": (
        "gentool interpolate runs/vae-digits",
        "gentool interpolate runs/vae-digits one.png two.png --gif",
        "gentool interpolate runs/cgan-mnist --steps 12 --seed 3",
    ),
    "project": (
        "gentool project runs/gan-digits face.png",
        "gentool project runs/gan-digits --index 3,17",
        "gentool project runs/gan-digits --index 3 --restarts 16",
    ),
    "embed": (
        "gentool embed runs/vae-digits",
        "gentool embed runs/vae-mnist --method tsne",
        "gentool embed runs/vae-mnist --gmm 10",
    ),
    "seq2seq": (
        "gentool seq2seq train text2text",
        "gentool seq2seq evaluate runs/seq2seq-text2text",
        "gentool seq2seq solve runs/seq2seq-text2text 12+34",
    ),
    "seq2seq train": (
        "gentool seq2seq train {name}",
        'gentool seq2seq train {name} --max-operand 999 --operators "+-*"',
        "gentool seq2seq train {name} --recipe classic --out runs/classic",
    ),
    "seq2seq evaluate": (
        "gentool seq2seq evaluate runs/seq2seq-text2text",
        "gentool seq2seq evaluate runs/seq2seq-text2text --out scores",
        "gentool seq2seq evaluate runs/seq2seq-image2text --json",
    ),
    "seq2seq solve": (
        "gentool seq2seq solve runs/seq2seq-text2text 12+34",
        "gentool seq2seq solve runs/seq2seq-text2text 12+34 98-7",
        "gentool seq2seq solve runs/seq2seq-text2image 12+34 --out answer.png",
    ),
    "seq2seq sweep": (
        "gentool seq2seq sweep {name} --hidden 64,128,256",
        "gentool seq2seq sweep {name} --train-fraction 0.1:0.9:0.2 --repeats 3",
        "gentool seq2seq sweep {name} --recipe default,classic --jobs 2",
    ),
    "evaluate": (
        "gentool evaluate runs/vae-digits",
        "gentool evaluate runs/gan-mnist --samples 5000",
        "gentool evaluate runs/vae-mnist --data mnist --json",
    ),
    "compare": (
        "gentool compare runs/vae-digits runs/gan-digits",
        "gentool compare --train vae,gan --data digits --budget 5m",
        "gentool compare --train vae --seeds 3 --out seeds",
    ),
    "explore": (
        "gentool explore runs/vae-digits",
        "gentool explore runs/vae-digits --out page.html",
        "gentool explore runs/gan-digits --port 8080",
    ),
    "report": (
        "gentool report runs/vae-digits",
        "gentool report runs/vae-digits runs/gan-digits",
        "gentool report runs/vae-digits runs/gan-digits --out both.html",
    ),
    "export": (
        "gentool export runs/vae-digits",
        "gentool export runs/vae-digits --format torchscript",
        "gentool export runs/gan-digits --hub-folder hub/gan-digits",
    ),
    "epochs": (
        "gentool epochs runs/gan-digits",
        "gentool epochs runs/gan-digits --epochs 1,50,99",
        "gentool epochs runs/gan-digits runs/vae-digits --epochs 1,10",
    ),
    "show": (
        "gentool show runs/gan-faces",
        "gentool show runs/gan-faces/samples/epoch-0001.png",
        "gentool show samples.png rebuilt.png",
    ),
    "info": (
        "gentool info runs/vae-digits",
        "gentool info runs/vae-digits/model.pt",
        "gentool info runs/vae-digits --json",
    ),
    "doctor": (
        "gentool doctor",
        "gentool doctor --json",
        "gentool doctor --quiet",
    ),
}
"""By the words of the command, `gentool` for the program; `{name}` stands for the model or task of a training."""


def examples_of(path: str, name: str = "") -> list[str]:
    """The examples of a command by its words, such as `gentool train vae`; of a group with the `name` to take."""
    words = path.split()[1:] or [path]
    found = EXAMPLES.get(" ".join(words)) or EXAMPLES.get(" ".join(words[:-1]), ())
    return [example.format(name=name or words[-1]) for example in found]
