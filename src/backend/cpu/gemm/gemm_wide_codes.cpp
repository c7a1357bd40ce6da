#include <algorithm>

#include "backend/cpu/int8/code_rows.h"
#include "backend/kernel.h"
#include "base/checked.h"
#include "ops/gemm/gemm_integer.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (!site.storage_of_output(0).wide()) return "the output has no codes of 16 bits";
  if (Refusal refusal = integer_rows_refusal(site); !refusal.empty()) return refusal;
  const int32_t zero = site.inputs[0].storage.codes->zero;
  if (!sums_fit_floats(product_weights(site), std::max(zero, 255 - zero)))
    return "sums may be beyond 24 bits";
  return {};
}

/// Gemm by constant weights, u8 codes to wide ones: exact sums by the tiles, then the requantizer.
class WideCodeGemm final : public PreparedKernel {
 public:
  WideCodeGemm(const OpSite& site, const CodeLoops& loops, int threads)
      : WideCodeGemm(site, code_product(site), product_weights(site), loops, threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override {
    const CodeProduct product = code_product(site);
    return sums_offset() + static_cast<size_t>(product.rows * product.outputs) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const auto a = run.inputs[0].span<uint8_t>();
    const auto y = run.outputs[0].span<int16_t>();
    const int64_t outputs = weights_.extent().outputs;
    const int64_t rows = code_product(run.site).rows;
    if (rows == 0) return;
    auto* sums = reinterpret_cast<float*>(run.workspace.data() + sums_offset());
    CodeMultiply multiply = multiply_rows(weights_, a.data(), rows, run.workspace, threads_);
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
  size_t sums_offset() const { return round_up(code_rows_workspace_bytes(weights_, threads_), size_t{64}); }

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
HALFTONE_GEMM_WIDE_CODES(avxvnni)
HALFTONE_GEMM_WIDE_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_GEMM_WIDE_CODES(neondot)
#endif

}  // namespace halftone::cpu
