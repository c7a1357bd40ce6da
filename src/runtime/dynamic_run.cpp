#include "runtime/dynamic_run.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

size_t index(ValueId value) {
  return static_cast<size_t>(value);
}

/// Memory for one output, the shape of which came from data.
Tensor allocate_output(const OpSite& site, const ValueType& type, const Storage& storage) {
  if (!type.shape.is_concrete())
    throw UnsupportedError("{} ({}): the output's shape {} does not follow from the inputs", site.name,
                           site.schema->name, type.shape.str());
  return Tensor::allocate(stored_dtype(type.dtype, storage), type.shape);
}

}  // namespace

DynamicRun::DynamicRun(const Plan& plan) : plan_(plan) {
  const Graph& graph = plan.graph();
  last_read_by_.resize(graph.nodes().size());
  values_.resize(graph.values().size());
  std::vector<bool> read_later(graph.values().size(), false);
  for (ValueId output : graph.outputs()) read_later[index(output)] = true;
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    for (const std::vector<ValueId>* list : {&node.inputs, &node.outputs})
      for (ValueId id : *list) {
        if (id == kNoValue || read_later[index(id)]) continue;
        read_later[index(id)] = true;
        last_read_by_[n].push_back(id);
      }
  }
}

void DynamicRun::run(const std::map<ValueId, TensorView>& inputs, const std::map<ValueId, State*>& states,
                     const Observer& observer, const StepClock& clock, ThreadPool& threads) {
  const Graph& graph = plan_.graph();
  std::fill(values_.begin(), values_.end(), Tensor());
  live_bytes_ = 0;
  for (const auto& [id, view] : inputs) values_[index(id)] = Tensor::view_of(nullptr, view);
  for (ValueId output : graph.outputs())
    if (graph.value(output).constant)
      values_[index(output)] = Tensor::view_of(nullptr, plan_.constants()[index(output)].tensor);

  std::map<ValueId, State*> bound = states;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const auto start = std::chrono::steady_clock::now();
    run_node(n, bound, threads);
    if (clock)
      clock(n, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    for (ValueId output : graph.nodes()[n].outputs)
      if (observer && graph.value(output).type.dtype != DType::state)
        observer(graph.value(output), values_[index(output)].view());
    drop_after(n);
  }
}

/// The site with the types and values of what has been computed, and output types that follow from them.
OpSite DynamicRun::site_of(const Node& node) const {
  OpSite site = plan_.graph().site(node);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    SiteInput& input = site.inputs[i];
    if (!input.present || input.constant || input.type.dtype == DType::state) continue;
    const TensorView& value = values_[index(node.inputs[i])].view();
    input.type.shape = value.shape;
    if (input.storage.plain()) input.known = &value;
  }
  site.outputs = node.schema->infer(site);
  site.outputs.resize(node.outputs.size());
  return site;
}

std::vector<Operand> DynamicRun::operands_of(const Node& node, std::map<ValueId, State*>& states) const {
  const Graph& graph = plan_.graph();
  std::vector<Operand> operands;
  State* state = nullptr;
  for (ValueId id : node.inputs) {
    Operand operand;
    if (id != kNoValue && graph.value(id).type.dtype == DType::state) {
      const auto bound = states.find(id);
      if (bound == states.end()) throw InputError("the state \"{}\" is not bound", graph.value(id).name);
      operand.state = state = bound->second;
      operand.present = true;
    } else if (id != kNoValue && graph.value(id).constant) {
      operand = plan_.constants()[index(id)];
    } else if (id != kNoValue) {
      operand.tensor = values_[index(id)].view();
      operand.present = true;
    }
    operands.push_back(operand);
  }
  for (ValueId id : node.outputs)
    if (graph.value(id).type.dtype == DType::state) states[id] = state;
  return operands;
}

void DynamicRun::run_node(size_t n, std::map<ValueId, State*>& states, ThreadPool& threads) {
  const Node& node = plan_.graph().nodes()[n];
  const OpSite site = site_of(node);
  const std::vector<Operand> operands = operands_of(node, states);
  if (site.is_alias()) {
    const Tensor& made = values_[index(node.inputs[0])];
    const Tensor from = made.view().data ? made : plain(operands[0]);
    return keep(node.outputs[0], from.reshaped(site.outputs[0].shape));
  }
  std::vector<MutableTensorView> results;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (site.outputs[i].dtype == DType::state) {
      results.push_back({DType::state, {}, nullptr});
      continue;
    }
    Tensor result = allocate_output(site, site.outputs[i], site.storage_of_output(i));
    results.push_back(result.mutable_view());
    live_bytes_ += result.size_bytes();
    keep(node.outputs[i], std::move(result));
  }
  peak_bytes_ = std::max(peak_bytes_, live_bytes_);
  if (const auto& prepared = plan_.steps()[n].prepared)
    prepared->run({site, operands, results, workspace(prepared->workspace_bytes(site)), threads});
  else
    run_reference(site, operands, results);
}

void DynamicRun::keep(ValueId id, Tensor tensor) {
  values_[index(id)] = std::move(tensor);
}

void DynamicRun::drop_after(size_t n) {
  for (ValueId id : last_read_by_[n]) {
    Tensor& value = values_[index(id)];
    if (value.owner().use_count() == 1) live_bytes_ -= value.size_bytes();  // aliases share the bytes
    value = Tensor();
  }
}

std::span<std::byte> DynamicRun::workspace(size_t bytes) {
  if (bytes == 0) return {};
  if (workspace_.empty() || workspace_.size_bytes() < bytes)
    workspace_ = Tensor::allocate(DType::u8, {static_cast<int64_t>(bytes)});
  return workspace_.mutable_view().bytes();
}

}  // namespace halftone
