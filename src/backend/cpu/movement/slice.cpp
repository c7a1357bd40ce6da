#include "ops/slice/slice.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/strided.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (site.inputs[0].constant) return "the input is a constant";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} are computed", site.schema->inputs[i].name);
  if (!site.input_shape(0).is_concrete()) return "the shape " + site.input_shape(0).str() + " is not fixed";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} is computed", site.schema->inputs[i].name);
  return unlike_storage_refusal(site, 1);
}

/// Copies the last axis as it lies row by row; the others are counted off each row's number.
class SliceKernel : public PreparedKernel {
 public:
  explicit SliceKernel(const OpSite& site)
      : element_(dtype_bytes(stored_dtype(site.outputs[0].dtype, site.storage_of_output(0)))) {
    const Storage storage = site.storage_of_output(0);
    const Shape& shape = site.input_shape(0);
    const Strides strides = row_major_strides(stored_shape(shape, storage));
    const std::vector<SliceAxis> axes = slice_axes(site);
    rank_ = shape.rank();
    for (int axis = 0; axis < rank_; ++axis) {
      const size_t at = static_cast<size_t>(stored_axis(axis, rank_, storage));
      const SliceAxis& cut = axes[static_cast<size_t>(axis)];
      first_ += cut.start * strides[at];
      count_[at] = cut.count;
      step_[at] = cut.step * strides[at];
    }
  }

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const size_t last = static_cast<size_t>(rank_ - 1);
    const int64_t width = rank_ > 0 ? count_[last] : 1;
    const size_t bytes = static_cast<size_t>(width) * element_;
    run.threads.parallel_for(elements / width, bytes_grain(bytes), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t at = first_, rest = row;
        for (size_t axis = last; axis-- > 0;) {
          at += rest % count_[axis] * step_[axis];
          rest /= count_[axis];
        }
        copy_row(run.inputs[0].tensor.data, at, run.outputs[0].data + static_cast<size_t>(row) * bytes,
                 width);
      }
    });
  }

 private:
  void copy_row(const std::byte* from, int64_t at, std::byte* to, int64_t width) const {
    const int64_t step = rank_ > 0 ? step_[static_cast<size_t>(rank_ - 1)] : 1;
    if (step == 1) {
      std::memcpy(to, from + static_cast<size_t>(at) * element_, static_cast<size_t>(width) * element_);
      return;
    }
    for (int64_t i = 0; i < width; ++i)
      std::memcpy(to + static_cast<size_t>(i) * element_,
                  from + static_cast<size_t>(at + i * step) * element_, element_);
  }

  size_t element_;
  int rank_ = 0;
  int64_t first_ = 0;
  std::array<int64_t, Shape::kMaxRank> count_{}, step_{};
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<SliceKernel>(site);
}

}  // namespace

extern const Kernel slice{"slice", "Slice", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
