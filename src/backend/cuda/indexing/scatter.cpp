#include "ops/scatter.h"

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/indexing/indexing.h"
#include "backend/cuda/indexing/scatter_kernels.h"
#include "backend/cuda/movement/move.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

bool is_nd(const OpSite& site) {
  return site.schema->name == "ScatterND";
}

/// Elements that are scattered together.
int64_t slice_of(const OpSite& site) {
  if (!is_nd(site)) return 1;
  return row_major_strides(site.input_shape(0))[static_cast<size_t>(site.input_shape(1).back() - 1)];
}

/// ScatterND: coordinates of slices.
void set_slices(const KernelRun& run, ScatterPlaces& places) {
  const Shape &out = run.outputs[0].shape, &indices = run.site.input_shape(1);
  const Strides steps = row_major_strides(out);
  places.slices.indices = indices_of(run.inputs[1]);
  places.slices.depth = static_cast<int32_t>(indices.back());
  for (int d = 0; d < places.slices.depth; ++d) {
    places.slices.sizes[d] = out[d];
    places.slices.steps[d] = steps[static_cast<size_t>(d)];
  }
  places.lines = 1;
  places.length = indices.elements() / indices.back();
}

/// ScatterElements: lines along the axis.
void set_lines(const KernelRun& run, ScatterPlaces& places) {
  const Shape &out = run.outputs[0].shape, &indices = run.site.input_shape(1);
  const int axis = axis_attribute(run.site, "axis", 0, out.rank());
  const Strides from = row_major_strides(indices), to = row_major_strides(out);
  places.indices = indices_of(run.inputs[1]);
  places.lines = 1;
  for (int d = 0; d < out.rank(); ++d) {
    if (d == axis) continue;
    places.extents[places.dims] = static_cast<uint32_t>(indices[d]);
    places.from_steps[places.dims] = from[static_cast<size_t>(d)];
    places.to_steps[places.dims] = to[static_cast<size_t>(d)];
    places.lines *= indices[d];
    ++places.dims;
  }
  places.from_step = from[static_cast<size_t>(axis)];
  places.to_step = to[static_cast<size_t>(axis)];
  places.size = out[axis];
  places.length = indices[axis];
}

class ScatterKernel final : public CudaKernel {
 public:
  explicit ScatterKernel(const OpSite& site)
      : uploads_(device()), as_it_is_(site.outputs[0].dtype, {}, {}, uploads_), how_(how_of(site)) {}

  size_t workspace_bytes(const OpSite& site) const override {
    if (how_ != Scatter::replace || site.outputs[0].shape.elements() == 0) return 0;
    return static_cast<size_t>(site.outputs[0].shape.elements() / slice_of(site)) * sizeof(int32_t);
  }

  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    Move all;
    all.add(out.shape.elements(), 1, 1);
    all.launch(device(), as_it_is_, run.inputs[0].tensor.data, out.data);
    if (run.site.input_shape(1).elements() == 0) return;
    ScatterArgs args{};
    args.updates = run.inputs[2].tensor.data;
    args.out = out.data;
    args.how = how_;
    args.bytes = static_cast<int32_t>(dtype_bytes(out.dtype));
    args.places.slice = slice_of(run.site);
    if (is_nd(run.site))
      set_slices(run, args.places);
    else
      set_lines(run, args.places);
    const int64_t updates = args.places.lines * args.places.length;
    if (how_ == Scatter::replace) {
      args.winners = reinterpret_cast<int32_t*>(run.workspace.data());
      const int64_t places = out.shape.elements() / args.places.slice;
      device().launch(fill_words, thread_each(places), {args.winners, places, -1});
      device().launch(scatter_mark, thread_each(updates), args);
      device().launch(scatter_write, thread_each(updates * args.places.slice), args);
      return;
    }
    device().launch(out.dtype == DType::f32   ? scatter_f32
                    : out.dtype == DType::i32 ? scatter_i32
                                              : scatter_i64,
                    thread_each(args.places.lines * args.places.slice), args);
  }

 private:
  static Scatter how_of(const OpSite& site) {
    switch (reduction_of(site)) {
      case Reduction::add:
        return Scatter::add;
      case Reduction::mul:
        return Scatter::multiply;
      case Reduction::max:
        return Scatter::max;
      case Reduction::min:
        return Scatter::min;
      default:
        return Scatter::replace;
    }
  }

  Uploads uploads_;
  ElementConversion as_it_is_;
  Scatter how_;
};

Refusal supports(const OpSite& site) {
  const DType dtype = site.outputs[0].dtype;
  if (reduction_of(site) != Reduction::none && dtype != DType::f32 && dtype != DType::i32 &&
      dtype != DType::i64)
    return fmt::format("a reduction of {}", dtype_name(dtype));
  return words_refusal(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ScatterKernel>(site);
}

}  // namespace

extern const Kernel scatter_elements{"scatter_elements", "ScatterElements", Isa::scalar, supports, prepare};
extern const Kernel scatter_nd{"scatter_nd", "ScatterND", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
