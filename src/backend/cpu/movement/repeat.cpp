#include "backend/cpu/broadcast/broadcast_axes.h"
#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/movement/turn.h"

// Elements again and again: Expand, Tile.

namespace halftone::cpu {
namespace {

/// Steps of the input along the output, to which it broadcasts.
Turn expansion(const OpSite& site) {
  const BroadcastAxes axes =
      broadcast_axes({site.inputs.data(), 1}, site.outputs[0].shape, site.storage_of_output(0));
  Turn turn;
  for (int axis = 0; axis < axes.rank; ++axis)
    turn.add(axes.extents[static_cast<size_t>(axis)], axes.steps[0][static_cast<size_t>(axis)]);
  return turn;
}

/// Each axis is repeated as often as the output is longer.
Turn tiling(const OpSite& site) {
  const Storage storage = site.storage_of_output(0);
  const Shape from = stored_shape(site.input_shape(0), storage),
              to = stored_shape(site.outputs[0].shape, storage);
  const Strides strides = row_major_strides(from);
  Turn turn;
  for (int axis = 0; axis < from.rank(); ++axis) {
    turn.add(to[axis] / from[axis], 0);
    turn.add(from[axis], strides[static_cast<size_t>(axis)]);
  }
  return turn;
}

template <Turn (*kTurn)(const OpSite& site)>
class RepeatKernel : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    kTurn(run.site).copy(run.inputs[0].tensor.data, run.outputs[0].data, dtype_bytes(run.outputs[0].dtype),
                         run.threads);
  }
};

Refusal supports(const OpSite& site) {
  return site.inputs[0].storage.codes ? Refusal("values are codes") : unlike_storage_refusal(site, 1);
}

template <Turn (*kTurn)(const OpSite& site)>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<RepeatKernel<kTurn>>();
}

}  // namespace

extern const Kernel expand{"expand", "Expand", Isa::scalar, supports, prepare<expansion>, true};
extern const Kernel tile{"tile", "Tile", Isa::scalar, supports, prepare<tiling>, true};

}  // namespace halftone::cpu
