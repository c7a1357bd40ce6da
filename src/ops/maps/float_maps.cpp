#include <algorithm>
#include <optional>

#include "ops/elementwise.h"
#include "ops/maps/maps.h"

namespace halftone {
namespace {

struct Parameter {
  std::string_view name;
  float fallback = 0;
};

/// y = f(x, a, b); a and b are attributes, where they have a name.
struct FloatMap {
  std::string_view op;
  float (*f)(float x, float a, float b);
  Parameter a = {}, b = {};
};

float softplus(float x) {
  return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
}
float hard_sigmoid(float x, float alpha, float beta) {
  return std::clamp(alpha * x + beta, 0.0f, 1.0f);
}

constexpr FloatMap kFloatMaps[] = {
    {"Acos", [](float x, float, float) { return std::acos(x); }},
    {"Acosh", [](float x, float, float) { return std::acosh(x); }},
    {"Asin", [](float x, float, float) { return std::asin(x); }},
    {"Asinh", [](float x, float, float) { return std::asinh(x); }},
    {"Atan", [](float x, float, float) { return std::atan(x); }},
    {"Atanh", [](float x, float, float) { return std::atanh(x); }},
    {"Ceil", [](float x, float, float) { return std::ceil(x); }},
    {"Celu",
     [](float x, float alpha, float) { return x > 0 ? x : alpha * std::expm1(x / alpha); },
     {"alpha", 1}},
    {"Cos", [](float x, float, float) { return std::cos(x); }},
    {"Cosh", [](float x, float, float) { return std::cosh(x); }},
    {"Elu", [](float x, float alpha, float) { return x > 0 ? x : alpha * std::expm1(x); }, {"alpha", 1}},
    {"Erf", [](float x, float, float) { return std::erf(x); }},
    {"Exp", [](float x, float, float) { return std::exp(x); }},
    {"Floor", [](float x, float, float) { return std::floor(x); }},
    {"HardSigmoid", hard_sigmoid, {"alpha", 0.2f}, {"beta", 0.5f}},
    {"HardSwish", [](float x, float, float) { return x * hard_sigmoid(x, 1.0f / 6, 0.5f); }},
    {"LeakyRelu", [](float x, float alpha, float) { return x < 0 ? alpha * x : x; }, {"alpha", 0.01f}},
    {"Log", [](float x, float, float) { return std::log(x); }},
    {"Mish", [](float x, float, float) { return x * std::tanh(softplus(x)); }},
    {"Reciprocal", [](float x, float, float) { return 1 / x; }},
    {"Round", [](float x, float, float) { return std::nearbyint(x); }},  // halves to even
    {"Selu",
     [](float x, float alpha, float gamma) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); },
     {"alpha", 1.67326319217681884765625f},
     {"gamma", 1.05070102214813232421875f}},
    {"Sigmoid", [](float x, float, float) { return 1 / (1 + std::exp(-x)); }},
    {"Sin", [](float x, float, float) { return std::sin(x); }},
    {"Sinh", [](float x, float, float) { return std::sinh(x); }},
    {"Softplus", [](float x, float, float) { return softplus(x); }},
    {"Softsign", [](float x, float, float) { return x / (1 + std::fabs(x)); }},
    {"Sqrt", [](float x, float, float) { return std::sqrt(x); }},
    {"Swish", [](float x, float alpha, float) { return x / (1 + std::exp(-alpha * x)); }, {"alpha", 1}},
    {"Tan", [](float x, float, float) { return std::tan(x); }},
    {"Tanh", [](float x, float, float) { return std::tanh(x); }},
    {"ThresholdedRelu", [](float x, float alpha, float) { return x > alpha ? x : 0; }, {"alpha", 1}},
};

/// Attributes gate_scale and gate_zero of Swish: sigmoid(alpha x) is rounded to these codes before it
/// multiplies.
std::optional<CodeScale> swish_gate(const OpSite& site) {
  if (site.schema->name != "Swish" || !site.attributes->has("gate_scale")) return std::nullopt;
  const float scale = site.attributes->get_float("gate_scale", 0);
  const int64_t zero = site.attributes->get_int("gate_zero", 0);
  require(site, scale > 0 && std::isfinite(scale) && zero >= 0 && zero <= 255,
          "attributes gate_scale and gate_zero: expected a scale and a zero of 0 to 255, found {} and {}",
          scale, zero);
  return CodeScale{scale, static_cast<uint8_t>(zero)};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const auto& map = *std::find_if(std::begin(kFloatMaps), std::end(kFloatMaps),
                                  [&](const FloatMap& row) { return row.op == site.schema->name; });
  auto value_of = [&](const Parameter& parameter) {
    return parameter.name.empty() ? 0 : site.attributes->get_float(parameter.name, parameter.fallback);
  };
  const float a = value_of(map.a);
  const float b = value_of(map.b);
  if (const auto gate = swish_gate(site)) {
    map_floats(inputs, outputs, [&](float x) {
      return x * decode_activation(encode_activation(1 / (1 + std::exp(-a * x)), *gate), *gate);
    });
    return;
  }
  map_floats(inputs, outputs, [&](float x) { return map.f(x, a, b); });
}

}  // namespace

std::span<const OpSchema> float_map_schemas() {
  static const std::vector<OpSchema> schemas = [] {
    std::vector<OpSchema> made;
    for (const FloatMap& map : kFloatMaps)
      made.push_back({.name = map.op,
                      .domain = "",
                      .inputs = {{"X"}},
                      .outputs = {"Y"},
                      .infer = infer_float_map,
                      .cost = elementwise_cost,
                      .reference = reference});
    return made;
  }();
  return schemas;
}

}  // namespace halftone
