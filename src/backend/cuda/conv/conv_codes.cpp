#include "backend/cuda/conv/code_conv.h"
#include "backend/cuda/elementwise.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cuda {
namespace {

IntegerWeights weights_of(const OpSite& site) {
  return integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)), 0,
                         constant_bias(site));
}

class CodeConvGemm final : public CodeConv {
 public:
  explicit CodeConvGemm(const OpSite& site) : CodeConv(site, weights_of(site), true) {
    const auto words = pack_s8(conv_columns(conv_extent(site)), integers_.codes, weights_);
    weights_.fragments = uploads_.add(words, "a convolution's weights");
    integers_ = {};
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const CodeConvArgs args{pointer<uint8_t>(run.inputs[0]), conv_geometry(run.site), weights_, end_of(run),
                            input_.zero * 0x01010101u};
    launch_code_conv(device(), args, conv_extent(run.site).groups, run.site.input_shape(0)[1],
                     kCodeConvKernels);
  }

 private:
  ConvWeights weights_{};
};

class CodeDepthwise final : public CodeConv {
 public:
  explicit CodeDepthwise(const OpSite& site) : CodeConv(site, weights_of(site), false) {
    weights_ = uploads_.add(taps_first(std::span<const int8_t>(integers_.codes), integers_.outputs),
                            "a convolution's weights");
    integers_ = {};
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const int64_t channels = run.site.input_shape(0)[1];
    const CodeDepthwiseArgs args{pointer<uint8_t>(run.inputs[0]), weights_,
                                 conv_geometry(run.site),         end_of(run),
                                 static_cast<int32_t>(channels),  input_.zero};
    const bool words = channels % 4 == 0 && all_aligned_16(args.x, args.weights);
    device().launch(words ? conv_depthwise_codes_v4 : conv_depthwise_codes_v1,
                    thread_each(channels / (words ? 4 : 1) * args.at.places), args);
  }

 private:
  const int8_t* weights_;
};

Refusal supports_gemm(const OpSite& site) {
  if (Refusal refusal = conv_refusal(site); !refusal.empty()) return refusal;
  return integer_conv_refusal(site);
}

Refusal supports_depthwise(const OpSite& site) {
  if (Refusal refusal = depthwise_refusal(site); !refusal.empty()) return refusal;
  return supports_gemm(site);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

extern const Kernel conv_depthwise_codes{"conv_depthwise_codes", "Conv", Isa::scalar, supports_depthwise,
                                         prepare<CodeDepthwise>, true};
extern const Kernel conv_codes{"conv_codes", "Conv", Isa::scalar, supports_gemm, prepare<CodeConvGemm>, true};

}  // namespace halftone::cuda
