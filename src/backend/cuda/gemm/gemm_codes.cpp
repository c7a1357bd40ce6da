#include "backend/cuda/conv/code_conv.h"
#include "ops/gemm/gemm_integer.h"

namespace halftone::cuda {
namespace {

IntegerWeights weights_of(const OpSite& site) {
  const CodeProduct product = code_product(site);
  return integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)),
                         product.output_axis, product_bias(site, product.outputs));
}

/// Gemm and MatMul by constant weights on codes: convolutions of one tap, a row being a place.
class CodeGemm final : public CodeConv {
 public:
  explicit CodeGemm(const OpSite& site) : CodeConv(site, weights_of(site), true) {
    const auto words = pack_s8({1, integers_.outputs, integers_.columns, 1}, integers_.codes, weights_);
    weights_.fragments = uploads_.add(words, fmt::format("the weights of {}", site.name));
    integers_ = {};
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const CodeProduct product = code_product(run.site);
    const CodeConvArgs args{pointer<uint8_t>(run.inputs[0]),
                            row_geometry(run.site, product.rows, product.columns, product.outputs), weights_,
                            end_of(run), input_.zero * 0x01010101u};
    launch_code_conv(device(), args, 1, product.columns, kCodeConvKernels);
  }

 private:
  ConvWeights weights_{};
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<CodeGemm>(site);
}

}  // namespace

extern const Kernel gemm_codes{"gemm_codes", "Gemm", Isa::scalar, integer_rows_refusal, prepare, true};
extern const Kernel mat_mul_codes{"mat_mul_codes",      "MatMul", Isa::scalar,
                                  integer_rows_refusal, prepare,  true};

}  // namespace halftone::cuda
