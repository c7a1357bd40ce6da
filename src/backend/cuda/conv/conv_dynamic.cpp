#include "ops/conv/conv_dynamic.h"

#include "backend/cuda/conv/code_conv.h"
#include "backend/cuda/conv/picture_codes_kernels.h"
#include "base/checked.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cuda {
namespace {

constexpr int32_t kPart = 4096;  ///< elements of a picture that a block rounds
constexpr const DeviceKernel<DynamicConvArgs>* kKernels[6] = {&conv_dynamic_64_v16, &conv_dynamic_64_v4,
                                                              &conv_dynamic_64_v1,  &conv_dynamic_32_v16,
                                                              &conv_dynamic_32_v4,  &conv_dynamic_32_v1};

/// A Conv that rounds each picture to int8 as it comes.
class DynamicConv final : public CudaKernel {
 public:
  explicit DynamicConv(const OpSite& site) : uploads_(device()) {
    const IntegerWeights integers =
        dynamic_conv_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)));
    const auto words = pack_s8(conv_columns(conv_extent(site)), integers.codes, weights_);
    weights_.fragments = uploads_.add(words, fmt::format("the weights of {}", site.name));
    std::vector<int32_t> offsets;
    for (int32_t sum : integers.sums) offsets.push_back(-128 * sum);
    end_.offsets = uploads_.add(offsets, fmt::format("sums of the weights of {}", site.name));
    end_.units = uploads_.add(std::vector<float>(integers.units.begin(), integers.units.end()),
                              fmt::format("scales of the weights of {}", site.name));
    end_.bias = uploads_.add(constant_bias(site), fmt::format("the bias of {}", site.name));
    end_.activation = device_activation(fused_activation(site));
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return uploads_.bytes(); }
  size_t workspace_bytes(const OpSite& site) const override { return layout(site.input_shape(0)).bytes; }

  void run(const KernelRun& run) const override {
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    if (y.elements() == 0) return;
    const auto pictures = static_cast<int>(x[0]);
    const Layout at = layout(x);
    std::byte* memory = run.workspace.data();
    PictureCodesArgs rounding{.x = pointer<float>(run.inputs[0]),
                              .codes = reinterpret_cast<uint8_t*>(memory),
                              .scales = reinterpret_cast<float*>(memory + at.scales),
                              .largest = reinterpret_cast<int32_t*>(memory + at.largest),
                              .elements = x.elements() / x[0],
                              .part = kPart,
                              .parts = at.parts};
    const Launch launch{{at.parts, pictures}, kPictureThreads, kPictureShared};
    device().launch(picture_magnitudes, launch, rounding);
    device().launch(picture_codes, launch, rounding);

    DynamicConvArgs args{rounding.codes, conv_geometry(run.site), weights_, end_, 128 * 0x01010101u};
    args.end.scales = rounding.scales;
    args.end.residual = run.site.has_input(3) ? pointer<float>(run.inputs[3]) : nullptr;
    args.end.picture = args.at.y_picture;
    args.end.y = pointer<float>(run.outputs[0]);
    launch_code_conv(device(), args, conv_extent(run.site).groups, x[1], kKernels);
  }

 private:
  struct Layout {
    int32_t parts;
    size_t scales, largest, bytes;
  };
  static Layout layout(const Shape& x) {
    const int64_t pictures = std::max<int64_t>(1, x[0]), elements = x.elements() / pictures;
    Layout at{};
    at.parts = static_cast<int32_t>(std::max<int64_t>(1, ceil_div(elements, int64_t{kPart})));
    at.scales = round_up(static_cast<size_t>(x.elements()), size_t{256});
    at.largest = at.scales + round_up(static_cast<size_t>(pictures) * sizeof(float), size_t{256});
    at.bytes = at.largest + static_cast<size_t>(pictures) * static_cast<size_t>(at.parts) * sizeof(int32_t);
    return at;
  }

  Uploads uploads_;
  ConvWeights weights_{};
  DynamicEnd end_{};
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = dynamic_conv_refusal(site); !refusal.empty()) return refusal;
  for (size_t i : {size_t{0}, size_t{3}})
    if (site.has_input(i) && (site.inputs[i].storage.codes || site.inputs[i].type.dtype != DType::f32))
      return fmt::format("{} is not f32", site.schema->inputs[i].name);
  if (site.storage_of_output(0).codes || site.outputs[0].dtype != DType::f32) return "Y is not f32";
  if (site.has_input(kConvGains)) return "it has gains";
  return conv_refusal(site);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<DynamicConv>(site);
}

}  // namespace

extern const Kernel conv_dynamic{"conv_dynamic", "Conv", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
