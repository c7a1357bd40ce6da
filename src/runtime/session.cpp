#include "runtime/session.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <unordered_map>

#include "base/checked.h"
#include "base/error.h"
#include "runtime/dynamic_run.h"
#include "runtime/shared_steps.h"
#include "runtime/value_layout.h"

namespace halftone {
namespace {

/// Plans for this many sets of dimensions are kept; beyond, all are dropped and made again as needed.
constexpr size_t kMaxBindings = 32;

size_t index(ValueId value) {
  return static_cast<size_t>(value);
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

// `root` follows aliases to the value that owns the bytes. Operands are built once for an arena address;
// those that point at graph inputs are refreshed for each run.
struct Session::Binding {
  struct Place {
    size_t node;
    size_t slot;
    ValueId root;
  };
  std::vector<ValueType> types;              // by value, concrete
  std::vector<ValueId> root;                 // by value
  std::vector<size_t> offsets;               // by value; of roots in the arena
  std::vector<int64_t> row_steps;            // by value; of rows inside those of a Concat
  std::vector<OpSite> sites;                 // by node; may point into `known`
  std::vector<const SharedOperand*> shared;  // by node; null: run() of its own
  std::vector<Tensor> known;                 // by value
  std::unordered_map<std::string_view, ValueId> outputs;
  std::vector<ValueId> passed_through;  // inputs that are outputs
  size_t workspace_offset = 0;
  size_t workspace_bytes = 0;
  size_t arena_bytes = 0;
  // Set where shapes depend on numbers that the run computes: then there is no arena, and nothing else here.
  std::unique_ptr<DynamicRun> dynamic;

  std::vector<bool> follows_from_sizes;  // by node; on a device: its outputs are `known`, and copied there
  std::vector<size_t> input_offsets;     // by value; of inputs that are copied to the device, all from
  size_t inputs_begin = 0;               // here to the arena's end
  const std::byte* base = nullptr;
  std::unique_ptr<DeviceMemory::Recording> recording;   // of all steps, at `base`
  int runs = 0;                                         // at `base`
  std::vector<std::vector<Operand>> operands;           // by node
  std::vector<std::vector<MutableTensorView>> results;  // by node
  std::vector<Place> from_inputs;
};

Session::Session(std::shared_ptr<const Plan> plan, ThreadPool& threads)
    : plan_(std::move(plan)), threads_(threads) {}
Session::~Session() = default;

void Session::bind_state(std::string_view input, State& state) {
  const Graph& graph = plan_->graph();
  for (ValueId id : graph.inputs()) {
    if (graph.value(id).name != input || graph.value(id).type.dtype != DType::state) continue;
    states_[id] = &state;
    bindings_.clear();
    last_ = nullptr;
    return;
  }
  throw InputError("the graph has no state input \"{}\"", input);
}

namespace {

/// Sizes of the graph's symbols, read off the shapes of the inputs, and behind them those of the dimensions
/// of inputs that the graph does not know.
std::vector<int64_t> sizes_of(const Graph& graph, const std::map<std::string, TensorView>& inputs) {
  std::vector<int64_t> sizes(graph.symbols().size(), Shape::kUnknownDim);
  size_t used = 0;
  for (ValueId id : graph.inputs()) {
    const Value& value = graph.value(id);
    if (value.type.dtype == DType::state) continue;
    auto found = inputs.find(value.name);
    if (found == inputs.end()) throw InputError("input \"{}\" is missing", value.name);
    ++used;
    const TensorView& given = found->second;
    if (given.dtype != value.type.dtype)
      throw InputError("input \"{}\": expected {}, found {}", value.name, dtype_name(value.type.dtype),
                       dtype_name(given.dtype));
    if (given.shape.rank() != value.type.shape.rank())
      throw InputError("input \"{}\": expected {} dimensions, found {}", value.name, value.type.shape.rank(),
                       given.shape.rank());
    for (int axis = 0; axis < given.shape.rank(); ++axis) {
      const int64_t wanted = value.type.shape[axis];
      if (wanted >= 0) {
        if (given.shape[axis] != wanted)
          throw InputError("input \"{}\": expected {} along dimension {}, found {}", value.name, wanted, axis,
                           given.shape[axis]);
        continue;
      }
      if (wanted == Shape::kUnknownDim) {
        sizes.push_back(given.shape[axis]);
        continue;
      }
      const size_t symbol = static_cast<size_t>(Shape::dim_symbol(wanted));
      const Symbol& known = graph.symbols()[symbol];
      if (given.shape[axis] < known.min || given.shape[axis] > known.max)
        throw InputError("input \"{}\": {} must be {} to {}, found {}", value.name, known.name, known.min,
                         known.max, given.shape[axis]);
      if (sizes[symbol] != Shape::kUnknownDim && sizes[symbol] != given.shape[axis])
        throw InputError("input \"{}\": {} is {} here and {} elsewhere", value.name, known.name,
                         given.shape[axis], sizes[symbol]);
      sizes[symbol] = given.shape[axis];
    }
  }
  if (used != inputs.size())
    for (const auto& given : inputs)
      if (std::none_of(graph.inputs().begin(), graph.inputs().end(),
                       [&](ValueId id) { return graph.value(id).name == given.first; }))
        throw InputError("the graph has no input \"{}\"", given.first);
  return sizes;
}

/// Shapes of the graph's inputs; states have none in `inputs`, but sizes of symbols.
std::vector<Shape> input_shapes(const Graph& graph, const std::map<std::string, TensorView>& inputs,
                                const std::vector<int64_t>& sizes) {
  std::vector<Shape> shapes;
  for (ValueId id : graph.inputs()) {
    const Value& value = graph.value(id);
    if (value.type.dtype != DType::state) {
      shapes.push_back(inputs.at(value.name).shape);
      continue;
    }
    Shape shape = value.type.shape;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] < Shape::kUnknownDim)
        shape[axis] = sizes[static_cast<size_t>(Shape::dim_symbol(shape[axis]))];
    shapes.push_back(shape);
  }
  return shapes;
}

/// A channels-last value whose rows lie `row_step` elements apart, side by side.
Tensor join_rows(const TensorView& spaced, int64_t row_step) {
  Tensor joined = Tensor::allocate(spaced.dtype, spaced.shape);
  const size_t element = dtype_bytes(spaced.dtype);
  const size_t row = static_cast<size_t>(spaced.shape[1]) * element;
  std::byte* to = joined.mutable_view().data;
  for (size_t i = 0; i * row < spaced.size_bytes(); ++i)
    std::copy_n(spaced.data + i * static_cast<size_t>(row_step) * element, row, to + i * row);
  return joined;
}

std::map<ValueId, TensorView> by_id(const Graph& graph, const std::map<std::string, TensorView>& inputs) {
  std::map<ValueId, TensorView> views;
  for (ValueId id : graph.inputs())
    if (const auto given = inputs.find(graph.value(id).name); given != inputs.end())
      views[id] = given->second;
  return views;
}

}  // namespace

Session::Binding& Session::bind(const std::map<std::string, TensorView>& inputs) {
  const Graph& graph = plan_->graph();
  const std::vector<int64_t> sizes = sizes_of(graph, inputs);
  if (auto found = bindings_.find(sizes); found != bindings_.end()) return *found->second;
  if (bindings_.size() >= kMaxBindings) bindings_.clear();

  auto binding = std::make_unique<Binding>();
  Binding& b = *binding;
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    b.outputs.emplace(graph.output_names()[i], graph.outputs()[i]);
  ConcreteGraph concrete = concretize_inputs(graph, input_shapes(graph, inputs, sizes));
  if (!concrete.is_complete()) {
    if (plan_->memory())
      throw UnsupportedError("shapes that depend on computed numbers run on the host only (--device cpu)");
    b.dynamic = std::make_unique<DynamicRun>(*plan_);
    return *bindings_.emplace(sizes, std::move(binding)).first->second;
  }
  ValueLayout layout = lay_out_values(graph, concrete, plan_->steps());
  b.types = std::move(concrete.types);
  b.sites = std::move(concrete.sites);
  b.known = std::move(concrete.known);
  b.root = std::move(layout.root);
  b.offsets = std::move(layout.offsets);
  b.row_steps = std::move(layout.row_steps);
  std::vector<bool> is_output(graph.values().size());
  for (ValueId id : graph.outputs()) is_output[index(b.root[index(id)])] = true;
  for (ValueId id : graph.inputs())
    if (is_output[index(id)] && b.types[index(id)].dtype != DType::state) b.passed_through.push_back(id);
  for (size_t n = 0; n < b.sites.size(); ++n) b.shared.push_back(shares_with_step_before(*plan_, n));
  for (size_t n = 0; n < b.sites.size(); ++n)
    if (const auto& prepared = plan_->steps()[n].prepared)
      b.workspace_bytes = std::max(b.workspace_bytes, prepared->workspace_bytes(b.sites[n]));
  b.workspace_offset = round_up(layout.arena_bytes, size_t{64});
  b.arena_bytes = b.workspace_offset + b.workspace_bytes;
  if (plan_->memory()) {
    place_known(b);
    b.input_offsets.resize(graph.values().size());
    b.inputs_begin = b.arena_bytes = round_up(b.arena_bytes, size_t{256});
    for (ValueId id : graph.inputs()) {
      if (b.types[index(id)].dtype == DType::state) continue;
      b.input_offsets[index(id)] = b.arena_bytes = round_up(b.arena_bytes, size_t{256});
      b.arena_bytes += TensorView{b.types[index(id)].dtype, b.types[index(id)].shape, nullptr}.size_bytes();
    }
  }
  return *bindings_.emplace(sizes, std::move(binding)).first->second;
}

/// What is known from the sizes gets a place on the device that no other value of these sizes takes, and is
/// never computed.
void Session::place_known(Binding& b) {
  const Graph& graph = plan_->graph();
  for (const Node& node : graph.nodes()) {
    const bool known = !node.outputs.empty() && std::ranges::all_of(node.outputs, [&](ValueId id) {
      return !b.known[index(id)].empty() && b.root[index(id)] == id && graph.value(id).storage.plain();
    });
    b.follows_from_sizes.push_back(known);
    if (!known) continue;
    for (ValueId id : node.outputs) {
      b.offsets[index(id)] = b.arena_bytes = round_up(b.arena_bytes, size_t{256});
      b.arena_bytes += b.known[index(id)].size_bytes();
    }
  }
}

void Session::upload_known(const Binding& b) {
  const Graph& graph = plan_->graph();
  for (size_t n = 0; n < b.follows_from_sizes.size(); ++n)
    if (b.follows_from_sizes[n])
      for (ValueId id : graph.nodes()[n].outputs) {
        const TensorView& known = b.known[index(id)].view();
        plan_->memory()->upload(const_cast<std::byte*>(b.base) + b.offsets[index(id)], known.data,
                                known.size_bytes());
      }
}

void Session::place_operands(Binding& b) {
  const Graph& graph = plan_->graph();
  std::byte* base = arena(b.arena_bytes);
  b.base = base;
  b.recording.reset();
  b.runs = 0;
  b.operands.assign(graph.nodes().size(), {});
  b.results.assign(graph.nodes().size(), {});
  b.from_inputs.clear();
  std::map<ValueId, State*> states = states_;
  std::vector<bool> is_input(graph.values().size());
  for (ValueId id : graph.inputs()) is_input[index(id)] = true;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    State* state = nullptr;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Operand operand;
      const ValueId id = node.inputs[i];
      if (id != kNoValue) {
        const ValueId root = b.root[index(id)];
        const Value& value = graph.value(root);
        operand.present = true;
        if (b.types[index(id)].dtype == DType::state) {
          auto bound = states.find(id);
          if (bound == states.end()) throw InputError("the state \"{}\" is not bound", graph.value(id).name);
          operand.state = state = bound->second;
        } else if (value.constant) {
          operand = plan_->constants()[index(root)];
          operand.tensor.shape = b.types[index(id)].shape;
          if (plan_->memory() && plan_->steps()[n].prepared)
            operand.tensor.data = plan_->device_constant(root);
        } else {
          operand.tensor = {stored_dtype(b.types[index(id)].dtype, graph.value(id).storage),
                            b.types[index(id)].shape, base + b.offsets[index(root)]};
          if (is_input[index(root)]) {
            if (plan_->memory())
              operand.tensor.data = base + b.input_offsets[index(root)];
            else
              b.from_inputs.push_back({n, i, root});
          }
        }
      }
      b.operands[n].push_back(operand);
    }
    for (ValueId id : node.outputs) {
      if (b.types[index(id)].dtype == DType::state) states[id] = state;
      b.results[n].push_back({stored_dtype(b.types[index(id)].dtype, graph.value(id).storage),
                              b.types[index(id)].shape, base + b.offsets[index(id)]});
    }
  }
}

void Session::run(const std::map<std::string, TensorView>& inputs) {
  const auto start = std::chrono::steady_clock::now();
  // Weights that wait are packed for as long before each run as somebody has waited for the first.
  if (first_run_ms_ > 0) plan_->pack_more(first_run_ms_, threads_);
  run_bound(inputs);
  if (first_run_ms_ <= 0) first_run_ms_ = milliseconds_since(start);
}

void Session::run_bound(const std::map<std::string, TensorView>& inputs) {
  const Graph& graph = plan_->graph();
  Binding& b = bind(inputs);
  const bool arena_is_anothers = last_ != &b;
  last_ = &b;
  if (b.dynamic) {
    const auto shown = [this](const Value& value, const TensorView& stored) { show(value, stored); };
    return b.dynamic->run(by_id(graph, inputs), states_, observer_ ? Observer(shown) : Observer(), clock_,
                          threads_);
  }
  std::byte* base = arena(b.arena_bytes);
  const bool moves = b.base != base;
  if (moves) place_operands(b);
  if (moves || arena_is_anothers) upload_known(b);
  for (const Binding::Place& place : b.from_inputs)
    b.operands[place.node][place.slot].tensor.data = inputs.at(graph.value(place.root).name).data;
  fetched_.clear();
  if (DeviceMemory* memory = plan_->memory()) {
    given_.resize(b.arena_bytes - b.inputs_begin);
    for (ValueId id : graph.inputs())
      if (const auto given = inputs.find(graph.value(id).name); given != inputs.end())
        std::ranges::copy(given->second.bytes(),
                          given_.data() + (b.input_offsets[index(id)] - b.inputs_begin));
    memory->upload(base + b.inputs_begin, given_.data(), given_.size());
    // What a first run showed to work is recorded in the second and only replayed from then on.
    const bool watched = observer_ || clock_;
    if (!watched && b.runs == 1 && std::all_of(b.sites.begin(), b.sites.end(), [&](const OpSite& site) {
          const auto n = static_cast<size_t>(&site - b.sites.data());
          return site.is_alias() || b.follows_from_sizes[n] || plan_->steps()[n].prepared;
        }))
      b.recording = memory->record([&] { run_steps(b); });
    if (b.recording && !watched)
      b.recording->replay();
    else
      run_steps(b);
    ++b.runs;
  } else {
    run_steps(b);
  }
  for (ValueId id : b.passed_through) passed_through_[id] = inputs.at(graph.value(id).name);
}

std::byte* Session::arena(size_t bytes) {
  if (DeviceMemory* memory = plan_->memory()) {
    if (device_arena_bytes_ < bytes) {
      device_arena_.reset();
      device_arena_ = memory->allocate(bytes, "the values of a run");
      device_arena_bytes_ = bytes;
    }
    return device_arena_.get();
  }
  if (arena_.empty() || arena_.size_bytes() < bytes)
    arena_ = Tensor::allocate(DType::u8, {static_cast<int64_t>(bytes)});
  return arena_.mutable_view().data;
}

void Session::run_steps(Binding& b) {
  const Graph& graph = plan_->graph();
  const std::span<std::byte> workspace{const_cast<std::byte*>(b.base) + b.workspace_offset,
                                       b.workspace_bytes};
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    run_step(b, n, workspace);
    if (!observer_) continue;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (b.types[index(node.outputs[i])].dtype == DType::state) continue;
      const TensorView made = b.sites[n].is_alias() ? alias_view(b, n) : TensorView(b.results[n][i]);
      const int64_t row_step = b.row_steps[index(node.outputs[i])];
      const Tensor joined = row_step > 0 ? join_rows(made, row_step) : Tensor();
      show(graph.value(node.outputs[i]), row_step > 0 ? joined.view() : made);
    }
  }
}

void Session::run_step(const Binding& b, size_t n, std::span<std::byte> workspace) {
  const Step& step = plan_->steps()[n];
  if (!step.prepared && b.sites[n].is_alias()) return;
  if (!b.follows_from_sizes.empty() && b.follows_from_sizes[n]) return;
  const auto start = clock_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  const std::vector<ValueId>& outputs = plan_->graph().nodes()[n].outputs;
  const int64_t row_step = outputs.empty() ? 0 : b.row_steps[index(outputs[0])];
  if (b.shared[n])
    b.shared[n]->run_on_form({b.sites[n], b.operands[n], b.results[n], workspace, threads_});
  else if (step.prepared)
    step.prepared->run({b.sites[n], b.operands[n], b.results[n], workspace, threads_, row_step});
  else if (plan_->memory())
    run_on_host(b, n);
  else
    run_reference(b.sites[n], b.operands[n], b.results[n]);
  if (clock_ && plan_->memory()) plan_->memory()->wait();
  if (clock_) clock_(n, milliseconds_since(start));
}

/// Runs a node's reference: its operands are copied to the host, its results back.
void Session::run_on_host(const Binding& b, size_t n) {
  const Node& node = plan_->graph().nodes()[n];
  std::vector<Operand> operands = b.operands[n];
  std::vector<Tensor> copies;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].state)
      throw UnsupportedError("{} ({}): no kernel of this backend takes it, and its state lies on the device",
                             node.name, node.schema->name);
    if (!operands[i].present || plan_->graph().value(b.root[index(node.inputs[i])]).constant) continue;
    copies.push_back(on_host(operands[i].tensor));
    operands[i].tensor = copies.back().view();
  }
  std::vector<Tensor> made;
  std::vector<MutableTensorView> results;
  for (const MutableTensorView& result : b.results[n]) {
    made.push_back(Tensor::allocate(result.dtype, result.shape));
    results.push_back(made.back().mutable_view());
  }
  run_reference(b.sites[n], operands, results);
  for (size_t i = 0; i < made.size(); ++i)
    plan_->memory()->upload(b.results[n][i].data, made[i].view().data, made[i].size_bytes());
}

Tensor Session::on_host(const TensorView& view) const {
  Tensor copy = Tensor::allocate(view.dtype, view.shape);
  plan_->memory()->download(copy.mutable_view().data, view.data, view.size_bytes());
  return copy;
}

void Session::show(const Value& value, const TensorView& stored_anywhere) const {
  const Tensor fetched = plan_->memory() ? on_host(stored_anywhere) : Tensor();
  const TensorView& stored = plan_->memory() ? fetched.view() : stored_anywhere;
  if (value.storage.plain()) return observer_(value, stored);
  Tensor plain = Tensor::allocate(value.type.dtype, stored.shape);
  load_stored(stored, value.storage, plain.mutable_view());
  observer_(value, plain.view());
}

TensorView Session::alias_view(const Binding& b, size_t node) const {
  TensorView view = b.operands[node][0].tensor;
  view.shape = b.results[node][0].shape;
  return view;
}

TensorView Session::output_in_place(std::string_view name) const {
  const ValueId id = output_id(name);
  if (last_->dynamic) return last_->dynamic->output(id);
  const ValueId root = last_->root[index(id)];
  TensorView view{last_->types[index(id)].dtype, last_->types[index(id)].shape, nullptr};
  if (auto passed = passed_through_.find(root); passed != passed_through_.end())
    view.data = passed->second.data;
  else if (plan_->graph().value(root).constant)
    view.data = plan_->constants()[index(root)].tensor.data;
  else
    view.data = last_->base + last_->offsets[index(root)];
  return view;
}

TensorView Session::output(std::string_view name) const {
  const TensorView view = output_in_place(name);
  if (!plan_->memory()) return view;
  const ValueId id = output_id(name), root = last_->root[index(id)];
  if (view.data != last_->base + last_->offsets[index(root)]) return view;
  Tensor& fetched = fetched_[id];
  if (fetched.empty()) fetched = on_host(view);
  return fetched.view();
}

ValueId Session::output_id(std::string_view name) const {
  assert(last_);
  const auto found = last_->outputs.find(name);
  if (found == last_->outputs.end()) throw InputError("the graph has no output \"{}\"", name);
  return found->second;
}

size_t Session::arena_bytes() const {
  if (last_ && last_->dynamic) return last_->dynamic->peak_bytes();
  if (plan_->memory()) return device_arena_bytes_;
  return arena_.empty() ? 0 : arena_.size_bytes();
}

size_t Session::workspace_bytes() const {
  return last_ ? last_->workspace_bytes : 0;
}

}  // namespace halftone
