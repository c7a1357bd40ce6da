#pragma once

#include <map>
#include <vector>

#include "runtime/session.h"

namespace halftone {

/// Runs a plan whose shapes depend on numbers that only the run computes (NonZero, a Reshape to a computed
/// shape): node by node, shapes inferred as values become known, each value in memory of its own from when it
/// is made to its last use.
class DynamicRun {
 public:
  /// `plan` must outlive this.
  explicit DynamicRun(const Plan& plan);

  /// `inputs` by value id, checked against the graph; `states` by the graph input that each is bound to.
  /// `observer` and `clock` may be empty; the former gets values as they are stored.
  void run(const std::map<ValueId, TensorView>& inputs, const std::map<ValueId, State*>& states,
           const Observer& observer, const StepClock& clock, ThreadPool& threads);

  /// An output of the last run; valid until the next.
  TensorView output(ValueId value) const { return values_[static_cast<size_t>(value)].view(); }
  /// Most bytes that values took at one time so far.
  size_t peak_bytes() const { return peak_bytes_; }

 private:
  OpSite site_of(const Node& node) const;
  std::vector<Operand> operands_of(const Node& node, std::map<ValueId, State*>& states) const;
  void run_node(size_t n, std::map<ValueId, State*>& states, ThreadPool& threads);
  void keep(ValueId id, Tensor tensor);
  void drop_after(size_t n);
  std::span<std::byte> workspace(size_t bytes);

  const Plan& plan_;
  std::vector<std::vector<ValueId>> last_read_by_;  ///< by node: values that nothing reads after it
  std::vector<Tensor> values_;                      ///< by id
  Tensor workspace_;
  size_t live_bytes_ = 0;
  size_t peak_bytes_ = 0;
};

}  // namespace halftone
