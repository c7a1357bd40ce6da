#include "ops/non_max_suppression/non_max_suppression.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/non_max_suppression/non_max_suppression_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// The launch cannot depend on what the scores are: the number of rows must be.
Refusal supports(const OpSite& site) {
  if (!site.outputs[0].shape.is_concrete()) return "how many boxes it selects is not known ahead";
  for (size_t i = 0; i < site.inputs.size(); ++i)
    if (site.inputs[i].encoding) return fmt::format("input {} is encoded", i);
  return {};
}

class NonMaxSuppression final : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override { return Parts(site).bytes; }

  void run(const KernelRun& run) const override {
    const Shape& shape = run.site.input_shape(1);
    const int64_t rows = run.outputs[0].shape[0];
    if (rows == 0 || shape.elements() == 0) return;
    const Parts parts(run.site);
    const auto scalar = [&](size_t i) {
      const bool given = run.site.has_input(i) && run.site.input_shape(i).elements() > 0;
      return given ? run.inputs[i].tensor.data : nullptr;
    };
    std::byte* memory = run.workspace.data();
    const SuppressArgs args{pointer<float>(run.inputs[0]),
                            pointer<float>(run.inputs[1]),
                            reinterpret_cast<const int64_t*>(scalar(2)),
                            reinterpret_cast<const float*>(scalar(3)),
                            reinterpret_cast<const float*>(scalar(4)),
                            reinterpret_cast<uint8_t*>(memory + parts.alive),
                            reinterpret_cast<int32_t*>(memory),
                            reinterpret_cast<int32_t*>(memory + parts.counts),
                            static_cast<int32_t>(shape[2]),
                            static_cast<int32_t>(shape[1]),
                            run.site.attributes->get_int("center_point_box", 0) != 0};
    const Index3 grid{static_cast<int>(shape[1]), static_cast<int>(shape[0])};
    device().launch(suppress_kernel, {grid, kSuppressThreads, kSuppressShared}, args);
    device().launch(
        gather_chosen_kernel, {grid, 128, 0},
        {args.chosen, args.counts, pointer<int64_t>(run.outputs[0]), rows, args.count, args.classes});
  }

 private:
  /// Chosen boxes first, then the counts, then who is alive.
  struct Parts {
    size_t counts, alive, bytes;
    explicit Parts(const OpSite& site) {
      const Shape& shape = site.input_shape(1);
      const auto elements = static_cast<size_t>(shape.elements());
      counts = round_up(elements * 4, size_t{16});
      alive = round_up(counts + static_cast<size_t>(shape[0] * shape[1]) * 4, size_t{16});
      bytes = alive + elements;
    }
  };
};

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<NonMaxSuppression>();
}

}  // namespace

extern const Kernel non_max_suppression{"non_max_suppression", "NonMaxSuppression", Isa::scalar, supports,
                                        prepare};

}  // namespace halftone::cuda
