#include "quant/recipe.h"

#include <gtest/gtest.h>
#include <set>

#include "base/error.h"
#include "quant/algorithm.h"
#include "scheme/number_format.h"
#include "shared_files.h"

namespace halftone {
namespace {

TEST(RecipeNames, EachIsFoundAndNoneTwice) {
  std::set<std::string> seen;
  for (const std::string& name : recipe_names()) {
    EXPECT_TRUE(seen.insert(name).second) << name;
    const Recipe recipe = find_recipe(name);
    EXPECT_EQ(recipe.name, name);
    ASSERT_EQ(recipe.rules.size(), recipe.floating ? 0u : 1u);
    if (recipe.floating) continue;
    EXPECT_TRUE(recipe.rules[0].matches("model.layers.0.mlp.up_proj"));
    EXPECT_NO_THROW(make_chain(recipe.algorithms)) << name;
  }
}

TEST(RecipeNames, NameTheirAlgorithms) {
  using Steps = std::vector<AlgorithmStep>;
  EXPECT_EQ(find_recipe("rtn-w4").algorithms, (Steps{{"rtn"}}));
  EXPECT_EQ(find_recipe("autoround-w2g64").algorithms, (Steps{{"autoround"}}));
  EXPECT_EQ(find_recipe("awq-w4g128").algorithms, (Steps{{"awq"}}));
  EXPECT_EQ(find_recipe("gptq-w3g64-act-order").algorithms, (Steps{{"gptq", {{"act_order", 1}}}}));
  EXPECT_EQ(find_recipe("awq+gptq-w4g32").algorithms, (Steps{{"awq", {{"clip", 0}}}, {"gptq"}}));
  EXPECT_EQ(find_recipe("llm-int8").algorithms, (Steps{{"llm_int8"}, {"rtn"}}));
  EXPECT_EQ(find_recipe("smoothquant+gptq-w8a8").algorithms, (Steps{{"smoothquant"}, {"gptq"}}));
}

TEST(RecipeNames, SayWhatTheyDo) {
  struct Case {
    const char* name;
    const char* weights;
    const char* activations;
    const char* tied;
  };
  const char* a8 = "int8 per-token dynamic";
  const Case cases[] = {
      {"rtn-w8", "int8 per-channel", "", "int8 per-channel"},
      {"rtn-w8-tensor", "int8 per-tensor", "", "int8 per-tensor"},
      {"rtn-w8a8", "int8 per-channel", a8, "int8 per-channel"},
      {"rtn-w6g64", "int6 g64", "", "int8 per-channel"},
      {"rtn-w5g32", "int5 g32", "", "int8 per-channel"},
      {"rtn-w4", "int4 per-channel", "", "int8 per-channel"},
      {"rtn-w4g32", "int4 g32", "", "int8 per-channel"},
      {"rtn-w4g128", "int4 g128", "", "int8 per-channel"},
      {"rtn-w4g32-affine", "int4 g32 affine", "", "int8 per-channel"},
      {"rtn-w4a8-g128", "int4 g128", a8, "int8 per-channel"},
      {"w4a8-g128", "int4 g128", a8, "int8 per-channel"},
      {"awq-w4g128", "int4 g128 affine", "", "int8 per-channel"},
      {"awq-w4g64-sym", "int4 g64", "", "int8 per-channel"},
      {"gptq-w4g128", "int4 g128", "", "int8 per-channel"},
      {"gptq-w3g32-affine", "int3 g32 affine", "", "int8 per-channel"},
      {"smoothquant-w8a8", "int8 per-channel", a8, "int8 per-channel"},
      {"llm-int8", "int8 per-channel", a8, "int8 per-channel"},
      {"rtn-w3g64-affine", "int3 g64 affine", "", "int8 per-channel"},
      {"rtn-w2-affine", "int2 per-channel affine", "", "int8 per-channel"},
      {"nf4", "nf4 g64", "", "int8 per-channel"},
      {"nf4-dq", "nf4 g64 dq256", "", "int8 per-channel"},
      {"nf4-dq-search", "nf4 g64 dq256", "", "int8 per-channel"},
      {"quantile4", "quantile4 g64", "", "int8 per-channel"},
      {"fp8-e4m3", "fp8_e4m3 per-channel", "", "fp8_e4m3 per-channel"},
      {"fp8-e5m2", "fp8_e5m2 per-channel", "", "fp8_e5m2 per-channel"},
  };
  for (const Case& expected : cases) {
    const Recipe recipe = find_recipe(expected.name);
    EXPECT_EQ(recipe.rules[0].weights->str(), expected.weights) << expected.name;
    const auto& activations = recipe.rules[0].activations;
    EXPECT_EQ(activations ? activations->str() : "", expected.activations) << expected.name;
    EXPECT_EQ(recipe.tied->str(), expected.tied) << expected.name;
  }
}

TEST(RecipeNames, AnUnknownOneIsAUsageErrorWithTheNearest) {
  try {
    find_recipe("rtn-w4g31");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'rtn-w4g32'?"), std::string::npos) << error.what();
  }
  EXPECT_THROW(recipe_from_flag("awesome"), UsageError);
  EXPECT_THROW(recipe_from_flag("no/such/file.yaml"), InputError);
}

TEST(RecipeYaml, ReadsEverything) {
  const Recipe recipe = parse_recipe(R"(
name: mixed
algorithms: [rtn]
minimum_elements: 4096
tied: {format: int6, group: 32}
rules:
  - match: ["*.q_proj", "*.k_proj"]
    weights: {format: int8, per: tensor, scale: f32}
    activations: {format: int8, per: token}
  - match: "*.mlp.*"
    weights: {format: int4, group: 32, symmetric: false, scale: bf16}
    activations: none
  - match: "lm_head"
    keep: true
  - match: "*.o_proj"
    weights: {format: int4, group: 32, symmetric: false, zero: minimum}
    activations: {format: int8, group: 32}
  - weights: {format: nf4, group: 64, double_quant: 256}
)",
                                     "mixed.yaml");
  EXPECT_EQ(recipe.name, "mixed");
  EXPECT_EQ(recipe.minimum_elements, 4096);
  EXPECT_EQ(recipe.tied->str(), "int6 g32");
  ASSERT_EQ(recipe.rules.size(), 5u);
  EXPECT_TRUE(recipe.rules[0].matches("model.layers.3.self_attn.k_proj"));
  EXPECT_FALSE(recipe.rules[0].matches("model.layers.3.self_attn.v_proj"));
  EXPECT_EQ(recipe.rules[0].weights->str(), "int8 per-tensor f32-scales");
  EXPECT_EQ(recipe.rules[0].activations->str(), "int8 per-token dynamic");
  EXPECT_EQ(recipe.rules[1].weights->str(), "int4 g32 affine bf16-scales");
  EXPECT_FALSE(recipe.rules[1].activations);
  EXPECT_FALSE(recipe.rules[2].weights);
  EXPECT_EQ(recipe.rules[3].weights->str(), "int4 g32 affine-minimum");
  EXPECT_EQ(recipe.rules[3].activations->str(), "int8 g32 dynamic");
  EXPECT_EQ(recipe.rules[4].weights->str(), "nf4 g64 dq256");
  EXPECT_TRUE(recipe.rules[4].matches("anything"));
}

TEST(RecipeYaml, HasDefaults) {
  const Recipe recipe = parse_recipe("rules: [{weights: {format: int4}}]", "dir/plain.yaml");
  EXPECT_EQ(recipe.name, "plain");
  EXPECT_EQ(recipe.rules[0].weights->str(), "int4 per-channel");
  EXPECT_EQ(recipe.tied->str(), "int8 per-channel");
  EXPECT_FALSE(parse_recipe("{tied: keep, rules: [{weights: {format: int4}}]}", "x").tied);
}

TEST(RecipeYaml, HostileTextGetsOneLineThatSaysWhere) {
  struct Case {
    std::string text;
    const char* complaint;
  };
  const std::string rule = "rules:\n  - weights: {format: int4}\n";
  const Case cases[] = {
      {"", "line 1: a recipe: expected a mapping"},
      {",[2{", "more than one YAML document"},
      {"~", "line 1: a recipe: expected a mapping"},
      {"[1, 2]", "line 1: a recipe: expected a mapping of keys to values, found a list"},
      {"rules: [", "not YAML"},
      {"rules: *nowhere", "line 1: not YAML"},
      {rule + "---\n" + rule, "more than one YAML document"},
      {rule + "tide: keep", "line 3: a recipe has no key \"tide\"; did you mean 'tied'?"},
      {rule + rule, "line 3: key \"rules\" a second time"},
      {"name: x", "key \"rules\" is missing"},
      {"rules: []", "line 1: rules: the list is empty"},
      {"rules: 3", "rules: expected a list, found \"3\""},
      {"rules: [x]", "a rule: expected a mapping of keys to values, found \"x\""},
      {"rules:\n  - match: x", "line 2: a rule needs \"weights\" or \"keep: true\""},
      {"rules:\n  - wieghts: {format: int4}",
       "line 2: a rule has no key \"wieghts\"; did you mean 'weights'?"},
      {"rules:\n  - keep: true\n    weights: {format: int4}", "line 2: keep: a kept layer"},
      {"rules:\n  - keep: maybe", "line 2: keep: expected true or false, found \"maybe\""},
      {"rules:\n  - match: [a, {b: c}]\n    keep: true", "line 2: match: expected a word, found a mapping"},
      {"rules:\n  - weights: {group: 32}", "line 2: weights: key \"format\" is missing"},
      {"rules:\n  - weights: int4", "weights: expected a mapping"},
      {"rules:\n  - weights:\n      format: int44", "line 3: format: expected one of int2"},
      {"rules:\n  - weights: {format: int4, group: 0}", "group: expected a whole number of 1 to"},
      {"rules:\n  - weights: {format: int4, group: -32}", "found \"-32\""},
      {"rules:\n  - weights: {format: int4, group: 32x}", "found \"32x\""},
      {"rules:\n  - weights: {format: int4, group: 99999999999999999999}", "whole number"},
      {"rules:\n  - weights: {format: int4, group: [32]}", "group: expected a word, found a list"},
      {"rules:\n  - weights: {format: int4, group: 32, per: channel}", "either \"group\" or \"per\""},
      {"rules:\n  - weights: {format: int4, per: chanel}", "did you mean 'channel'?"},
      {"rules:\n  - weights: {format: nf4, symmetric: false}", "nf4 has no zero point"},
      {"rules:\n  - weights: {format: int4, zero: minimum}", "needs \"symmetric: false\""},
      {"rules:\n  - weights: {format: int4, scale: f64}", "scale: expected one of f32, f16, bf16"},
      {"rules:\n  - weights: {format: int4, symmetric: false, zero: minimum, double_quant: 256}",
       "double_quant: not together"},
      {"rules:\n  - weights: {format: int4}\n    activations: {format: int4}",
       "format: expected one of int8"},
      {"rules:\n  - weights: {format: int4}\n    activations: {format: int8, per: channel}",
       "no scale of one can be taken out of the sum"},
      {"rules:\n  - weights: {format: int4}\n    activations: {format: int8, per: chanel}",
       "per: expected one of token, tensor"},
      {rule + "static_activations: {per: token}", "line 3: per: token: the next text has other tokens"},
      {rule + "algorithms: [rnt]", "line 3: algorithms: expected one of adaround, autoround, "},
      {rule + "minimum_elements: -1", "minimum_elements: expected a whole number"},
      {"rules: [{? [a] : b}]", "a key: expected a word, found a list"},
      {std::string(70000, ' '), "70000 bytes; a recipe has at most 65536"},
      {std::string(60000, '['), "not YAML"},
      {std::string(60000, '{'), "not YAML"},
      {std::string("rules: \0", 8), ""},
  };
  for (const Case& hostile : cases) {
    try {
      parse_recipe(hostile.text, "r.yaml");
      FAIL() << hostile.text.substr(0, 100);
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind("r.yaml: ", 0), 0u) << message;
      EXPECT_NE(message.find(hostile.complaint), std::string::npos)
          << message << "\nlacks: " << hostile.complaint;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }
}

TEST(RecipeYaml, AliasesDoNotMultiply) {
  std::string text = "a: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) text += fmt::format("b{}: &a{} [*a{}, *a{}]\n", i, i, i - 1, i - 1);
  EXPECT_THROW(parse_recipe(text, "bomb"), InputError);
  EXPECT_THROW(parse_recipe("rules: &r\n  - *r", "loop"), InputError);
}

TEST(RecipeYaml, TheCorpusIsReadOrRefused) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(source_path("fuzz/corpus/recipe"))) {
    ++files;
    try {
      load_recipe(entry.path());
    } catch (const InputError&) {
    }
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace halftone
