#include "quant/calib/calibration.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/error.h"
#include "graph/subgraph.h"
#include "quant/calib/block_context.h"

namespace halftone {
namespace {

/// One input of a piece: its name there, and the value that it is.
struct PieceInput {
  std::string name;
  ValueId value;
};

std::vector<PieceInput> piece_inputs(const Subgraph& piece) {
  std::vector<PieceInput> inputs;
  for (ValueId id : piece.graph.inputs()) {
    const Value& value = piece.graph.value(id);
    if (value.type.dtype != DType::state)
      inputs.push_back({value.name, piece.origin[static_cast<size_t>(id)]});
  }
  return inputs;
}

void add_squares(const TensorView& made, const TensorView& wanted, OutputError& error) {
  const auto count = static_cast<size_t>(made.shape.elements());
  std::vector<float> a(count), b(count);
  load_floats(made, 0, a);
  load_floats(wanted, 0, b);
  for (size_t i = 0; i < count; ++i) {
    if (std::isinf(b[i]) && a[i] == b[i]) continue;  // a mask's
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error.error_energy += difference * difference;
    error.wanted_energy += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  error.elements += static_cast<int64_t>(count);
}

}  // namespace

std::unique_ptr<State> CalibrationData::make_state(const std::string& name) const {
  throw UnsupportedError("the calibration data has no state for the input \"{}\"", name);
}

int Activations::samples() const {
  return store_->samples();
}

bool Activations::has(ValueId value) const {
  return store_->has(value);
}

Tensor Activations::get(int sample, ValueId value) const {
  const ActivationStore::Slot slot = store_->find(sample, value);
  assert(slot);
  return slot->load();
}

Activations Activations::first(int samples) const {
  return Activations(store_->first(samples));
}

void bind_states(const CalibrationMachine& machine, Session& session,
                 std::map<std::string, std::unique_ptr<State>>& states) {
  const Graph& graph = session.plan().graph();
  for (ValueId id : graph.inputs()) {
    const Value& value = graph.value(id);
    if (value.type.dtype != DType::state) continue;
    std::unique_ptr<State>& state = states[value.name];
    if (!state) state = machine.data->make_state(machine.state_origin.at(value.name));
    session.bind_state(value.name, *state);
  }
}

void run_piece(const CalibrationMachine& machine, const Graph& model, const ActivationStore& from,
               std::span<const ValueId> values, const CalibrationBlock::Seen& see,
               std::map<std::string, std::unique_ptr<State>>& states) {
  std::vector<ValueId> made;
  for (ValueId value : values)
    if (!from.has(value) && std::find(made.begin(), made.end(), value) == made.end()) made.push_back(value);

  std::unique_ptr<Session> session;
  std::vector<PieceInput> inputs;
  if (!made.empty()) {
    Subgraph piece = extract(model, from.own(), made);
    inputs = piece_inputs(piece);
    CompileOptions options;
    options.backend = machine.backend;
    options.as_written = true;
    session = std::make_unique<Session>(compile(std::move(piece.graph), options, *machine.threads),
                                        *machine.threads);
    bind_states(machine, *session, states);
  }
  for (int sample = 0; sample < from.samples(); ++sample) {
    std::vector<Tensor> held;
    if (session) {
      std::map<std::string, TensorView> views;
      for (const PieceInput& input : inputs) {
        held.push_back(from.find(sample, input.value)->load());
        views[input.name] = held.back().view();
      }
      session->run(views);
    }
    for (ValueId value : values) {
      if (const ActivationStore::Slot slot = from.find(sample, value))
        see(sample, value, slot->load().view());
      else
        see(sample, value, session->output(model.value(value).name));
    }
  }
}

CalibrationBlock::CalibrationBlock(BlockContext& context) : context_(context) {}

const Graph& CalibrationBlock::original() const {
  return context_.original;
}

const std::vector<QuantTarget>& CalibrationBlock::targets() const {
  return context_.targets;
}

bool CalibrationBlock::shared(ValueId constant) const {
  return static_cast<size_t>(constant) < context_.shared.size() &&
         context_.shared[static_cast<size_t>(constant)];
}

const std::string& CalibrationBlock::name() const {
  return context_.name;
}

uint64_t CalibrationBlock::seed() const {
  return context_.seed;
}

ThreadPool& CalibrationBlock::threads() const {
  assert(context_.machine.threads);
  return *context_.machine.threads;
}

ThreadPool* CalibrationBlock::pool() const {
  return context_.machine.threads;
}

const Backend* CalibrationBlock::backend() const {
  return context_.machine.backend;
}

bool CalibrationBlock::has_data() const {
  return context_.machine.data != nullptr;
}

int CalibrationBlock::samples() const {
  return (context_.original_inputs ? context_.original_inputs : context_.quantized_inputs)->samples();
}

const Activations& CalibrationBlock::inputs(Prefix prefix) const {
  const auto& inputs = prefix == Prefix::original ? context_.original_inputs : context_.quantized_inputs;
  assert(inputs);  // an algorithm must name the prefix in needs()
  return *inputs;
}

void CalibrationBlock::run(const Graph& model, const Activations& from, std::span<const ValueId> values,
                           const Seen& see) const {
  run_piece(context_.machine, model, *from.store(), values, see, context_.states);
}

Activations CalibrationBlock::record(const Graph& model, const Activations& from,
                                     std::span<const ValueId> values) const {
  auto store = std::make_shared<ActivationStore>(context_.machine.pool, from.samples(), from.store());
  run(model, from, values,
      [&](int sample, ValueId value, const TensorView& tensor) { store->put(sample, value, tensor); });
  return Activations(std::move(store));
}

OutputError CalibrationBlock::compare(const Graph& trial, const Activations& from, const Activations& wanted,
                                      std::span<const ValueId> values) const {
  OutputError error;
  run(trial, from, values, [&](int sample, ValueId value, const TensorView& tensor) {
    add_squares(tensor, wanted.get(sample, value).view(), error);
  });
  return error;
}

void CalibrationBlock::bind_states(Session& session) const {
  halftone::bind_states(context_.machine, session, context_.states);
}

void CalibrationBlock::note(int node, std::string text) {
  const std::string& layer = original().nodes()[static_cast<size_t>(node)].name;
  context_.notes.push_back({layer, context_.algorithm, std::move(text), false});
}

void CalibrationBlock::fallback(int node, std::string text) {
  note(node, std::move(text));
  context_.notes.back().fallback = true;
}

}  // namespace halftone
