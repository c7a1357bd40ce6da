#include "ops/conv_transpose/conv_transpose.h"

#include "backend/constant_floats.h"
#include "backend/cuda/codes/upload.h"
#include "backend/cuda/conv_transpose/conv_transpose_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/stored_shape.h"
#include "backend/cuda/window_axes.h"
#include "backend/float_site.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

class ConvTranspose final : public CudaKernel {
 public:
  explicit ConvTranspose(const OpSite& site) : uploads_(device()) {
    w_ = uploads_.add(pack(site), "weights");
  }
  bool keeps(size_t i) const override { return i == 1; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const ConvTransposeExtent extent = conv_transpose_extent(run.site);
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    ConvTransposeArgs args{};
    args.x = run.inputs[0].tensor.data;
    args.w = w_;
    args.bias = run.site.has_input(2) ? run.inputs[2].tensor.data : nullptr;
    args.y = run.outputs[0].data;
    set_axes(args, extent.window, x, y);
    const int64_t inputs = int64_t{args.size[0]} * args.size[1] * args.size[2];
    const int64_t places = int64_t{args.out[0]} * args.out[1] * args.out[2];
    args.groups = static_cast<int32_t>(extent.groups);
    args.group_inputs = static_cast<int32_t>(extent.group_inputs);
    args.group_outputs = static_cast<int32_t>(extent.group_outputs);
    const bool last = is_channels_last(run.site.storage_of_output(0));
    args.x_place = last ? extent.groups * extent.group_inputs : 1;
    args.x_channel = last ? 1 : inputs;
    args.y_place = last ? extent.groups * extent.group_outputs : 1;
    args.y_channel = last ? 1 : places;
    Launch shape = thread_each(places);
    shape.blocks.y = static_cast<int>(extent.groups * fours_of(extent.group_outputs));
    shape.blocks.z = static_cast<int>(x[0]);
    device().launch(
        of_type(run.outputs[0].dtype, conv_transpose_f32, conv_transpose_f16, conv_transpose_bf16), shape,
        args);
  }

 private:
  static int64_t fours_of(int64_t outputs) { return (outputs + kTransposeOutputs - 1) / kTransposeOutputs; }

  /// [C, M / group, taps] by fours of outputs of a group.
  static std::vector<float> pack(const OpSite& site) {
    const ConvTransposeExtent extent = conv_transpose_extent(site);
    const Tensor weights = constant_floats(site, 1);
    const auto from = weights.span<float>();
    const int64_t taps = extent.window.taps(), fours = fours_of(extent.group_outputs);
    std::vector<float> packed(
        static_cast<size_t>(extent.groups * fours * taps * extent.group_inputs * kTransposeOutputs));
    for (int64_t c = 0; c < extent.groups * extent.group_inputs; ++c)
      for (int64_t m = 0; m < extent.group_outputs; ++m)
        for (int64_t tap = 0; tap < taps; ++tap) {
          const int64_t block = c / extent.group_inputs * fours + m / kTransposeOutputs;
          const int64_t row = (block * taps + tap) * extent.group_inputs + c % extent.group_inputs;
          packed[static_cast<size_t>(row * kTransposeOutputs + m % kTransposeOutputs)] =
              from[static_cast<size_t>((c * extent.group_outputs + m) * taps + tap)];
        }
    return packed;
  }

  Uploads uploads_;
  const float* w_;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  for (size_t i : {size_t{0}, size_t{2}}) {
    if (!site.has_input(i)) continue;
    const SiteInput& input = site.inputs[i];
    if (input.encoding)
      return fmt::format("{} is encoded as {}", site.schema->inputs[i].name, input.encoding->str());
    if (!is_f32_or_short(input.type.dtype) || input.type.dtype != site.outputs[0].dtype)
      return fmt::format("{} is {}", site.schema->inputs[i].name, dtype_name(input.type.dtype));
  }
  if (!site.inputs[1].constant) return "W is computed";
  if (site.input_shape(0).rank() > 5) return fmt::format("{} spatial axes", site.input_shape(0).rank() - 2);
  const ConvTransposeExtent extent = conv_transpose_extent(site);
  if (extent.groups * ((extent.group_outputs + kTransposeOutputs - 1) / kTransposeOutputs) > 65535)
    return fmt::format("{} outputs", extent.groups * extent.group_outputs);
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ConvTranspose>(site);
}

}  // namespace

extern const Kernel conv_transpose{"conv_transpose", "ConvTranspose", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
