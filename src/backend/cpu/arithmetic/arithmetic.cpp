#include <algorithm>
#include <functional>

#include "backend/cpu/float_site.h"
#include "backend/cpu/movement/stored_shape.h"

namespace halftone::cpu {
namespace {

/// How the smaller operand lies over the larger one, whose shape is the output's: both as bytes lie, the
/// larger is [outer][middle][inner] and the smaller [middle].
struct Overlay {
  bool fits = false;
  bool swapped = false;  ///< the first operand is the smaller
  int64_t middle = 1, inner = 1;
};

/// The axes on which `small` is not 1, when they are neighbours and equal those of `large`.
Overlay lay_over(const Shape& large, const Shape& small) {
  Overlay overlay;
  const int extra = large.rank() - small.rank();
  int first = large.rank(), last = -1;
  for (int axis = 0; axis < small.rank(); ++axis)
    if (small[axis] != 1) {
      first = std::min(first, axis + extra);
      last = axis + extra;
    }
  overlay.fits = extra >= 0;
  for (int axis = first; axis <= last; ++axis) {
    overlay.fits &= small[axis - extra] == large[axis];
    overlay.middle *= large[axis];
  }
  for (int axis = last < 0 ? large.rank() : last + 1; axis < large.rank(); ++axis)
    overlay.inner *= large[axis];
  return overlay;
}

/// A shape with leading ones, as long as the output's, as its bytes lie.
Shape stored(const OpSite& site, size_t input) {
  const Shape& shape = site.input_shape(input);
  Shape wide;
  for (int i = shape.rank(); i < site.outputs[0].shape.rank(); ++i) wide.push_back(1);
  for (int64_t dim : shape) wide.push_back(dim);
  return stored_shape(wide, site.storage_of_output(0));
}

Overlay overlay_of(const OpSite& site) {
  const Shape out = stored_shape(site.outputs[0].shape, site.storage_of_output(0));
  const Shape a = stored(site, 0), b = stored(site, 1);
  if (a == out) return lay_over(out, b);
  Overlay overlay = lay_over(out, a);
  overlay.fits &= b == out;
  overlay.swapped = true;
  return overlay;
}

/// Whether a constant's bytes, which are planar, lie channels-last too.
bool has_one_axis(const Shape& shape) {
  int axes = 0;
  for (int64_t dim : shape) axes += dim != 1;
  return axes <= 1;
}

Refusal supports(const OpSite& site) {
  if (!overlay_of(site).fits)
    return fmt::format("{} and {} do not lie over each other in whole pieces", site.input_shape(0).str(),
                       site.input_shape(1).str());
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  if (site.storage_of_output(0).order == Storage::Order::channels_last)
    for (const SiteInput& input : site.inputs)
      if (input.constant && !has_one_axis(input.type.shape)) return "a constant of several axes is planar";
  return not_all_f32(site, 2);
}

template <class F>
void combine(const F& f, const Overlay& overlay, const float* large, const float* small, float* y,
             int64_t begin, int64_t end) {
  const int64_t middle = overlay.middle, inner = overlay.inner;
  if (inner == 1) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t i = 0; i < middle; ++i) y[row * middle + i] = f(large[row * middle + i], small[i]);
    return;
  }
  for (int64_t row = begin; row < end; ++row) {
    const float value = small[row % middle];
    for (int64_t i = row * inner; i < (row + 1) * inner; ++i) y[i] = f(large[i], value);
  }
}

template <class F>
void combine_same(const F& f, const float* a, const float* b, float* y, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) y[i] = f(a[i], b[i]);
}

/// Whether operands and output are alike and lie in rows of channels.
bool in_rows(const OpSite& site) {
  return site.input_shape(0) == site.outputs[0].shape && site.input_shape(1) == site.outputs[0].shape &&
         site.outputs[0].shape.rank() > 2 && site.storage_of_output(0).order == Storage::Order::channels_last;
}

template <class F>
class Arithmetic : public PreparedKernel {
 public:
  explicit Arithmetic(const OpSite& site) : in_rows_(in_rows(site)) {}

  bool spaces_rows() const override { return in_rows_; }
  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    if (run.row_step > 0) return run_rows(run);
    const float* a = run.inputs[0].span<float>().data();
    const float* b = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const F f;
    const Overlay overlay = overlay_of(run.site);
    if (overlay.middle == elements) {
      parallel_floats(run.threads, elements,
                      [&](int64_t begin, int64_t end) { combine_same(f, a, b, y, begin, end); });
      return;
    }
    // Rows share the smaller operand whole, or have one number of it each.
    const int64_t width = overlay.inner == 1 ? overlay.middle : overlay.inner;
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      if (overlay.swapped)
        combine([&](float large, float small) { return f(small, large); }, overlay, b, a, y, begin, end);
      else
        combine(f, overlay, a, b, y, begin, end);
    });
  }

 private:
  static void run_rows(const KernelRun& run) {
    const int64_t width = run.outputs[0].shape[1], step = run.row_step;
    const float* a = run.inputs[0].span<float>().data();
    const float* b = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(
        run.outputs[0].shape.elements() / width, row_grain(width), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row)
            combine_same(F(), a + row * width, b + row * width, y + row * step, 0, width);
        });
  }

  bool in_rows_;
};

template <class F>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<Arithmetic<F>>(site);
}

}  // namespace

extern const Kernel add{"add", "Add", Isa::scalar, supports, prepare<std::plus<float>>, true};
extern const Kernel sub{"sub", "Sub", Isa::scalar, supports, prepare<std::minus<float>>, true};
extern const Kernel mul{"mul", "Mul", Isa::scalar, supports, prepare<std::multiplies<float>>, true};
extern const Kernel div{"div", "Div", Isa::scalar, supports, prepare<std::divides<float>>, true};

}  // namespace halftone::cpu
