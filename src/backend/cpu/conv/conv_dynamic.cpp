#include "ops/conv/conv_dynamic.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/float_site.h"
#include "backend/cpu/int8/code_elements.h"
#include "backend/cpu/int8/code_gather.h"
#include "backend/cpu/int8/code_multiply.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/conv/conv_integer.h"
#include "scheme/dynamic.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (Refusal refusal = dynamic_conv_refusal(site); !refusal.empty()) return refusal;
  if (site.has_input(kConvGains)) return "it has gains";
  if (site.input_shape(0).rank() > 4) return "more than two spatial axes";
  const Storage last{Storage::Order::channels_last, {}};
  for (size_t i : {size_t{0}, size_t{3}})
    if (site.has_input(i) && (!(site.inputs[i].storage == last) || site.inputs[i].type.dtype != DType::f32))
      return "values are not f32, channels-last";
  if (!(site.storage_of_output(0) == last) || site.outputs[0].dtype != DType::f32)
    return "the output is not f32, channels-last";
  return {};
}

/// A Conv that rounds each picture to int8 as it comes (ops/conv/conv_dynamic.h).
class DynamicConv final : public PreparedKernel {
 public:
  DynamicConv(const OpSite& site, const CodeLoops& loops, int threads)
      : DynamicConv(
            site, dynamic_conv_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name))),
            loops, threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes() + bias_.size() * sizeof(float); }
  size_t workspace_bytes(const OpSite& site) const override {
    return picture_offset() + picture_bytes(site) + static_cast<size_t>(weights_.quads() * kCodeQuad);
  }

  void run(const KernelRun& run) const override {
    const Shape &from = run.inputs[0].tensor.shape, &to = run.outputs[0].shape;
    const int64_t pictures = from[0];
    if (to.elements() == 0) return;
    const int64_t elements = from.elements() / pictures, outputs = to.elements() / pictures;
    auto* codes = reinterpret_cast<uint8_t*>(run.workspace.data() + picture_offset());
    Shape one = from, out = to;
    one[0] = out[0] = 1;
    const CodeGather gather(conv_extent(run.site).window, one, out);
    const int64_t channels = weights_.extent().channels;
    for (int64_t n = 0; n < pictures; ++n) {
      const float scale =
          encode(run.threads, run.inputs[0].span<float>().data() + n * elements, elements, codes);
      CodeMultiply multiply{.weights = weights_, .rows = gather.places(), .gather = {}};
      multiply.gather = [&](int64_t group, int64_t first, int64_t count, const uint8_t** rows) {
        gather.rows(codes, padding_.data(), group * channels, first, count, rows);
      };
      multiply.floats = run.outputs[0].span<float>().data() + n * outputs;
      multiply.rescale = scale;
      multiply.bias = bias_.empty() ? nullptr : bias_.data();
      multiply.float_residual =
          run.site.has_input(3) ? run.inputs[3].span<float>().data() + n * outputs : nullptr;
      multiply.activation = activation_;
      multiply.run(run.threads, run.workspace.first(picture_offset()));
    }
  }

 private:
  DynamicConv(const OpSite& site, const IntegerWeights& weights, const CodeLoops& loops, int threads)
      : weights_(weights, requantizer(site, weights), CodeScale{1, 128},
                 {conv_extent(site).groups, conv_extent(site).group_outputs, conv_extent(site).group_inputs,
                  conv_extent(site).window.taps()},
                 loops),
        bias_(constant_bias(site)),
        padding_(static_cast<size_t>(weights_.quads() * kCodeQuad), 128),
        activation_(fused_activation(site)),
        threads_(threads) {}

  /// Sums become floats under the scales of the weights alone.
  static Requantizer requantizer(const OpSite& site, const IntegerWeights& weights) {
    OpSite plain = site;
    plain.output_storage.clear();
    return Requantizer(plain, weights.units);
  }

  size_t picture_offset() const {
    return round_up(CodeMultiply::workspace_bytes(weights_, threads_), size_t{64});
  }
  static size_t picture_bytes(const OpSite& site) {
    const Shape& x = site.input_shape(0);
    return static_cast<size_t>(x.elements() / std::max<int64_t>(1, x[0]));
  }

  /// Codes plus 128 of quantize_token(); the scale.
  static float encode(ThreadPool& threads, const float* x, int64_t count, uint8_t* codes) {
    uint32_t largest = 0;  // bits of |x|: those of NaN are above all others
    for (int64_t i = 0; i < count; ++i) {
      uint32_t bits;
      std::memcpy(&bits, x + i, sizeof(bits));
      largest = std::max(largest, bits & 0x7fffffffu);
    }
    float absmax;
    std::memcpy(&absmax, &largest, sizeof(absmax));
    if (largest >= 0x7f800000u || absmax < kSmallestAbsmax) {
      std::fill(codes, codes + count, uint8_t{128});
      return largest >= 0x7f800000u ? NAN : 0;
    }
    const float inverse = 127 / absmax;
    threads.parallel_for(count, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        codes[i] = static_cast<uint8_t>(static_cast<int32_t>(std::nearbyint(x[i] * inverse)) + 128);
    });
    return absmax / 127;
  }

  CodeWeights weights_;
  std::vector<float> bias_;
  std::vector<uint8_t> padding_;
  FusedActivation activation_;
  int threads_;
};

template <const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<DynamicConv>(site, kLoops, threads.size());
}

}  // namespace

#define HALFTONE_CONV_DYNAMIC(isa)                                                                   \
  extern const Kernel conv_int8_dynamic_##isa{"conv_int8_dynamic_" #isa, "Conv", Isa::isa, supports, \
                                              prepare<code_loops_##isa>, true};
#if defined(__x86_64__)
HALFTONE_CONV_DYNAMIC(amx)
HALFTONE_CONV_DYNAMIC(avx512vnni)
HALFTONE_CONV_DYNAMIC(avxvnni)
HALFTONE_CONV_DYNAMIC(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_DYNAMIC(neondot)
#endif

}  // namespace halftone::cpu
