#include "backend/map_site.h"

#include <algorithm>

namespace halftone {
namespace {

struct Parameter {
  std::string_view name = {};
  float fallback = 0;
};

struct Row {
  std::string_view op;
  Map kind;
  Parameter a = {}, b = {};
};

constexpr Row kRows[] = {
    {"Abs", Map::abs},
    {"Acos", Map::acos},
    {"Acosh", Map::acosh},
    {"Asin", Map::asin},
    {"Asinh", Map::asinh},
    {"Atan", Map::atan},
    {"Atanh", Map::atanh},
    {"Ceil", Map::ceil},
    {"Celu", Map::celu, {"alpha", 1}},
    {"Clip", Map::clip},
    {"Cos", Map::cos},
    {"Cosh", Map::cosh},
    {"Elu", Map::elu, {"alpha", 1}},
    {"Erf", Map::erf},
    {"Exp", Map::exp},
    {"Floor", Map::floor},
    {"Log", Map::log},
    {"Mish", Map::mish},
    {"Neg", Map::negate},
    {"Reciprocal", Map::reciprocal},
    {"Relu", Map::relu},
    {"Round", Map::round},
    {"Selu", Map::selu, {"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}},
    {"Sign", Map::sign},
    {"Sin", Map::sin},
    {"Sinh", Map::sinh},
    {"Softplus", Map::softplus},
    {"Softsign", Map::softsign},
    {"Sqrt", Map::sqrt},
    {"Tan", Map::tan},
    {"ThresholdedRelu", Map::threshold, {"alpha", 1}},
};

}  // namespace

MapOfSite map_of_site(const OpSite& site) {
  const Row* row = std::ranges::find(kRows, site.schema->name, &Row::op);
  if (row == std::end(kRows)) throw std::logic_error(fmt::format("no map of {}", site.schema->name));
  auto value_of = [&](const Parameter& parameter) {
    return parameter.name.empty() ? 0 : site.attributes->get_float(parameter.name, parameter.fallback);
  };
  return {row->kind, value_of(row->a), value_of(row->b)};
}

}  // namespace halftone
