#include <algorithm>
#include <cstring>

#include "backend/cpu/int8/code_elements.h"
#include "backend/kernel.h"

namespace halftone::cpu {
namespace {

/// A tensor seen as [batch, channels, places]; channels-last swaps the last two.
struct Planes {
  int64_t batch, channels, places;
  explicit Planes(const Shape& shape) : batch(shape[0]), channels(shape[1]), places(1) {
    for (int axis = 2; axis < shape.rank(); ++axis) places *= shape[axis];
  }
};

Refusal supports(const OpSite& site) {
  const Storage in = site.inputs[0].storage, out = site.storage_of_output(0);
  if (site.inputs[0].type.dtype != DType::f32) return "the values are not f32";
  if (!in.codes && !out.codes) return "no side is stored as codes";
  return {};
}

/// Identity between storages of which one at least is codes: encodes, decodes, converts, and turns the axes.
class IdentityCodes final : public PreparedKernel {
 public:
  /// Places that are turned at a time.
  static constexpr int64_t kPlaces = 256;

  IdentityCodes(const OpSite& site, const CodeElementLoops& loops)
      : loops_(loops), in_(site.inputs[0].storage), out_(site.storage_of_output(0)) {
    if (!in_.codes || !out_.codes) return;
    for (int code = 0; code < 256; ++code)
      table_[code] =
          encode_activation(decode_activation(static_cast<uint8_t>(code), *in_.codes), *out_.codes);
  }

  void run(const KernelRun& run) const override {
    const std::byte* x = run.inputs[0].tensor.data;
    std::byte* y = run.outputs[0].data;
    const Shape& shape = run.outputs[0].shape;
    if (in_.order == out_.order) {
      run.threads.parallel_for(shape.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
        convert(x + begin * in_bytes(), y + begin * out_bytes(), end - begin);
      });
      return;
    }
    const Planes planes(shape);
    const int64_t pieces = (planes.places + kPlaces - 1) / kPlaces;
    run.threads.parallel_for(planes.batch * pieces, 8, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t first = piece % pieces * kPlaces;
        turn(planes, piece / pieces, first, std::min(kPlaces, planes.places - first), x, y);
      }
    });
  }

 private:
  int64_t in_bytes() const { return in_.codes ? 1 : 4; }
  int64_t out_bytes() const { return out_.codes ? 1 : 4; }

  void convert(const std::byte* x, std::byte* y, int64_t count) const {
    const auto* codes = reinterpret_cast<const uint8_t*>(x);
    if (in_.codes && out_.codes)
      loops_.map(table_, codes, reinterpret_cast<uint8_t*>(y), count);
    else if (in_.codes)
      loops_.decode(codes, in_.codes->scale, in_.codes->zero, reinterpret_cast<float*>(y), count);
    else
      loops_.encode(reinterpret_cast<const float*>(x), out_.codes->scale, out_.codes->zero,
                    reinterpret_cast<uint8_t*>(y), count);
  }

  /// Places [first, first + count) of one picture to the other order.
  void turn(const Planes& planes, int64_t picture, int64_t first, int64_t count, const std::byte* x,
            std::byte* y) const {
    const int64_t base = picture * planes.channels * planes.places;
    const bool to_last = out_.order == Storage::Order::channels_last;
    if (to_last && out_.codes && planes.channels <= 4)
      return join_few(planes, base, first, count, x, reinterpret_cast<uint8_t*>(y));
    alignas(64) std::byte line[kPlaces * 4];
    for (int64_t c = 0; c < planes.channels; ++c) {
      const int64_t planar = base + c * planes.places + first;
      const int64_t last = base + first * planes.channels + c;
      if (to_last) {
        convert(x + planar * in_bytes(), line, count);
        scatter(line, y + last * out_bytes(), planes.channels, count);
      } else {
        gather(x + last * in_bytes(), line, planes.channels, count);
        convert(line, y + planar * out_bytes(), count);
      }
    }
  }

  /// The codes of up to 4 channels, a word a place (the first channel lowest): what a word has too much, the
  /// next place overwrites. Nothing is written behind the last place, where others may be at work.
  void join_few(const Planes& planes, int64_t base, int64_t first, int64_t count, const std::byte* x,
                uint8_t* y) const {
    alignas(64) std::byte lines[4][kPlaces] = {};
    for (int64_t c = 0; c < planes.channels; ++c)
      convert(x + (base + c * planes.places + first) * in_bytes(), lines[c], count);
    if (loops_.join) {
      const auto* codes = reinterpret_cast<const uint8_t*>(lines);
      const uint8_t* const all[4] = {codes, codes + kPlaces, codes + 2 * kPlaces, codes + 3 * kPlaces};
      return loops_.join(all, planes.channels, y + base + first * planes.channels, count);
    }
    alignas(64) uint32_t words[kPlaces];
    const auto code = [&](int c, int64_t i) { return static_cast<uint32_t>(lines[c][i]) << (8 * c); };
    for (int64_t i = 0; i < kPlaces; ++i) words[i] = code(0, i) | code(1, i) | code(2, i) | code(3, i);
    uint8_t* to = y + base + first * planes.channels;
    int64_t i = 0;
    for (; (count - i) * planes.channels >= 4; ++i, to += planes.channels) std::memcpy(to, words + i, 4);
    for (; i < count; ++i)
      for (int64_t c = 0; c < planes.channels; ++c) *to++ = static_cast<uint8_t>(lines[c][i]);
  }

  void scatter(const std::byte* line, std::byte* to, int64_t step, int64_t count) const {
    if (out_.codes)
      for (int64_t i = 0; i < count; ++i) to[i * step] = line[i];
    else
      for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * step * 4, line + i * 4, 4);
  }
  void gather(const std::byte* from, std::byte* line, int64_t step, int64_t count) const {
    if (in_.codes)
      for (int64_t i = 0; i < count; ++i) line[i] = from[i * step];
    else
      for (int64_t i = 0; i < count; ++i) std::memcpy(line + i * 4, from + i * step * 4, 4);
  }

  const CodeElementLoops& loops_;
  Storage in_, out_;
  alignas(64) uint8_t table_[256] = {};
};

template <const CodeElementLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<IdentityCodes>(site, kLoops);
}

}  // namespace

#define HALFTONE_IDENTITY_CODES(isa)                                                                     \
  extern const Kernel identity_codes_##isa{"identity_codes_" #isa,       "Identity", Isa::isa, supports, \
                                           prepare<code_elements_##isa>, true};
#if defined(__x86_64__)
HALFTONE_IDENTITY_CODES(avx512vnni)
HALFTONE_IDENTITY_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_IDENTITY_CODES(neondot)
#endif

}  // namespace halftone::cpu
