#include "ops/reduction/reduction.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/reduction/reduction_axes.h"
#include "backend/cuda/stored_shape.h"
#include "backend/reduction_site.h"
#include "core/short_floats.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cuda {

PartedAxes part_axes(const Shape& shape, const std::vector<bool>& goes) {
  const Strides strides = row_major_strides(shape);
  PartedAxes parted;
  parted.kept.count = parted.reduced.count = 1;
  bool first = true, went = false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const auto extent = static_cast<uint32_t>(shape[axis]);
    ReductionAxes& side = goes[a] ? parted.reduced : parted.kept;
    side.count *= extent;
    if (extent == 1) continue;
    if (first || went != goes[a]) {
      side.extents[side.dims] = 1;
      ++side.dims;
    }
    side.extents[side.dims - 1] *= extent;
    side.steps[side.dims - 1] = strides[a];
    went = parted.last_goes = goes[a];
    first = false;
  }
  return parted;
}

namespace {

struct FoldRow {
  std::string_view op;
  Fold fold;
  bool of_integers;
};
constexpr FoldRow kFolds[] = {
    {"ReduceL1", Fold::sum_of_magnitudes, true},
    {"ReduceL2", Fold::root_of_squares, false},
    {"ReduceLogSum", Fold::log_of_sum, false},
    {"ReduceLogSumExp", Fold::log_of_exps, false},
    {"ReduceMax", Fold::max, true},
    {"ReduceMean", Fold::mean, true},
    {"ReduceMin", Fold::min, true},
    {"ReduceProd", Fold::product, true},
    {"ReduceSum", Fold::sum, true},
    {"ReduceSumSquare", Fold::sum_of_squares, true},
};

const FoldRow& fold_of(const OpSite& site) {
  for (const FoldRow& row : kFolds)
    if (row.op == site.schema->name) return row;
  throw std::logic_error("no fold of " + std::string(site.schema->name));
}

/// Short rows by warps, long ones by blocks; where neighbours stay apart, a lane for each.
Team team_of(const PartedAxes& axes) {
  if (!axes.last_goes && axes.kept.dims > 0) return Team::columns;
  return axes.reduced.count <= 1024 ? Team::warp : Team::block;
}

int blocks_of(Team team, uint32_t outputs) {
  const uint32_t each = team == Team::warp ? kReductionThreads / kWarp : team == Team::columns ? kWarp : 1;
  return static_cast<int>((outputs + each - 1) / each);
}

class ReductionKernel final : public CudaKernel {
 public:
  explicit ReductionKernel(const OpSite& site) : fold_(fold_of(site).fold) {}

  void run(const KernelRun& run) const override {
    switch (run.outputs[0].dtype) {
      case DType::i32:
        return launch(reduce_i32, run);
      case DType::i64:
        return launch(reduce_i64, run);
      case DType::f16:
        return launch(reduce_f16, run);
      case DType::bf16:
        return launch(reduce_bf16, run);
      default:
        return launch(reduce_f32, run);
    }
  }

 private:
  template <class T>
  void launch(const DeviceKernel<ReductionArgs<T>>& kernel, const KernelRun& run) const {
    if (run.outputs[0].shape.elements() == 0) return;
    const PartedAxes axes = part_axes(stored_shape(run.site.input_shape(0), run.site.inputs[0].storage),
                                      lying_reduced_axes(run.site));
    auto* y = pointer<T>(run.outputs[0]);
    ReductionArgs<T> args{pointer<T>(run.inputs[0]), y, y, axes.kept, axes.reduced, fold_, team_of(axes)};
    const Launch shape{{blocks_of(args.team, axes.kept.count)}, kReductionThreads, kReductionShared};
    if (fold_ == Fold::log_of_exps) {
      args.fold = Fold::max;
      device().launch(kernel, shape, args);
      args.fold = fold_;
    }
    device().launch(kernel, shape, args);
  }

  Fold fold_;
};

/// Along an axis that is not the last, or to the smallest.
class ArgAxisKernel final : public CudaKernel {
 public:
  explicit ArgAxisKernel(const OpSite& site)
      : smallest_(site.schema->name == "ArgMin"),
        last_(site.attributes->get_int("select_last_index", 0) != 0) {}

  void run(const KernelRun& run) const override {
    switch (run.site.inputs[0].type.dtype) {
      case DType::i32:
        return launch(arg_axis_i32, run);
      case DType::i64:
        return launch(arg_axis_i64, run);
      case DType::f16:
        return launch(arg_axis_f16, run);
      case DType::bf16:
        return launch(arg_axis_bf16, run);
      default:
        return launch(arg_axis_f32, run);
    }
  }

 private:
  template <class T>
  void launch(const DeviceKernel<ArgAxisArgs<T>>& kernel, const KernelRun& run) const {
    if (run.outputs[0].shape.elements() == 0) return;
    const Shape& x = run.site.input_shape(0);
    const int axis = axis_attribute(run.site, "axis", 0, x.rank());
    std::vector<bool> goes(static_cast<size_t>(x.rank()));
    goes[static_cast<size_t>(axis)] = true;
    device().launch(kernel, thread_each(run.outputs[0].shape.elements()),
                    {pointer<T>(run.inputs[0]), pointer<int64_t>(run.outputs[0]), part_axes(x, goes).kept,
                     x[axis], row_major_strides(x)[static_cast<size_t>(axis)], smallest_, last_});
  }

  bool smallest_, last_;
};

Refusal type_refusal(const OpSite& site, bool integers) {
  const SiteInput& data = site.inputs[0];
  if (data.encoding) return "data is encoded as " + data.encoding->str();
  const DType dtype = data.type.dtype;
  if (!is_f32_or_short(dtype) && !(integers && (dtype == DType::i32 || dtype == DType::i64)))
    return fmt::format("data is {}", dtype_name(dtype));
  if (data.type.shape.is_concrete() && data.type.shape.elements() > INT32_MAX) return "2^31 elements or more";
  return {};
}
Refusal fold_refusal(const OpSite& site) {
  if (Refusal refusal = reduction_order_refusal(site); !refusal.empty()) return refusal;
  return type_refusal(site, fold_of(site).of_integers);
}
Refusal arg_refusal(const OpSite& site) {
  return type_refusal(site, true);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

#define HALFTONE_CUDA_FOLD(name, op) \
  extern const Kernel name{#name, op, Isa::scalar, fold_refusal, prepare<ReductionKernel>, true};
HALFTONE_CUDA_FOLD(reduce_l1, "ReduceL1")
HALFTONE_CUDA_FOLD(reduce_l2, "ReduceL2")
HALFTONE_CUDA_FOLD(reduce_log_sum, "ReduceLogSum")
HALFTONE_CUDA_FOLD(reduce_log_sum_exp, "ReduceLogSumExp")
HALFTONE_CUDA_FOLD(reduce_max, "ReduceMax")
HALFTONE_CUDA_FOLD(reduce_mean, "ReduceMean")
HALFTONE_CUDA_FOLD(reduce_min, "ReduceMin")
HALFTONE_CUDA_FOLD(reduce_prod, "ReduceProd")
HALFTONE_CUDA_FOLD(reduce_sum, "ReduceSum")
HALFTONE_CUDA_FOLD(reduce_sum_square, "ReduceSumSquare")

extern const Kernel arg_max_axis{"arg_max_axis", "ArgMax", Isa::scalar, arg_refusal, prepare<ArgAxisKernel>};
extern const Kernel arg_min{"arg_min", "ArgMin", Isa::scalar, arg_refusal, prepare<ArgAxisKernel>};

}  // namespace halftone::cuda
