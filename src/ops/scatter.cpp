#include "ops/scatter.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/movement.h"

namespace halftone {
namespace {

template <class T>
T combine(Reduction reduction, T a, T b) {
  switch (reduction) {
    case Reduction::add:
      return wrapping(a, b, [](auto x, auto y) { return x + y; });
    case Reduction::mul:
      return wrapping(a, b, [](auto x, auto y) { return x * y; });
    case Reduction::max:
      return std::max(a, b);
    case Reduction::min:
      return std::min(a, b);
    case Reduction::none:
      break;
  }
  return b;
}

}  // namespace

void require_scatter_types(const OpSite& site) {
  require_indices(site, 1);
  const DType data = site.inputs[0].type.dtype, updates = site.inputs[2].type.dtype;
  require(site, data == updates, "data is {}, updates {}", dtype_name(data), dtype_name(updates));
  reduction_of(site);
}

Reduction reduction_of(const OpSite& site) {
  constexpr std::pair<std::string_view, Reduction> kNames[] = {{"none", Reduction::none},
                                                               {"add", Reduction::add},
                                                               {"mul", Reduction::mul},
                                                               {"max", Reduction::max},
                                                               {"min", Reduction::min}};
  const std::string given = site.attributes->get_string("reduction", "none");
  for (const auto& [name, reduction] : kNames) {
    if (name != given) continue;
    require(site, reduction == Reduction::none || site.inputs[0].type.dtype != DType::boolean,
            "attribute reduction: no {} of bool", given);
    return reduction;
  }
  throw InputError("{} ({}): attribute reduction: expected none, add, mul, max or min, found \"{}\"",
                   site.name, site.schema->name, given);
}

void scatter_element(Reduction reduction, const MutableTensorView& out, int64_t to, const TensorView& updates,
                     int64_t from) {
  if (reduction == Reduction::none)
    return copy_element(out.data, to, updates.data, from, dtype_bytes(out.dtype));
  visit_number(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    T& place = out.span<T>()[static_cast<size_t>(to)];
    place = narrow<T>(combine(reduction, widen(place), widen(updates.span<T>()[static_cast<size_t>(from)])));
  });
}

}  // namespace halftone
