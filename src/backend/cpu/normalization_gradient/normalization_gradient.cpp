#include "ops/normalization_gradient/normalization_gradient.h"

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  const int64_t axis = site.attributes->get_int("axis", -1);
  if (axis != -1 && axis != site.input_shape(0).rank() - 1)
    return fmt::format("axis {} is not the last", axis);
  return not_all_f32(site, 2);
}

/// Rows on all threads, each as the reference has it.
class NormalizationGradient : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.outputs[0].shape.back();
    const float epsilon = run.site.attributes->get_float("epsilon", 1e-5f);
    const bool centered = run.site.attributes->get_int("centered", 0) != 0;
    auto row_of = [&](const auto& span, int64_t row) {
      return span.subspan(static_cast<size_t>(row * width), static_cast<size_t>(width));
    };
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        normalization_gradient_row(row_of(run.inputs[0].span<float>(), row),
                                   row_of(run.inputs[1].span<float>(), row), epsilon, centered,
                                   row_of(run.outputs[0].span<float>(), row));
    });
  }
};

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<NormalizationGradient>();
}

}  // namespace

extern const Kernel normalization_gradient{"normalization_gradient", "NormalizationGradient", Isa::scalar,
                                           supports, prepare};

}  // namespace halftone::cpu
