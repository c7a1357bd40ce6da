#include <bit>
#include <cmath>
#include <functional>
#include <optional>

#include "backend/cpu/broadcast/broadcast_axes.h"
#include "backend/cpu/broadcast/pair_rows.h"
#include "backend/cpu/float_site.h"
#include "backend/float_site.h"
#include "ops/elementwise.h"

// y = f(a, b) of elements broadcast together: arithmetic, comparisons, logic, and the operators of many
// inputs.

namespace halftone::cpu {
namespace {

template <class F>
struct Wrapping {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping(a, b, F());
  }
};
using Sum = Wrapping<std::plus<>>;
using Difference = Wrapping<std::minus<>>;
using Product = Wrapping<std::multiplies<>>;

struct Quotient {
  float operator()(float a, float b) const { return a / b; }
};
struct Higher {
  template <class T>
  T operator()(T a, T b) const {
    return higher(a, b);
  }
};
struct Lower {
  template <class T>
  T operator()(T a, T b) const {
    return lower(a, b);
  }
};
struct Slope {
  /// Chosen by bits: compilers make a branch of anything else here, and no vectors.
  float operator()(float x, float slope) const {
    const auto below = static_cast<uint32_t>(-static_cast<int32_t>(x < 0));
    const uint32_t scaled = std::bit_cast<uint32_t>(x * slope), same = std::bit_cast<uint32_t>(x);
    return std::bit_cast<float>((scaled & below) | (same & ~below));
  }
};
struct Both {
  bool operator()(bool a, bool b) const { return a && b; }
};
struct Either {
  bool operator()(bool a, bool b) const { return a || b; }
};
struct One {
  bool operator()(bool a, bool b) const { return a != b; }
};

/// Elements of two inputs of one type meet in the output.
template <class F, class In, class Out>
void combine(const KernelRun& run, const BroadcastAxes& axes, const In* a, const In* b, const F& f) {
  Out* y = run.outputs[0].span<Out>().data();
  const auto last = static_cast<size_t>(axes.rank - 1);
  parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
    each_row<2>(axes, begin, end, [&](const std::array<int64_t, 2>& from, int64_t to, int64_t count) {
      pair_row(f, a + from[0], axes.steps[0][last], b + from[1], axes.steps[1][last], y + to, count);
    });
  });
}
template <class F, class In, class Out>
void combine(const KernelRun& run, const F& f) {
  combine<F, In, Out>(run, broadcast_axes(run.site), run.inputs[0].span<In>().data(),
                      run.inputs[1].span<In>().data(), f);
}

/// Whether operands and output are alike and lie in rows of channels.
bool in_rows(const OpSite& site) {
  const Storage last{Storage::Order::channels_last, {}};
  return site.inputs[0].type == site.outputs[0] && site.inputs[1].type == site.outputs[0] &&
         site.outputs[0].dtype == DType::f32 && site.outputs[0].shape.rank() > 2 &&
         site.inputs[0].storage == last && site.inputs[1].storage == last &&
         site.storage_of_output(0) == last;
}

/// Floats, and where kIntegers i32 and i64 besides.
template <class F, bool kIntegers>
class Arithmetic : public PreparedKernel {
 public:
  explicit Arithmetic(const OpSite& site) : in_rows_(in_rows(site)) {}

  bool spaces_rows() const override { return in_rows_; }
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    if (run.row_step > 0) return run_rows(run);
    if constexpr (kIntegers) {
      if (run.outputs[0].dtype == DType::i32) return combine<F, int32_t, int32_t>(run, F());
      if (run.outputs[0].dtype == DType::i64) return combine<F, int64_t, int64_t>(run, F());
    }
    combine<F, float, float>(run, F());
  }

 private:
  static void run_rows(const KernelRun& run) {
    const int64_t width = run.outputs[0].shape[1];
    const float* a = run.inputs[0].span<float>().data();
    const float* b = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(
        run.outputs[0].shape.elements() / width, row_grain(width), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row)
            pair_row(F(), a + row * width, 1, b + row * width, 1, y + row * run.row_step, width);
        });
  }

  bool in_rows_;
};

/// a and b of any type that there are tests of, y of bool.
template <class F>
class Test : public PreparedKernel {
 public:
  explicit Test(const OpSite&) {}
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    switch (run.site.inputs[0].type.dtype) {
      case DType::f32:
        return combine<F, float, bool>(run, F());
      case DType::i32:
        return combine<F, int32_t, bool>(run, F());
      case DType::i64:
        return combine<F, int64_t, bool>(run, F());
      case DType::u8:
        return combine<F, uint8_t, bool>(run, F());
      default:
        return combine<F, bool, bool>(run, F());
    }
  }
};

template <class F>
class Logic : public PreparedKernel {
 public:
  explicit Logic(const OpSite&) {}
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() > 0) combine<F, bool, bool>(run, F());
  }
};

class Not : public PreparedKernel {
 public:
  explicit Not(const OpSite&) {}
  void run(const KernelRun& run) const override {
    const bool* x = run.inputs[0].span<bool>().data();
    bool* y = run.outputs[0].span<bool>().data();
    parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = !x[i];
    });
  }
};

/// x^e of a row with one exponent, by products or a root where it is such; false where it is not.
bool known_power(const float* x, int64_t step, float exponent, float* y, int64_t count) {
  auto each = [&](auto f) {
    visit_step(step, [&](auto by) {
      for (int64_t i = 0; i < count; ++i) y[i] = f(x[i * by]);
    });
    return true;
  };
  if (exponent == 2) return each([](float v) { return v * v; });
  if (exponent == 3) return each([](float v) { return v * v * v; });
  if (exponent == 1) return each([](float v) { return v; });
  if (exponent == -1) return each([](float v) { return 1 / v; });
  if (exponent == 0.5f) return each([](float v) { return v == -INFINITY ? INFINITY : std::sqrt(v) + 0.0f; });
  return false;
}

/// An exponent that is a constant of another type becomes f32 once.
class Power : public PreparedKernel {
 public:
  explicit Power(const OpSite& site) {
    if (site.inputs[1].type.dtype != DType::f32) exponents_ = as_floats(site.inputs[1].constant->load());
  }
  bool keeps(size_t i) const override { return i == 1 && exponents_; }
  size_t packed_bytes() const override { return exponents_ ? exponents_->size_bytes() : 0; }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const float* x = run.inputs[0].span<float>().data();
    const float* e = exponents_ ? exponents_->span<float>().data() : run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const BroadcastAxes axes = broadcast_axes(run.site);
    const auto last = static_cast<size_t>(axes.rank - 1);
    const int64_t x_step = axes.steps[0][last], e_step = axes.steps[1][last];
    run.threads.parallel_for(run.outputs[0].shape.elements(), 2048, [&](int64_t begin, int64_t end) {
      each_row<2>(axes, begin, end, [&](const std::array<int64_t, 2>& from, int64_t to, int64_t count) {
        if (e_step == 0 && known_power(x + from[0], x_step, e[from[1]], y + to, count)) return;
        pair_row([](float v, float exponent) { return std::pow(v, exponent); }, x + from[0], x_step,
                 e + from[1], e_step, y + to, count);
      });
    });
  }

 private:
  static Tensor as_floats(const Tensor& given) {
    Tensor floats = Tensor::allocate(DType::f32, given.shape());
    const auto to = floats.mutable_view().span<float>();
    visit_number(given.dtype(), [&](auto zero) {
      const auto from = given.span<decltype(zero)>();
      for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(widen(from[i]));
    });
    return floats;
  }

  std::optional<Tensor> exponents_;
};

/// The first two inputs, then each further one with what there is.
template <class F>
class Variadic : public PreparedKernel {
 public:
  explicit Variadic(const OpSite& site) : mean_(site.schema->name == "Mean") {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const Storage storage = run.site.storage_of_output(0);
    const SiteInput made{true, run.site.outputs[0], nullptr, nullptr, storage};
    float* y = run.outputs[0].span<float>().data();
    const size_t inputs = run.inputs.size();
    if (inputs == 1) std::copy_n(run.inputs[0].span<float>().data(), elements, y);
    for (size_t i = 1; i < inputs; ++i) {
      const std::array<SiteInput, 2> pair{i == 1 ? run.site.inputs[0] : made, run.site.inputs[i]};
      combine<F, float, float>(run, broadcast_axes(pair, run.outputs[0].shape, storage),
                               i == 1 ? run.inputs[0].span<float>().data() : y,
                               run.inputs[i].span<float>().data(), F());
    }
    if (!mean_) return;
    parallel_floats(run.threads, elements, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] /= static_cast<float>(inputs);
    });
  }

 private:
  bool mean_;
};

Refusal not_all_of(const OpSite& site, DType dtype) {
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const std::string_view name = site.schema->inputs[std::min(i, site.schema->inputs.size() - 1)].name;
    if (site.inputs[i].type.dtype != dtype)
      return fmt::format("{} is {}, not {}", name, dtype_name(site.inputs[i].type.dtype), dtype_name(dtype));
  }
  return {};
}

Refusal floats_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  return not_all_of(site, DType::f32);
}
Refusal numbers_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.inputs[0].type.dtype;
  return not_all_of(site, dtype == DType::i32 || dtype == DType::i64 ? dtype : DType::f32);
}
Refusal test_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.inputs[0].type.dtype;
  for (DType taken : {DType::f32, DType::i32, DType::i64, DType::u8, DType::boolean})
    if (dtype == taken) return {};
  return fmt::format("inputs are {}", dtype_name(dtype));
}
Refusal not_refusal(const OpSite& site) {
  return mixed_order_refusal(site);
}
Refusal power_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("X is {}, not f32", dtype_name(site.inputs[0].type.dtype));
  if (site.inputs[1].type.dtype != DType::f32 && !site.inputs[1].constant)
    return fmt::format("Y is {} and no constant", dtype_name(site.inputs[1].type.dtype));
  return {};
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<K>(site);
}

}  // namespace

#define HALFTONE_PAIR_KERNEL(name, op, refusal, ...) \
  extern const Kernel name{#name, op, Isa::scalar, refusal, prepare<__VA_ARGS__>, true};
HALFTONE_PAIR_KERNEL(add, "Add", numbers_refusal, Arithmetic<Sum, true>)
HALFTONE_PAIR_KERNEL(div, "Div", floats_refusal, Arithmetic<Quotient, false>)
HALFTONE_PAIR_KERNEL(equal, "Equal", test_refusal, Test<std::equal_to<>>)
HALFTONE_PAIR_KERNEL(greater, "Greater", test_refusal, Test<std::greater<>>)
HALFTONE_PAIR_KERNEL(greater_or_equal, "GreaterOrEqual", test_refusal, Test<std::greater_equal<>>)
HALFTONE_PAIR_KERNEL(less, "Less", test_refusal, Test<std::less<>>)
HALFTONE_PAIR_KERNEL(less_or_equal, "LessOrEqual", test_refusal, Test<std::less_equal<>>)
HALFTONE_PAIR_KERNEL(logical_and, "And", broadcast_refusal, Logic<Both>)
HALFTONE_PAIR_KERNEL(logical_not, "Not", not_refusal, Not)
HALFTONE_PAIR_KERNEL(logical_or, "Or", broadcast_refusal, Logic<Either>)
HALFTONE_PAIR_KERNEL(logical_xor, "Xor", broadcast_refusal, Logic<One>)
HALFTONE_PAIR_KERNEL(max_of, "Max", floats_refusal, Variadic<Higher>)
HALFTONE_PAIR_KERNEL(mean_of, "Mean", floats_refusal, Variadic<Sum>)
HALFTONE_PAIR_KERNEL(min_of, "Min", floats_refusal, Variadic<Lower>)
HALFTONE_PAIR_KERNEL(mul, "Mul", numbers_refusal, Arithmetic<Product, true>)
HALFTONE_PAIR_KERNEL(p_relu, "PRelu", floats_refusal, Arithmetic<Slope, false>)
HALFTONE_PAIR_KERNEL(pow_pairs, "Pow", power_refusal, Power)
HALFTONE_PAIR_KERNEL(sub, "Sub", numbers_refusal, Arithmetic<Difference, true>)
HALFTONE_PAIR_KERNEL(sum_of, "Sum", floats_refusal, Variadic<Sum>)

}  // namespace halftone::cpu
