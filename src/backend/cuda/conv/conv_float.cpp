#include "backend/cuda/conv/conv_site.h"
#include "backend/cuda/conv/half_picture_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/gemm/many_product.h"
#include "backend/cuda/gemm/pack_weights.h"
#include "backend/cuda/stored_shape.h"
#include "backend/cuda/window_axes.h"
#include "backend/float_site.h"
#include "base/checked.h"
#include "ops/elementwise.h"

namespace halftone::cuda {
namespace {

/// Outputs of a group under which a Tensor Core's tile would be mostly empty.
constexpr int64_t kFewOutputs = 8;

std::vector<float> bias_of(const OpSite& site) {
  std::vector<float> bias(static_cast<size_t>(site.input_shape(1)[0]));
  if (site.has_input(2)) load_floats(site.inputs[2].constant->load().view(), 0, bias);
  return bias;
}

/// Packed weights and the end of the sums, whichever way these are made.
class FloatConv : public CudaKernel {
 public:
  explicit FloatConv(const OpSite& site) : uploads_(device()) {
    end_.bias = uploads_.add(bias_of(site), "a convolution's bias");
    end_.activation = device_activation(fused_activation(site));
  }
  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

 protected:
  FloatEnd end_of(const KernelRun& run) const {
    FloatEnd end = end_;
    end.residual = floats_of(run.site.has_input(3) ? run.inputs[3] : Operand{});
    end.y = floats_of(run.outputs[0]);
    return end;
  }
  Uploads uploads_;
  FloatEnd end_{};
};

class FloatConvGemm final : public FloatConv {
 public:
  explicit FloatConvGemm(const OpSite& site) : FloatConv(site) {
    const Tensor weights = to_f32(site.inputs[1].constant->load());
    std::vector<float> scales;
    const auto pack = site.outputs[0].dtype == DType::bf16 ? pack_bf16 : pack_f16;
    const auto words = pack(conv_columns(conv_extent(site)), weights.span<float>(), scales, weights_);
    weights_.fragments = uploads_.add(words, "a convolution's weights");
    end_.scales = uploads_.add(scales, "a convolution's scales");
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const FloatConvArgs args{run.inputs[0].tensor.data, conv_geometry(run.site), weights_, end_of(run)};
    const DType dtype = run.outputs[0].dtype;
    const int64_t channels = run.site.input_shape(0)[1];
    const int tile = conv_tile(args.at, conv_extent(run.site).groups, device().chip());
    const bool small = tile == kConvSmallTile;
    const auto reads = [&](int64_t n) {
      return args.at.x_channel == 1 && channels % n == 0 && args.at.group_inputs % n == 0 &&
             reinterpret_cast<uintptr_t>(args.x) % (dtype_bytes(dtype) * static_cast<uintptr_t>(n)) == 0;
    };
    const auto kernel = [&]() -> const DeviceKernel<FloatConvArgs>& {
      if (reads(dtype == DType::f32 ? 4 : 8))
        return small ? of_type(dtype, conv_f16_32_v4, conv_of_f16_32_v8, conv_of_bf16_32_v8)
                     : of_type(dtype, conv_f16_64_v4, conv_of_f16_64_v8, conv_of_bf16_64_v8);
      if (reads(2))
        return small ? of_type(dtype, conv_f16_32_v2, conv_of_f16_32_v2, conv_of_bf16_32_v2)
                     : of_type(dtype, conv_f16_64_v2, conv_of_f16_64_v2, conv_of_bf16_64_v2);
      return small ? of_type(dtype, conv_f16_32_v1, conv_of_f16_32_v1, conv_of_bf16_32_v1)
                   : of_type(dtype, conv_f16_64_v1, conv_of_f16_64_v1, conv_of_bf16_64_v1);
    };
    device().launch(kernel(), conv_launch(args.at, conv_extent(run.site).groups, tile), args);
  }

 private:
  ConvWeights weights_{};
};

/// Whether windows of whole blocks of 32 channels are rows of a product of f16 as they lie. Numbers of bf16
/// may be beyond it.
bool has_rows(const OpSite& site) {
  const ConvExtent extent = conv_extent(site);
  return site.outputs[0].dtype != DType::bf16 && extent.groups == 1 &&
         extent.group_inputs % kBlockColumns == 0 && is_channels_last(site.inputs[0].storage) &&
         is_channels_last(site.storage_of_output(0));
}

/// Weights [outputs][inputs][taps] as [outputs][taps][inputs].
Constant inputs_last(const OpSite& site) {
  const ConvColumns c = conv_columns(conv_extent(site));
  const Tensor weights = to_f32(site.inputs[1].constant->load());
  Tensor turned = Tensor::allocate(DType::f32, {c.group_outputs, c.taps * c.group_inputs});
  const auto from = weights.span<float>();
  const auto to = turned.mutable_view().span<float>();
  for (int64_t o = 0; o < c.group_outputs; ++o)
    for (int64_t i = 0; i < c.group_inputs; ++i)
      for (int64_t tap = 0; tap < c.taps; ++tap)
        to[static_cast<size_t>((o * c.taps + tap) * c.group_inputs + i)] =
            from[static_cast<size_t>((o * c.group_inputs + i) * c.taps + tap)];
  return Constant(turned);
}

/// As a Gemm whose rows are windows of X as f16.
class FloatConvRows final : public FloatConv {
 public:
  FloatConvRows(const OpSite& site, ThreadPool& threads) : FloatConv(site) {
    const PackedWeights packed =
        pack_weights(device(), inputs_last(site), true, std::string(site.name), threads, true);
    weights_memory_ = packed.memory;
    weights_ = packed.view;
    bytes_ = packed.bytes;
  }
  size_t packed_bytes() const override { return FloatConv::packed_bytes() + bytes_; }
  size_t workspace_bytes(const OpSite& site) const override {
    return product_at(site) + plan_windows(device(), weights_, conv_geometry(site).places).bytes;
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const ConvGeometry at = conv_geometry(run.site);
    const Shape& x = run.site.input_shape(0);
    auto* halves = reinterpret_cast<uint16_t*>(run.workspace.data());
    std::byte* workspace = run.workspace.data() + product_at(run.site);
    const WindowsPlan plan = plan_windows(device(), weights_, at.places);
    const Floats input = floats_of(run.inputs[0]);
    const bool as_it_is = input.type == FloatType::half && !plan.as_fragments && all_aligned_16(input.data);
    const int64_t rounded = as_it_is ? 0 : x.elements();
    device().launch(half_picture, thread_each(std::max<int64_t>(rounded / 8, 1)),
                    HalfPictureArgs{input, halves, rounded, all_aligned_16(input.data), plan.as_fragments,
                                    reinterpret_cast<int*>(workspace + plan.zeros), plan.zero_count});
    const PictureRows picture{.x = as_it_is ? static_cast<const uint16_t*>(input.data) : halves,
                              .height = at.height,
                              .width = at.width,
                              .channels = at.group_inputs,
                              .out_width = at.out_width,
                              .out_places = at.out_places,
                              .kernel_height = at.taps / at.kernel_width,
                              .kernel_width = at.kernel_width,
                              .stride_h = at.stride_h,
                              .stride_w = at.stride_w,
                              .dilation_h = at.dilation_h,
                              .dilation_w = at.dilation_w,
                              .pad_h = at.pad_h,
                              .pad_w = at.pad_w};
    const FloatEnd end = end_of(run);
    GemmOutput out{};
    out.y = end.y;
    out.c = {end.bias, FloatType::f32};
    out.c_column_step = 1;
    out.alpha = out.beta = 1;
    out.activation = end.activation;
    out.m = at.places;
    out.n = at.group_outputs;
    out.residual = end.residual;
    const auto* exact = input.type == FloatType::f32 ? static_cast<const float*>(input.data) : nullptr;
    multiply_windows(device(), weights_, picture, exact, out, workspace);
  }

 private:
  /// Where the product's workspace begins, behind X as f16. UnsupportedError where a row's place takes more
  /// than 31 bits.
  static size_t product_at(const OpSite& site) {
    const int64_t elements = site.input_shape(0).elements();
    if (elements > (int64_t{1} << 31) - 1)
      throw UnsupportedError("{}: {} elements are too many at once", site.name, elements);
    return round_up(static_cast<size_t>(elements) * sizeof(uint16_t), size_t{256});
  }

  std::shared_ptr<std::byte> weights_memory_;
  WeightsView weights_;
  size_t bytes_ = 0;
};

class FloatDepthwise final : public FloatConv {
 public:
  explicit FloatDepthwise(const OpSite& site) : FloatConv(site) {
    const Tensor weights = to_f32(site.inputs[1].constant->load());
    const int64_t outputs = weights.shape()[0];
    weights_ = uploads_.add(taps_first(weights.span<float>(), outputs), "a convolution's weights");
    end_.scales = uploads_.add(std::vector<float>(static_cast<size_t>(outputs), 1.0f), "scales");
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const int64_t channels = run.site.input_shape(0)[1];
    const FloatDepthwiseArgs args{run.inputs[0].tensor.data, weights_, conv_geometry(run.site), end_of(run),
                                  static_cast<int32_t>(channels)};
    const DType dtype = run.outputs[0].dtype;
    const bool aligned = all_aligned_16(args.x, args.weights);
    const int64_t n = aligned && channels % 4 == 0                          ? 4
                      : aligned && channels % 2 == 0 && dtype == DType::f32 ? 2
                                                                            : 1;
    device().launch(
        n == 2   ? conv_depthwise_v2
        : n == 4 ? of_type(dtype, conv_depthwise_v4, conv_depthwise_of_f16_v4, conv_depthwise_of_bf16_v4)
                 : of_type(dtype, conv_depthwise_v1, conv_depthwise_of_f16_v1, conv_depthwise_of_bf16_v1),
        thread_each(channels / n * args.at.places), args);
  }

 private:
  const float* weights_;
};

class PlainConv final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    const ConvExtent extent = conv_extent(run.site);
    PlainConvArgs args{};
    args.count = y.elements();
    if (args.count == 0) return;
    args.x = pointer<float>(run.inputs[0]);
    args.weights = pointer<float>(run.inputs[1]);
    args.bias = run.site.has_input(2) ? pointer<float>(run.inputs[2]) : nullptr;
    args.residual = run.site.has_input(3) ? pointer<float>(run.inputs[3]) : nullptr;
    args.y = pointer<float>(run.outputs[0]);
    args.activation = device_activation(fused_activation(run.site));
    args.outputs = static_cast<int32_t>(y[1]);
    args.group_inputs = static_cast<int32_t>(extent.group_inputs);
    args.group_outputs = static_cast<int32_t>(extent.group_outputs);
    set_axes(args, extent.window, x, y);
    const bool last = is_channels_last(run.site.inputs[0].storage);
    const bool y_last = is_channels_last(run.site.storage_of_output(0));
    const int64_t places = y.elements() / y[0] / y[1];
    args.x_step[2] = last ? x[1] : 1;
    for (int a = 1; a >= 0; --a) args.x_step[a] = args.x_step[a + 1] * args.size[a + 1];
    args.x_channel = last ? 1 : args.x_step[0] * args.size[0];
    args.x_picture = x.elements() / x[0];
    args.y_picture = places * y[1];
    args.y_channel = y_last ? 1 : places;
    args.y_place = y_last ? y[1] : 1;
    device().launch(conv_plain_kernel, thread_each(args.count), args);
  }
};

Refusal supports_gemm(const OpSite& site) {
  if (Refusal refusal = conv_refusal(site); !refusal.empty()) return refusal;
  if (Refusal refusal = float_conv_refusal(site); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.groups > 1 && extent.group_outputs < kFewOutputs)
    return fmt::format("{} outputs a group", extent.group_outputs);
  return {};
}

Refusal supports_depthwise(const OpSite& site) {
  if (Refusal refusal = conv_refusal(site); !refusal.empty()) return refusal;
  if (Refusal refusal = depthwise_refusal(site); !refusal.empty()) return refusal;
  return float_conv_refusal(site);
}

Refusal supports_plain(const OpSite& site) {
  if (site.input_shape(0).rank() > 5) return fmt::format("{} spatial axes", site.input_shape(0).rank() - 2);
  if (site.has_input(3) && site.inputs[3].storage.order != site.storage_of_output(0).order)
    return "R and Y lie in different orders";
  if (Refusal refusal = not_all_f32(site, 4); !refusal.empty()) return refusal;
  return float_conv_refusal(site);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}
std::unique_ptr<PreparedKernel> prepare_gemm(const OpSite& site, ThreadPool& threads) {
  if (has_rows(site)) return std::make_unique<FloatConvRows>(site, threads);
  return std::make_unique<FloatConvGemm>(site);
}
std::unique_ptr<PreparedKernel> prepare_plain(const OpSite&, ThreadPool&) {
  return std::make_unique<PlainConv>();
}

}  // namespace

extern const Kernel conv_depthwise{"conv_depthwise",        "Conv", Isa::scalar, supports_depthwise,
                                   prepare<FloatDepthwise>, true};
extern const Kernel conv_f16{"conv_f16", "Conv", Isa::scalar, supports_gemm, prepare_gemm, true};
extern const Kernel conv_plain{"conv_plain", "Conv", Isa::scalar, supports_plain, prepare_plain, true};

}  // namespace halftone::cuda
