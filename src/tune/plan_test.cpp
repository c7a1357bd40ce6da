#include "tune/plan.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tune/plan_html.h"

namespace halftone {
namespace {

PlanOptions short_options() {
  PlanOptions options;
  options.context = 2048;
  options.prompt_tokens = {512};
  options.depths = {0, 1024};
  return options;
}

RecipePlan planned(const std::string& model, const char* recipe, const char* device) {
  const PlanOptions options = short_options();
  const Recipe found = recipe ? find_recipe(recipe) : Recipe{};
  return plan_recipe(open_for_plan(model, 0), recipe ? &found : nullptr, find_device(device), options);
}

TEST(Plan, EightBillionDoNotFitEightGigabytesUntilTheyHaveFourBits) {
  EXPECT_FALSE(planned("llama-3-8b", nullptr, "jetson-orin-nano-8gb").fits);
  EXPECT_TRUE(planned("llama-3-8b", nullptr, "jetson-agx-orin-64gb").fits);
  EXPECT_TRUE(planned("llama-2-70b", "rtn-w4g128", "jetson-agx-orin-64gb").fits);
  EXPECT_FALSE(planned("llama-2-70b", "rtn-w8", "jetson-agx-orin-64gb").fits);
}

TEST(Plan, ATokenCostsItsBytesAndDeeperOnesMore) {
  const RecipePlan plan = planned("llama-3-8b", nullptr, "jetson-agx-orin-64gb");
  ASSERT_EQ(plan.decode.size(), 2u);
  // 7.5 G parameters of two bytes are read for a token; at 160 GB/s that is 94 ms and cannot be less.
  EXPECT_GT(*plan.decode[0].seconds, 0.0938);
  EXPECT_LT(*plan.decode[0].seconds, 0.115);
  EXPECT_GT(*plan.decode[1].seconds, *plan.decode[0].seconds);
  EXPECT_DOUBLE_EQ(plan.kv_bytes_per_token, 2.0 * 32 * 8 * 128 * 2);
  EXPECT_GT(plan.prefill[0].run.cost.total.flops, 2 * 6.9e9 * 512);
}

TEST(Plan, TheLargestContextJustFits) {
  PlanOptions options = short_options();
  const Device& device = find_device("rtx-3090");
  const RecipePlan small = plan_recipe(open_for_plan("llama-2-7b", 0), nullptr, device, options);
  EXPECT_EQ(small.largest_context, 4096);  // the model's own bounds it
  options.batch = static_cast<int>(small.largest_batch);
  EXPECT_TRUE(plan_recipe(open_for_plan("llama-2-7b", 0), nullptr, device, options).fits);
  options.batch += 2;
  EXPECT_FALSE(plan_recipe(open_for_plan("llama-2-7b", 0), nullptr, device, options).fits);
}

TEST(Plan, RecommendsByTheGoal) {
  PlanOptions options = short_options();
  const std::vector<Recipe> recipes = {find_recipe("rtn-w8"), find_recipe("rtn-w4g128"),
                                       find_recipe("rtn-w2g64")};
  const auto plan_for = [&](PlanGoal goal) {
    options.goal = goal;
    return plan_device(open_for_plan("llama-3-8b", 2048), recipes, find_device("jetson-orin-nx-16gb"),
                       options);
  };
  const DevicePlan fast = plan_for(PlanGoal::latency), exact = plan_for(PlanGoal::accuracy);
  ASSERT_GE(fast.recommended, 0);
  // Two bits are faster and smaller still, but their published loss is ruinous.
  EXPECT_EQ(fast.recipes[static_cast<size_t>(fast.recommended)].recipe, "rtn-w4g128");
  EXPECT_NE(exact.recipes[static_cast<size_t>(exact.recommended)].recipe, "rtn-w2g64");
  const std::string page = plan_html(fast, "<llama>");
  EXPECT_NE(page.find("&lt;llama&gt;"), std::string::npos);
  EXPECT_NE(page.find("</html>"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
}

TEST(Plan, ATowerOfPicturesWeighsAndTakesTime) {
  const RecipePlan plan = planned("nvila-8b", "rtn-w4g128", "jetson-agx-orin-64gb");
  const RecipePlan text = planned("qwen2.5-7b", "rtn-w4g128", "jetson-agx-orin-64gb");
  ASSERT_TRUE(plan.image && plan.image->seconds);
  // 448 / 14 = 32 patches a side, joined 2 x 2.
  EXPECT_EQ(plan.image_tokens, 32 * 32 / 4);
  // SigLIP so400m has 0.41 G parameters, the projector 3 x 4608 x 3584 + 3584^2, all in 16 bits.
  EXPECT_NEAR(plan.vision_bytes, 2 * (0.41e9 + 3 * 4608.0 * 3584 + 3584.0 * 3584), 0.05e9);
  EXPECT_NEAR(plan.memory.weights - text.memory.weights, plan.vision_bytes, 1e6);
  EXPECT_EQ(plan.tpot(), text.tpot());
  // 2 operations a weight of the transformer for each of the 1024 patches, and attention.
  EXPECT_GT(plan.image->run.cost.total.flops, 2 * 0.40e9 * 1024);
  EXPECT_LT(plan.image->run.cost.total.flops, 3 * 0.41e9 * 1024);
}

fs::path vit_config() {
  const fs::path folder = fs::path(testing::TempDir()) / "plan_vit";
  fs::create_directories(folder);
  std::ofstream(folder / "config.json")
      << R"({"architectures": ["ViTForImageClassification"], "hidden_size": 192,
    "num_attention_heads": 3, "intermediate_size": 768, "image_size": 224, "patch_size": 16, "num_channels": 3,
    "num_hidden_layers": 12, "hidden_act": "gelu", "num_labels": 1000})";
  return folder / "config.json";
}

TEST(Plan, PicturesFromAConfigurationAlone) {
  const PlannedModel model = open_for_plan(vit_config().string());
  PlanOptions options;
  options.batch = 2;
  const Device& device = find_device("rtx-3090");
  const DevicePlan plan = plan_device(model, compared_recipes(model.graph), device, options);
  ASSERT_FALSE(plan.recipes.empty());
  for (const RecipePlan& recipe : plan.recipes) {
    ASSERT_TRUE(recipe.image) << recipe.recipe;
    EXPECT_GT(recipe.latency().value_or(0), 0) << recipe.recipe;
    EXPECT_TRUE(recipe.fits && recipe.largest_batch > 2 && recipe.decode.empty()) << recipe.recipe;
  }
  // Vision transformers of this size have 5.7 M parameters and do 2.5 GFLOP a picture.
  const RecipePlan original = plan_recipe(model, nullptr, device, options);
  EXPECT_NEAR(original.image->run.cost.total.flops, 2 * 2.52e9, 0.1e9);
  const Recipe recipe = find_recipe("int8-static");
  EXPECT_LT(plan_recipe(model, &recipe, device, options).weight_bytes, 0.6 * original.weight_bytes);
  // No loss of such a recipe is published, so it is not recommended unmeasured.
  EXPECT_EQ(plan.recipes[static_cast<size_t>(plan.recommended)].recipe, "original");
  options.context = 512;
  EXPECT_THROW(plan_recipe(model, nullptr, device, options), UsageError);
}

TEST(Plan, TheLargestBatchOfPicturesJustFits) {
  const PlannedModel model = open_for_plan(vit_config().string());
  PlanOptions options;
  options.free_bytes = 1.2e9;
  const Device& device = find_device("cpu-generic");
  options.batch = static_cast<int>(plan_recipe(model, nullptr, device, options).largest_batch);
  ASSERT_GT(options.batch, 1);
  EXPECT_TRUE(plan_recipe(model, nullptr, device, options).fits);
  ++options.batch;
  EXPECT_FALSE(plan_recipe(model, nullptr, device, options).fits);
}

TEST(Plan, FirstDimensionsThatDoNotGoTogetherAreNoBatch) {
  // x + y, of one row or of four; then x as three rows.
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {graph.symbol("rows", 0, 64), 8}});
  const ValueId y = graph.add_input("y", {DType::f32, {4, 8}});
  graph.add_output(graph.add_node(*find_op("Add"), "sum", {x, y})[0], "sum");
  const PlannedModel model{graph};
  const Device& device = find_device("cpu-generic");
  EXPECT_TRUE(has_known_sizes(graph));
  EXPECT_EQ(plan_recipe(model, nullptr, device, {}).largest_batch, 1);

  const ValueId three = graph.add_constant("three", Constant(Tensor::from<int64_t>({2}, {3, 8})));
  graph.add_output(graph.add_node(*find_op("Reshape"), "rows", {x, three})[0], "rows");
  EXPECT_FALSE(has_known_sizes(graph));
}

TEST(Plan, AMeasuredLossSpeaksBeforeAPublishedOne) {
  const std::vector<Recipe> recipes = {find_recipe("rtn-w4g128"), find_recipe("rtn-w3g128")};
  PlanOptions options = short_options();
  const auto plan_with = [&](const std::map<std::string, MeasuredLoss>& losses) {
    return plan_device(open_for_plan("llama-3-8b"), recipes, find_device("rtx-3090"), options, false, losses);
  };
  const DevicePlan published = plan_with({});
  EXPECT_EQ(published.recipes[static_cast<size_t>(published.recommended)].recipe, "rtn-w4g128");
  const DevicePlan measured = plan_with({{"rtn-w3g128", {3.0, 0.02}}, {"rtn-w4g128", {1.0, 0.01}}});
  EXPECT_EQ(measured.recipes[static_cast<size_t>(measured.recommended)].recipe, "rtn-w3g128");
  EXPECT_NE(measured.reason.find("measured loss of 3.00 %"), std::string::npos) << measured.reason;
}

TEST(Plan, UnknownModelsAndBrokenConfigurations) {
  EXPECT_THROW(open_for_plan("llama-3-8c", 0), UsageError);
  const std::string path = testing::TempDir() + "/config.json";
  std::ofstream(path) << R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 64})";
  EXPECT_THROW(open_for_plan(path, 0), InputError);
}

TEST(Plan, PriorsAreBoundsForFinerGroups) {
  EXPECT_FALSE(accuracy_prior(find_recipe("rtn-w4g128"))->upper_bound);
  EXPECT_TRUE(accuracy_prior(find_recipe("rtn-w4g32"))->upper_bound);
  EXPECT_NEAR(accuracy_prior(find_recipe("rtn-w4g128"))->loss_percent, 4.75, 0.01);
  EXPECT_FALSE(accuracy_prior(find_recipe("nf4")));
  EXPECT_FALSE(accuracy_prior(find_recipe("int8-static")));
  // Calibrated algorithms have priors of their own.
  EXPECT_LT(accuracy_prior(find_recipe("awq-w4g128"))->loss_percent,
            accuracy_prior(find_recipe("rtn-w4g128"))->loss_percent);
}

}  // namespace
}  // namespace halftone
