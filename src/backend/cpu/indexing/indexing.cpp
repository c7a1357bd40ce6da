#include "ops/indexing.h"

#include <cstring>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/gather/gather.h"
#include "ops/movement.h"
#include "ops/scatter.h"
#include "ops/strided.h"

// Places that are computed: GatherElements, GatherND, Gather along an inner axis, ScatterND.

namespace halftone::cpu {
namespace {

/// Elements whose places are looked up by a thread at once.
constexpr int64_t kPieceIndices = 4096;

template <class F>
void visit_size(size_t bytes, F f) {
  if (bytes == 1) f(uint8_t{});
  if (bytes == 2) f(uint16_t{});
  if (bytes == 4) f(uint32_t{});
  if (bytes == 8) f(uint64_t{});
}

/// out[.., i, ..] = data[.., indices[.., i, ..], ..], by rows of the last axis.
class GatherElements : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Shape& data = run.site.input_shape(0);
    const int axis = axis_attribute(run.site, "axis", 0, data.rank());
    const Strides strides = row_major_strides(data);
    const int64_t width = out.shape.back(), size = data[axis], step = strides[static_cast<size_t>(axis)];
    const int64_t along = axis + 1 == data.rank() ? 0 : 1;  // from neighbour to neighbour but for the index
    visit_size(dtype_bytes(out.dtype), [&](auto zero) {
      using T = decltype(zero);
      const T* x = reinterpret_cast<const T*>(run.inputs[0].tensor.data);
      T* y = reinterpret_cast<T*>(out.data);
      const int64_t grain = std::max<int64_t>(1, kPieceIndices / width);
      run.threads.parallel_for(out.shape.elements() / width, grain, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          int64_t base = 0, rest = row;
          for (int a = data.rank() - 2; a >= 0; --a) {
            if (a != axis) base += rest % out.shape[a] * strides[static_cast<size_t>(a)];
            rest /= out.shape[a];
          }
          for (int64_t i = 0; i < width; ++i) {
            const int64_t to = row * width + i, index = gather_index(run.inputs[1], to, size);
            if (index < 0)
              fill_missing(out, to, 1);
            else
              y[to] = x[base + index * step + i * along];
          }
        }
      });
    });
  }
};

/// Slices of data, each where `depth` coordinates say.
struct SlicesOfData {
  int64_t count, depth, per_batch, batch_step, slice;
  int first_axis;
  Strides steps{};

  SlicesOfData(const Shape& data, const Shape& indices, int batch)
      : count(0), depth(indices.back()), per_batch(1), batch_step(0), slice(1), first_axis(batch) {
    count = indices.elements() / depth;
    steps = row_major_strides(data);
    for (int axis = batch; axis + 1 < indices.rank(); ++axis) per_batch *= indices[axis];
    if (batch > 0) batch_step = steps[static_cast<size_t>(batch - 1)];
    slice = steps[static_cast<size_t>(batch + static_cast<int>(depth) - 1)];
  }
  /// The first element of slice `s` in data, or -1 where it is outside.
  int64_t place(const Operand& indices, const Shape& data, int64_t s) const {
    int64_t at = s / per_batch * batch_step;
    for (int64_t d = 0; d < depth; ++d) {
      const int axis = first_axis + static_cast<int>(d);
      const int64_t index = gather_index(indices, s * depth + d, data[axis]);
      if (index < 0) return -1;
      at += index * steps[static_cast<size_t>(axis)];
    }
    return at;
  }
};

class GatherSlices : public PreparedKernel {
 public:
  explicit GatherSlices(const OpSite& site)
      : batch_(static_cast<int>(site.attributes->get_int("batch_dims", 0))) {}

  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Shape& data = run.site.input_shape(0);
    const SlicesOfData slices(data, run.site.input_shape(1), batch_);
    const size_t bytes = static_cast<size_t>(slices.slice) * dtype_bytes(out.dtype);
    const int64_t grain = std::min(kPieceIndices, bytes_grain(bytes));
    run.threads.parallel_for(slices.count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        const int64_t at = slices.place(run.inputs[1], data, s);
        if (at < 0)
          fill_missing(out, s * slices.slice, slices.slice);
        else
          copy_element(out.data, s,
                       run.inputs[0].tensor.data + static_cast<size_t>(at) * dtype_bytes(out.dtype), 0,
                       bytes);
      }
    });
  }

 private:
  int batch_;
};

/// Data is copied by all threads; slices follow one after the other, since the last one at a place stays.
class ScatterSlices : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    const size_t element = dtype_bytes(out.dtype);
    const auto bytes = static_cast<int64_t>(element) * out.shape.elements();
    if (bytes == 0) return;
    run.threads.parallel_for(bytes, 1 << 16, [&](int64_t begin, int64_t end) {
      std::memcpy(out.data + begin, run.inputs[0].tensor.data + begin, static_cast<size_t>(end - begin));
    });
    const Shape& indices = run.site.input_shape(1);
    if (indices.elements() == 0) return;
    const SlicesOfData slices(out.shape, indices, 0);
    const size_t slice = static_cast<size_t>(slices.slice) * element;
    for (int64_t s = 0; s < slices.count; ++s) {
      const int64_t at = slices.place(run.inputs[1], out.shape, s);
      if (at >= 0)
        copy_element(out.data + static_cast<size_t>(at) * element, 0, run.inputs[2].tensor.data, s, slice);
    }
  }
};

/// Whole slices along an inner axis.
class GatherInner : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Shape& data = run.site.input_shape(0);
    const AxisView view =
        axis_view(data, axis_attribute(run.site, "axis", 0, data.rank()), dtype_bytes(out.dtype));
    const int64_t count = run.inputs[1].tensor.shape.elements();
    const int64_t elements = static_cast<int64_t>(view.inner / dtype_bytes(out.dtype));
    const int64_t grain = std::min(kPieceIndices, bytes_grain(view.inner));
    run.threads.parallel_for(view.outer * count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t index = gather_index(run.inputs[1], i % count, view.size);
        if (index < 0)
          fill_missing(out, i * elements, elements);
        else
          copy_element(out.data, i, run.inputs[0].tensor.data, i / count * view.size + index, view.inner);
      }
    });
  }
};

Refusal supports(const OpSite& site) {
  for (const SiteInput& input : site.inputs)
    if (input.encoding) return "an input is encoded as " + input.encoding->str();
  return {};
}
Refusal supports_scatter(const OpSite& site) {
  if (reduction_of(site) != Reduction::none) return "what is scattered is added up";
  return supports(site);
}
Refusal supports_inner(const OpSite& site) {
  if (site.inputs[0].type.dtype != site.outputs[0].dtype) return "the type changes";
  return supports(site);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  if constexpr (std::is_constructible_v<K, const OpSite&> && !std::is_default_constructible_v<K>)
    return std::make_unique<K>(site);
  else
    return std::make_unique<K>();
}

}  // namespace

extern const Kernel gather_elements{"gather_elements", "GatherElements", Isa::scalar, supports,
                                    prepare<GatherElements>};
extern const Kernel gather_inner{"gather_inner", "Gather", Isa::scalar, supports_inner, prepare<GatherInner>};
extern const Kernel gather_nd{"gather_nd", "GatherND", Isa::scalar, supports, prepare<GatherSlices>};
extern const Kernel scatter_nd{"scatter_nd", "ScatterND", Isa::scalar, supports_scatter,
                               prepare<ScatterSlices>};

}  // namespace halftone::cpu
