# SPDX-License-Identifier: Apache-2.0
"""The words of a text in any script, as every memory service of ours indexes and asks for them."""

import re
import unicodedata

LONGEST_WORD = 128
"""How many characters of a word count. What is longer is seldom a word, and an index has its limits."""

_WORD = re.compile(r"\w+")
# Thai, Lao, Burmese, Khmer, kana, Chinese characters, Hangul: no spaces tell the words, or what hangs on them, apart.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]+"
)


def words_of(text: str, *, asked: bool = False) -> list[str]:
    """The words of ``text``, each as often as it is there, without regard to case, accents' spelling and width.

    Every word consists of letters, digits and underscores of any script. Of a script without spaces, two neighbouring
    characters count as a word, and so does each single one, unless it is ``asked`` for beside others.
    """
    words: list[str] = []
    for token in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        words.extend(part[:LONGEST_WORD] for part in _UNSPACED.split(token) if part)
        for run in _UNSPACED.findall(token):
            words.extend(run[start : start + 2] for start in range(len(run) - 1))
            if not asked or len(run) == 1:
                words.extend(run)
    return words
