#include "ops/top_k/top_k.h"

#include <algorithm>
#include <bit>

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/top_k/top_k_kernels.h"
#include "base/checked.h"
#include "core/short_floats.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

/// How one TopK is cut.
struct Cut {
  int64_t lines, length, step;
  int64_t k;
  int list;
  int parts;  ///< of a line: one multiprocessor would take long over a long one
};

/// Short lines are one list, so that they are sorted once.
Cut cut_of(const OpSite& site) {
  const Shape& x = site.input_shape(0);
  const int axis = axis_attribute(site, "axis", -1, x.rank());
  Cut cut{1, x[axis], row_major_strides(x)[static_cast<size_t>(axis)], site.outputs[0].shape[axis], 0, 1};
  if (cut.length > 0) cut.lines = x.elements() / cut.length;
  const int64_t wanted = std::max({cut.k, std::min<int64_t>(cut.length, 256), int64_t{kWarp}});
  cut.list = static_cast<int>(std::bit_ceil(static_cast<uint64_t>(wanted)));
  cut.parts = static_cast<int>(std::clamp<int64_t>(cut.length / (8 * cut.list), 1, 64));
  return cut;
}

class TopK final : public CudaKernel {
 public:
  explicit TopK(const OpSite& site) : largest_(site.attributes->get_int("largest", 1) != 0) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const Cut cut = cut_of(site);
    if (cut.parts == 1) return 0;
    const auto count = static_cast<size_t>(cut.lines * cut.parts * cut.k);
    return places_at(count, dtype_bytes(site.outputs[0].dtype)) + count * sizeof(int32_t);
  }

  void run(const KernelRun& run) const override {
    switch (run.outputs[0].dtype) {
      case DType::i32:
        return launch(top_k_i32, run);
      case DType::i64:
        return launch(top_k_i64, run);
      case DType::f16:
        return launch(top_k_f16, run);
      case DType::bf16:
        return launch(top_k_bf16, run);
      default:
        return launch(top_k_f32, run);
    }
  }

 private:
  /// Where places of `count` elements begin in the workspace, behind these.
  static size_t places_at(size_t count, size_t bytes) { return round_up(count * bytes, sizeof(int32_t)); }

  template <class T>
  void launch(const DeviceKernel<TopKArgs<T>>& kernel, const KernelRun& run) const {
    if (run.outputs[0].shape.elements() == 0) return;
    const Cut cut = cut_of(run.site);
    const auto k = static_cast<int32_t>(cut.k);
    const auto shape = [&](int parts) {
      return Launch{{static_cast<int>(cut.lines), parts},
                    std::clamp(cut.list / 2, kWarp, kTopKThreads),
                    top_k_shared<T>(cut.list)};
    };
    const auto* x = pointer<T>(run.inputs[0]);
    auto* values = pointer<T>(run.outputs[0]);
    auto* places = pointer<int64_t>(run.outputs[1]);
    TopKArgs<T> args{x,        nullptr,  values, places,   nullptr, cut.length,
                     cut.step, cut.step, k,      cut.list, largest_};
    if (cut.parts > 1) {
      args.values = reinterpret_cast<T*>(run.workspace.data());
      args.places = reinterpret_cast<int32_t*>(
          run.workspace.data() + places_at(static_cast<size_t>(cut.lines * cut.parts * cut.k), sizeof(T)));
      args.long_places = nullptr;
      device().launch(kernel, shape(cut.parts), args);
      args = {args.values, args.places, values, places,   nullptr, cut.parts * cut.k,
              1,           cut.step,    k,      cut.list, largest_};
    }
    device().launch(kernel, shape(1), args);
  }

  bool largest_;
};

Refusal supports(const OpSite& site) {
  const SiteInput& x = site.inputs[0];
  if (x.encoding) return "X is encoded as " + x.encoding->str();
  const DType dtype = x.type.dtype;
  if (!is_f32_or_short(dtype) && dtype != DType::i32 && dtype != DType::i64)
    return fmt::format("X is {}", dtype_name(dtype));
  const int axis = axis_attribute(site, "axis", -1, x.type.shape.rank());
  const int64_t k = site.outputs[0].shape[axis];
  if (k < 0) return "K is not known ahead";
  if (k > kLongestList) return fmt::format("{} are asked for, more than {}", k, kLongestList);
  if (x.type.shape[axis] > INT32_MAX) return "2^31 elements or more";
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<TopK>(site);
}

}  // namespace

extern const Kernel top_k{"top_k", "TopK", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
