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
  return plan_recipe(graph_for_plan(model, 0), recipe ? &found : nullptr, find_device(device), options);
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
  const RecipePlan small = plan_recipe(graph_for_plan("llama-2-7b", 0), nullptr, device, options);
  EXPECT_EQ(small.largest_context, 4096);  // the model's own bounds it
  options.batch = static_cast<int>(small.largest_batch);
  EXPECT_TRUE(plan_recipe(graph_for_plan("llama-2-7b", 0), nullptr, device, options).fits);
  options.batch += 2;
  EXPECT_FALSE(plan_recipe(graph_for_plan("llama-2-7b", 0), nullptr, device, options).fits);
}

TEST(Plan, RecommendsByTheGoal) {
  PlanOptions options = short_options();
  const std::vector<Recipe> recipes = {find_recipe("rtn-w8"), find_recipe("rtn-w4g128"),
                                       find_recipe("rtn-w2g64")};
  const auto plan_for = [&](PlanGoal goal) {
    options.goal = goal;
    return plan_device([] { return graph_for_plan("llama-3-8b", 2048); }, recipes,
                       find_device("jetson-orin-nx-16gb"), options);
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

TEST(Plan, UnknownModelsAndBrokenConfigurations) {
  EXPECT_THROW(graph_for_plan("llama-3-8c", 0), UsageError);
  const std::string path = testing::TempDir() + "/config.json";
  std::ofstream(path) << R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 64})";
  EXPECT_THROW(graph_for_plan(path, 0), InputError);
}

TEST(Plan, PriorsAreBoundsForFinerGroups) {
  EXPECT_FALSE(accuracy_prior(find_recipe("rtn-w4g128"))->upper_bound);
  EXPECT_TRUE(accuracy_prior(find_recipe("rtn-w4g32"))->upper_bound);
  EXPECT_NEAR(accuracy_prior(find_recipe("rtn-w4g128"))->loss_percent, 4.75, 0.01);
  EXPECT_FALSE(accuracy_prior(find_recipe("nf4")));
}

}  // namespace
}  // namespace halftone
