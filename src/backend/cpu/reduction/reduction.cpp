#include "ops/reduction/reduction.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/float_site.h"
#include "backend/cpu/movement/stored_shape.h"
#include "backend/cpu/reduction/fold_loops.h"
#include "backend/reduction_site.h"
#include "ops/elementwise.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cpu {
namespace {

/// Some axes of a tensor, outermost first, neighbours that go on evenly made one.
struct Axes {
  int rank = 0;
  Strides extents{}, steps{};
  int64_t count = 1;

  void add(int64_t extent, int64_t step, bool joins) {
    count *= extent;
    if (extent == 1) return;
    if (!joins) extents[static_cast<size_t>(rank++)] = 1;
    extents[static_cast<size_t>(rank - 1)] *= extent;
    steps[static_cast<size_t>(rank - 1)] = step;
  }
  int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (auto axis = static_cast<size_t>(rank); axis-- > 0;) {
      at += i % extents[axis] * steps[axis];
      i /= extents[axis];
    }
    return at;
  }
  /// Without the last of them, whose extent and step `last` gets; 1 and 0 where there is none.
  Axes without_last(int64_t& last_extent, int64_t& last_step) const {
    Axes rest = *this;
    last_extent = 1;
    last_step = 0;
    if (rank == 0) return rest;
    --rest.rank;
    last_extent = extents[static_cast<size_t>(rest.rank)];
    last_step = steps[static_cast<size_t>(rest.rank)];
    rest.count = last_extent == 0 ? 0 : count / last_extent;
    return rest;
  }
};

/// The axes of data as it lies that stay, and those that go.
struct PartedAxes {
  Axes kept, gone;
  bool last_goes = false;
};

PartedAxes part_axes(const OpSite& site, const std::vector<bool>& goes) {
  const Shape stored = stored_shape(site.input_shape(0), site.inputs[0].storage);
  const Strides strides = row_major_strides(stored);
  PartedAxes parted;
  bool first = true, went = false;
  for (int axis = 0; axis < stored.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const bool go = goes[a];
    (go ? parted.gone : parted.kept).add(stored[axis], strides[a], !first && went == go);
    if (stored[axis] == 1) continue;
    went = parted.last_goes = go;
    first = false;
  }
  return parted;
}

enum class Finish { none, quotient, root, logarithm };

struct FoldRow {
  std::string_view op;
  Fold fold;
  Finish finish = Finish::none;
};
constexpr FoldRow kFolds[] = {
    {"GlobalMaxPool", Fold::max},
    {"ReduceL1", Fold::sum_of_magnitudes},
    {"ReduceL2", Fold::sum_of_squares, Finish::root},
    {"ReduceLogSum", Fold::sum, Finish::logarithm},
    {"ReduceMax", Fold::max},
    {"ReduceMean", Fold::sum, Finish::quotient},
    {"ReduceMin", Fold::min},
    {"ReduceProd", Fold::product},
    {"ReduceSum", Fold::sum},
    {"ReduceSumSquare", Fold::sum_of_squares},
};

float start_of(Fold fold) {
  return fold == Fold::max ? -INFINITY : fold == Fold::min ? INFINITY : fold == Fold::product ? 1.0f : 0.0f;
}

float join(Fold fold, float a, float b) {
  return fold == Fold::max       ? higher(a, b)
         : fold == Fold::min     ? lower(a, b)
         : fold == Fold::product ? a * b
                                 : a + b;
}

float finished(Finish finish, float y, int64_t count) {
  switch (finish) {
    case Finish::quotient:
      return y / static_cast<float>(count);
    case Finish::root:
      return std::sqrt(y);
    case Finish::logarithm:
      return std::log(y);
    case Finish::none:
      break;
  }
  return y;
}

/// Elements a piece of work folds; long folds are cut into so many, whatever the number of threads.
constexpr int64_t kPiece = 16384;

class ReductionKernel : public PreparedKernel {
 public:
  ReductionKernel(const OpSite& site, const FoldLoops& loops)
      : loops_(loops),
        row_(*std::ranges::find(kFolds, site.schema->name, &FoldRow::op)),
        goes_(lying_reduced_axes(site)) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const PartedAxes axes = part_axes(site, goes_);
    return static_cast<size_t>((pieces_of(axes) - 1) * axes.kept.count) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const PartedAxes axes = part_axes(run.site, goes_);
    const int64_t outputs = axes.kept.count, pieces = pieces_of(axes);
    if (outputs == 0) return;
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    auto* parts = reinterpret_cast<float*>(run.workspace.data());  // of all pieces but the first
    auto part = [&](int64_t piece) { return piece == 0 ? y : parts + (piece - 1) * outputs; };
    if (axes.last_goes || axes.kept.rank == 0)
      fold_lines(run.threads, axes, x, pieces, part);
    else
      fold_columns(run.threads, axes, x, pieces, part);
    run.threads.parallel_for(outputs, kPiece, [&](int64_t begin, int64_t end) {
      for (int64_t piece = 1; piece < pieces; ++piece)
        for (int64_t i = begin; i < end; ++i) y[i] = join(row_.fold, y[i], part(piece)[i]);
      if (row_.finish == Finish::none) return;
      for (int64_t i = begin; i < end; ++i) y[i] = finished(row_.finish, y[i], axes.gone.count);
    });
  }

 private:
  /// Into how many parts each fold is cut, so that few long ones are work for many threads.
  static int64_t pieces_of(const PartedAxes& axes) {
    if (axes.kept.count == 0 || axes.gone.count == 0) return 1;
    const int64_t work = axes.kept.count * axes.gone.count / kPiece;
    const int64_t most = axes.gone.rank > 0 ? axes.gone.extents[0] : 1;
    if (axes.kept.count >= 8 * kPiece || work < 2) return 1;
    return std::clamp<int64_t>(kPiece / 16 / axes.kept.count, 1, std::min(work, most));
  }

  /// The part of the outermost axis that goes that is in a piece.
  static Axes cut(Axes gone, int64_t piece, int64_t pieces, int64_t& first) {
    first = 0;
    if (pieces == 1) return gone;
    const int64_t extent = gone.extents[0], begin = extent * piece / pieces,
                  end = extent * (piece + 1) / pieces;
    gone.count = gone.count / extent * (end - begin);
    gone.extents[0] = end - begin;
    first = begin * gone.steps[0];
    return gone;
  }

  /// Neighbours fold together: one output after the other.
  template <class Part>
  void fold_lines(ThreadPool& threads, const PartedAxes& axes, const float* x, int64_t pieces,
                  Part part) const {
    const int64_t outputs = axes.kept.count;
    const bool by_step = pieces == 1 && axes.kept.rank <= 1 && axes.gone.rank <= 1;
    const int64_t row_step = axes.kept.rank == 1 ? axes.kept.steps[0] : 0;
    threads.parallel_for(
        outputs * pieces, row_grain(axes.gone.count / pieces), [&](int64_t begin, int64_t end) {
          if (by_step && axes.gone.count > 0) {
            for (int64_t i = begin; i < end; ++i)
              part(0)[i] = loops_.run(row_.fold, x + i * row_step, axes.gone.count);
            return;
          }
          for (int64_t i = begin; i < end; ++i) {
            int64_t first, length, step;
            const Axes gone = cut(axes.gone, i / outputs, pieces, first).without_last(length, step);
            const float* from = x + axes.kept.offset(i % outputs) + first;
            float y = start_of(row_.fold);
            for (int64_t line = 0; line < gone.count && length > 0; ++line)
              y = join(row_.fold, y, loops_.run(row_.fold, from + gone.offset(line), length));
            part(i / outputs)[i % outputs] = y;
          }
        });
  }

  /// Neighbours stay apart: whole rows of outputs at a time.
  template <class Part>
  void fold_columns(ThreadPool& threads, const PartedAxes& axes, const float* x, int64_t pieces,
                    Part part) const {
    constexpr int64_t kMost = 1024;
    int64_t width, width_step;
    const Axes kept = axes.kept.without_last(width, width_step);
    const int64_t groups = (width + kMost - 1) / kMost, items = kept.count * groups;
    threads.parallel_for(
        items * pieces, row_grain(std::min(width, kMost) * axes.gone.count / pieces),
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t item = i % items, row = item / groups, column = item % groups * kMost;
            int64_t first, rows, step;
            const Axes gone = cut(axes.gone, i / items, pieces, first).without_last(rows, step);
            float* y = part(i / items) + row * width + column;
            const int64_t columns = std::min(kMost, width - column);
            std::fill_n(y, columns, start_of(row_.fold));
            const float* from = x + kept.offset(row) + column + first;
            for (int64_t line = 0; line < gone.count; ++line)
              loops_.rows(row_.fold, from + gone.offset(line), rows, step, y, columns);
          }
        });
  }

  const FoldLoops& loops_;
  FoldRow row_;
  std::vector<bool> goes_;  ///< by axis as it lies
};

class ArgReductionKernel : public PreparedKernel {
 public:
  ArgReductionKernel(const OpSite& site, const FoldLoops& loops)
      : loops_(loops),
        smallest_(site.schema->name == "ArgMin"),
        last_(site.attributes->get_int("select_last_index", 0) != 0) {}

  void run(const KernelRun& run) const override {
    constexpr int64_t kMost = 1024;
    if (run.outputs[0].shape.elements() == 0) return;
    const Shape& shape = run.site.input_shape(0);
    const AxisView view = axis_view(shape, axis_attribute(run.site, "axis", 0, shape.rank()), 1);
    const auto inner = static_cast<int64_t>(view.inner);
    const float* x = run.inputs[0].span<float>().data();
    int64_t* y = run.outputs[0].span<int64_t>().data();
    const int64_t groups = (inner + kMost - 1) / kMost;
    run.threads.parallel_for(
        view.outer * groups, row_grain(view.size * std::min(inner, kMost)), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t outer = i / groups, column = i % groups * kMost;
            loops_.places(smallest_, last_, x + outer * view.size * inner + column, view.size, inner,
                          y + outer * inner + column, std::min(kMost, inner - column));
          }
        });
  }

 private:
  const FoldLoops& loops_;
  bool smallest_, last_;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = reduction_order_refusal(site); !refusal.empty()) return refusal;
  return not_all_f32(site, 1);
}

Refusal supports_places(const OpSite& site) {
  const SiteInput& data = site.inputs[0];
  if (data.encoding) return "data is encoded as " + data.encoding->str();
  if (data.type.dtype != DType::f32) return fmt::format("data is {}, not f32", dtype_name(data.type.dtype));
  return {};
}

template <class K, const FoldLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site, kLoops);
}

}  // namespace

#define HALFTONE_FOLD_KERNEL(name, op, isa) \
  extern const Kernel name##_##isa{         \
      #name "_" #isa, op, Isa::isa, supports, prepare<ReductionKernel, fold_loops_##isa>, true};
#define HALFTONE_ARG_KERNEL(name, op, isa)                                        \
  extern const Kernel name##_##isa{#name "_" #isa, op, Isa::isa, supports_places, \
                                   prepare<ArgReductionKernel, fold_loops_##isa>};

#define HALFTONE_REDUCTION_KERNELS(isa)                       \
  HALFTONE_ARG_KERNEL(arg_max, "ArgMax", isa)                 \
  HALFTONE_ARG_KERNEL(arg_min, "ArgMin", isa)                 \
  HALFTONE_FOLD_KERNEL(global_max_pool, "GlobalMaxPool", isa) \
  HALFTONE_FOLD_KERNEL(reduce_l1, "ReduceL1", isa)            \
  HALFTONE_FOLD_KERNEL(reduce_l2, "ReduceL2", isa)            \
  HALFTONE_FOLD_KERNEL(reduce_log_sum, "ReduceLogSum", isa)   \
  HALFTONE_FOLD_KERNEL(reduce_max, "ReduceMax", isa)          \
  HALFTONE_FOLD_KERNEL(reduce_mean, "ReduceMean", isa)        \
  HALFTONE_FOLD_KERNEL(reduce_min, "ReduceMin", isa)          \
  HALFTONE_FOLD_KERNEL(reduce_prod, "ReduceProd", isa)        \
  HALFTONE_FOLD_KERNEL(reduce_sum, "ReduceSum", isa)          \
  HALFTONE_FOLD_KERNEL(reduce_sum_square, "ReduceSumSquare", isa)

#if defined(__x86_64__)
HALFTONE_REDUCTION_KERNELS(avx512vnni)
HALFTONE_REDUCTION_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_REDUCTION_KERNELS(neon)
#endif

}  // namespace halftone::cpu
