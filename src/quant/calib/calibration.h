#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quant/targets.h"
#include "runtime/session.h"

namespace halftone {

/// Samples of what a model will see: texts as tokens, pictures, tensors.
class CalibrationData {
 public:
  virtual ~CalibrationData() = default;
  virtual int samples() const = 0;
  /// One sample: a tensor for each input of the graph that is no state, by name.
  virtual std::map<std::string, Tensor> sample(int index) const = 0;
  /// A state for the graph's state input `name`, as every sample finds it (a KV cache; nothing is in it yet).
  virtual std::unique_ptr<State> make_state(const std::string& name) const;
};

class ActivationStore;
struct BlockContext;

/// Values of a block's graph for every sample. Kept in memory up to the calibration's budget, beyond it in a
/// temporary file. Copies share the values.
class Activations {
 public:
  explicit Activations(std::shared_ptr<ActivationStore> store) : store_(std::move(store)) {}
  int samples() const;
  bool has(ValueId value) const;
  /// The value that sample `sample` gave (the caller may keep it).
  Tensor get(int sample, ValueId value) const;
  /// The first so many samples alone.
  Activations first(int samples) const;
  const std::shared_ptr<ActivationStore>& store() const { return store_; }

 private:
  std::shared_ptr<ActivationStore> store_;
};

/// Which model computed the activations that reach a block.
enum class Prefix {
  original,  ///< the model as it came
  quantized  ///< the blocks before as the recipe left them: what the finished model will see here
};

/// How far outputs are from those wanted, over all samples and elements. Equal infinities are no error.
struct OutputError {
  double error_energy = 0;   ///< sum of squared differences
  double wanted_energy = 0;  ///< sum of squares of the wanted outputs
  int64_t elements = 0;

  double mse() const { return elements ? error_energy / static_cast<double>(elements) : 0; }
  double relative() const { return wanted_energy > 0 ? error_energy / wanted_energy : error_energy; }
};

/// What an algorithm tells of one layer. Fallbacks are what a user must not miss: a dead channel, a constant
/// activation, a damping that was raised, a NaN.
struct LayerNote {
  std::string layer;
  std::string algorithm;
  std::string text;
  bool fallback = false;
};

/// One block of a model under quantization: the part of the graph between two cuts, what the recipe wants of
/// it, and the activations that reach it. All that an algorithm sees.
///
/// `graph` is the block as it stands. Algorithms change its constants, encodings and nodes (equivalent
/// rescalings); the quantizer puts it back into the model when the chain has ended. Its inputs and outputs
/// stay the same values. Values keep their ids, so an id means the same value in `graph`, in original() and
/// in any copy of them made for a trial. Constants in shared() are used by other blocks too and must not
/// change.
class CalibrationBlock {
 public:
  explicit CalibrationBlock(BlockContext& context);
  Graph graph;

  const Graph& original() const;  ///< the block before the chain began: floating weights, no encodings
  /// Weights to quantize; positions of nodes are those of original(). A chain's earlier algorithm may have
  /// set codes of some already.
  const std::vector<QuantTarget>& targets() const;
  bool shared(ValueId constant) const;
  const std::string& name() const;  ///< "model.layers.3", "conv2.0 to conv2.relu"
  uint64_t seed() const;            ///< for algorithms that draw; differs from block to block
  ThreadPool& threads() const;      ///< there with data; without, see pool()
  ThreadPool* pool() const;         ///< null: the caller gave none
  const Backend* backend() const;   ///< null: scalar references

  /// False for algorithms that asked for no data: then only what stands above may be called.
  bool has_data() const;
  int samples() const;
  /// What the block's inputs are. An algorithm must have named the prefix among its needs().
  const Activations& inputs(Prefix prefix) const;

  /// Called with one value of one sample; the view lives only during the call. Samples come in order.
  using Seen = std::function<void(int sample, ValueId value, const TensorView& tensor)>;
  /// Runs `model` (graph, original() or a copy with changes: a trial) over all samples and shows `values`.
  /// Only the nodes between the values that `from` holds and `values` run; what else they need comes from the
  /// inputs that `from` was recorded from. Values may be inputs or held by `from`: they are shown as they
  /// are. Encodings of activations are computed as the graph has them, no others are added.
  void run(const Graph& model, const Activations& from, std::span<const ValueId> values,
           const Seen& see) const;
  /// The same, kept.
  Activations record(const Graph& model, const Activations& from, std::span<const ValueId> values) const;
  /// Runs a trial and compares its `values` with those that `wanted` holds.
  OutputError compare(const Graph& trial, const Activations& from, const Activations& wanted,
                      std::span<const ValueId> values) const;
  /// Binds the states of a session that runs a part of the block.
  void bind_states(Session& session) const;

  /// Notes for the report; `node` is a position in original().
  void note(int node, std::string text);
  void fallback(int node, std::string text);

 private:
  BlockContext& context_;
};

}  // namespace halftone
