#include "quant/reconstruct/reconstruction_loss.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "core/short_floats.h"
#include "grad/gradient.h"
#include "graph/concretize.h"
#include "graph/subgraph.h"
#include "quant/reconstruct/plain_attention.h"
#include "quant/reconstruct/spelled_layers.h"
#include "quant/structure/group_targets.h"

namespace halftone {
namespace {

/// What a model that gives out f16 or bf16 computes (widened_graph.h).
ValueId before_the_cast(const Graph& graph, ValueId output) {
  if (is_short_float(graph.value(output).type.dtype))
    for (const Node& node : graph.nodes())
      if (node.schema->name == "Cast" && node.outputs[0] == output) return node.inputs[0];
  return output;
}

/// Floating outputs of the block, which is what later blocks read.
std::vector<ValueId> outputs_of(const Graph& graph) {
  std::vector<ValueId> outputs;
  for (ValueId id : graph.outputs()) {
    const ValueId computed = before_the_cast(graph, id);
    if (is_float(graph.value(computed).type.dtype) && std::ranges::count(outputs, computed) == 0)
      outputs.push_back(computed);
  }
  return outputs;
}

/// Constants that gradients pass through come as plain f32: kernels of gradients read nothing else.
void decode_constants(Graph& graph) {
  for (size_t i = 0; i < graph.values().size(); ++i) {
    Value& value = graph.value(static_cast<ValueId>(i));
    if (!value.constant || !is_float(value.type.dtype)) continue;
    if (value.constant->encoding())
      value.constant = Constant(value.constant->load_encoded(value.name)->decode());
    else if (value.type.dtype != DType::f32)
      value.constant = Constant(to_f32(value.constant->load()));
    value.type.dtype = DType::f32;
  }
}

/// Puts sizes in the place of open ones where all samples agree on them: some gradients need to know.
void fix_sizes(Graph& graph, std::span<const ValueId> values, const Activations& samples) {
  std::vector<Shape> shapes;
  for (const ValueId value : values) {
    shapes.push_back(samples.get(0, value).shape());
    for (int sample = 1; sample < samples.samples(); ++sample)
      if (samples.get(sample, value).shape() != shapes.back()) return;
  }
  const ConcreteGraph concrete = concretize_inputs(graph, shapes);
  for (size_t i = 0; i < concrete.types.size(); ++i)
    graph.value(static_cast<ValueId>(i)).type = concrete.types[i];
}

/// Infinities that both models have alike (scores under a mask) are no difference.
bool has_infinities(const Activations& samples, ValueId value) {
  for (int sample = 0; sample < samples.samples(); ++sample) {
    const Tensor tensor = samples.get(sample, value);
    if (std::ranges::any_of(tensor.span<float>(), [](float x) { return std::isinf(x); })) return true;
  }
  return false;
}

}  // namespace

ReconstructionLoss::ReconstructionLoss(const CalibrationBlock& block, std::span<const ValueId> trials)
    : samples_(block.samples()),
      from_(block.inputs(Prefix::quantized)),
      wanted_(block.record(block.original(), block.inputs(Prefix::original), outputs_of(block.original()))) {
  for (ValueId id : trials) {
    const Tensor weights = to_f32(block.graph.value(id).constant->load());
    Trial trial{"trial." + block.graph.value(id).name, "gradient." + block.graph.value(id).name,
                Tensor::allocate(DType::f32, weights.shape()), Tensor::zeros(DType::f32, weights.shape())};
    std::ranges::copy(weights.span<float>(), trial.values.mutable_view().span<float>().begin());
    trials_.push_back(std::move(trial));
  }
  build(block, trials);
  for (int sample = 0; sample < samples_; ++sample)
    for (const BlockOutput& output : outputs_) {
      const Tensor wanted = wanted_.get(sample, output.value);
      for (float x : wanted.span<float>()) energy_ += std::isfinite(x) ? double{x} * x : 0;
      elements_ += wanted.shape().elements();
    }
}

void ReconstructionLoss::build(const CalibrationBlock& block, std::span<const ValueId> trials) {
  Graph whole = without_activation_encodings(block.graph);
  std::vector<std::pair<std::string, ValueId>> sequences;  // of each attention: the input that tells its rows
  for (const Node& node : whole.nodes())
    if (node.schema->name == "PagedAttention") sequences.emplace_back(node.name, node.inputs[3]);
  if (replace_paged_attention(whole) > 0)
    for (int sample = 0; sample < samples_; ++sample) {
      const Tensor rows = from_.get(sample, sequences.front().second);
      check_one_sequence(rows, rows.span<int32_t>()[1], block.name());
    }

  spell_out_layers(whole);
  const std::vector<ValueId> outputs = outputs_of(block.original());
  Subgraph piece = extract(whole, {}, outputs);
  Graph& graph = piece.graph;
  for (ValueId id : graph.inputs())
    inputs_.push_back({graph.value(id).name, piece.origin[static_cast<size_t>(id)]});
  decode_constants(graph);
  std::vector<ValueId> sources;
  for (const BlockInput& input : inputs_) sources.push_back(input.value);
  fix_sizes(graph, sources, from_);

  std::vector<ValueId> wrt;
  for (size_t i = 0; i < trials.size(); ++i) {
    wrt.push_back(graph.add_input(trials_[i].input, {DType::f32, trials_[i].values.shape()}));
    graph.replace_uses(piece.to_copy(trials[i]), wrt.back());
  }
  const std::vector<bool> learned = depends_on(graph, wrt);
  std::vector<ValueGradient> seeds;
  for (ValueId output : outputs) {
    const std::string& name = whole.value(output).name;
    const ValueId made = piece.to_copy(output);
    if (!learned[static_cast<size_t>(made)]) continue;  // as it is whatever the trials are: a mask, say
    const ValueId wanted = graph.add_input("wanted." + name, graph.value(made).type);
    ValueId difference = graph.add_node(*find_op("Sub"), "difference." + name, {made, wanted}).front();
    if (has_infinities(wanted_, output)) {
      const ValueId same = graph.add_node(*find_op("Equal"), "same." + name, {made, wanted}).front();
      const ValueId zero = graph.add_constant("zero." + name, Constant(Tensor::from<float>({}, {0})));
      difference = graph.add_node(*find_op("Where"), "finite." + name, {same, zero, difference}).front();
    }
    graph.add_output(difference, "difference." + name);
    outputs_.push_back({"wanted." + name, "difference." + name, output});
    seeds.push_back({made, difference});
  }

  CompileOptions options;
  options.backend = block.backend();
  options.as_written = true;
  forward_ = std::make_unique<Session>(compile(graph, options, block.threads()), block.threads());
  const std::vector<ValueId> gradients = add_gradients(graph, seeds, wrt);
  for (size_t i = 0; i < wrt.size(); ++i) {
    if (gradients[i] == kNoValue)
      throw UnsupportedError("block {}: its outputs do not depend on {}", block.name(), trials_[i].input);
    graph.add_output(gradients[i], trials_[i].output);
  }
  backward_ = std::make_unique<Session>(compile(std::move(graph), options, block.threads()), block.threads());
}

std::map<std::string, TensorView> ReconstructionLoss::load(int sample) {
  held_.clear();
  std::map<std::string, TensorView> views;
  auto hold = [&](const std::string& name, Tensor tensor) {
    views[name] = tensor.view();
    held_.push_back(std::move(tensor));
  };
  for (const BlockInput& input : inputs_) hold(input.name, from_.get(sample, input.value));
  for (const BlockOutput& output : outputs_) hold(output.wanted, wanted_.get(sample, output.value));
  for (const Trial& trial : trials_) views[trial.input] = trial.values.view();
  return views;
}

double ReconstructionLoss::squares(const Session& session) const {
  double sum = 0;
  for (const BlockOutput& output : outputs_)
    for (float x : session.output(output.difference).span<float>()) sum += double{x} * x;
  return sum;
}

double ReconstructionLoss::evaluate(int sample) {
  forward_->run(load(sample));
  return squares(*forward_);
}

double ReconstructionLoss::differentiate(int sample) {
  backward_->run(load(sample));
  for (Trial& trial : trials_) {
    const auto made = backward_->output(trial.output).span<float>();
    const auto sum = trial.gradient.mutable_view().span<float>();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += made[i];
  }
  return squares(*backward_);
}

void ReconstructionLoss::clear_gradients() {
  for (Trial& trial : trials_) std::ranges::fill(trial.gradient.mutable_view().span<float>(), 0.0f);
}

}  // namespace halftone
