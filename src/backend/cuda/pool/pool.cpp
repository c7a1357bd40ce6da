#include "ops/pool.h"

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/pool/pool_kernels.h"
#include "backend/cuda/stored_shape.h"
#include "backend/cuda/window_axes.h"
#include "ops/pool_integer.h"

namespace halftone::cuda {
namespace {

bool is_global(const OpSite& site) {
  return site.schema->name.starts_with("Global");
}

/// Everything but the codes.
PoolArgs pool_args(const KernelRun& run) {
  const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
  const Window window = is_global(run.site) ? whole_window(x) : pool_window(run.site);
  PoolArgs args{};
  args.x = run.inputs[0].tensor.data;
  args.y = run.outputs[0].data;
  args.count = y.elements();
  args.channels = static_cast<int32_t>(x[1]);
  args.count_padding = run.site.attributes->get_int("count_include_pad", 0) != 0;
  set_axes(args, window, x, y);
  int64_t size = 1, out = 1;
  for (int a = 0; a < 3; ++a) {
    const int axis = a - (3 - window.rank);
    args.pad_end[a] = axis < 0 ? 0 : static_cast<int32_t>(window[axis].pad_end);
    size *= args.size[a];
    out *= args.out[a];
  }
  args.channels_last = is_channels_last(run.site.inputs[0].storage);
  const bool y_last = is_channels_last(run.site.storage_of_output(0));
  args.x_picture = x[1] * size;
  args.x_channel = args.channels_last ? 1 : size;
  args.x_place = args.channels_last ? x[1] : 1;
  args.y_picture = x[1] * out;
  args.y_channel = y_last ? 1 : out;
  args.y_place = y_last ? x[1] : 1;
  return args;
}

Launch global_launch(const PoolArgs& args, int64_t pictures) {
  const int columns = args.channels_last ? (args.channels + kWarp - 1) / kWarp : args.channels;
  return {{columns, static_cast<int>(pictures)}, kGlobalAverageThreads, kGlobalAverageShared};
}

class MaxPool final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const PoolArgs args = pool_args(run);
    if (args.count == 0) return;
    const DType dtype = run.outputs[0].dtype;
    const bool codes = dtype == DType::u8;
    if (is_global(run.site))
      device().launch(codes ? global_max_u8 : of_type(dtype, global_max_f32, global_max_f16, global_max_bf16),
                      global_launch(args, run.site.input_shape(0)[0]), args);
    else
      device().launch(codes ? max_pool_u8 : of_type(dtype, max_pool_f32, max_pool_f16, max_pool_bf16),
                      thread_each(args.count), args);
  }
};

class AveragePool final : public CudaKernel {
 public:
  explicit AveragePool(const OpSite& site) : uploads_(device()) {
    if (!site.inputs[0].storage.codes) return;
    codes_ = device_codes(*site.inputs[0].storage.codes);
    requantizer_ = upload_requantizer(Requantizer(site, {code_average(site).unit}), uploads_);
  }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    PoolArgs args = pool_args(run);
    if (args.count == 0) return;
    args.codes = codes_;
    args.requantizer = requantizer_;
    const DType dtype = run.outputs[0].dtype;
    const bool codes = dtype == DType::u8;
    if (is_global(run.site))
      device().launch(codes ? global_average_u8
                            : of_type(dtype, global_average_f32, global_average_f16, global_average_bf16),
                      global_launch(args, run.site.input_shape(0)[0]), args);
    else
      device().launch(
          codes ? average_pool_u8 : of_type(dtype, average_pool_f32, average_pool_f16, average_pool_bf16),
          thread_each(args.count), args);
  }

 private:
  Uploads uploads_;
  DeviceCodes codes_{};
  DeviceRequantizer requantizer_{};
};

Refusal common_refusal(const OpSite& site) {
  if (site.input_shape(0).rank() > 5) return fmt::format("{} spatial axes", site.input_shape(0).rank() - 2);
  return not_one_float(site, 1);
}

Refusal supports_max(const OpSite& site) {
  if (site.outputs.size() > 1) return "Indices are asked for";
  if (site.inputs[0].storage.codes != site.storage_of_output(0).codes) return "the scale changes";
  return common_refusal(site);
}

Refusal supports_average(const OpSite& site) {
  if (Refusal refusal = common_refusal(site); !refusal.empty()) return refusal;
  if (!site.inputs[0].storage.codes && !site.storage_of_output(0).codes) return {};
  if (!site.input_shape(0).is_concrete()) return "symbolic sizes";
  return average_on_codes.refusal(site);
}

std::unique_ptr<PreparedKernel> prepare_max(const OpSite&, ThreadPool&) {
  return std::make_unique<MaxPool>();
}
std::unique_ptr<PreparedKernel> prepare_average(const OpSite& site, ThreadPool&) {
  return std::make_unique<AveragePool>(site);
}

}  // namespace

extern const Kernel max_pool{"max_pool", "MaxPool", Isa::scalar, supports_max, prepare_max, true};
extern const Kernel global_max_pool{"global_max_pool", "GlobalMaxPool", Isa::scalar,
                                    supports_max,      prepare_max,     true};
extern const Kernel average_pool{"average_pool",   "AveragePool",   Isa::scalar,
                                 supports_average, prepare_average, true};
extern const Kernel global_average_pool{"global_average_pool", "GlobalAveragePool", Isa::scalar,
                                        supports_average,      prepare_average,     true};

}  // namespace halftone::cuda
