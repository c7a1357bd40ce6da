#include "ops/requantizer.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/gate_polynomial.h"

namespace halftone {
namespace {

double silu(double x) {
  return x / (1 + std::exp(-x));
}

struct GateCase {
  Gate gate;
  double (*exact)(double x);
  double within, beyond;  ///< the largest errors
};
const GateCase kGates[] = {
    {Gate::silu, silu, 1.03e-4, 2.9e-5},
    {Gate::gelu, [](double x) { return 0.5 * x * (1 + std::erf(x * 0.70710678118654752)); }, 4.2e-6, 1e-6},
    {Gate::gelu_tanh,
     [](double x) { return 0.5 * x * (1 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x))); },
     8.7e-6, 1e-6},
    {Gate::hard_swish, [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }, 1.7e-7, 1e-7}};

TEST(GatePolynomial, StaysWithinItsError) {
  for (const GateCase& c : kGates) {
    const float reach = kGatePolynomials[static_cast<size_t>(c.gate)].reach;
    double largest = 0, beyond = 0;
    for (int i = -400000; i <= 400000; ++i) {
      const float x = static_cast<float>(i) / 20000;
      const double error = std::fabs(double{gated(c.gate, x)} - c.exact(double{x}));
      double& most = std::fabs(x) > reach ? beyond : largest;
      most = std::max(most, error);
    }
    EXPECT_LT(largest, c.within);
    EXPECT_GT(largest, 0.9 * c.within);
    EXPECT_LT(beyond, c.beyond);
  }
}

TEST(GatePolynomial, KeepsZeroAndWhatIsNoNumber) {
  for (const GateCase& c : kGates) {
    EXPECT_EQ(gated(c.gate, 0), 0);
    EXPECT_EQ(gated(c.gate, 1e30f), 1e30f);
    const double nothing = c.gate == Gate::hard_swish ? c.beyond : 1e-20;
    EXPECT_NEAR(gated(c.gate, -1e30f), 0, nothing);
    EXPECT_EQ(gated(c.gate, INFINITY), INFINITY);
    EXPECT_NEAR(gated(c.gate, NAN), 0, nothing);
  }
}

TEST(Requantizer, GainsFollowSilu) {
  Attributes attributes;
  set_fused_activation(attributes, {FusedActivation::Kind::silu});
  const CodeScale out{0.02f, 14};
  OpSite site;
  site.schema = find_op("Conv");
  site.attributes = &attributes;
  site.output_storage = {{Storage::Order::planar, out}};
  const std::vector<double> units = {0.001, 0.004, 1e30};
  const std::vector<float> gains = {0.5f, 3, 1e30f};
  const Requantizer requantizer(site, units, gains);
  EXPECT_EQ(requantizer.table(), nullptr);
  EXPECT_EQ(requantizer.zero(), 14);
  for (int32_t sum = -20000; sum <= 20000; sum += 7)
    for (size_t i : {size_t{0}, size_t{1}}) {
      const double exact = silu(sum * units[i]) * double{gains[i]} / double{out.scale} + 14;
      EXPECT_NEAR(requantizer.code(sum, i), std::clamp(exact, 0.0, 255.0), 0.53) << sum << " " << i;
    }
  EXPECT_EQ(requantizer.code(0, 0), 14);
  EXPECT_EQ(requantizer.code(1, 2), 255);
  EXPECT_EQ(requantizer.code(0, 2), 14);
}

TEST(Requantizer, AGateAloneHasGainsOfOne) {
  Attributes attributes;
  set_fused_activation(attributes, {FusedActivation::Kind::silu});
  OpSite site;
  site.schema = find_op("Conv");
  site.attributes = &attributes;
  site.output_storage = {{Storage::Order::planar, CodeScale{0.02f, 14}}};
  const std::vector<double> units = {0.001, 0.004};
  const Requantizer alone(site, units), gained(site, units, {1, 1});
  EXPECT_EQ(alone.gains(), gained.gains());
  EXPECT_EQ(alone.table(), nullptr);
  attributes.set("requantization", std::string("fixed"));
  EXPECT_NE(Requantizer(site, units).table(), nullptr);
}

}  // namespace
}  // namespace halftone
