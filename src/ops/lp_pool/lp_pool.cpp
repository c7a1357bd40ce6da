#include "ops/lp_pool/lp_pool.h"

#include <cmath>

#include "ops/pool.h"

namespace halftone {
namespace {

int64_t power(const OpSite& site) {
  return site.attributes->get_int("p", 2);
}

std::vector<ValueType> infer(const OpSite& site) {
  require(site, power(site) >= 1, "attribute p: expected at least 1, found {}", power(site));
  return infer_float_pool(site);
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const double p = static_cast<double>(power(site));
  pool_reference(inputs, outputs, pool_window(site),
                 [p](const PoolPlace&, const std::vector<float>& elements) {
                   double sum = 0;
                   for (float x : elements) sum += std::pow(std::abs(static_cast<double>(x)), p);
                   return std::pow(sum, 1 / p);
                 });
}

}  // namespace

const OpSchema& lp_pool_schema() {
  static const OpSchema schema = {.name = "LpPool",
                                  .domain = "",
                                  .inputs = {{"X"}},
                                  .outputs = {"Y"},
                                  .infer = infer,
                                  .cost = pool_cost,
                                  .reference = reference};
  return schema;
}

}  // namespace halftone
