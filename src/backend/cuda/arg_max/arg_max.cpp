#include "backend/cuda/arg_max/arg_max.h"

#include <algorithm>

#include "backend/cuda/arg_max/arg_max_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/float_site.h"
#include "ops/movement.h"

namespace halftone::cuda {
namespace {

constexpr int kThreads = 256;

/// A row is cut where it is long: one multiprocessor would take long to read a vocabulary.
int parts_of(int64_t width) {
  return static_cast<int>(std::clamp<int64_t>(width / 4096, 1, 64));
}

class ArgMax : public CudaKernel {
 public:
  explicit ArgMax(const OpSite& site) : last_(site.attributes->get_int("select_last_index", 0) != 0) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const Shape& x = site.input_shape(0);
    return arg_max_workspace(x.elements() / x.back(), x.back());
  }
  void run(const KernelRun& run) const override {
    const Shape& x = run.site.input_shape(0);
    launch_arg_max(device(), pointer<float>(run.inputs[0]), x.elements() / x.back(), x.back(), last_,
                   pointer<int64_t>(run.outputs[0]), run.workspace);
  }

 private:
  bool last_;
};

Refusal supports(const OpSite& site) {
  const SiteInput& x = site.inputs[0];
  const int rank = x.type.shape.rank();
  if (rank == 0 || axis_attribute(site, "axis", 0, rank) != rank - 1) return "the axis is not the last";
  if (x.encoding) return "data is encoded";
  if (x.type.dtype != DType::f32) return fmt::format("data is {}", dtype_name(x.type.dtype));
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ArgMax>(site);
}

}  // namespace

size_t arg_max_workspace(int64_t rows, int64_t width) {
  const int parts = parts_of(width);
  return parts == 1 ? 0 : static_cast<size_t>(rows * parts) * (sizeof(int64_t) + sizeof(float));
}

void launch_arg_max(Device& device, const float* x, int64_t rows, int64_t width, bool last, int64_t* places,
                    std::span<std::byte> workspace) {
  if (rows == 0) return;
  const int parts = parts_of(width), blocks = static_cast<int>(rows);
  if (parts == 1) {
    device.launch(arg_max_kernel, {{blocks}, kThreads, kArgMaxShared},
                  {x, nullptr, width, places, nullptr, last});
    return;
  }
  auto* part_places = reinterpret_cast<int64_t*>(workspace.data());
  auto* part_values = reinterpret_cast<float*>(part_places + rows * parts);
  device.launch(arg_max_kernel, {{blocks, parts}, kThreads, kArgMaxShared},
                {x, nullptr, width, part_places, part_values, last});
  device.launch(arg_max_kernel, {{blocks}, kThreads, kArgMaxShared},
                {part_values, part_places, parts, places, nullptr, last});
}

extern const Kernel arg_max{"arg_max", "ArgMax", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
