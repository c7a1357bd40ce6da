#include "cli/plan_report.h"

#include <fmt/format.h>

#include "cli/table.h"

namespace halftone::cli {
namespace {

std::string ms_text(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.2f}", *seconds * 1e3) : "unknown";
}

OrderedJson ms_json(const std::optional<double>& seconds) {
  return seconds ? OrderedJson(*seconds * 1e3) : OrderedJson(nullptr);
}

const char* goal_name(PlanGoal goal) {
  return goal == PlanGoal::latency ? "latency" : goal == PlanGoal::size ? "size" : "accuracy";
}

std::string loss_text(const RecipePlan& recipe) {
  if (recipe.recipe == "original") return "0";
  if (recipe.measured)
    return fmt::format("{:.2f} % (KLD {:.4f})", recipe.measured->loss_percent, recipe.measured->kld);
  if (!recipe.prior) return "unknown";
  return fmt::format("{}{:.1f} % published", recipe.prior->upper_bound ? "<= " : "",
                     recipe.prior->loss_percent);
}

bool of_pictures(const RecipePlan& recipe) {
  return recipe.image && !keeps_state(recipe.graph);
}

OrderedJson phase_json(const PhasePlan& phase, const char* tokens_key) {
  OrderedJson json;
  json[tokens_key] = phase.tokens;
  json["ms"] = ms_json(phase.seconds);
  json["memory_bound_share"] = phase.run.memory_bound_seconds / phase.run.seconds;
  json["flops"] = phase.run.cost.total.flops;
  json["weight_bytes"] = phase.run.cost.total.weight_bytes;
  json["activation_bytes"] = phase.run.cost.total.activation_bytes;
  json["kv_bytes"] = phase.run.cost.total.state_bytes;
  json["share_by_operator"] = OrderedJson::object();
  for (const auto& [op, seconds] : phase.run.by_op)
    json["share_by_operator"][op] = seconds / phase.run.seconds;
  return json;
}

OrderedJson loss_json(const RecipePlan& recipe, OrderedJson json) {
  if (recipe.prior)
    json["accuracy_prior"] = {{"loss_percent", recipe.prior->loss_percent},
                              {"upper_bound", recipe.prior->upper_bound},
                              {"source", recipe.prior->source}};
  else
    json["accuracy_prior"] = nullptr;
  json["accuracy_measured"] = nullptr;
  if (recipe.measured)
    json["accuracy_measured"] = {{"loss_percent", recipe.measured->loss_percent},
                                 {"kld", recipe.measured->kld}};
  return json;
}

OrderedJson recipe_json(const RecipePlan& recipe, int batch) {
  OrderedJson json;
  json["recipe"] = recipe.recipe;
  json["fits"] = recipe.fits;
  const MemoryNeed& need = recipe.memory;
  json["memory_bytes"] = need.total();
  json["memory"] = {
      {"weights", need.weights},     {"kv_cache", need.kv},     {"activations", need.activations},
      {"workspace", need.workspace}, {"runtime", need.runtime}, {"loading", need.loading},
      {"system", need.system}};
  json["weight_bytes"] = recipe.weight_bytes;
  json["bits_per_weight"] = recipe.bits_per_weight;
  json["kv_bytes_per_token"] = recipe.kv_bytes_per_token;
  json["largest_context"] = recipe.largest_context;
  json["largest_batch"] = recipe.largest_batch;
  json["ttft_ms"] = recipe.prefill.empty() ? OrderedJson(nullptr) : ms_json(recipe.prefill.front().seconds);
  json["tpot_ms"] = recipe.decode.empty() ? OrderedJson(nullptr) : ms_json(recipe.decode.front().seconds);
  const bool timed = !recipe.decode.empty() && recipe.decode.front().seconds;
  json["tokens_per_s"] = timed ? OrderedJson(batch / *recipe.decode.front().seconds) : OrderedJson(nullptr);
  json["prefill"] = OrderedJson::array();
  for (const PhasePlan& phase : recipe.prefill) json["prefill"].push_back(phase_json(phase, "prompt_tokens"));
  json["decode"] = OrderedJson::array();
  for (const PhasePlan& phase : recipe.decode) json["decode"].push_back(phase_json(phase, "depth"));
  json["image_ms"] = recipe.image ? ms_json(recipe.image->seconds) : OrderedJson(nullptr);
  if (recipe.image) json["image"] = phase_json(*recipe.image, "pictures");
  if (recipe.vision) json["image_tokens"] = recipe.image_tokens;
  if (recipe.vision) json["vision_weight_bytes"] = recipe.vision_bytes;
  return loss_json(recipe, std::move(json));
}

/// Times of one recipe, a line a phase.
std::string phases_text(const RecipePlan& recipe, int batch) {
  using Align = Table::Align;
  Table table({{"phase", Align::left},
               {"ms"},
               {of_pictures(recipe) ? "pictures/s" : "tokens/s"},
               {"bound by", Align::left},
               {"where the time goes", Align::left}});
  const auto add = [&](const std::string& name, const PhasePlan& phase, double tokens) {
    std::string where;
    for (const auto& [op, seconds] : phase.run.by_op)
      if (seconds > 0.02 * phase.run.seconds)
        where +=
            fmt::format("{}{} {:.0f} %", where.empty() ? "" : ", ", op, seconds / phase.run.seconds * 100);
    const double memory = phase.run.memory_bound_seconds / phase.run.seconds;
    table.add_row({name, ms_text(phase.seconds),
                   phase.seconds ? fmt::format("{:.1f}", tokens / *phase.seconds) : "unknown",
                   memory >= 0.5 ? fmt::format("memory ({:.0f} %)", memory * 100)
                                 : fmt::format("compute ({:.0f} %)", (1 - memory) * 100),
                   where});
  };
  if (recipe.image && recipe.vision)
    add(fmt::format("one picture, to {} tokens", recipe.image_tokens), *recipe.image,
        static_cast<double>(recipe.image_tokens));
  else if (recipe.image)
    add(fmt::format("{} {}", recipe.image->tokens, recipe.image->tokens == 1 ? "picture" : "pictures"),
        *recipe.image, recipe.image->tokens);
  for (const PhasePlan& phase : recipe.prefill)
    add(fmt::format("prompt of {} (TTFT)", phase.tokens), phase, phase.tokens);
  for (const PhasePlan& phase : recipe.decode)
    add(fmt::format("token at depth {} (TPOT)", phase.tokens), phase, batch);
  return table.str();
}

std::string recipes_table(const DevicePlan& plan, bool pictures) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {
      {"recipe", Align::left}, {"fits", Align::left}, {"memory"}, {"weights"}, {"bits/weight"}};
  if (pictures)
    columns.insert(columns.end(), {{"batch"}, {"ms"}, {"pictures/s"}});
  else
    columns.insert(columns.end(), {{"context"}, {"batch"}, {"TTFT ms"}, {"TPOT ms"}, {"tokens/s"}});
  columns.push_back({"loss", Align::left});
  Table table(columns);
  bool measured = false;
  for (const RecipePlan& recipe : plan.recipes) {
    measured = measured || recipe.measured;
    std::vector<std::string> row = {recipe.recipe, recipe.fits ? "yes" : "no",
                                    bytes_text(recipe.memory.total()), bytes_text(recipe.weight_bytes),
                                    fmt::format("{:.2f}", recipe.bits_per_weight)};
    if (!pictures) row.push_back(fmt::format("{}", recipe.largest_context));
    row.push_back(fmt::format("{}", recipe.largest_batch));
    if (!pictures) row.push_back(ms_text(recipe.ttft()));
    row.push_back(ms_text(recipe.latency()));
    row.push_back(recipe.latency() ? fmt::format("{:.1f}", plan.options.batch / *recipe.latency())
                                   : "unknown");
    row.push_back(loss_text(recipe));
    table.add_row(row);
  }
  std::string text = fmt::format("Sorted by {}.", goal_name(plan.options.goal));
  if (measured) text += " Loss: of perplexity, measured on the text given where nothing else is said.";
  if (!pictures)
    text +=
        " Published loss: perplexity of Llama-2-7B with affine codes, a prior and no measurement of this "
        "model.";
  return text + "\n" + table.str();
}

}  // namespace

std::string plan_text(const DevicePlan& plan, const std::string& model, const std::string& note) {
  std::string text = fmt::format("{} on {}\n", model, plan.device.title);
  if (!note.empty()) text += "note: " + note + "\n";
  const RecipePlan& shown = plan.recipes[static_cast<size_t>(std::max(plan.recommended, 0))];
  text += fmt::format("\n{}: {}\n  {}\n", shown.recipe, shown.fits ? "fits" : "does NOT fit",
                      memory_sum_text(shown.memory, plan.available_bytes));
  const bool pictures = of_pictures(shown);
  text += pictures ? fmt::format("  largest batch {} pictures\n", shown.largest_batch)
                   : fmt::format("  largest context {} tokens (batch {}), largest batch {}\n",
                                 shown.largest_context, plan.options.batch, shown.largest_batch);
  if (shown.vision)
    text +=
        fmt::format("  the weights include {} of the vision tower and its projector, which stay in 16 bits\n",
                    bytes_text(shown.vision_bytes));
  text += "\n";
  text += phases_text(shown, plan.options.batch) + "\n";
  text += recipes_table(plan, pictures);
  text += plan.recommended >= 0 ? fmt::format("\nrecommended: {}: {}\n", shown.recipe, plan.reason)
                                : fmt::format("\nno recommendation: {}\n", plan.reason);
  return text;
}

OrderedJson plan_json(const DevicePlan& plan, const std::string& model, const std::string& note) {
  const RecipePlan& shown = plan.recipes[static_cast<size_t>(std::max(plan.recommended, 0))];
  OrderedJson json;
  json["model"] = model;
  json["target"] = plan.device.name;
  if (!note.empty()) json["note"] = note;
  json["available_bytes"] = plan.available_bytes;
  json["batch"] = plan.options.batch;
  json["planned_bandwidth"] = achievable_bandwidth(plan.device);
  // The keys of the recommended recipe (the best one when none is) stand at the top as well.
  const OrderedJson best = recipe_json(shown, plan.options.batch);
  for (const char* key : {"recipe", "fits", "memory_bytes", "ttft_ms", "tpot_ms", "tokens_per_s",
                          "largest_context", "largest_batch", "image_ms"})
    json[key] = best[key];
  json["recommended"] = plan.recommended >= 0 ? OrderedJson(shown.recipe) : OrderedJson(nullptr);
  json["reason"] = plan.reason;
  json["sorted_by"] = goal_name(plan.options.goal);
  json["recipes"] = OrderedJson::array();
  for (const RecipePlan& recipe : plan.recipes)
    json["recipes"].push_back(recipe_json(recipe, plan.options.batch));
  return json;
}

}  // namespace halftone::cli
