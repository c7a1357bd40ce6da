#include "ops/movement.h"

#include <cstring>

#include "backend/cuda/cuda.h"
#include "backend/cuda/movement/move.h"
#include "backend/cuda/stored_shape.h"
#include "ops/indexing.h"
#include "ops/pad/pad.h"
#include "ops/resize/resize.h"
#include "ops/slice/slice.h"
#include "ops/strided.h"

// Operators that move whole elements, between values of any storage.

namespace halftone::cuda {
namespace {

/// Steps by logical axis over a value as it lies.
Strides lying_steps(const Shape& shape, const Storage& storage) {
  const Strides stored = row_major_strides(stored_shape(shape, storage));
  Strides steps{};
  for (int a = 0; a < shape.rank(); ++a)
    steps[static_cast<size_t>(a)] = stored[static_cast<size_t>(stored_axis(a, shape.rank(), storage))];
  return steps;
}

/// The logical axes in the order in which they lie, outermost first.
std::vector<int> lying_axes(int rank, const Storage& storage) {
  std::vector<int> axes(static_cast<size_t>(rank));
  for (int a = 0; a < rank; ++a) axes[static_cast<size_t>(stored_axis(a, rank, storage))] = a;
  return axes;
}

std::byte* at_element(std::byte* data, int64_t element, DType dtype, const Storage& storage) {
  return data + element * static_cast<int64_t>(dtype_bytes(stored_dtype(dtype, storage)));
}
const std::byte* at_element(const std::byte* data, int64_t element, DType dtype, const Storage& storage) {
  return data + element * static_cast<int64_t>(dtype_bytes(stored_dtype(dtype, storage)));
}

class MoveKernel : public CudaKernel {
 public:
  MoveKernel() : uploads_(device()) {}
  size_t packed_bytes() const override { return uploads_.bytes(); }

 protected:
  ElementConversion conversion(const OpSite& site, size_t input, size_t output) {
    return {site.outputs[0].dtype, site.inputs[input].storage, site.storage_of_output(output), uploads_};
  }
  Uploads uploads_;
};

/// Transpose, and Identity between storages: axis order[i] of the input is axis i of the output.
class Turn final : public MoveKernel {
 public:
  explicit Turn(const OpSite& site) : conversion_(conversion(site, 0, 0)) {
    const int rank = site.input_shape(0).rank();
    const bool transposes = site.schema->name == "Transpose";
    for (int i = 0; i < rank; ++i) order_.push_back(transposes ? rank - 1 - i : i);
    if (!transposes || !site.attributes->has("perm")) return;
    const std::vector<int64_t> perm = site.attributes->get_ints("perm", {});
    for (size_t i = 0; i < order_.size(); ++i)
      order_[i] = static_cast<int>(perm[i] < 0 ? perm[i] + rank : perm[i]);
  }

  void run(const KernelRun& run) const override {
    const Shape& to = run.outputs[0].shape;
    const Storage out = run.site.storage_of_output(0);
    const Strides from_steps = lying_steps(run.site.input_shape(0), run.site.inputs[0].storage);
    const Strides to_steps = lying_steps(to, out);
    Move move;
    for (int axis : lying_axes(to.rank(), out)) {
      const auto a = static_cast<size_t>(axis);
      move.add(to[axis], to_steps[a], from_steps[static_cast<size_t>(order_[a])]);
    }
    move.launch(device(), conversion_, run.inputs[0].tensor.data, run.outputs[0].data);
  }

 private:
  ElementConversion conversion_;
  std::vector<int> order_;
};

/// Each input at its offset along the axis of a whole.
class ConcatKernel final : public MoveKernel {
 public:
  explicit ConcatKernel(const OpSite& site) {
    for (size_t i = 0; i < site.inputs.size(); ++i) conversions_.push_back(conversion(site, i, 0));
  }

  void run(const KernelRun& run) const override {
    const MutableTensorView& whole = run.outputs[0];
    const Storage out = run.site.storage_of_output(0);
    const int axis = axis_attribute(run.site, "axis", 0, whole.shape.rank());
    const Strides to_steps = lying_steps(whole.shape, out);
    int64_t first = 0;
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      const Shape& part = run.site.input_shape(i);
      const Strides from_steps = lying_steps(part, run.site.inputs[i].storage);
      Move move;
      for (int a : lying_axes(part.rank(), out))
        move.add(part[a], to_steps[static_cast<size_t>(a)], from_steps[static_cast<size_t>(a)]);
      move.launch(device(), conversions_[i], run.inputs[i].tensor.data,
                  at_element(whole.data, first * to_steps[static_cast<size_t>(axis)],
                             run.site.outputs[0].dtype, out));
      first += part[axis];
    }
  }

 private:
  std::vector<ElementConversion> conversions_;
};

/// The reverse.
class SplitKernel final : public MoveKernel {
 public:
  explicit SplitKernel(const OpSite& site) {
    for (size_t i = 0; i < site.outputs.size(); ++i) conversions_.push_back(conversion(site, 0, i));
  }

  void run(const KernelRun& run) const override {
    const Shape& whole = run.site.input_shape(0);
    const Storage in = run.site.inputs[0].storage;
    const int axis = axis_attribute(run.site, "axis", 0, whole.rank());
    const Strides from_steps = lying_steps(whole, in);
    int64_t first = 0;
    for (size_t i = 0; i < run.outputs.size(); ++i) {
      const Shape& part = run.outputs[i].shape;
      const Storage out = run.site.storage_of_output(i);
      const Strides to_steps = lying_steps(part, out);
      Move move;
      for (int a : lying_axes(part.rank(), out))
        move.add(part[a], to_steps[static_cast<size_t>(a)], from_steps[static_cast<size_t>(a)]);
      move.launch(device(), conversions_[i],
                  at_element(run.inputs[0].tensor.data, first * from_steps[static_cast<size_t>(axis)],
                             run.site.outputs[0].dtype, in),
                  run.outputs[i].data);
      first += part[axis];
    }
  }

 private:
  std::vector<ElementConversion> conversions_;
};

class SliceKernel final : public MoveKernel {
 public:
  explicit SliceKernel(const OpSite& site) : conversion_(conversion(site, 0, 0)) {}

  void run(const KernelRun& run) const override {
    const Shape& to = run.outputs[0].shape;
    const Storage in = run.site.inputs[0].storage, out = run.site.storage_of_output(0);
    if (to.elements() == 0) return;
    const Strides from_steps = lying_steps(run.site.input_shape(0), in), to_steps = lying_steps(to, out);
    const std::vector<SliceAxis> cuts = slice_axes(run.site);
    int64_t first = 0;
    Move move;
    for (int axis : lying_axes(to.rank(), out)) {
      const auto a = static_cast<size_t>(axis);
      move.add(to[axis], to_steps[a], from_steps[a] * cuts[a].step);
      first += cuts[a].start * from_steps[a];
    }
    move.launch(device(), conversion_,
                at_element(run.inputs[0].tensor.data, first, run.site.outputs[0].dtype, in),
                run.outputs[0].data);
  }

 private:
  ElementConversion conversion_;
};

/// Expand and Tile: elements of an axis again and again.
class RepeatKernel final : public MoveKernel {
 public:
  explicit RepeatKernel(const OpSite& site) : conversion_(conversion(site, 0, 0)) {}

  void run(const KernelRun& run) const override {
    const Shape &from = run.site.input_shape(0), &to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const Strides from_steps = row_major_strides(from), to_steps = row_major_strides(to);
    Move move;
    for (int axis = 0; axis < to.rank(); ++axis) {
      const auto a = static_cast<size_t>(axis);
      const int own = axis - (to.rank() - from.rank());
      const int64_t extent = own < 0 ? 1 : from[own],
                    step = own < 0 ? 0 : from_steps[static_cast<size_t>(own)];
      move.add(to[axis] / extent, to_steps[a] * extent, 0);
      move.add(extent, to_steps[a], step);
    }
    move.launch(device(), conversion_, run.inputs[0].tensor.data, run.outputs[0].data);
  }

 private:
  ElementConversion conversion_;
};

/// DepthToSpace and SpaceToDepth: [deep channels, rows, columns] and [channels, rows * block, columns *
/// block].
class BlockKernel final : public MoveKernel {
 public:
  explicit BlockKernel(const OpSite& site)
      : conversion_(conversion(site, 0, 0)),
        block_(block_size(site)),
        to_space_(site.schema->name == "DepthToSpace"),
        block_first_(site.attributes->get_string("mode", "DCR") == "DCR") {}

  void run(const KernelRun& run) const override {
    const Shape &from = run.site.input_shape(0), &to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const Storage in = run.site.inputs[0].storage, out = run.site.storage_of_output(0);
    const Strides from_steps = lying_steps(from, in), to_steps = lying_steps(to, out);
    const Shape &deep = to_space_ ? from : to, &wide = to_space_ ? to : from;
    const Strides &deep_steps = to_space_ ? from_steps : to_steps,
                  &wide_steps = to_space_ ? to_steps : from_steps;
    // Channel (row in the block, column in the block, channel), or the channel first.
    const int64_t column = block_first_ ? wide[1] : 1, channel = block_first_ ? 1 : block_ * block_;
    const auto add = [&](Move& move, int64_t extent, int64_t wide_step, int64_t deep_step) {
      move.add(extent, to_space_ ? wide_step : deep_step, to_space_ ? deep_step : wide_step);
    };
    Move move;
    add(move, deep[0], wide_steps[0], deep_steps[0]);
    const auto channels = [&] { add(move, wide[1], wide_steps[1], deep_steps[1] * channel); };
    if (!is_channels_last(out)) channels();
    for (size_t axis : {size_t{2}, size_t{3}}) {
      add(move, deep[static_cast<int>(axis)], wide_steps[axis] * block_, deep_steps[axis]);
      add(move, block_, wide_steps[axis], deep_steps[1] * column * (axis == 2 ? block_ : 1));
    }
    if (is_channels_last(out)) channels();
    move.launch(device(), conversion_, run.inputs[0].tensor.data, run.outputs[0].data);
  }

 private:
  ElementConversion conversion_;
  int64_t block_;
  bool to_space_, block_first_;
};

/// Some axes shifted or looked up: Pad, Gather of constant indices along an axis, Resize to the nearest.
class PickKernel final : public MoveKernel {
 public:
  explicit PickKernel(const OpSite& site)
      : conversion_(conversion(site, 0, 0)),
        shifts_(static_cast<size_t>(site.input_shape(0).rank())),
        tables_(shifts_.size()) {
    const std::string_view op = site.schema->name;
    if (op == "Pad")
      set_pads(site);
    else if (op == "Gather")
      set_indices(site);
    else
      set_nearest(site);
  }

  void run(const KernelRun& run) const override {
    const Shape &from = run.site.input_shape(0), &to = run.outputs[0].shape;
    const Storage out = run.site.storage_of_output(0);
    const Strides from_steps = lying_steps(from, run.site.inputs[0].storage), to_steps = lying_steps(to, out);
    Move move;
    for (int axis : lying_axes(to.rank(), out)) {
      const auto a = static_cast<size_t>(axis);
      move.add({to_steps[a], from_steps[a], tables_[a], static_cast<uint32_t>(to[axis]), shifts_[a],
                static_cast<int32_t>(from[axis])});
    }
    move.launch(device(), conversion_, run.inputs[0].tensor.data, run.outputs[0].data, missing_);
  }

 private:
  void set_pads(const OpSite& site) {
    const std::vector<Padding> padding = *padding_of(site);
    const std::string mode = site.attributes->get_string("mode", "constant");
    for (size_t a = 0; a < padding.size(); ++a) {
      if (mode == "constant")
        shifts_[a] = -static_cast<int32_t>(padding[a].before);
      else if (padding[a].before != 0 || padding[a].behind != 0)
        tables_[a] = uploads_.add(sources(padding[a], mode, site.input_shape(0)[static_cast<int>(a)]),
                                  "places of a pad");
    }
    Tensor value = Tensor::allocate(site.outputs[0].dtype, {1});
    std::memset(value.mutable_view().data, 0, value.size_bytes());
    if (site.has_input(2)) value = site.inputs[2].constant->load();
    const Storage codes_only{Storage::Order::planar, site.storage_of_output(0).codes};
    const DType stored = stored_dtype(site.outputs[0].dtype, codes_only);
    Tensor as_stored = Tensor::allocate(stored, {1});
    store_plain({site.outputs[0].dtype, {1}, value.view().data}, codes_only, as_stored.mutable_view());
    for (size_t at = 0; at < sizeof(missing_); at += as_stored.size_bytes())
      std::memcpy(reinterpret_cast<std::byte*>(&missing_) + at, as_stored.view().data,
                  as_stored.size_bytes());
  }

  static std::vector<int32_t> sources(const Padding& pad, const std::string& mode, int64_t size) {
    std::vector<int32_t> table;
    for (int64_t i = -pad.before; i < size + pad.behind; ++i)
      table.push_back(static_cast<int32_t>(padded_source(mode, i, size)));
    return table;
  }

  void set_indices(const OpSite& site) {
    const Shape& shape = site.input_shape(0);
    const int axis = axis_attribute(site, "axis", 0, shape.rank());
    const std::vector<int64_t> indices = *known_ints(site, 1);
    std::vector<int32_t> table;
    for (int64_t index : indices)
      table.push_back(static_cast<int32_t>(index < 0 ? index + shape[axis] : index));
    tables_[static_cast<size_t>(axis)] = uploads_.add(table, "indices");
  }

  void set_nearest(const OpSite& site) {
    const std::vector<ResizeAxis> axes = *resize_axes(site);
    for (size_t a = 0; a < axes.size(); ++a) {
      if (axes[a].scale == 1 && axes[a].in == axes[a].out) continue;
      std::vector<int32_t> table;
      for (const auto& taps : resize_taps(site, axes[a])) table.push_back(static_cast<int32_t>(taps[0].from));
      tables_[a] = uploads_.add(table, "places of a resize");
    }
  }

  ElementConversion conversion_;
  std::vector<int32_t> shifts_;
  std::vector<const int32_t*> tables_;
  Words4 missing_{};
};

Refusal not_constant(const OpSite& site) {
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} is computed", site.schema->inputs[i].name);
  return {};
}

Refusal supports_turn(const OpSite& site) {
  return move_refusal(site, 1);
}

Refusal supports_concat(const OpSite& site) {
  return move_refusal(site, site.inputs.size());
}

Refusal supports_slice(const OpSite& site) {
  return move_refusal(site, 1);
}

/// An axis that is repeated is two.
Refusal supports_repeat(const OpSite& site) {
  const Shape &from = site.input_shape(0), &to = site.outputs[0].shape;
  int axes = 0;
  for (int axis = 0; axis < to.rank(); ++axis) {
    const int own = axis - (to.rank() - from.rank());
    const int64_t extent = own < 0 ? 1 : from[own];
    axes += extent == 1 || (extent >= 0 && extent == to[axis]) || site.schema->name == "Expand" ? 1 : 2;
  }
  if (axes > kMoveAxes) return fmt::format("{} axes, those repeated counted twice", axes);
  return move_refusal(site, 1);
}

Refusal supports_pad(const OpSite& site) {
  if (Refusal refusal = not_constant(site); !refusal.empty()) return refusal;
  const std::string mode = site.attributes->get_string("mode", "constant");
  const std::vector<Padding> padding = *padding_of(site);
  for (size_t a = 0; mode != "constant" && a < padding.size(); ++a)
    if (site.input_shape(0)[static_cast<int>(a)] < 0 && (padding[a].before != 0 || padding[a].behind != 0))
      return fmt::format("axis {} is of symbolic size, mode {}", a, mode);
  return move_refusal(site, 1);
}

Refusal supports_gather(const OpSite& site) {
  if (!site.inputs[1].constant) return "indices are computed";
  if (site.input_shape(1).rank() != 1) return "indices are not a vector";
  const Shape& shape = site.input_shape(0);
  const int64_t size = shape[axis_attribute(site, "axis", 0, shape.rank())];
  const std::vector<int64_t> indices = *known_ints(site, 1);
  for (int64_t index : indices)
    if (index < -size || index >= size) return fmt::format("index {} of {}", index, size);
  return move_refusal(site, 1);
}

Refusal supports_nearest(const OpSite& site) {
  if (site.attributes->get_string("mode", "nearest") != "nearest") return "it interpolates";
  if (site.attributes->get_string("coordinate_transformation_mode", "") == "tf_crop_and_resize")
    return "it crops";
  if (!resize_axes(site)) return "sizes are not known ahead";
  if (site.input_shape(0).is_concrete() && site.input_shape(0).elements() == 0)
    return "there are no elements";
  return move_refusal(site, 1);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

extern const Kernel transpose{"transpose", "Transpose", Isa::scalar, supports_turn, prepare<Turn>, true};
extern const Kernel reorder{"reorder", "Identity", Isa::scalar, supports_turn, prepare<Turn>, true};
extern const Kernel concat{"concat", "Concat", Isa::scalar, supports_concat, prepare<ConcatKernel>, true};
extern const Kernel split{"split", "Split", Isa::scalar, supports_turn, prepare<SplitKernel>, true};
extern const Kernel slice{"slice", "Slice", Isa::scalar, supports_slice, prepare<SliceKernel>, true};
extern const Kernel pad{"pad", "Pad", Isa::scalar, supports_pad, prepare<PickKernel>, true};
extern const Kernel expand{"expand", "Expand", Isa::scalar, supports_repeat, prepare<RepeatKernel>};
extern const Kernel tile{"tile", "Tile", Isa::scalar, supports_repeat, prepare<RepeatKernel>};
extern const Kernel depth_to_space{"depth_to_space", "DepthToSpace",       Isa::scalar,
                                   supports_turn,    prepare<BlockKernel>, true};
extern const Kernel space_to_depth{"space_to_depth", "SpaceToDepth",       Isa::scalar,
                                   supports_turn,    prepare<BlockKernel>, true};
extern const Kernel gather_axis{"gather_axis",       "Gather", Isa::scalar, supports_gather,
                                prepare<PickKernel>, true};
extern const Kernel resize_nearest{"resize_nearest",    "Resize", Isa::scalar, supports_nearest,
                                   prepare<PickKernel>, true};
extern const Kernel upsample_nearest{"upsample_nearest", "Upsample",          Isa::scalar,
                                     supports_nearest,   prepare<PickKernel>, true};

}  // namespace halftone::cuda
