# SPDX-License-Identifier: Apache-2.0
"""Sound as the Realtime API takes it: 16 bit PCM, little-endian, one channel, 24,000 samples a second."""

import re
import sys
from array import array

from runwright.errors import InputValidationError

SAMPLE_RATE = 24_000
MIME_TYPE = f"audio/pcm;rate={SAMPLE_RATE}"
SECOND_OF_SILENCE = bytes(2 * SAMPLE_RATE)


class Resampler:
    """Brings the pieces of a sound to the API's sample rate, by drawing straight lines between its samples.

    Gemini listens at 16,000 samples a second, so that is what programs record at.
    """

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._odd = b""
        self._last = 0
        self._place = 0
        """Where the next sample is, after the last one that was taken, in parts of a sample of ``1 / SAMPLE_RATE``."""

    def take(self, data: bytes, mime_type: str) -> bytes:
        """The next piece at the API's rate. Half a sample at its end comes with the next one.

        Raises:
            InputValidationError: It is no such sound.
        """
        rate = _rate(mime_type)
        if rate != self._rate:
            self._rate, self._last, self._place = rate, 0, 0
        data = self._odd + data
        whole = len(data) & ~1
        data, self._odd = data[:whole], data[whole:]
        return data if rate == SAMPLE_RATE or not data else self._resampled(data)

    def _resampled(self, data: bytes) -> bytes:
        samples = array("h", data)
        if sys.byteorder == "big":
            samples.byteswap()
        samples.insert(0, self._last)
        end = (len(samples) - 1) * SAMPLE_RATE
        made = array("h")
        for place in range(self._place, end, self._rate):
            before, beyond = divmod(place, SAMPLE_RATE)
            here = samples[before]
            made.append(here + (samples[before + 1] - here) * beyond // SAMPLE_RATE)
        behind = max(0, -(-(end - self._place) // self._rate))
        self._place += behind * self._rate - end
        self._last = samples[-1]
        if sys.byteorder == "big":
            made.byteswap()
        return made.tobytes()


def _rate(mime_type: str) -> int:
    kind, _, parameters = mime_type.partition(";")
    if kind.strip().lower() != "audio/pcm":
        raise InputValidationError(
            f"OpenAI's live models hear audio/pcm;rate=..., of 16 bit and one channel, not {mime_type!r}"
        )
    found = re.search(r"rate=(\d+)", parameters)
    return int(found[1]) if found and int(found[1]) else SAMPLE_RATE
