#include "ops/reduction/reduction.h"

#include <limits>
#include <numeric>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {

std::optional<std::vector<bool>> reduced_axes(const OpSite& site) {
  const int rank = site.input_shape(0).rank();
  const auto axes = known_ints(site, 1);
  if (site.has_input(1) && !axes) return std::nullopt;
  const bool all = (!axes || axes->empty()) && site.attributes->get_int("noop_with_empty_axes", 0) == 0;
  std::vector<bool> reduced(static_cast<size_t>(rank), all);
  if (axes)
    for (int64_t axis : *axes) reduced[static_cast<size_t>(checked_axis(site, axis, rank))] = true;
  return reduced;
}

namespace {

bool keeps_dims(const OpSite& site) {
  return site.attributes->get_int("keepdims", 1) != 0;
}

Shape reduced_shape(const OpSite& site) {
  const Shape& data = site.input_shape(0);
  const auto reduced = reduced_axes(site);
  if (!reduced) return unknown_shape(keeps_dims(site) ? data.rank() : data.rank() - known_length(site, 1));
  Shape shape;
  for (int axis = 0; axis < data.rank(); ++axis)
    if (!(*reduced)[static_cast<size_t>(axis)])
      shape.push_back(data[axis]);
    else if (keeps_dims(site))
      shape.push_back(1);
  return shape;
}

std::vector<ValueType> infer(const OpSite& site) {
  require_number(site, 0);
  return {{site.inputs[0].type.dtype, reduced_shape(site)}};
}

std::vector<ValueType> infer_extreme(const OpSite& site) {
  if (site.inputs[0].type.dtype != DType::boolean) require_number(site, 0);
  return {{site.inputs[0].type.dtype, reduced_shape(site)}};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = static_cast<double>(site.input_shape(0).elements());
  return total;
}

/// The type that elements of type T are reduced in.
template <class T>
using Reduced =
    std::conditional_t<std::is_same_v<T, bool>, int64_t,
                       std::conditional_t<!std::is_integral_v<T>, double,
                                          std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>>;

/// y = f(elements of x that become one) for each element of y. f gets them as Reduced<T> and the type T.
template <class F>
void reduce(const OpSite& site, const Tensor& x, const MutableTensorView& y, F f) {
  const auto reduced = *reduced_axes(site);
  Shape lines = x.shape(), line = x.shape();  // all axes; of size 1 where they are the other's
  for (int axis = 0; axis < x.shape().rank(); ++axis)
    (reduced[static_cast<size_t>(axis)] ? lines : line)[axis] = 1;
  const Strides strides = row_major_strides(x.shape());
  std::vector<int64_t> steps;
  walk<1>(line, {strides}, [&](int64_t, const std::array<int64_t, 1>& at) { steps.push_back(at[0]); });

  visit_element(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto xs = x.span<T>();
    const auto ys = y.span<T>();
    std::vector<Reduced<T>> elements(steps.size());
    walk<1>(lines, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
      for (size_t n = 0; n < steps.size(); ++n)
        elements[n] = static_cast<Reduced<T>>(widen(xs[static_cast<size_t>(at[0] + steps[n])]));
      ys[static_cast<size_t>(i)] = to_number<T>(f(std::span<const Reduced<T>>(elements), zero));
    });
  });
}

/// The fold of f(element) by addition, wrapping around for integers.
template <class E, class F>
E sum_of(std::span<const E> elements, F f) {
  E sum = 0;
  for (E x : elements) sum = wrapping(sum, static_cast<E>(f(x)), [](auto a, auto b) { return a + b; });
  return sum;
}
template <class E>
E product(E a, E b) {
  return wrapping(a, b, [](auto x, auto y) { return x * y; });
}
template <class E>
E magnitude(E x) {
  return x < E{0} ? wrapping(E{0}, x, [](auto a, auto b) { return a - b; }) : x;
}

/// The least and the greatest number of an element type, as it is reduced.
template <class T>
Reduced<T> bound_of(bool greatest) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<Reduced<T>>(greatest ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min());
  else
    return greatest ? HUGE_VAL : -HUGE_VAL;
}

struct Sum {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return sum_of(elements, [](E x) { return x; });
  }
};
struct SumSquare {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return sum_of(elements, [](E x) { return product(x, x); });
  }
};
struct L1 {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return sum_of(elements, [](E x) { return magnitude(x); });
  }
};
struct L2 {
  template <class E, class T>
  double operator()(std::span<const E> elements, T) const {
    double sum = 0;
    for (E x : elements) sum += static_cast<double>(x) * static_cast<double>(x);
    return std::sqrt(sum);
  }
};
struct Mean {
  template <class E, class T>
  auto operator()(std::span<const E> elements, T type) const {
    if constexpr (std::is_integral_v<E>)
      return elements.empty() ? E{0} : Sum{}(elements, type) / static_cast<E>(elements.size());
    else
      return Sum{}(elements, type) / static_cast<E>(elements.size());
  }
};
struct Product {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return std::accumulate(elements.begin(), elements.end(), E{1}, product<E>);
  }
};
struct LogSum {
  template <class E, class T>
  double operator()(std::span<const E> elements, T type) const {
    return std::log(static_cast<double>(Sum{}(elements, type)));
  }
};
struct LogSumExp {
  template <class E, class T>
  double operator()(std::span<const E> elements, T) const {
    double highest = -HUGE_VAL;
    for (E x : elements) highest = higher(highest, static_cast<double>(x));
    if (std::isinf(highest)) return highest;
    double sum = 0;
    for (E x : elements) sum += std::exp(static_cast<double>(x) - highest);
    return highest + std::log(sum);
  }
};
struct Max {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return std::accumulate(elements.begin(), elements.end(), bound_of<T>(false), higher<E>);
  }
};
struct Min {
  template <class E, class T>
  E operator()(std::span<const E> elements, T) const {
    return std::accumulate(elements.begin(), elements.end(), bound_of<T>(true), lower<E>);
  }
};

template <class F>
OpSchema reduction(std::string_view name, decltype(OpSchema::infer) infer_rule = infer) {
  return {.name = name,
          .domain = "",
          .inputs = {{"data"}, {"axes", true}},
          .outputs = {"reduced"},
          .infer = infer_rule,
          .cost = cost,
          .reference = [](const OpSite& site, std::span<const Operand> inputs,
                          std::span<const MutableTensorView> outputs) {
            reduce(site, plain(inputs[0]), outputs[0], F{});
          }};
}

}  // namespace

std::span<const OpSchema> reduction_schemas() {
  static const OpSchema schemas[] = {
      reduction<L1>("ReduceL1"),
      reduction<L2>("ReduceL2"),
      reduction<LogSum>("ReduceLogSum"),
      reduction<LogSumExp>("ReduceLogSumExp"),
      reduction<Max>("ReduceMax", infer_extreme),
      reduction<Mean>("ReduceMean"),
      reduction<Min>("ReduceMin", infer_extreme),
      reduction<Product>("ReduceProd"),
      reduction<Sum>("ReduceSum"),
      reduction<SumSquare>("ReduceSumSquare"),
  };
  return schemas;
}

}  // namespace halftone
