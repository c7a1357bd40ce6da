#include "runtime/plan.h"

#include <algorithm>
#include <cassert>

#include "base/error.h"
#include "runtime/plan_identity.h"
#include "runtime/rewrite.h"
#include "runtime/shared_steps.h"
#include "runtime/value_layout.h"

namespace halftone {
namespace {

/// Tries the backend's kernels for one node in order; the reference stands at the end.
Step choose(const Graph& graph, int position, const Backend* backend, ThreadPool& threads) {
  const Node& node = graph.nodes()[static_cast<size_t>(position)];
  Step step;
  step.node = position;
  const OpSite site = graph.site(node);
  step.kernel = site.is_alias() ? "alias" : "reference";
  if (!backend || site.is_alias()) return step;
  // A device is given what sizes say (Session::place_known()).
  if (node.schema->of_shapes && backend->memory()) step.kernel = "sizes";

  for (const Kernel& kernel : backend->kernels()) {
    if (kernel.op != node.schema->name || !cpu_has(kernel.isa)) continue;
    Refusal refusal = kernel.refusal(site);
    if (!refusal.empty()) {
      step.refusals.emplace_back(kernel.name, std::move(refusal));
      continue;
    }
    step.kernel = kernel.name;
    step.prepared = backend->prepare(kernel, site, threads);
    break;
  }
  return step;
}

std::string encodings_text(const Graph& graph, const Node& node) {
  std::string text;
  const OpSite site = graph.site(node);
  for (size_t i = 0; i < site.inputs.size(); ++i)
    if (site.inputs[i].encoding)
      text += fmt::format(" {}={}", i < node.schema->inputs.size() ? node.schema->inputs[i].name : "input",
                          site.inputs[i].encoding->str());
  return text;
}

/// Where values of a run lie, as far as sizes are known ahead (empty otherwise).
ValueLayout known_layout(const Plan& plan) {
  const Graph& graph = plan.graph();
  const bool open = std::ranges::any_of(graph.inputs(), [&](ValueId input) {
    const ValueType& type = graph.value(input).type;
    return type.dtype != DType::state && !type.shape.is_concrete();
  });
  if (open || !graph.symbols().empty()) return {};
  const ConcreteGraph concrete = concretize(plan.graph(), std::vector<int64_t>());
  return concrete.is_complete() ? lay_out_values(plan.graph(), concrete, plan.steps()) : ValueLayout{};
}

/// ", 2 of 3 parts made in their place" of a Concat whose sizes are known ahead.
std::string place_text(const ValueLayout& layout, const Node& node) {
  if (node.schema->name != "Concat" || layout.in_place.empty()) return {};
  const auto made = std::count_if(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
    return layout.in_place[static_cast<size_t>(layout.root[static_cast<size_t>(input)])];
  });
  return made > 0 ? fmt::format(", {} of {} parts made in their place", made, node.inputs.size()) : "";
}

}  // namespace

std::shared_ptr<const Plan> compile(Graph graph, const CompileOptions& options, ThreadPool& threads) {
  auto plan = std::make_shared<Plan>();
  plan->graph_ = std::move(graph);
  Graph& g = plan->graph_;
  plan->memory_ = options.backend ? options.backend->memory() : nullptr;
  plan->weights_ = std::make_unique<PlanWeights>(
      options.cache && !plan->memory_
          ? options.cache->constants(plan_identity(g, options, threads), options.name, threads)
          : nullptr,
      options.pack_between_runs);
  plan->passes_ = rewrite_to_run(g, options);

  const int total = static_cast<int>(g.nodes().size());
  plan->constants_.resize(g.values().size());
  plan->held_.resize(g.values().size());
  plan->on_device_.resize(g.values().size());
  const PackedStore::Scope store(plan->weights_.get());
  for (int n = 0; n < total; ++n) {
    plan->steps_.push_back(choose(g, n, options.backend, threads));
    const Step& step = plan->steps_.back();
    const Node& node = g.nodes()[static_cast<size_t>(n)];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue || (step.prepared && step.prepared->keeps(i))) continue;
      plan->hold(node.inputs[i]);
      if (step.prepared || step.kernel == "alias") plan->hold_on_device(node.inputs[i]);
    }
    if (options.progress) options.progress(n + 1, total);
  }
  for (ValueId output : g.outputs()) plan->hold(output);
  if (plan->memory_) plan->let_go_of_copied();
  plan->weights_->finish();
  return plan;
}

void Plan::pack_more(double milliseconds, ThreadPool& threads) const {
  weights_->pack_more(milliseconds, threads);
}

void Plan::hold(ValueId id) {
  const Value& value = graph_.value(id);
  Operand& operand = constants_[static_cast<size_t>(id)];
  if (!value.constant || operand.present) return;
  operand.present = true;
  operand.tensor.dtype = value.type.dtype;
  operand.tensor.shape = value.type.shape;
  if (value.constant->encoding()) {
    held_encoded_.push_back(value.constant->load_encoded(value.name));
    operand.quantized = held_encoded_.back().get();
  } else {
    Tensor& held = held_[static_cast<size_t>(id)];
    held = value.constant->load();
    operand.tensor = held.view();
  }
}

void Plan::hold_on_device(ValueId id) {
  std::shared_ptr<std::byte>& copy = on_device_[static_cast<size_t>(id)];
  const Operand& operand = constants_[static_cast<size_t>(id)];
  if (!memory_ || !operand.present || copy) return;
  assert(!operand.quantized);
  const size_t bytes = operand.tensor.size_bytes();
  copy = memory_->allocate(bytes, graph_.value(id).name);
  memory_->upload(copy.get(), operand.tensor.data, bytes);
}

/// What only the device reads has no copy on the host.
void Plan::let_go_of_copied() {
  std::vector<bool> read_on_host(graph_.values().size(), false);
  for (ValueId output : graph_.outputs()) read_on_host[static_cast<size_t>(output)] = true;
  for (const Step& step : steps_)
    if (!step.prepared)
      for (ValueId input : graph_.nodes()[static_cast<size_t>(step.node)].inputs)
        if (input != kNoValue) read_on_host[static_cast<size_t>(input)] = true;
  for (size_t id = 0; id < held_.size(); ++id)
    if (on_device_[id] && !read_on_host[id]) {
      held_[id] = {};
      constants_[id].tensor.data = nullptr;
    }
}

size_t Plan::packed_bytes() const {
  size_t bytes = 0;
  for (const Step& step : steps_)
    if (step.prepared) bytes += step.prepared->packed_bytes();
  return bytes;
}

std::string Plan::explain() const {
  std::string text;
  if (weights_->has_cache())
    text += fmt::format("plan cache: {}\n", from_cache() ? "packed weights found" : "packed now");
  for (const PassReport& pass : passes_)
    text += fmt::format("pass {}: {} changes, {:.2f} ms\n", pass.name, pass.changes, pass.milliseconds);
  const ValueLayout layout = known_layout(*this);
  for (size_t n = 0; n < steps_.size(); ++n) {
    const Step& step = steps_[n];
    const Node& node = graph_.nodes()[static_cast<size_t>(step.node)];
    text += fmt::format("{} {} -> {}{}{}{}\n", node.schema->name, node.name, step.kernel,
                        encodings_text(graph_, node),
                        shares_with_step_before(*this, n) ? ", its input as the step before left it" : "",
                        place_text(layout, node));
    for (const auto& [kernel, refusal] : step.refusals)
      text += fmt::format("    not {}: {}\n", kernel, refusal);
  }
  return text;
}

}  // namespace halftone
