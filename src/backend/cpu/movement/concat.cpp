#include <algorithm>
#include <cstring>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

Refusal supports_concat(const OpSite& site) {
  return unlike_storage_refusal(site, site.inputs.size());
}

Refusal supports_split(const OpSite& site) {
  return unlike_storage_refusal(site, 1);
}

size_t element_bytes(const OpSite& site) {
  return dtype_bytes(stored_dtype(site.outputs[0].dtype, site.storage_of_output(0)));
}

/// Copies between a whole and its parts along one axis: a row of the whole is a row of each part, one by one.
class AxisPieces : public PreparedKernel {
 protected:
  static AxisView view_of(const OpSite& site, const Shape& whole, int axis) {
    const Storage storage = site.storage_of_output(0);
    return axis_view(stored_shape(whole, storage), stored_axis(axis, whole.rank(), storage),
                     element_bytes(site));
  }

  /// copy(at in the whole, at in its row, part, at in the part, bytes) for every part of rows [begin, end).
  template <class Shapes, class Copy>
  static void each_piece(const KernelRun& run, const Shape& whole, int axis, const Shapes& part_shapes,
                         size_t parts, Copy copy) {
    const AxisView view = view_of(run.site, whole, axis);
    const size_t row = static_cast<size_t>(view.size) * view.inner;
    run.threads.parallel_for(view.outer, bytes_grain(row), [&](int64_t begin, int64_t end) {
      for (int64_t o = end; o-- > begin;) {  // what was written last is still in a near cache
        size_t start = 0;
        for (size_t part = 0; part < parts; ++part) {
          const size_t piece = static_cast<size_t>(part_shapes(part)[axis]) * view.inner;
          if (piece > 0)
            copy(static_cast<size_t>(o) * row + start, start, part, static_cast<size_t>(o) * piece, piece);
          start += piece;
        }
      }
    });
  }
};

class ConcatKernel : public AxisPieces {
 public:
  bool keeps_rows() const override { return true; }
  void run(const KernelRun& run) const override {
    const Shape& whole = run.outputs[0].shape;
    if (whole.elements() == 0) return;
    const int axis = axis_attribute(run.site, "axis", 0, whole.rank());
    if (all_in_place(run, view_of(run.site, whole, axis).inner, axis)) return;
    each_piece(
        run, whole, axis, [&](size_t i) -> const Shape& { return run.inputs[i].tensor.shape; },
        run.inputs.size(),
        [&](size_t at, size_t start, size_t part, size_t from, size_t bytes) {
          if (!in_place(run, part, start))
            std::memcpy(run.outputs[0].data + at, run.inputs[part].tensor.data + from, bytes);
        });
  }

 private:
  /// Whether a part, which begins at `start` in a row of the whole, was made there (ValueLayout).
  static bool in_place(const KernelRun& run, size_t part, size_t start) {
    return run.inputs[part].tensor.data == run.outputs[0].data + start;
  }
  static bool all_in_place(const KernelRun& run, size_t inner, int axis) {
    size_t start = 0;
    for (size_t part = 0; part < run.inputs.size(); ++part) {
      if (!in_place(run, part, start)) return false;
      start += static_cast<size_t>(run.inputs[part].tensor.shape[axis]) * inner;
    }
    return true;
  }
};

class SplitKernel : public AxisPieces {
 public:
  void run(const KernelRun& run) const override {
    const Shape& whole = run.inputs[0].tensor.shape;
    if (whole.elements() == 0) return;
    const int axis = axis_attribute(run.site, "axis", 0, whole.rank());
    each_piece(
        run, whole, axis, [&](size_t i) -> const Shape& { return run.outputs[i].shape; }, run.outputs.size(),
        [&](size_t at, size_t, size_t part, size_t to, size_t bytes) {
          std::memcpy(run.outputs[part].data + to, run.inputs[0].tensor.data + at, bytes);
        });
  }
};

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<K>();
}

}  // namespace

extern const Kernel concat{"concat", "Concat", Isa::scalar, supports_concat, prepare<ConcatKernel>, true};
extern const Kernel split{"split", "Split", Isa::scalar, supports_split, prepare<SplitKernel>, true};

}  // namespace halftone::cpu
