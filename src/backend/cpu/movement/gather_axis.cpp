#include <cstring>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/gather/gather.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (!site.inputs[1].constant) return "indices are computed";
  if (site.inputs[1].type.shape.rank() != 1) return "indices are not a vector";
  if (site.inputs[0].constant) return "data is a constant";
  if (site.inputs[0].type.dtype != site.outputs[0].dtype) return "the type changes";
  const int rank = site.input_shape(0).rank();
  const int64_t size = site.input_shape(0)[axis_attribute(site, "axis", 0, rank)];
  const std::vector<int64_t> indices = *known_ints(site, 1);
  for (int64_t index : indices)
    if (index < -size || index >= size) return fmt::format("index {} of {}", index, size);
  return unlike_storage_refusal(site, 1);
}

/// Slices along one axis in the order of constant indices: a shuffle of channels, most of all.
class GatherAxis : public PreparedKernel {
 public:
  explicit GatherAxis(const OpSite& site) {
    const int rank = site.input_shape(0).rank();
    axis_ = axis_attribute(site, "axis", 0, rank);
    const std::vector<int64_t> indices = *known_ints(site, 1);
    for (int64_t index : indices) indices_.push_back(index < 0 ? index + site.input_shape(0)[axis_] : index);
    const auto half = static_cast<int64_t>(indices_.size() / 2);
    halves_ = indices_.size() % 2 == 0;
    for (size_t i = 0; i < indices_.size(); ++i)
      halves_ = halves_ && indices_[i] == static_cast<int64_t>(i % 2) * half + static_cast<int64_t>(i / 2);
  }

  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Storage storage = run.site.storage_of_output(0);
    const Shape& shape = run.inputs[0].tensor.shape;
    const AxisView from = axis_view(stored_shape(shape, storage), stored_axis(axis_, shape.rank(), storage),
                                    dtype_bytes(out.dtype));
    const size_t row = indices_.size() * from.inner;
    run.threads.parallel_for(from.outer, bytes_grain(row), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const std::byte* source = run.inputs[0].tensor.data + static_cast<size_t>(o * from.size) * from.inner;
        std::byte* to = out.data + static_cast<size_t>(o) * row;
        if (from.inner == sizeof(uint32_t))
          pick(reinterpret_cast<const uint32_t*>(source), reinterpret_cast<uint32_t*>(to));
        else if (from.inner == 1)
          pick(reinterpret_cast<const uint8_t*>(source), reinterpret_cast<uint8_t*>(to));
        else
          for (size_t i = 0; i < indices_.size(); ++i)
            std::memcpy(to + i * from.inner, source + static_cast<size_t>(indices_[i]) * from.inner,
                        from.inner);
      }
    });
  }

 private:
  template <class T>
  void pick(const T* __restrict from, T* __restrict to) const {
    if (halves_) {
      const size_t half = indices_.size() / 2;
      for (size_t i = 0; i < half; ++i) {
        to[2 * i] = from[i];
        to[2 * i + 1] = from[half + i];
      }
      return;
    }
    for (size_t i = 0; i < indices_.size(); ++i) to[i] = from[indices_[i]];
  }

  int axis_;
  std::vector<int64_t> indices_;
  bool halves_;  ///< two halves taken by turns, as a shuffle between two groups does: loops that vectorise
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<GatherAxis>(site);
}

}  // namespace

extern const Kernel gather_axis{"gather_axis", "Gather", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
