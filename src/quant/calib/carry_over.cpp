#include "quant/calib/carry_over.h"

#include <algorithm>

#include "base/error.h"

namespace halftone {
namespace {

/// For each state value of the graph, the graph input that its state comes from.
std::map<std::string, std::string> state_origins(const Graph& graph) {
  std::map<std::string, std::string> origins;
  auto is_state = [&](ValueId id) { return id != kNoValue && graph.value(id).type.dtype == DType::state; };
  for (ValueId id : graph.inputs())
    if (is_state(id)) origins[graph.value(id).name] = graph.value(id).name;
  for (const Node& node : graph.nodes())
    for (ValueId input : node.inputs) {
      if (!is_state(input)) continue;
      for (ValueId output : node.outputs)
        if (is_state(output)) origins[graph.value(output).name] = origins.at(graph.value(input).name);
    }
  return origins;
}

bool contains(std::span<const ValueId> values, ValueId value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::shared_ptr<ActivationStore> carry_over(const CalibrationMachine& machine, const Graph& model,
                                            const ActivationStore& from, std::span<const ValueId> live,
                                            std::span<const ValueId> watch,
                                            const CalibrationBlock::Seen& see) {
  auto to = std::make_shared<ActivationStore>(machine.pool, from.samples());
  std::vector<ValueId> values;
  for (ValueId value : live) {
    if (!from.has(value)) {
      values.push_back(value);
      continue;
    }
    for (int s = 0; s < from.samples(); ++s) to->put(s, value, from.find(s, value));
  }
  for (ValueId value : watch)
    if (!contains(values, value)) values.push_back(value);
  std::map<std::string, std::unique_ptr<State>> states;
  run_piece(
      machine, model, from, values,
      [&](int sample, ValueId value, const TensorView& tensor) {
        see(sample, value, tensor);
        if (contains(live, value)) to->put(sample, value, tensor);
      },
      states);
  return to;
}

std::shared_ptr<ActivationStore> stored_samples(const CalibrationMachine& machine, const Graph& graph) {
  const int samples = machine.data->samples();
  if (samples < 1) throw InputError("the calibration data holds no sample");
  auto store = std::make_shared<ActivationStore>(machine.pool, samples);
  for (int s = 0; s < samples; ++s) {
    const std::map<std::string, Tensor> sample = machine.data->sample(s);
    for (ValueId id : graph.inputs()) {
      const Value& value = graph.value(id);
      if (value.type.dtype == DType::state) continue;
      const auto given = sample.find(value.name);
      if (given == sample.end()) throw InputError("calibration sample {} has no input \"{}\"", s, value.name);
      store->put(s, id, given->second.view());
    }
  }
  return store;
}

CalibrationMachine make_machine(const Graph& graph, const CalibrationData& data, const Backend* backend,
                                ThreadPool* threads, size_t memory, fs::path spill_folder) {
  if (spill_folder.empty()) spill_folder = fs::temp_directory_path();
  return {&data, backend, threads, std::make_shared<ActivationPool>(memory, std::move(spill_folder)),
          state_origins(graph)};
}

}  // namespace halftone
