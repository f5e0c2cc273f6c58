"""What the name of a folder says: its words, and whether one of them names a split."""

import re
import unicodedata

from gentool.data.raw import TEST, TRAIN, VALIDATION

Parts = tuple[str, ...]
"""The folders of a file, from the outermost."""

ROLES = {
    "train": TRAIN, "training": TRAIN, "trn": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "dev": VALIDATION, "test": TEST, "testing": TEST, "tst": TEST, "eval": TEST, "evaluation": TEST, "holdout": TEST,
    "heldout": TEST, "trainval": TRAIN,
    # Spanish, Portuguese, French, Italian, German, Chinese, Japanese
    "entrenamiento": TRAIN, "prueba": TEST, "pruebas": TEST, "validacion": VALIDATION, "treino": TRAIN,
    "treinamento": TRAIN, "teste": TEST, "testes": TEST, "validacao": VALIDATION, "apprentissage": TRAIN,
    "entrainement": TRAIN, "addestramento": TRAIN, "validazione": VALIDATION, "validierung": VALIDATION,
    "训练集": TRAIN, "训练": TRAIN, "测试集": TEST, "测试": TEST, "验证集": VALIDATION, "验证": VALIDATION,
    "訓練": TRAIN, "学習": TRAIN, "テスト": TEST, "検証": VALIDATION,
}  # fmt: skip
"""The words that name splits, without accents."""
ROLE_NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}
AFFIXES = {
    "set", "data", "dataset", "images", "image", "imgs", "img", "split", "seg", "folder", "files", "x", "public",
    "private",
}  # fmt: skip
"""Words that may stand beside the name of a split."""


def role_of(folder: str) -> int | None:
    """The split that a folder's name says, None for other names.

    >>> role_of("Training"), role_of("seg_test"), role_of("val2017"), role_of("trains")
    (0, 2, 1, None)
    """
    role, others = role_and_others(folder)
    return None if others else role


def role_and_others(folder: str) -> tuple[int | None, tuple[str, ...]]:
    """The split that a word of a folder's name says, where it is one, and the words that say nothing of splits.

    >>> role_and_others("cars_train"), role_and_others("DIV2K_valid_HR"), role_and_others("testA")
    ((0, ('cars',)), (1, ('div', 'k', 'hr')), (2, ('a',)))
    """
    roles, others = set(), []
    for word in words_of(folder):
        role = _role_of_word(word)
        if role is not None:
            roles.add(role)
        elif word not in AFFIXES:
            others.append(word)
    return (roles.pop() if len(roles) == 1 else None), tuple(others)


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without accents and numbers.

    >>> words_of("leftImg8bit"), words_of("Validación_2")
    (['left', 'img', 'bit'], ['validacion'])
    """
    plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    plain = unicodedata.normalize("NFC", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)).lower()
    return re.findall(r"[^\W\d_]+", plain)


def _role_of_word(word: str) -> int | None:
    for ending in ("", "set", "data", "images", "imgs"):
        stem = word.removesuffix(ending)
        if stem in ROLES:
            return ROLES[stem]
    return None


def folders_of(name: str) -> Parts:
    """The folders in a name with `/`: `./a//b/1.png` is in a and b."""
    return tuple(part for part in name.split("/")[:-1] if part not in ("", "."))
