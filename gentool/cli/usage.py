"""Mistakes in a command line, in plain words: what the parser says, and the next step to take."""

import difflib
import re
from collections.abc import Sequence

PLAIN = (
    (r"Invalid value for (?:'[^']+' / )?'([^']+)': ", r"\1: "),
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
    (r"Value error, ", ""),
)
"""What the parser says, and in plain words."""
MISSING = {
    "CKPT": "give the folder of a run, such as runs/text2text, or its model.pt",
    "FILE": "give a picture, or the folder of a run, such as runs/vae-digits",
    "PATH": "give a run, a checkpoint, a prepared folder, codes or results",
    "RUN": "give the folder of a run, such as runs/vae-digits",
}
"""What to give for an argument that is missing. Commands of images say it themselves."""
RESUMING = ("--resume", "--continue")
NEAR = 0.7
"""How alike an option must be to be suggested (difflib)."""


def in_plain_words(message: str, arguments: Sequence[str]) -> str:
    """The message of the parser about these arguments, as one line."""
    message = " ".join(message.split())
    for pattern, plain in PLAIN:
        message = re.sub(pattern, plain, message)
    first = arguments[0] if arguments else ""
    words = 2 if first == "seq2seq" and arguments[1:2] in (["train"], ["sweep"]) else 1 if first == "train" else 0
    what = {0: "command", 1: "model", 2: "task"}[words]
    if first == "help" and message.startswith("No such command"):
        message = "no such command 'help'; for help, use gentool --help or gentool COMMAND --help"
    elif message.startswith("No such command") and len(arguments) > words:
        message = message.replace("No such command", f"no such {what}")
    elif unknown := re.match(r"No such option: (\S+)", message):
        if unknown[1] in RESUMING:
            message = f"no such option: {unknown[1]}; run the same command again to resume"
        elif words and arguments[words].startswith("-"):
            message = f"name the {what} before its options: {' '.join(arguments[:words])} {what.upper()} {unknown[1]} …"
        elif several := re.search(r" \(Possible options: (.*)\)", message):
            near = difflib.get_close_matches(unknown[1], several[1].split(", "), n=1, cutoff=NEAR)
            message = f"no such option: {unknown[1]}{f'. Did you mean {near[0]}?' if near else ''}"
    elif (missing := re.match(r"Missing argument '(\w+)'\.", message)) and missing[1] in MISSING:
        message = f"missing argument '{missing[1]}'; {MISSING[missing[1]]}"
    elif extra := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", message):
        message = f"unexpected argument: {extra[1]}{'; give data with --data' if first == 'train' else ''}"
    return message[:1].lower() + message[1:]
