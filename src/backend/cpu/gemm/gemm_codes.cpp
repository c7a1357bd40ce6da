#include "backend/cpu/int8/code_rows.h"
#include "backend/kernel.h"
#include "ops/gemm/gemm_integer.h"

namespace halftone::cpu {
namespace {

/// Gemm and MatMul by constant weights on codes.
class CodeGemm final : public PreparedKernel {
 public:
  CodeGemm(const OpSite& site, const CodeLoops& loops, int threads)
      : CodeGemm(code_product(site), product_weights(site), site, loops, threads) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return weights_.bytes(); }
  size_t workspace_bytes(const OpSite&) const override {
    return code_rows_workspace_bytes(weights_, threads_);
  }

  void run(const KernelRun& run) const override {
    const auto a = run.inputs[0].span<uint8_t>();
    const int64_t rows = code_product(run.site).rows;
    if (rows == 0) return;
    CodeMultiply multiply = multiply_rows(weights_, a.data(), rows, run.workspace, threads_);
    if (run.outputs[0].dtype == DType::u8)
      multiply.codes = run.outputs[0].span<uint8_t>().data();
    else
      multiply.floats = run.outputs[0].span<float>().data();
    multiply.activation = activation_;
    multiply.run(run.threads, run.workspace);
  }

 private:
  CodeGemm(const CodeProduct& product, const IntegerWeights& weights, const OpSite& site,
           const CodeLoops& loops, int threads)
      : CodeGemm(product, weights, Requantizer(site, weights.units), *site.inputs[0].storage.codes, loops,
                 threads) {}
  CodeGemm(const CodeProduct& product, const IntegerWeights& weights, const Requantizer& requantizer,
           const CodeScale& input, const CodeLoops& loops, int threads)
      : weights_(weights, requantizer, input, {1, product.outputs, product.columns, 1}, loops),
        activation_(requantizer.to_codes() ? FusedActivation{} : requantizer.float_activation()),
        threads_(threads) {}

  CodeWeights weights_;
  FusedActivation activation_;
  int threads_;
};

template <const CodeLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<CodeGemm>(site, kLoops, threads.size());
}

}  // namespace

#define HALFTONE_GEMM_CODES_KERNELS(isa)                                                                  \
  extern const Kernel gemm_codes_##isa{"gemm_codes_" #isa,        "Gemm", Isa::isa, integer_rows_refusal, \
                                       prepare<code_loops_##isa>, true};                                  \
  extern const Kernel mat_mul_codes_##isa{                                                                \
      "mat_mul_codes_" #isa, "MatMul", Isa::isa, integer_rows_refusal, prepare<code_loops_##isa>, true};

#if defined(__x86_64__)
HALFTONE_GEMM_CODES_KERNELS(amx)
HALFTONE_GEMM_CODES_KERNELS(avx512vnni)
HALFTONE_GEMM_CODES_KERNELS(avxvnni)
HALFTONE_GEMM_CODES_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_GEMM_CODES_KERNELS(neondot)
#endif

}  // namespace halftone::cpu
