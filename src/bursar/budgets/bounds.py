"""How many tokens a request can come to: a ceiling learned from what providers reported, never a tokenizer.

A token is at least one byte of text, so the bytes themselves are the ceiling of a model nobody has seen yet. What came
back since lowers it: the highest ratio of tokens to bytes seen for requests of about that size, and a margin. Images
by address, tools and prompts that are added upstream have no bytes here; the ratio that they cause is learned like any
other, so after the first overrun the ceiling is above it.
"""

MODELS_MAX = 1_024
SIZES = 32  # by the number of bits in the size: 1 KB and 1.9 KB are of one size
EVIDENCE_MIN = 20  # reports before a ceiling counts
MARGIN_PERCENT = 25
PPM = 1_000_000
FADE = 512  # a ceiling above all that comes now goes down by one part in so many with each report
HISTOGRAM_MAX = 1_024  # reports after which older ones count half


class TokenCeilings:
    """Input ceilings per model and size, and how much the answers of a model usually hold. Integers alone."""

    def __init__(self) -> None:
        self._input: dict[str, list[int]] = {}  # ppm of tokens per byte, by size; 0: not enough was seen
        self._seen: dict[str, list[int]] = {}
        self._output: dict[str, list[int]] = {}  # how many answers had 2^n..2^(n+1)-1 tokens

    def learn(self, model: str, request_bytes: int, input_tokens: int, output_tokens: int) -> None:
        """What a provider reported of one request of this size."""
        ceilings = self._input.get(model)
        if ceilings is None:
            if len(self._input) >= MODELS_MAX or not request_bytes:
                return
            ceilings = self._input[model] = [0] * SIZES
            self._seen[model] = [0] * SIZES
            self._output[model] = [0] * SIZES
        size = min(request_bytes.bit_length(), SIZES - 1)
        ratio = input_tokens * PPM // (request_bytes or 1)
        known = ceilings[size]
        ceilings[size] = ratio if ratio >= known else known - (known - ratio) // FADE
        self._seen[model][size] += 1
        outputs = self._output[model]
        outputs[min(output_tokens.bit_length(), SIZES - 1)] += 1
        if sum(outputs) > HISTOGRAM_MAX:
            self._output[model] = [count // 2 for count in outputs]

    def input_tokens(self, model: str, request_bytes: int) -> int:
        """The most that a request of so many bytes comes to, as far as anybody can know."""
        size = min(request_bytes.bit_length(), SIZES - 1)
        seen = self._seen.get(model)
        if seen is None:
            return request_bytes
        ratio = self._input[model][size]
        if seen[size] < EVIDENCE_MIN:
            ratio = max(ratio, PPM)
        return -(-request_bytes * ratio * (100 + MARGIN_PERCENT) // (100 * PPM)) if ratio != PPM else request_bytes

    def usual_output_tokens(self, model: str, at_most: int) -> int:
        """So many tokens or fewer have 99 of 100 answers of the model; `at_most` while too little was seen."""
        outputs = self._output.get(model)
        if outputs is None or (total := sum(outputs)) < EVIDENCE_MIN:
            return at_most
        above = total // 100
        for bits in range(SIZES - 1, -1, -1):
            above -= outputs[bits]
            if above < 0:
                return min(at_most, (1 << bits) - 1 if bits else 0)
        return at_most
