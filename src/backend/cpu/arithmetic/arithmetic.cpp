#include <functional>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// How the second operand lies over the first, whose shape is the output's.
enum class Layout { same, row, scalar, other };

Layout layout_of(const OpSite& site) {
  const Shape& a = site.input_shape(0);
  const Shape& b = site.input_shape(1);
  if (site.outputs[0].shape != a) return Layout::other;
  if (a == b) return Layout::same;
  bool ones = true;
  for (int axis = 0; axis < b.rank(); ++axis) ones &= b[axis] == 1;
  if (ones) return Layout::scalar;
  for (int axis = 0; axis + 1 < b.rank(); ++axis)
    if (b[axis] != 1) return Layout::other;
  return b.back() == a.back() ? Layout::row : Layout::other;
}

Refusal supports(const OpSite& site) {
  if (layout_of(site) == Layout::other)
    return fmt::format("{} does not lie over {} whole, by rows or as a scalar", site.input_shape(1).str(),
                       site.input_shape(0).str());
  return not_all_f32(site, 2);
}

template <class F>
class Arithmetic : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const float* a = run.inputs[0].span<float>().data();
    const float* b = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const F f;
    const Layout layout = layout_of(run.site);
    if (layout == Layout::row) {
      const int64_t width = run.outputs[0].shape.back();
      run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          for (int64_t i = 0; i < width; ++i) y[row * width + i] = f(a[row * width + i], b[i]);
      });
      return;
    }
    parallel_floats(run.threads, elements, [&](int64_t begin, int64_t end) {
      if (layout == Layout::same) {
        for (int64_t i = begin; i < end; ++i) y[i] = f(a[i], b[i]);
      } else {
        const float scalar = b[0];
        for (int64_t i = begin; i < end; ++i) y[i] = f(a[i], scalar);
      }
    });
  }
};

template <class F>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<Arithmetic<F>>();
}

}  // namespace

extern const Kernel add{"add", "Add", Isa::scalar, supports, prepare<std::plus<float>>};
extern const Kernel sub{"sub", "Sub", Isa::scalar, supports, prepare<std::minus<float>>};
extern const Kernel mul{"mul", "Mul", Isa::scalar, supports, prepare<std::multiplies<float>>};
extern const Kernel div{"div", "Div", Isa::scalar, supports, prepare<std::divides<float>>};

}  // namespace halftone::cpu
