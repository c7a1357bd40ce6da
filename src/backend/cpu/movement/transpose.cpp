#include <array>

#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/movement/turn.h"
#include "ops/strided.h"

// Values in another order of their bytes: Transpose, and Identity between planar and channels-last.

namespace halftone::cpu {
namespace {

/// Logical axis order[i] of the input becomes axis i of the output.
Turn make_turn(const Shape& from, const Storage& from_storage, const Shape& to, const Storage& to_storage,
               std::span<const int> order) {
  const Strides lying = row_major_strides(stored_shape(from, from_storage));
  std::array<int, Shape::kMaxRank> at{};  // logical axis of the output by where it lies
  for (int axis = 0; axis < to.rank(); ++axis)
    at[static_cast<size_t>(stored_axis(axis, to.rank(), to_storage))] = axis;
  Turn turn;
  for (int place = 0; place < to.rank(); ++place) {
    const int axis = at[static_cast<size_t>(place)];
    const int source = order[static_cast<size_t>(axis)];
    turn.add(to[axis], lying[static_cast<size_t>(stored_axis(source, from.rank(), from_storage))]);
  }
  return turn;
}

class TurnKernel : public PreparedKernel {
 public:
  explicit TurnKernel(const OpSite& site) { fill_order(site, site.input_shape(0).rank(), order_); }

  void run(const KernelRun& run) const override {
    const Shape& from = run.inputs[0].tensor.shape;
    const Shape& to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const Turn turn = make_turn(from, run.site.inputs[0].storage, to, run.site.storage_of_output(0), order_);
    turn.copy(run.inputs[0].tensor.data, run.outputs[0].data, dtype_bytes(run.outputs[0].dtype), run.threads);
  }

 private:
  static void fill_order(const OpSite& site, int rank, std::span<int> order) {
    const bool transposes = site.schema->name == "Transpose";
    for (int i = 0; i < rank; ++i) order[static_cast<size_t>(i)] = transposes ? rank - 1 - i : i;
    if (!transposes || !site.attributes->has("perm")) return;
    const std::vector<int64_t> perm = site.attributes->get_ints("perm", {});
    for (int i = 0; i < rank; ++i) {
      const int axis = static_cast<int>(perm[static_cast<size_t>(i)]);
      order[static_cast<size_t>(i)] = axis < 0 ? axis + rank : axis;
    }
  }

  std::array<int, Shape::kMaxRank> order_{};
};

/// Codes may be turned, not changed.
Refusal supports(const OpSite& site) {
  if (site.inputs[0].encoding) return "the input is encoded as " + site.inputs[0].encoding->str();
  if (site.inputs[0].constant) return "the input is a constant";
  if (site.inputs[0].storage.codes != site.storage_of_output(0).codes) return "numbers change between codes";
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<TurnKernel>(site);
}

}  // namespace

extern const Kernel transpose{"transpose", "Transpose", Isa::scalar, supports, prepare, true};
extern const Kernel reorder{"reorder", "Identity", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
