#include "tune/sweep.h"

namespace halftone {
namespace {

SweepVariant by_name(std::string label, const std::string& recipe) {
  return {std::move(label), find_recipe(recipe), true};
}

/// Weights of a named recipe with int8 activations of a granularity.
SweepVariant with_activations(std::string label, const std::string& recipe, const Granularity& granularity) {
  SweepVariant variant = by_name(std::move(label), recipe);
  Encoding activations;
  activations.format = find_number_format("int8");
  activations.granularity = granularity;
  activations.timing = Timing::dynamic;
  activations.scale_dtype = DType::f32;
  for (RecipeRule& rule : variant.recipe.rules)
    if (rule.weights) rule.activations = activations;
  return variant;
}

}  // namespace

std::vector<SweepVariant> field_table(bool calibrated) {
  const Granularity token = Granularity::per_token(), tensor = Granularity::per_tensor();
  std::vector<SweepVariant> table = {
      by_name("W8 weight-only", "rtn-w8"),
      with_activations("W8A8", "rtn-w8", token),
      with_activations("W8A8", "rtn-w8", tensor),
      with_activations("W8A8", "rtn-w8-tensor", tensor),
      with_activations("W8A8", "rtn-w8-tensor", token),
      by_name("W4 weight-only, W4A16", "rtn-w4"),
      by_name("W4 weight-only", "rtn-w4g32"),
      by_name("W4 weight-only", "rtn-w4g128"),
      by_name("W4 affine weight-only", "rtn-w4g128-affine"),
      with_activations("W4A8", "rtn-w4", token),
      with_activations("W4A8", "rtn-w4g32", Granularity::per_group(32)),
      by_name("LLM.int8()", "llm-int8"),
      by_name("NF4", "nf4"),
      by_name("NF4, double quantization", "nf4-dq"),
  };
  if (!calibrated) return table;
  table.push_back(by_name("GPTQ W4 g128", "gptq-w4g128"));
  table.push_back(by_name("AWQ W4 g128", "awq-w4g128"));
  table.push_back(by_name("AutoRound W4 g128", "autoround-w4g128"));
  table.push_back(by_name("OmniQuant W4 g128", "omniquant-w4g128"));
  table.push_back(by_name("SmoothQuant W8A8", "smoothquant-w8a8"));
  return table;
}

}  // namespace halftone
