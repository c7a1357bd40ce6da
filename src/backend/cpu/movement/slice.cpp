#include "ops/slice/slice.h"

#include <array>

#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/movement/turn.h"
#include "ops/strided.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (site.inputs[0].constant) return "the input is a constant";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} are computed", site.schema->inputs[i].name);
  return unlike_storage_refusal(site, 1);
}

/// A turn that begins somewhere inside.
struct Cut {
  int64_t first = 0;
  Turn turn;
};

Cut cut_of(const OpSite& site) {
  const Storage storage = site.storage_of_output(0);
  const Shape& shape = site.input_shape(0);
  const Strides strides = row_major_strides(stored_shape(shape, storage));
  const std::vector<SliceAxis> axes = slice_axes(site);
  std::array<SliceAxis, Shape::kMaxRank> lying;
  for (int axis = 0; axis < shape.rank(); ++axis)
    lying[static_cast<size_t>(stored_axis(axis, shape.rank(), storage))] = axes[static_cast<size_t>(axis)];
  Cut cut;
  for (size_t at = 0; at < axes.size(); ++at) {
    cut.first += lying[at].start * strides[at];
    cut.turn.add(lying[at].count, lying[at].step * strides[at]);
  }
  return cut;
}

/// Where to cut is known ahead for inputs of fixed sizes.
class SliceKernel : public PreparedKernel {
 public:
  explicit SliceKernel(const OpSite& site) {
    if (site.input_shape(0).is_concrete()) cut_ = cut_of(site);
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const Cut cut = cut_ ? *cut_ : cut_of(run.site);
    const size_t element = dtype_bytes(run.outputs[0].dtype);
    cut.turn.copy(run.inputs[0].tensor.data + cut.first * static_cast<int64_t>(element), run.outputs[0].data,
                  element, run.threads);
  }

 private:
  std::optional<Cut> cut_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<SliceKernel>(site);
}

}  // namespace

extern const Kernel slice{"slice", "Slice", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
