#include "quant/recipe.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/suggest.h"
#include "quant/glob.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

Encoding weights_as(std::string_view format, const Granularity& granularity, bool symmetric = true) {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = granularity;
  encoding.symmetric = symmetric;
  return encoding;
}

/// int8, symmetric, one scale a token, measured as the model runs.
Encoding dynamic_int8() {
  Encoding encoding = weights_as("int8", Granularity::per_token());
  encoding.timing = Timing::dynamic;
  encoding.scale_dtype = DType::f32;
  return encoding;
}

Recipe rtn(std::string name, const Encoding& weights, bool dynamic_activations = false) {
  Recipe recipe;
  recipe.name = std::move(name);
  RecipeRule rule;
  rule.weights = weights;
  if (dynamic_activations) rule.activations = dynamic_int8();
  recipe.rules = {rule};
  recipe.tied = weights.format->bits() >= 8 ? weights : weights_as("int8", Granularity::per_axis(0));
  return recipe;
}

/// rtn-w{2,3,4,5,6,8}[a8][g32,g64,g128][-affine] and rtn-w{...}-tensor.
void add_integer_recipes(std::vector<Recipe>& recipes) {
  for (int bits : {8, 6, 5, 4, 3, 2}) {
    const std::string format = fmt::format("int{}", bits);
    for (bool a8 : {false, true})
      for (int group : {0, 128, 64, 32})
        for (bool affine : {false, true}) {
          std::string name = fmt::format("rtn-w{}", bits);
          if (a8) name += "a8";
          if (group) name += fmt::format("{}{}", a8 ? "-g" : "g", group);
          if (affine) name += "-affine";
          const Granularity granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0);
          recipes.push_back(rtn(std::move(name), weights_as(format, granularity, !affine), a8));
        }
    recipes.push_back(
        rtn(fmt::format("rtn-w{}-tensor", bits), weights_as(format, Granularity::per_tensor())));
  }
}

Recipe calibrated(std::string name, const Encoding& weights, std::vector<AlgorithmStep> algorithms,
                  bool dynamic_activations = false) {
  Recipe recipe = rtn(std::move(name), weights, dynamic_activations);
  recipe.algorithms = std::move(algorithms);
  return recipe;
}

/// {awq,gptq,awq+gptq}-w{4,3}g{128,64,32}, each with the zero points that its peers use and in the other
/// form; gptq also -act-order; smoothquant; LLM.int8().
void add_calibrated_recipes(std::vector<Recipe>& recipes) {
  const AlgorithmStep scales_alone{"awq", {{"clip", 0}}}, act_order{"gptq", {{"act_order", 1}}};
  for (int bits : {4, 3})
    for (int group : {128, 64, 32}) {
      const std::string shape = fmt::format("w{}g{}", bits, group);
      auto weights = [&](bool symmetric) {
        return weights_as(fmt::format("int{}", bits), Granularity::per_group(group), symmetric);
      };
      recipes.push_back(calibrated("awq-" + shape, weights(false), {{"awq"}}));
      recipes.push_back(calibrated("awq-" + shape + "-sym", weights(true), {{"awq"}}));
      recipes.push_back(calibrated("gptq-" + shape, weights(true), {{"gptq"}}));
      recipes.push_back(calibrated("gptq-" + shape + "-affine", weights(false), {{"gptq"}}));
      recipes.push_back(calibrated("gptq-" + shape + "-act-order", weights(true), {act_order}));
      recipes.push_back(calibrated("awq+gptq-" + shape, weights(false), {scales_alone, {"gptq"}}));
    }
  const Encoding int8 = weights_as("int8", Granularity::per_axis(0));
  recipes.push_back(calibrated("smoothquant-w8a8", int8, {{"smoothquant"}}, true));
  recipes.push_back(calibrated("smoothquant+gptq-w8a8", int8, {{"smoothquant"}, {"gptq"}}, true));
  recipes.push_back(calibrated("llm-int8", int8, {{"llm_int8"}, {"rtn"}}, true));
}

/// {autoround,adaround,omniquant}-w{4,3,2}[g{128,64,32}][-affine]
void add_learned_recipes(std::vector<Recipe>& recipes) {
  for (const char* algorithm : {"autoround", "adaround", "omniquant"})
    for (int bits : {4, 3, 2})
      for (int group : {0, 128, 64, 32})
        for (bool affine : {false, true}) {
          const Granularity granularity = group ? Granularity::per_group(group) : Granularity::per_axis(0);
          recipes.push_back(
              calibrated(fmt::format("{}-w{}{}{}", algorithm, bits, group ? fmt::format("g{}", group) : "",
                                     affine ? "-affine" : ""),
                         weights_as(fmt::format("int{}", bits), granularity, !affine), {{algorithm}}));
        }
}

/// int8-static and int8-dynamic: all weights in int8 per channel, also of small layers. Static codes have one
/// scale for all channels, which SmoothQuant evens out first.
Recipe int8(std::string name, bool dynamic) {
  Encoding weights = weights_as("int8", Granularity::per_axis(0));
  weights.scale_dtype = DType::f32;
  Recipe recipe = rtn(std::move(name), weights, dynamic);
  recipe.minimum_elements = 0;
  if (dynamic) return recipe;
  recipe.static_activations = StaticActivations{};
  recipe.static_activations->observer.method = "search";
  recipe.algorithms = {{"smoothquant"}};
  return recipe;
}

std::vector<Recipe> make_recipes() {
  std::vector<Recipe> recipes;
  add_integer_recipes(recipes);
  add_calibrated_recipes(recipes);
  add_learned_recipes(recipes);
  recipes.push_back(rtn("w4a8-g128", weights_as("int4", Granularity::per_group(128)), true));
  Encoding nf4 = weights_as("nf4", Granularity::per_group(64));
  const auto add_nf4 = [&](const std::string& name) {
    recipes.push_back(rtn(name, nf4));
    recipes.push_back(rtn(name + "-search", nf4));
    recipes.back().algorithms = {{"rtn", {{"search_scales", 1}}}};
  };
  add_nf4("nf4");
  nf4.double_quant_block = 256;
  add_nf4("nf4-dq");
  for (const char* quantile : {"quantile4", "quantile3", "quantile2"})
    recipes.push_back(rtn(quantile, weights_as(quantile, Granularity::per_group(64))));
  recipes.push_back(int8("int8-static", false));
  recipes.push_back(int8("int8-dynamic", true));
  for (const DType dtype : {DType::bf16, DType::f16}) {
    Recipe& cast = recipes.emplace_back();
    cast.name = dtype_name(dtype);
    cast.algorithms.clear();
    cast.floating = dtype;
  }
  recipes.push_back(rtn("fp8-e4m3", weights_as("fp8_e4m3", Granularity::per_axis(0))));
  recipes.push_back(rtn("fp8-e5m2", weights_as("fp8_e5m2", Granularity::per_axis(0))));
  return recipes;
}

const std::vector<Recipe>& named_recipes() {
  static const std::vector<Recipe> recipes = make_recipes();
  return recipes;
}

}  // namespace

bool RecipeRule::matches(std::string_view layer) const {
  return std::any_of(match.begin(), match.end(),
                     [&](const std::string& pattern) { return glob_match(pattern, layer); });
}

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Recipe& recipe : named_recipes()) all.push_back(recipe.name);
    return all;
  }();
  return names;
}

std::string_view recipe_names_in_short() {
  return "rtn-wB with B of 8, 6, 5, 4, 3, 2 bits (per channel), rtn-wBgN with groups of 128, 64, 32, "
         "rtn-wBa8 and "
         "rtn-wBa8-gN with int8 activations, each also -affine; rtn-wB-tensor; w4a8-g128; awq-wBgN[-sym], "
         "gptq-wBgN[-affine, -act-order], awq+gptq-wBgN with B of 4, 3; smoothquant-w8a8, "
         "smoothquant+gptq-w8a8; llm-int8; nf4, nf4-dq, nf4-search, nf4-dq-search; "
         "quantile4, "
         "quantile3, quantile2; int8-static (needs --calib or --input-list), int8-dynamic; bf16, f16; "
         "fp8-e4m3, fp8-e5m2; "
         "autoround-wB, "
         "adaround-wB, omniquant-wB with B of 4, 3, "
         "2 and groups "
         "as above, each also -affine";
}

Recipe find_recipe(std::string_view name) {
  for (const Recipe& recipe : named_recipes())
    if (recipe.name == name) return recipe;
  throw UsageError("no recipe \"{}\"{}", name, did_you_mean(name, recipe_names()));
}

Recipe recipe_from_flag(const std::string& flag) {
  return flag.ends_with(".yaml") || flag.ends_with(".yml") ? load_recipe(flag) : find_recipe(flag);
}

}  // namespace halftone
