#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/kernel.h"
#include "graph/graph.h"
#include "graph/passes/pass.h"
#include "runtime/plan_weights.h"

namespace halftone {

struct CompileOptions {
  const Backend* backend = nullptr;  ///< null: scalar references only
  bool exact = false;                ///< activations stay floating point: no dynamic encodings are added
  bool as_written = false;  ///< encodings of activations are the graph's: none added, none taken away
  bool run_passes = true;
  std::shared_ptr<const PlanCache> cache{};  ///< of packed constants; null: none
  std::string name{};                        ///< of the model, for people who list the cache
  /// Weights that can be read as they are stored are packed between the first runs, not before them.
  bool pack_between_runs = false;
  /// Called as constants are packed: nodes done and in all.
  std::function<void(int done, int total)> progress;
};

/// One node of a plan.
struct Step {
  int node;                                                    ///< position in the graph
  std::string_view kernel;                                     ///< "reference" or the kernel's name
  std::unique_ptr<PreparedKernel> prepared;                    ///< null: the reference, or an alias
  std::vector<std::pair<std::string_view, Refusal>> refusals;  ///< kernels passed over, and why
};

/// A graph with a kernel chosen for each node and its constants packed, or to be packed between runs. Shared
/// by sessions; never changes otherwise.
class Plan {
 public:
  const Graph& graph() const { return graph_; }
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<PassReport>& passes() const { return passes_; }
  /// Constants that nodes read unpacked, by value id (empty elsewhere).
  const std::vector<Operand>& constants() const { return constants_; }
  /// Where the values of a run lie; null: in the host's memory. Constants that kernels read unpacked are
  /// there too: device_constant() is the copy of constants()[value].
  DeviceMemory* memory() const { return memory_; }
  const std::byte* device_constant(ValueId value) const {
    return on_device_[static_cast<size_t>(value)].get();
  }
  size_t packed_bytes() const;
  /// Whether the packed constants came from the plan cache.
  bool from_cache() const { return weights_ && weights_->from_cache(); }
  /// Packs weights that wait for it, for about so long (PlanWeights::pack_more()).
  void pack_more(double milliseconds, ThreadPool& threads) const;
  /// A line a node: operator, kernel, encodings; with refusals where a faster kernel was passed over.
  std::string explain() const;

 private:
  friend std::shared_ptr<const Plan> compile(Graph graph, const CompileOptions& options, ThreadPool& threads);
  void hold(ValueId constant);
  void hold_on_device(ValueId constant);
  void let_go_of_copied();

  DeviceMemory* memory_ = nullptr;
  std::vector<std::shared_ptr<std::byte>> on_device_;
  Graph graph_;
  std::vector<Step> steps_;
  std::vector<PassReport> passes_;
  std::vector<Operand> constants_;
  std::vector<Tensor> held_;  ///< by value
  std::vector<std::shared_ptr<const QuantizedTensor>> held_encoded_;
  std::unique_ptr<PlanWeights> weights_;  ///< behind the steps, whose kernels it packs for
};

/// Runs the standard passes, asks each kernel of the backend in order, packs constants. The reference comes
/// last, so every valid graph compiles.
std::shared_ptr<const Plan> compile(Graph graph, const CompileOptions& options, ThreadPool& threads);

}  // namespace halftone
