#include <algorithm>

#include "backend/cpu/float_site.h"
#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/softmax/softmax_loops.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  return not_all_f32(site, 1);
}

class SoftmaxKernel : public PreparedKernel {
 public:
  SoftmaxKernel(const OpSite& site, const SoftmaxLoops& loops)
      : loops_(loops), logarithm_(site.schema->name == "LogSoftmax") {}

  void run(const KernelRun& run) const override {
    const Shape& shape = run.outputs[0].shape;
    if (shape.elements() == 0) return;
    const AxisView view = axis_view(shape, axis_attribute(run.site, "axis", -1, shape.rank()), 1);
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    if (view.inner == 1)
      run.threads.parallel_for(view.outer, row_grain(view.size), [&](int64_t begin, int64_t end) {
        const auto rows = logarithm_ ? loops_.log_rows : loops_.rows;
        rows(x + begin * view.size, y + begin * view.size, end - begin, view.size);
      });
    else
      run_columns(run.threads, view, x, y);
  }

 private:
  /// Neighbours belong to different lines; groups of them are work for a thread.
  void run_columns(ThreadPool& threads, const AxisView& view, const float* x, float* y) const {
    constexpr int64_t kMost = 128;
    const auto inner = static_cast<int64_t>(view.inner);
    const int64_t groups = (inner + kMost - 1) / kMost;
    threads.parallel_for(
        view.outer * groups, row_grain(view.size * std::min(inner, kMost)), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t column = i % groups * kMost;
            const int64_t at = i / groups * view.size * inner + column;
            loops_.columns(logarithm_, x + at, y + at, view.size, inner, std::min(kMost, inner - column));
          }
        });
  }

  const SoftmaxLoops& loops_;
  bool logarithm_;
};

template <const SoftmaxLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<SoftmaxKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_SOFTMAX_KERNELS(isa)                                                          \
  extern const Kernel log_softmax_##isa{"log_softmax_" #isa, "LogSoftmax", Isa::isa, supports, \
                                        prepare<softmax_##isa##_loops>};                       \
  extern const Kernel softmax_##isa{"softmax_" #isa, "Softmax", Isa::isa, supports,            \
                                    prepare<softmax_##isa##_loops>};

#if defined(__x86_64__)
HALFTONE_SOFTMAX_KERNELS(avx512vnni)
HALFTONE_SOFTMAX_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_SOFTMAX_KERNELS(neon)
#endif

}  // namespace halftone::cpu
