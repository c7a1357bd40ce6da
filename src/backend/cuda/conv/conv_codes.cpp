#include "backend/cuda/conv/conv_site.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cuda {
namespace {

/// Integer weights and the end of their sums, of plain codes (`plain`) or of codes less their zero.
class CodeConv : public CudaKernel {
 public:
  CodeConv(const OpSite& site, bool plain)
      : uploads_(device()),
        input_(*site.inputs[0].storage.codes),
        integers_(integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)), 0,
                                  constant_bias(site))) {
    if (site.has_input(3)) {
      const CodeScale added = *site.inputs[3].storage.codes;
      const IntegerResidual residual = integer_residual(integers_, added);
      end_.factors = uploads_.add(residual.factors, "a residual's factors");
      end_.shift = residual.shift;
      end_.residual_zero = added.zero;
    }
    std::vector<int32_t> bias;
    for (size_t o = 0; o < static_cast<size_t>(integers_.outputs); ++o)
      bias.push_back(plain ? folded_bias(integers_, o, input_) : integers_.bias[o]);
    end_.bias = uploads_.add(bias, "a convolution's bias");
    end_.requantizer = upload_requantizer(Requantizer(site, integers_.units), uploads_);
  }
  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

 protected:
  CodeEnd end_of(const KernelRun& run) const {
    CodeEnd end = end_;
    end.residual = run.site.has_input(3) ? pointer<uint8_t>(run.inputs[3]) : nullptr;
    if (run.outputs[0].dtype == DType::u8)
      end.y_codes = pointer<uint8_t>(run.outputs[0]);
    else
      end.y_floats = pointer<float>(run.outputs[0]);
    return end;
  }
  Uploads uploads_;
  CodeScale input_;
  IntegerWeights integers_;
  CodeEnd end_{};
};

class CodeConvGemm final : public CodeConv {
 public:
  explicit CodeConvGemm(const OpSite& site) : CodeConv(site, true) {
    const auto words = pack_s8(ConvColumns(conv_extent(site)), integers_.codes, weights_);
    weights_.fragments = uploads_.add(words, "a convolution's weights");
    integers_ = {};
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const CodeConvArgs args{pointer<uint8_t>(run.inputs[0]), conv_geometry(run.site), weights_, end_of(run),
                            input_.zero * 0x01010101u};
    const int64_t channels = run.site.input_shape(0)[1], groups = conv_extent(run.site).groups;
    const int tile = conv_tile(args.at, groups, device().chip());
    const bool small = tile == kConvSmallTile;
    const auto reads = [&](int64_t n) {
      return args.at.x_channel == 1 && channels % n == 0 && args.at.group_inputs % n == 0 &&
             reinterpret_cast<uintptr_t>(args.x) % static_cast<uintptr_t>(n) == 0;
    };
    const DeviceKernel<CodeConvArgs>& kernel = reads(16)  ? small ? conv_s8_32_v16 : conv_s8_64_v16
                                               : reads(4) ? small ? conv_s8_32_v4 : conv_s8_64_v4
                                               : small    ? conv_s8_32_v1
                                                          : conv_s8_64_v1;
    device().launch(kernel, conv_launch(args.at, groups, tile), args);
  }

 private:
  ConvWeights weights_{};
};

class CodeDepthwise final : public CodeConv {
 public:
  explicit CodeDepthwise(const OpSite& site) : CodeConv(site, false) {
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
