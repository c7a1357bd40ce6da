#include "models/synthetic.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

const Value& value_named(const Graph& graph, const std::string& name) {
  for (const Value& value : graph.values())
    if (value.name == name) return value;
  throw std::logic_error(name);
}

/// Of all constants but the rotary tables.
double parameters(const Graph& graph) {
  double count = 0;
  for (const Value& value : graph.values())
    if (value.constant && value.name.rfind("rope", 0) != 0)
      count += static_cast<double>(value.type.shape.elements());
  return count;
}

TEST(Synthetic, EveryShapeBuilds) {
  for (const std::string& shape : synthetic_shapes())
    EXPECT_NO_THROW(llm_info(build_synthetic_llm(shape))) << shape;
}

TEST(Synthetic, ShapesHaveTheirModelsParameters) {
  EXPECT_NEAR(parameters(build_synthetic_llm("llama-3-8b")), 8.030e9, 1e6);
  EXPECT_NEAR(parameters(build_synthetic_llm("llama-2-7b")), 6.738e9, 1e6);
  EXPECT_NEAR(parameters(build_synthetic_llm("qwen2.5-0.5b")), 0.494e9, 1e6);
  EXPECT_NEAR(parameters(build_synthetic_llm("phi3-mini")), 3.821e9, 1e6);
  EXPECT_NEAR(parameters(build_synthetic_llm("gemma2-2b")), 2.614e9, 1e6);
}

TEST(Synthetic, CodesAreThoseOfTheNumbers) {
  const Graph graph = build_synthetic_llm("smollm2-135m");
  const Value& weight = value_named(graph, "model.layers.0.self_attn.k_proj.weight");
  const Tensor numbers = weight.constant->load();
  double square = 0;
  for (BFloat16 x : numbers.span<BFloat16>()) square += double{to_float(x)} * to_float(x);
  EXPECT_NEAR(std::sqrt(square / static_cast<double>(numbers.shape().elements())), 0.02, 0.001);

  for (const char* format : {"int4", "int8", "nf4"}) {
    Constant constant = *weight.constant;
    constant.set_encoding({find_number_format(format), Granularity::per_group(32)});
    const Tensor made = constant.load_encoded("w")->decode();
    const Tensor expected = quantize(numbers.view(), *constant.encoding(), "w").decode();
    EXPECT_TRUE(
        std::equal(made.span<float>().begin(), made.span<float>().end(), expected.span<float>().begin()))
        << format;
  }
}

TEST(Synthetic, UnknownShapesAreRefused) {
  EXPECT_THROW(build_synthetic_llm("llama-9"), UsageError);
}

}  // namespace
}  // namespace halftone
