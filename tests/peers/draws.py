"""The calibration samples that `halftone quantize --calib` draws: windows at starts that std::mt19937_64 gives."""

from transformers import AutoTokenizer

WORD = (1 << 64) - 1


def mt19937_64(seed):
    """Matsumoto and Nishimura's 64-bit Mersenne twister, as C++ seeds it."""
    n, m = 312, 156
    state = [seed & WORD]
    for i in range(1, n):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & WORD)
    while True:
        for i in range(n):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % n] & 0x7FFFFFFF)
            state[i] = state[(i + m) % n] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for y in state:
            y ^= (y >> 29) & 0x5555555555555555
            y ^= (y << 17) & 0x71D67FFFEDA60000
            y ^= (y << 37) & 0xFFF7EEE000000000
            yield y ^ (y >> 43)


def samples(model, seed):
    tokens = AutoTokenizer.from_pretrained(model.folder).encode(model.calibration.read_text())
    held_out = 0
    if len(tokens) >= 3 * model.length:
        held_out = min(max(len(tokens) // 10, model.length), 8 * model.length)
    starts = len(tokens) - held_out - model.length + 1
    numbers = mt19937_64(seed)
    result = []
    for _ in range(model.samples):
        start = next(numbers) % starts
        result.append(tokens[start:start + model.length])
    return result
