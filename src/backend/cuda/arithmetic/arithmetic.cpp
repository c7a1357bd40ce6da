#include <algorithm>

#include "backend/cuda/arithmetic/arithmetic_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/stored_shape.h"
#include "backend/float_site.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

struct Dimension {
  int64_t extent, a_step, b_step;
};

/// The output's dimensions with the steps of both inputs; neighbours along which both go on evenly are one.
std::vector<Dimension> dimensions(const Shape& a, const Shape& b, const Shape& y) {
  const Strides a_steps = broadcast_strides(a, y), b_steps = broadcast_strides(b, y);
  std::vector<Dimension> merged;
  for (int axis = 0; axis < y.rank(); ++axis) {
    const auto at = static_cast<size_t>(axis);
    const Dimension next{y[axis], a_steps[at], b_steps[at]};
    if (next.extent == 1) continue;
    if (!merged.empty() && merged.back().a_step == next.extent * next.a_step &&
        merged.back().b_step == next.extent * next.b_step)
      merged.back() = {merged.back().extent * next.extent, next.a_step, next.b_step};
    else
      merged.push_back(next);
  }
  if (merged.empty()) merged.push_back({1, 0, 0});
  return merged;
}

/// An operand's dimensions beside those of an output stored as `out`, as they lie.
Shape beside(const Shape& operand, int rank, const Storage& out) {
  Shape padded;
  for (int a = operand.rank(); a < rank; ++a) padded.push_back(1);
  for (int64_t size : operand) padded.push_back(size);
  return stored_shape(padded, out);
}

template <Arithmetic op>
class ArithmeticKernel : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    ArithmeticArgs args{};
    args.count = run.outputs[0].shape.elements();
    if (args.count == 0) return;
    args.a = pointer<float>(run.inputs[0]);
    args.b = pointer<float>(run.inputs[1]);
    args.y = pointer<float>(run.outputs[0]);
    args.op = op;
    const Storage out = run.site.storage_of_output(0);
    const Shape& y = run.outputs[0].shape;
    for (const Dimension& d :
         dimensions(beside(run.site.input_shape(0), y.rank(), out),
                    beside(run.site.input_shape(1), y.rank(), out), stored_shape(y, out))) {
      args.extents[args.dims] = d.extent;
      args.a_steps[args.dims] = d.a_step;
      args.b_steps[args.dims] = d.b_step;
      ++args.dims;
    }
    args.wide = args.dims == 1 && args.count % 4 == 0 && args.a_steps[0] <= 1 && args.b_steps[0] <= 1 &&
                all_aligned_16(args.a, args.b, args.y);
    device().launch(arithmetic_kernel, thread_each(args.wide ? args.count / 4 : args.count), args);
  }
};

/// Values of one dimension at most lie the same in either order.
bool is_line(const Shape& shape) {
  return std::ranges::count_if(shape, [](int64_t size) { return size != 1; }) <= 1;
}

Refusal supports(const OpSite& site) {
  const Storage out = site.storage_of_output(0);
  if (out.codes) return "the output is stored as codes";
  for (const SiteInput& input : site.inputs) {
    if (input.storage.codes) return "an input is stored as codes";
    if (input.storage.order != out.order && !is_line(input.type.shape))
      return "values lie in different orders";
  }
  if (site.outputs[0].shape.rank() > kArithmeticDims)
    return fmt::format("{} dimensions", site.outputs[0].shape.rank());
  return not_all_f32(site, 2);
}

template <Arithmetic op>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<ArithmeticKernel<op>>();
}

}  // namespace

extern const Kernel add{"add", "Add", Isa::scalar, supports, prepare<Arithmetic::add>, true};
extern const Kernel sub{"sub", "Sub", Isa::scalar, supports, prepare<Arithmetic::sub>, true};
extern const Kernel mul{"mul", "Mul", Isa::scalar, supports, prepare<Arithmetic::mul>, true};
extern const Kernel div_floats{"div", "Div", Isa::scalar, supports, prepare<Arithmetic::div>, true};

}  // namespace halftone::cuda
