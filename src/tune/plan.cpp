#include "tune/plan.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace halftone {
namespace {

/// Known losses first; of unknown ones those of more bits.
double loss_rank(const RecipePlan& plan) {
  return plan.loss().value_or(1e9 - plan.bits_per_weight);
}

bool comes_first(const RecipePlan& a, const RecipePlan& b, PlanGoal goal) {
  if (a.fits != b.fits) return a.fits;
  switch (goal) {
    case PlanGoal::latency:
      return a.latency().value_or(HUGE_VAL) < b.latency().value_or(HUGE_VAL);
    case PlanGoal::size:
      return a.weight_bytes < b.weight_bytes;
    case PlanGoal::accuracy:
      break;
  }
  return loss_rank(a) != loss_rank(b) ? loss_rank(a) < loss_rank(b) : a.weight_bytes < b.weight_bytes;
}

bool trusted(const RecipePlan& plan) {
  return plan.loss().value_or(HUGE_VAL) <= kWorstLoss;
}

/// "with a published loss of at most 4.8 % on Llama-2-7B"
std::string loss_text(const RecipePlan& plan) {
  if (plan.recipe == "original") return "without loss";
  if (plan.measured) return fmt::format("with a measured loss of {:.2f} %", plan.measured->loss_percent);
  return fmt::format("with a published loss of {}{:.1f} % on Llama-2-7B",
                     plan.prior->upper_bound ? "at most " : "", plan.prior->loss_percent);
}

void recommend(DevicePlan& plan) {
  for (size_t i = 0; i < plan.recipes.size() && plan.recommended < 0; ++i)
    if (plan.recipes[i].fits && trusted(plan.recipes[i])) plan.recommended = static_cast<int>(i);
  const bool pictures =
      !plan.recipes.empty() && plan.recipes.front().decode.empty() && plan.recipes.front().image;
  if (plan.recommended < 0) {
    const bool any = std::any_of(plan.recipes.begin(), plan.recipes.end(), [](auto& r) { return r.fits; });
    plan.reason = any ? fmt::format(
                            "what fits has no known loss of {} % or less; measure it first (`halftone "
                            "eval`, or plan with --text)",
                            kWorstLoss)
                      : "nothing fits";
    return;
  }
  const RecipePlan& best = plan.recipes[static_cast<size_t>(plan.recommended)];
  const std::string loss = loss_text(best);
  switch (plan.options.goal) {
    case PlanGoal::latency:
      plan.reason =
          fmt::format("fewest milliseconds a {} of what fits {}", pictures ? "picture" : "token", loss);
      break;
    case PlanGoal::size:
      plan.reason = fmt::format("smallest weights of what fits {}", loss);
      break;
    case PlanGoal::accuracy:
      plan.reason = fmt::format("least known loss of what fits: {}", loss);
      break;
  }
  if (pictures)
    plan.reason +=
        "; losses of models of pictures are not published by recipe, so measure the others (`halftone "
        "quantize`, then `eval` or `compare`)";
}

}  // namespace

std::vector<Recipe> compared_recipes(const Graph& graph) {
  std::vector<Recipe> recipes;
  const auto add = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) recipes.push_back(find_recipe(name));
  };
  if (keeps_state(graph))
    add({"rtn-w8",
         "rtn-w8g128",
         "rtn-w8a8",
         "smoothquant-w8a8",
         "fp8-e4m3",
         "rtn-w6g64",
         "rtn-w5g64",
         "rtn-w4",
         "rtn-w4g32",
         "rtn-w4g64",
         "rtn-w4g128",
         "awq-w4g128",
         "gptq-w4g128-affine",
         "w4a8-g128",
         "nf4",
         "nf4-dq",
         "rtn-w3g64",
         "rtn-w3g128",
         "awq-w3g128",
         "gptq-w3g128-affine",
         "rtn-w2g64"});
  else
    add({"int8-static", "int8-dynamic", "rtn-w8", "rtn-w4g32"});
  return recipes;
}

DevicePlan plan_device(const PlannedModel& model, const std::vector<Recipe>& recipes, const Device& device,
                       const PlanOptions& options, bool with_original,
                       const std::map<std::string, MeasuredLoss>& losses) {
  DevicePlan plan;
  plan.device = device;
  plan.options = options;
  plan.available_bytes = options.free_bytes.value_or(device.figure("memory_bytes").value());
  if (with_original) plan.recipes.push_back(plan_recipe(model, nullptr, device, options));
  for (const Recipe& recipe : recipes) {
    plan.recipes.push_back(plan_recipe(model, &recipe, device, options));
    if (const auto found = losses.find(recipe.name); found != losses.end())
      plan.recipes.back().measured = found->second;
  }
  std::stable_sort(plan.recipes.begin(), plan.recipes.end(),
                   [&](const RecipePlan& a, const RecipePlan& b) { return comes_first(a, b, options.goal); });
  recommend(plan);
  return plan;
}

std::string memory_sum_text(const MemoryNeed& need, double available) {
  const bool small = need.total() < 1e9;
  const auto amount = [&](double bytes) { return fmt::format("{:.2f}", bytes / (small ? 1e6 : 1e9)); };
  std::string text = "weights " + amount(need.weights);
  if (need.kv > 0) text += " + KV cache " + amount(need.kv);
  text += fmt::format(" + activations {} + workspace {} + runtime {}", amount(need.activations),
                      amount(need.workspace), amount(need.runtime));
  if (need.loading > 0) text += " + loading " + amount(need.loading);
  if (need.system > 0) text += " + system " + amount(need.system);
  return text +
         fmt::format(" = {} {} of {:.2f} GB", amount(need.total()), small ? "MB" : "GB", available / 1e9);
}

}  // namespace halftone
