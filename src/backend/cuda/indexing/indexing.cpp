#include "backend/cuda/indexing/indexing.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/float_types.h"
#include "core/short_floats.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cuda {

Refusal words_refusal(const OpSite& site, size_t inputs) {
  for (size_t i = 0; i < inputs; ++i)
    if (site.has_input(i) && site.inputs[i].encoding)
      return fmt::format("{} is encoded as {}", site.schema->inputs[i].name, site.inputs[i].encoding->str());
  const ValueType& out = site.outputs[0];
  if (dtype_bytes(out.dtype) > 8) return "elements of more than 8 bytes";
  if (out.shape.is_concrete() && out.shape.elements() > INT32_MAX) return "2^31 elements or more";
  return {};
}

namespace {

class GatherElements final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Shape& data = run.site.input_shape(0);
    const Strides steps = row_major_strides(data);
    const auto axis = static_cast<size_t>(axis_attribute(run.site, "axis", 0, data.rank()));
    GatherElementsArgs args{};
    args.data = run.inputs[0].tensor.data;
    args.indices = indices_of(run.inputs[1]);
    args.out = out.data;
    for (int d = 0; d < out.shape.rank(); ++d) {
      const auto at = static_cast<size_t>(d);
      args.extents[d] = static_cast<uint32_t>(out.shape[d]);
      args.steps[d] = at == axis ? 0 : steps[at];
    }
    args.dims = out.shape.rank();
    args.step = steps[axis];
    args.size = data[static_cast<int>(axis)];
    args.missing = missing_bits(out.dtype);
    args.count = static_cast<uint32_t>(out.shape.elements());
    args.bytes = static_cast<int32_t>(dtype_bytes(out.dtype));
    device().launch(gather_elements_kernel, thread_each(args.count), args);
  }
};

class GatherNd final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& out = run.outputs[0];
    if (out.shape.elements() == 0) return;
    const Shape &data = run.site.input_shape(0), &indices = run.site.input_shape(1);
    const Strides steps = row_major_strides(data);
    const auto batch = static_cast<int>(run.site.attributes->get_int("batch_dims", 0));
    GatherSlicesArgs args{};
    args.data = run.inputs[0].tensor.data;
    args.out = out.data;
    args.places.indices = indices_of(run.inputs[1]);
    args.places.depth = static_cast<int32_t>(indices.back());
    for (int d = 0; d < args.places.depth; ++d) {
      args.places.sizes[d] = data[batch + d];
      args.places.steps[d] = steps[static_cast<size_t>(batch + d)];
    }
    args.count = out.shape.elements();
    args.slice = args.places.steps[args.places.depth - 1];
    args.per_batch = 1;
    for (int axis = batch; axis + 1 < indices.rank(); ++axis) args.per_batch *= indices[axis];
    args.batch_step = batch == 0 ? 0 : steps[static_cast<size_t>(batch - 1)];
    args.missing = missing_bits(out.dtype);
    args.bytes = static_cast<int32_t>(dtype_bytes(out.dtype));
    device().launch(gather_slices_kernel, thread_each(args.count), args);
  }
};

class Trilu final : public CudaKernel {
 public:
  explicit Trilu(const OpSite& site) : upper_(site.attributes->get_int("upper", 1) != 0) {}
  void run(const KernelRun& run) const override {
    const Shape& x = run.site.input_shape(0);
    if (x.elements() == 0) return;
    const auto* k = run.inputs.size() > 1 ? pointer<int64_t>(run.inputs[1]) : nullptr;
    device().launch(triangle_kernel, thread_each(x.elements()),
                    {run.inputs[0].tensor.data, k, run.outputs[0].data, x.elements(), x[x.rank() - 2],
                     x.back(), static_cast<int32_t>(dtype_bytes(run.outputs[0].dtype)), upper_});
  }

 private:
  bool upper_;
};

class OneHot final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const Shape& y = run.outputs[0].shape;
    if (y.elements() == 0) return;
    const int axis = axis_attribute(run.site, "axis", -1, y.rank());
    device().launch(one_hot_kernel, thread_each(y.elements()),
                    {indices_of(run.inputs[0]), run.inputs[2].tensor.data, run.outputs[0].data, y.elements(),
                     y[axis], row_major_strides(y)[static_cast<size_t>(axis)],
                     static_cast<int32_t>(dtype_bytes(run.outputs[0].dtype)),
                     run.site.inputs[0].type.dtype == DType::f32});
  }
};

class CumSum final : public CudaKernel {
 public:
  explicit CumSum(const OpSite& site)
      : axis_(checked_axis(site, (*known_ints(site, 1))[0], site.input_shape(0).rank())),
        exclusive_(site.attributes->get_int("exclusive", 0) != 0),
        reverse_(site.attributes->get_int("reverse", 0) != 0) {}

  void run(const KernelRun& run) const override {
    const Shape& x = run.site.input_shape(0);
    if (x.elements() == 0) return;
    const RunningSumArgs args{run.inputs[0].tensor.data,
                              run.outputs[0].data,
                              x.elements() / x[axis_],
                              x[axis_],
                              row_major_strides(x)[static_cast<size_t>(axis_)],
                              exclusive_,
                              reverse_};
    const DType dtype = run.outputs[0].dtype;
    device().launch(dtype == DType::i32 ? running_sum_i32
                    : dtype == DType::i64
                        ? running_sum_i64
                        : of_type(dtype, running_sum_f32, running_sum_f16, running_sum_bf16),
                    thread_each(args.lines), args);
  }

 private:
  int axis_;
  bool exclusive_, reverse_;
};

Refusal gather_refusal(const OpSite& site) {
  return words_refusal(site, 1);
}

Refusal one_hot_refusal(const OpSite& site) {
  const DType dtype = site.inputs[0].type.dtype;
  if (dtype != DType::i64 && dtype != DType::i32 && dtype != DType::f32)
    return fmt::format("indices are {}", dtype_name(dtype));
  return words_refusal(site, 3);
}

Refusal sum_refusal(const OpSite& site) {
  const DType dtype = site.outputs[0].dtype;
  if (!is_f32_or_short(dtype) && dtype != DType::i32 && dtype != DType::i64)
    return fmt::format("x is {}", dtype_name(dtype));
  if (!site.inputs[1].constant) return "axis is computed";
  return words_refusal(site, 1);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  if constexpr (!std::is_default_constructible_v<K>)
    return std::make_unique<K>(site);
  else
    return std::make_unique<K>();
}

}  // namespace

extern const Kernel gather_elements{"gather_elements", "GatherElements", Isa::scalar, gather_refusal,
                                    prepare<GatherElements>};
extern const Kernel gather_nd{"gather_nd", "GatherND", Isa::scalar, gather_refusal, prepare<GatherNd>};
extern const Kernel trilu{"trilu", "Trilu", Isa::scalar, gather_refusal, prepare<Trilu>};
extern const Kernel one_hot{"one_hot", "OneHot", Isa::scalar, one_hot_refusal, prepare<OneHot>};
extern const Kernel cum_sum{"cum_sum", "CumSum", Isa::scalar, sum_refusal, prepare<CumSum>};

}  // namespace halftone::cuda
