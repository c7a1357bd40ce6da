#include <cmath>
#include <cstring>

#include "backend/cpu/int8/code_multiply.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/gemm/gemm_integer.h"

namespace halftone::cpu {
namespace {

/// Sums pass through f32 on their way to the requantizer: all must be whole numbers there.
constexpr double kLargestSum = 0x1p24;

IntegerWeights weights_of(const OpSite& site) {
  const CodeProduct product = code_product(site);
  return integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)),
                         product.output_axis, product_bias(site, product.outputs));
}

double largest_sum(const IntegerWeights& weights, const CodeScale& input) {
  const int32_t reach = std::max<int32_t>(input.zero, 255 - input.zero);
  double largest = 0;
  for (size_t o = 0; o < weights.bias.size(); ++o) {
    double sum = std::fabs(static_cast<double>(weights.bias[o]));
    for (int64_t c = 0; c < weights.columns; ++c)
      sum +=
          reach * std::abs(weights.codes[o * static_cast<size_t>(weights.columns) + static_cast<size_t>(c)]);
    largest = std::max(largest, sum);
  }
  return largest;
}

Refusal supports(const OpSite& site) {
  if (!site.storage_of_output(0).wide()) return "the output has no codes of 16 bits";
  if (Refusal refusal = integer_rows_refusal(site); !refusal.empty()) return refusal;
  if (largest_sum(weights_of(site), *site.inputs[0].storage.codes) >= kLargestSum)
    return "sums may be beyond 24 bits";
  return {};
}

/// Gemm by constant weights, u8 codes to wide ones: exact sums by the tiles, then the requantizer.
class WideCodeGemm final : public PreparedKernel {
 public:
  WideCodeGemm(const OpSite& site, const CodeLoops& loops, int threads)
      : WideCodeGemm(site, code_product(site), weights_of(site), loops, threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const CodeProduct product = code_product(site);
    return sums_offset() + static_cast<size_t>(product.rows * product.outputs) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const auto a = run.inputs[0].span<uint8_t>();
    const auto y = run.outputs[0].span<int16_t>();
    const int64_t columns = weights_.extent().channels, outputs = weights_.extent().outputs;
    const int64_t rows = code_product(run.site).rows;
    if (rows == 0) return;
    auto* last_row =
        reinterpret_cast<uint8_t*>(run.workspace.data()) + CodeMultiply::workspace_bytes(weights_, threads_);
    std::memcpy(last_row, a.data() + (rows - 1) * columns, static_cast<size_t>(columns));
    auto* sums = reinterpret_cast<float*>(run.workspace.data() + sums_offset());

    CodeMultiply multiply{.weights = weights_, .rows = rows, .gather = {}};
    multiply.gather = [&](int64_t, int64_t first, int64_t count, const uint8_t** to) {
      for (int64_t i = 0; i < count; ++i) to[i] = a.data() + (first + i) * columns;
      if (first + count == rows) to[count - 1] = last_row;  // readable for whole quads
    };
    multiply.floats = sums;
    multiply.run(run.threads, run.workspace);
    run.threads.parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        for (int64_t o = 0; o < outputs; ++o) {
          const auto at = static_cast<size_t>(row * outputs + o);
          y[at] = requantizer_.wide_code(static_cast<int32_t>(sums[at]), static_cast<size_t>(o));
        }
    });
  }

 private:
  WideCodeGemm(const OpSite& site, const CodeProduct& product, IntegerWeights weights, const CodeLoops& loops,
               int threads)
      : requantizer_(site, weights.units),
        weights_(weights, whole_sums(site, product.outputs), *site.inputs[0].storage.codes,
                 {1, product.outputs, product.columns, 1}, loops),
        threads_(threads) {}

  /// Sums as the numbers that they are.
  static Requantizer whole_sums(OpSite site, int64_t outputs) {
    site.output_storage.clear();
    return Requantizer(site, std::vector<double>(static_cast<size_t>(outputs), 1));
  }
  size_t sums_offset() const {
    return round_up(
        CodeMultiply::workspace_bytes(weights_, threads_) + static_cast<size_t>(weights_.quads() * kCodeQuad),
        size_t{64});
  }

  Requantizer requantizer_;
  CodeWeights weights_;
  int threads_;
};

template <const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<WideCodeGemm>(site, kLoops, threads.size());
}

}  // namespace

#define HALFTONE_GEMM_WIDE_CODES(isa)                                                              \
  extern const Kernel gemm_wide_codes_##isa{"gemm_wide_codes_" #isa,   "Gemm", Isa::isa, supports, \
                                            prepare<code_loops_##isa>, true,   true};

#if defined(__x86_64__)
HALFTONE_GEMM_WIDE_CODES(amx)
HALFTONE_GEMM_WIDE_CODES(avx512vnni)
HALFTONE_GEMM_WIDE_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_GEMM_WIDE_CODES(neondot)
#endif

}  // namespace halftone::cpu
