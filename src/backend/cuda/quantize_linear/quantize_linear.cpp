#include "ops/quantize_linear/quantize_linear.h"

#include <algorithm>
#include <optional>

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/quantize_linear/quantize_linear_kernels.h"

namespace halftone::cuda {
namespace {

std::optional<Code> code_of(DType dtype) {
  constexpr std::pair<DType, Code> kTaken[] = {{DType::u8, Code::u8},
                                               {DType::i8, Code::i8},
                                               {DType::u16, Code::u16},
                                               {DType::i16, Code::i16},
                                               {DType::i32, Code::i32}};
  for (const auto& [taken, code] : kTaken)
    if (taken == dtype) return code;
  return std::nullopt;
}

ScaleSpread spread_of(const KernelRun& run) {
  const ScalePlaces places = scale_places(run.site);
  const void* zeros = run.site.has_input(2) ? pointer<void>(run.inputs[2]) : nullptr;
  return {pointer<float>(run.inputs[1]), zeros, places.inner, places.size, places.block, places.single};
}

class Quantize final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    device().launch(quantize_kernel, thread_each(count),
                    {pointer<float>(run.inputs[0]), run.outputs[0].data, spread_of(run), count,
                     *code_of(run.outputs[0].dtype)});
  }
};

class Dequantize final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    device().launch(dequantize_kernel, thread_each(count),
                    {pointer<void>(run.inputs[0]), pointer<float>(run.outputs[0]), spread_of(run), count,
                     *code_of(run.site.inputs[0].type.dtype)});
  }
};

class DynamicQuantize final : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(parts_of(site.input_shape(0).elements())) * sizeof(Vec2);
  }

  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    const RangeArgs range{pointer<float>(run.inputs[0]),
                          reinterpret_cast<Vec2*>(run.workspace.data()),
                          pointer<float>(run.outputs[1]),
                          pointer<uint8_t>(run.outputs[2]),
                          count,
                          parts_of(count)};
    device().launch(range_of_parts, {{range.parts}, kRangeThreads, kRangeShared}, range);
    device().launch(range_joined, {{1}, kRangeThreads, kRangeShared}, range);
    if (count == 0) return;
    device().launch(
        quantize_kernel, thread_each(count),
        {range.x, run.outputs[0].data, {range.scale, range.zero, 1, 1, 0, true}, count, Code::u8});
  }

 private:
  static int32_t parts_of(int64_t count) {
    return static_cast<int32_t>(std::clamp<int64_t>(count / 4096, 1, 256));
  }
};

Refusal scale_refusal(const OpSite& site) {
  for (const SiteInput& input : site.inputs)
    if (input.encoding) return "an input is encoded as " + input.encoding->str();
  if (site.inputs[1].type.dtype != DType::f32)
    return fmt::format("the scale is {}", dtype_name(site.inputs[1].type.dtype));
  return {};
}
Refusal supports_quantize(const OpSite& site) {
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("x is {}", dtype_name(site.inputs[0].type.dtype));
  return scale_refusal(site);
}
Refusal supports_dequantize(const OpSite& site) {
  if (site.outputs[0].dtype != DType::f32) return fmt::format("y is {}", dtype_name(site.outputs[0].dtype));
  return scale_refusal(site);
}
Refusal supports_dynamic(const OpSite&) {
  return {};
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<K>();
}

}  // namespace

extern const Kernel quantize_linear{"quantize_linear", "QuantizeLinear", Isa::scalar, supports_quantize,
                                    prepare<Quantize>};
extern const Kernel dequantize_linear{"dequantize_linear", "DequantizeLinear", Isa::scalar,
                                      supports_dequantize, prepare<Dequantize>};
extern const Kernel dynamic_quantize_linear{"dynamic_quantize_linear", "DynamicQuantizeLinear", Isa::scalar,
                                            supports_dynamic, prepare<DynamicQuantize>};

}  // namespace halftone::cuda
